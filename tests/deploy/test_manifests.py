"""One schema, two readers: Python and the C++ program accept and refuse the same manifests, each in one line."""
import copy
import json
import pathlib
import subprocess

import numpy as np
import pytest

from tests.deploy.test_edge import photograph
from tinynets.data import images
from tinynets.data.presets import eval_transform
from tinynets.deploy.manifest import check_manifest, read_manifest
from tinynets.files import file_hash
from tinynets.parsing import read_json
from tinynets.preprocessing import check_preprocessing

GREY = {'resolution': 32, 'crop_ratio': 0.875, 'interpolation': 'bicubic_antialiased', 'mean': [0.5],
        'deviation': [0.2], 'channels': 'L', 'layout': 'NCHW'}
COLOUR = {**GREY, 'mean': [0.485, 0.456, 0.406], 'deviation': [0.229, 0.224, 0.225], 'channels': 'RGB'}


def manifest(preset):
    channels = 1 if preset['channels'] == 'L' else 3
    return {'format': 1, 'kind': 'ONNX', 'file': 'x.onnx', 'sha256': '0' * 64, 'weights': 'ema', 'config': {},
            'network': {'name': 'tinynet_e', 'num_classes': 2, 'in_channels': channels}, 'class_names': ['a', 'b'],
            'classes_named': True, 'division': None, 'task': 'classification',
            'preprocessing': preset, 'input': {'name': 'images', 'shape': [None, channels, 32, 32], 'dtype': 'float32'},
            'output': {'name': 'logits', 'shape': [None, 2], 'dtype': 'float32'}}


@pytest.fixture(scope='module')
def program(build):
    """The C++ program that reads a manifest and images and needs no SDK."""
    return build / 'tinynet_preprocess'


def by_program(program, path):
    """'' where the manifest is accepted (the image is not there: exit code 1), else the line that refuses it."""
    done = subprocess.run([program, path, path.parent / 'out', 'absent.png'], capture_output=True)
    (path.parent / 'out').unlink(missing_ok=True)
    assert done.returncode in (1, 2) and done.stderr.count(b'\n') == 1, done
    return done.stderr.decode() if done.returncode == 2 else ''


def by_python(path):
    try:
        check_manifest(read_json(path))
    except ValueError as error:
        assert str(error) and '\n' not in str(error) and len(str(error)) < 500
        return str(error)
    return ''


def verdicts(program, text, folder):
    path = folder / 'm.json'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return by_python(path), by_program(program, path)


def places(tree, above=()):
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield (*above, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*above, key))


VALUES = [None, True, False, 0, 1, 2, 3, -1, 32, 31, 33, 4096, 4097, 1.0, 32.0, 1.5, 0.1, 0.0999, 1.0001, 1e-3, 9.99e-4,
          10, 10.001, -10, -10.001, 1e308, -1e308, 1e-300, 5e-324, 10 ** 30, '', 'x', ' ', 'é', 'raw', 'ema', 'RGB',
          'L', 'BGR', 'NHWC', 'NCHW', 'bilinear', '0.5', 'float16', [], {}, [[]], [0.5], [0.5] * 2, [0.5] * 3,
          [0.5] * 4, [None] * 3, [True] * 3, ['0.5'] * 3, ['a', 'a'], ['a', ''], ['a', 'b'], ['a', 'c', 'd'],
          [None, 3, 32, 32], [1, 3, 32, 32], [1, 1, 32, 32], [2, 3, 32, 32], [None, 2], [1.0, 2], [True, 2],
          {'name': 'x'}, {'name': ''}, {'name': 3}]


@pytest.mark.parametrize('preset', [COLOUR, GREY], ids=['colour', 'grey'])
def test_both_readers_say_the_same_of_every_change(preset, program, tmp_path):
    whole = manifest(preset)
    assert verdicts(program, json.dumps(whole), tmp_path) == ('', '')
    refused = 0
    for place in places(whole):
        for value in [..., *VALUES]:
            changed = copy.deepcopy(whole)
            target = changed
            for key in place[:-1]:
                target = target[key]
            if value is ...:
                del target[place[-1]]
            else:
                target[place[-1]] = value
            python, cpp = verdicts(program, json.dumps(changed), tmp_path)
            assert bool(python) == bool(cpp), (place, value, python, cpp)
            refused += bool(python)
    assert refused > 1000


