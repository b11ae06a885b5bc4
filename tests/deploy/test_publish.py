"""A model file and its manifest are replaced together, even if the process is killed; its files are cleaned up."""
import errno
import json
import os
import resource
import shutil
import signal

import pytest

from tinynets import files
from tinynets.deploy import manifest
from tinynets.deploy.manifest import manifest_path, publish, read_manifest

ABOUT = {'format': 1, 'kind': 'ONNX', 'network': {'name': 'tinynet_e'}, 'class_names': ['a', 'b'],
         'preprocessing': {'resolution': 16, 'crop_ratio': 0.875, 'interpolation': 'bicubic_antialiased',
                           'mean': [0.5] * 3, 'deviation': [0.2] * 3, 'channels': 'RGB', 'layout': 'NCHW'},
         'input': {'name': 'images', 'shape': [None, 3, 16, 16], 'dtype': 'float32'}, 'weights': 'raw', 'config': {}}
OLD, NEW = b'old model', b'new model, longer'


def publishing(tmp_path, content, **changes):
    work = tmp_path / 'work'
    work.write_bytes(content)
    publish(str(work), str(tmp_path / 'out' / 'net.onnx'), {**ABOUT, **changes})


def pair(tmp_path):
    """Return (content of the model, `weights` of its manifest), or None if there is no valid pair."""
    path = tmp_path / 'out' / 'net.onnx'
    try:
        return path.read_bytes(), read_manifest(str(path))['weights']
    except (ValueError, FileNotFoundError):
        return None


@pytest.mark.parametrize('before', ['whole pair', 'nothing', 'another model', 'no manifest', 'no model', 'no JSON'])
@pytest.mark.parametrize('call', ['replace', 'mkdtemp', 'copyfile'])
def test_killed_at_every_call_the_old_or_the_new_pair_is_whole(tmp_path, before, call, monkeypatch):
    place = {'replace': os, 'mkdtemp': files.tempfile, 'copyfile': shutil}[call]
    for kill_at in range(1, 20):
        for when in ('before', 'after'):
            shutil.rmtree(tmp_path / 'out', ignore_errors=True)
            (tmp_path / 'out').mkdir()
            path = tmp_path / 'out' / 'net.onnx'
            if before != 'nothing':
                publishing(tmp_path, OLD)
            if before == 'another model':
                path.write_bytes(b'other')
            elif before == 'no manifest':
                os.remove(manifest_path(path))
            elif before == 'no model':
                path.unlink()
            elif before == 'no JSON':
                (tmp_path / 'out' / 'net.onnx.json').write_text('{')
            was = pair(tmp_path)
            child = os.fork()
            if not child:
                original, count = getattr(place, call), 0

                def killed(*arguments, **options):
                    nonlocal count
                    count += 1
                    if count == kill_at and when == 'before':
                        os.kill(os.getpid(), signal.SIGKILL)
                    result = original(*arguments, **options)
                    if count == kill_at:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return result
                setattr(place, call, killed)
                try:
                    publishing(tmp_path, NEW, weights='ema')
                finally:
                    os._exit(0)
            ended = os.waitpid(child, 0)[1]
            now = pair(tmp_path)
            assert now in (was, (NEW, 'ema')), (kill_at, when)
            publishing(tmp_path, NEW, weights='ema')  # the next writer leaves nothing of the killed one's
            assert pair(tmp_path) == (NEW, 'ema') and len(os.listdir(tmp_path / 'out')) == 2
            assert 'next' not in json.loads((tmp_path / 'out' / 'net.onnx.json').read_text())
            if not ended:
                assert now == (NEW, 'ema') and kill_at > 1
                return
    pytest.fail('it never ends')