# decided independently of the readers: (key of preprocessing, value, allowed)
KNOWN = [('mean', None, False), ('mean', [1e308] * 3, False), ('mean', [-10, 0, 10], True),
         ('mean', [0, 0, 10.01], False), ('mean', [0.5, 0.5], False), ('mean', 0.5, False),
         ('mean', ['0.5'] * 3, False), ('mean', [True, 0, 0], False), ('deviation', [1e308, 1, 1], False),
         ('deviation', [1, 1e-300, 1], False), ('deviation', [1, 1, -1], False), ('deviation', [1, 0, 1], False),
         ('deviation', [1e-3, 10, 1], True), ('deviation', [1 / 255] * 3, True), ('deviation', [1, 1, 1], True),
         ('crop_ratio', 0, False), ('crop_ratio', 1.01, False), ('crop_ratio', 1, True), ('crop_ratio', 0.1, True),
         ('crop_ratio', 0.09, False), ('crop_ratio', '0.875', False), ('resolution', 0, False),
         ('resolution', 4096, True), ('resolution', 4097, False), ('resolution', 1, True), ('resolution', 32.0, False),
         ('resolution', True, False), ('resolution', 10 ** 30, False), ('interpolation', 'bilinear', False),
         ('interpolation', None, False), ('layout', 'NHWC', False), ('channels', 'BGR', False),
         ('channels', 'L', False)]


@pytest.mark.parametrize('key, value, allowed', KNOWN)
def test_numbers_that_make_no_sense_are_refused_and_named(key, value, allowed, program, tmp_path):
    whole = manifest({**COLOUR, key: value})
    if key == 'resolution' and allowed:
        whole['input']['shape'][2:] = [value, value]
    python, cpp = verdicts(program, json.dumps(whole), tmp_path)
    assert (python == '', cpp == '') == (allowed, allowed)
    if not allowed:
        word = 'deviation' if key == 'deviation' else 'mean' if key in ('mean', 'channels') and value != 'BGR' else key
        assert f'preprocessing.{word}' in python and f'preprocessing.{word}' in cpp
        with pytest.raises(ValueError, match=f'preprocessing.{word}'):
            check_preprocessing(whole['preprocessing'], 3)


@pytest.mark.parametrize('text', [
    '', '{', '[]', 'null', '3', '"x"', '{"format": 2}', '{} {}', '{}\0', '{"a": NaN}', '{"a": Infinity}',
    '{"a": 1e999}', '{"a": 1' + 309 * '0' + '}', '{"a": -1e999}', '{"a": "\\ud800"}',
    b'{"a": "\xff"}', b'\xff\xfe{\0}\0', '[' * 100_000,
    '{"a":' * 100_000, '[' * 200_000 + ']' * 200_000])
def test_what_is_no_manifest_is_refused_by_both(text, program, tmp_path):
    python, cpp = verdicts(program, text, tmp_path)
    assert python and 'not a manifest of export.py' in cpp


@pytest.mark.parametrize('levels, allowed', [(63, True), (64, False)])
@pytest.mark.parametrize('inside', ['', '1', '"x"', 'null'])
def test_both_read_the_same_depth(levels, allowed, inside, program, tmp_path):
    text = json.dumps(manifest(COLOUR))[:-1] + ', "more": ' + '[' * levels + inside + ']' * levels + '}'
    assert [bool(verdict) for verdict in verdicts(program, text, tmp_path)] == [not allowed] * 2


@pytest.mark.parametrize('before, after, allowed', [
    ('', '\0', False), ('', '\0{}', False), ('', ' \n', True), ('\ufeff', '', True), ('\ufeff\ufeff', '', False)])