def test_a_manifest_in_between_describes_either_file(tmp_path):
    """The states before and after the model's move, if the process is killed there."""
    (tmp_path / 'out').mkdir()
    publishing(tmp_path, OLD)
    path = tmp_path / 'out' / 'net.onnx'
    old = read_manifest(str(path))
    publishing(tmp_path, NEW, weights='ema')
    new = read_manifest(str(path))
    between = tmp_path / 'out' / 'net.onnx.json'
    between.write_text(json.dumps({**old, 'next': new}))
    assert read_manifest(str(path)) == new
    path.write_bytes(OLD)
    assert read_manifest(str(path)) == old
    path.write_bytes(b'neither')
    with pytest.raises(ValueError, match='sha256 differs'):
        read_manifest(str(path))
    for following in (None, [], 'x', {'sha256': 3}):
        path.write_bytes(OLD)
        between.write_text(json.dumps({**old, 'next': following}))
        assert read_manifest(str(path)) == old


@pytest.mark.parametrize('place, value', [
    ('kind', 3), ('network', []), ('network', {}), ('network.name', 5), ('class_names', []), ('class_names', None),
    ('class_names', [1, 2]), ('class_names', {'a': 'b'}), ('preprocessing', None), ('preprocessing', [1]),
    ('input', 'x'), ('input.name', None), ('input.name', ''), ('weights', 7), ('config', None),
    ('config', 'x' * 10 ** 6), ('sha256', None), ('sha256', 'f' * 64), ('format', 2), ('format', 'x' * 10 ** 6),
    ('format', None)])
def test_a_manifest_of_the_wrong_kind_is_one_line(tmp_path, place, value):
    (tmp_path / 'out').mkdir()
    publishing(tmp_path, OLD)
    path = tmp_path / 'out' / 'net.onnx.json'
    whole = json.loads(path.read_text())
    place, _, key = place.partition('.')
    (whole[place] if key else whole)[key or place] = value
    path.write_text(json.dumps(whole))
    with pytest.raises(ValueError) as error:
        read_manifest(str(tmp_path / 'out' / 'net.onnx'))
    assert str(tmp_path / 'out' / 'net.onnx') in str(error.value) and len(str(error.value)) < 500
    if not key:
        del whole[place]
        path.write_text(json.dumps(whole))
        with pytest.raises(ValueError):
            read_manifest(str(tmp_path / 'out' / 'net.onnx'))


@pytest.mark.parametrize('text', ['[]', 'null', '3', '"x"', '[' * 10 ** 5, '{"next": {}}', ''])
def test_a_manifest_that_is_no_object_is_one_line(tmp_path, text):
    (tmp_path / 'out').mkdir()
    publishing(tmp_path, OLD)
    (tmp_path / 'out' / 'net.onnx.json').write_text(text)
    with pytest.raises(ValueError, match='^' + str(tmp_path / 'out' / 'net.onnx.json')):
        read_manifest(str(tmp_path / 'out' / 'net.onnx'))


def test_a_full_disk_leaves_the_old_pair_and_names_the_file(tmp_path, monkeypatch):
    (tmp_path / 'out').mkdir()
    publishing(tmp_path, OLD)

    def full(*arguments):
        raise OSError(28, 'No space left on device')
    for place, name in ((manifest.shutil, 'copyfile'), (manifest, 'write_json')):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, full)
            with pytest.raises(OSError) as error:
                publishing(tmp_path, NEW)
            assert error.value.filename == str(tmp_path / 'out' / 'net.onnx')
        assert pair(tmp_path) == (OLD, 'raw') and sorted(os.listdir(tmp_path / 'out')) == ['net.onnx', 'net.onnx.json']


@pytest.mark.parametrize('limit', [0, 9_000])
def test_a_copy_that_does_not_fit_names_the_file_that_was_to_be(limit, tmp_path):
    """Python's error of a copy names the source first, a file in another hidden folder."""
    (tmp_path / 'out').mkdir()
    publishing(tmp_path, OLD)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(OSError) as error, files.workplace(tmp_path) as folder:
        work = os.path.join(folder, 'work')
        with open(work, 'wb') as file:
            file.write(bytes(100_000))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            publish(work, str(tmp_path / 'out' / 'net.onnx'), ABOUT)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.value.errno == errno.EFBIG and error.value.filename == str(tmp_path / 'out' / 'net.onnx')
    assert pair(tmp_path) == (OLD, 'raw') and sorted(os.listdir(tmp_path / 'out')) == ['net.onnx', 'net.onnx.json']