def test_both_read_a_text_to_its_end(before, after, allowed, program, tmp_path):
    text = before + json.dumps(manifest(COLOUR)) + after
    assert [bool(verdict) for verdict in verdicts(program, text, tmp_path)] == [not allowed] * 2


@pytest.mark.parametrize('digits, allowed', [(309, True), (310, False), (4300, False), (4301, False)])
def test_both_read_whole_numbers_up_to_the_largest_float(digits, allowed, program, tmp_path):
    text = json.dumps(manifest(COLOUR))[:-1] + ', "more": 1' + '0' * (digits - 1) + '}'
    assert [bool(verdict) for verdict in verdicts(program, text, tmp_path)] == [not allowed] * 2


WHOLE = {'rule': 'names', 'val': [0, 2 ** 48], 'train': [5, 5], 'images': 9, 'digest': 'x'}


@pytest.mark.parametrize('division, allowed', [
    (WHOLE, True), (None, True), ({}, False), ([], False), (3, False), ('x', False), (True, False),
    ({**WHOLE, 'rule': 'others'}, False), ({**WHOLE, 'val': [0]}, False), ({**WHOLE, 'val': [0, 1, 2]}, False),
    ({**WHOLE, 'val': [0, -1]}, False), ({**WHOLE, 'train': [0, 2 ** 48 + 1]}, False),
    ({**WHOLE, 'train': [0, 1.0]}, False), ({**WHOLE, 'train': [0, True]}, False), ({**WHOLE, 'train': 'ab'}, False),
    ({**WHOLE, 'images': -1}, False), ({**WHOLE, 'images': 10 ** 30}, False), ({**WHOLE, 'digest': 1}, False)])
def test_both_read_a_division_or_refuse_it(division, allowed, program, tmp_path):
    python, cpp = verdicts(program, json.dumps({**manifest(COLOUR), 'division': division}), tmp_path)
    assert (python == '', cpp == '') == (allowed, allowed)
    assert allowed or 'its division of the data set cannot be read' in python + cpp


HASHES = {'own': 'AAAAAAAB', 'shared': '', 'end': 2 ** 48}


def part(**changes):
    return {'complete': True, 'parts': [{**HASHES, **changes}]}


@pytest.mark.parametrize('trained, allowed', [
    (part(), True), (None, True), (part(own='az09AZ+/' * 20_000), True), (part(end=0), True),
    ({'complete': False, 'parts': []}, True), ({'complete': True, 'parts': [HASHES] * 4}, True),
    ({'complete': True, 'parts': [HASHES] * 5}, False), ({'complete': 1, 'parts': []}, False),
    ({'complete': True, 'parts': {}}, False), ({'complete': True, 'parts': [[]]}, False), ({'parts': []}, False),
    ({}, False), ([], False), (3, False), ('x', False), (True, False), (part(own='AAAA'), False),
    (part(own='AAAAAAA='), False), (part(own='AAAAAAA-'), False),
    (part(own='AAAAAA\xe9'), False), (part(own='AAAAAAA\n'), False),
    (part(own='AAAAAAAA' * 20_001), False), (part(shared=None), False),
    (part(shared='AAAAAAA'), False), (part(end=-1), False), (part(end=2 ** 48 + 1), False),
    (part(end=1.0), False), (part(end=True), False)])
def test_both_read_names_of_training_images_or_refuse_them(trained, allowed, program, tmp_path):
    python, cpp = verdicts(program, json.dumps({**manifest(COLOUR), 'trained': trained}), tmp_path)
    assert (python == '', cpp == '') == (allowed, allowed)
    assert allowed or 'its names of training images cannot be read' in python + cpp


PROBE = {'seed': 2 ** 32 - 1, 'logits': [1, -2.5]}


@pytest.mark.parametrize('probe, allowed', [
    (PROBE, True), (None, True), ({**PROBE, 'seed': 0, 'logits': [1e30, -1e30]}, True), ({}, False), ([], False),
    (3, False), ('x', False), (True, False), ({**PROBE, 'seed': -1}, False), ({**PROBE, 'seed': 2 ** 32}, False),
    ({**PROBE, 'seed': 1.0}, False), ({**PROBE, 'seed': True}, False), ({**PROBE, 'logits': [1]}, False),
    ({**PROBE, 'logits': [1, 2, 3]}, False), ({**PROBE, 'logits': [1, None]}, False),
    ({**PROBE, 'logits': [1, True]}, False), ({**PROBE, 'logits': [1, 1.1e30]}, False),
    ({**PROBE, 'logits': [1, '2']}, False), ({**PROBE, 'logits': {'0': 1, '1': 2}}, False)])
def test_both_read_a_probe_or_refuse_it(probe, allowed, program, tmp_path):
    python, cpp = verdicts(program, json.dumps({**manifest(COLOUR), 'probe': probe}), tmp_path)
    assert (python == '', cpp == '') == (allowed, allowed)
    assert allowed or ('probe is ' in python and 'a seed and a number for each class' in cpp)


def test_a_probes_image_is_that_of_the_standard_generator():
    """The first outputs of the Mersenne Twister for the seed 5489 are in its authors' and C++'s documents."""
    from tinynets.deploy.manifest import probe_image
    image = probe_image(5489, (2, 5))
    first = [3499211612, 581869302, 3890346734, 3586334585, 545404204]
    assert image.dtype == np.float32 and image.shape == (2, 5) and np.abs(image).max() <= 1
    np.testing.assert_allclose(image[0], np.array(first) / 2 ** 31 - 1, atol=1e-7)


def test_a_mark_and_other_line_ends_change_nothing(program, tmp_path):
    text = b'\xef\xbb\xbf' + json.dumps(manifest(GREY), indent=1).replace('\n', '\r\n').encode()
    assert verdicts(program, text, tmp_path) == ('', '')


def test_a_refusal_names_the_file_and_the_remedy(program, tmp_path):
    (tmp_path / 'x.onnx').write_bytes(b'model')
    path = pathlib.Path(f'{tmp_path}/x.onnx.json')
    whole = {**manifest(COLOUR), 'sha256': file_hash(tmp_path / 'x.onnx')}
    path.write_text(json.dumps(whole))
    assert read_manifest(str(tmp_path / 'x.onnx')) == whole
    whole['preprocessing'] = {**COLOUR, 'deviation': [1e308] * 3}
    path.write_text(json.dumps(whole))
    reason = 'x.onnx.json: not a manifest of export.py .preprocessing.deviation is .*; export the model again$'
    with pytest.raises(ValueError, match=reason) as raised:
        read_manifest(str(tmp_path / 'x.onnx'))
    assert '\n' not in str(raised.value)
    said = by_program(program, path)
    assert said.startswith(f'error: {path}: not a manifest of export.py (preprocessing.deviation is ')


@pytest.mark.parametrize('resolution, crop_ratio', [(32, 0.875), (33, 1.0), (58, 0.9)])
def test_grey_tensors_are_pythons_to_the_bit(resolution, crop_ratio, program, tmp_path):
    preset = {**GREY, 'resolution': resolution, 'crop_ratio': crop_ratio, 'mean': [0.449], 'deviation': [0.226]}
    whole = manifest(preset)
    whole['input']['shape'][2:] = [resolution, resolution]
    (tmp_path / 'm.json').write_text(json.dumps(whole))
    files = []
    for width, height in ((40, 30), (200, 20), (7, 90), (64, 64)):
        files += [tmp_path / f'{width}x{height}.{ending}' for ending in ('png', 'jpg')]
        photograph(width, height).save(files[-2])
        turned = b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'
        photograph(width, height).save(files[-1], exif=turned)
    photograph(50, 50).convert('L').save(tmp_path / 'grey.png')
    files.append(tmp_path / 'grey.png')
    done = subprocess.run([program, tmp_path / 'm.json', tmp_path / 'out', *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    got = np.fromfile(tmp_path / 'out', np.float32).reshape(len(files), 1, resolution, resolution)
    for path, tensor in zip(files, got):
        np.testing.assert_array_equal(tensor, eval_transform(preset)(images.decode(path)), err_msg=path.name)
