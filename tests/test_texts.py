"""Texts as editors of other systems leave them: a byte-order mark and other line ends change nothing, another coding is
named in one line."""
import codecs
import json
import os
import subprocess
import sys

import pytest

from tinynets.arch import resolve
from tinynets.config import load_config
from tinynets.data.packed import PackedImages
from tinynets.deploy.convert import read_class_names
from tinynets.deploy.manifest import read_manifest
from tinynets.files import file_hash, read_text
from tinynets.formula.records import read
from tinynets.formula.tiny import PUBLISHED, Formula
from tinynets.launch import table_devices
from tinynets.model.pretrained import read_description
from tinynets.parsing import read_json
from tinynets.text import shorten, shown
from tinynets.training.run import RunFolder

BASE = resolve('efficientnet_b0')
RECORDS = 'name,r,d,w,top1\na,1,1,1,70\nb,0.8,1,0.9,60\nc,0.5,0.9,0.7,50\n'
METRICS = ''.join(json.dumps({'kind': kind, 'step': 1, 'epoch': 0.5, 'loss': 2.5, 'learning_rate': 0.1,
                              'images_per_s': 9.5, 'top1': 50.0, 'top5': 90.0, 'count': 4}) + '\n'
                  for kind in ('train', 'eval'))
TABLE = {'server_list': [{'server_id': 'a', 'device': [{'device_id': '3', 'rank_id': '0'}]}]}
MANIFEST = {'format': 1, 'kind': 'ONNX', 'file': 'x.onnx', 'weights': 'raw', 'config': {}, 'output': {},
            'network': {'name': 'tinynet_e'}, 'class_names': ['a'], 'input': {'name': 'images'},
            'preprocessing': {'resolution': 32, 'crop_ratio': 1, 'interpolation': 'bicubic_antialiased',
                              'layout': 'NCHW', 'mean': [0, 0, 0], 'deviation': [1, 1, 1], 'channels': 'RGB'}}


def manifest_of(path):
    model = path.parent / 'x.onnx'
    model.write_bytes(b'model')
    return read_manifest(str(model))


def packed(path):
    with pytest.raises(FileNotFoundError, match='gone.mindrecord: missing from the packed set'):
        PackedImages(str(path.parent))
    return 'read'


def described(path):
    return read_description(str(path.parent / 'model.safetensors'))


# kind -> (file name, its text, reader)
READERS = {
    'class names': ('names.txt', 'c00\nc01\nlast\n', lambda path: read_class_names(str(path))),
    'configuration': ('c.yaml', 'model:\n  name: tinynet_a\ntrain:\n  epochs: 3\n',
                      lambda path: load_config(str(path))),
    'formula': ('f.json', PUBLISHED.read_text(), lambda path: vars(Formula.load(str(path)))['points']),
    'records': ('r.csv', RECORDS, lambda path: [vars(record) for record in read(str(path), BASE).records]),
    'rank table': ('t.json', json.dumps(TABLE, indent=1), lambda path: table_devices(str(path), 1, 1, 0)),
    'manifest': ('x.onnx.json', json.dumps(MANIFEST, indent=1), manifest_of),
    'packed set': ('pack.json', json.dumps({'class_names': ['a'], 'count': 1, 'files': {'gone.mindrecord': 1}},
                                           indent=1), packed),
    'published weights': ('config.json', json.dumps({'architecture': 'tinynet_a'}, indent=1), described),
    'metrics': ('metrics.jsonl', METRICS,
                lambda path: RunFolder(str(path.parent)).records()),
}
ENDS = {'lines of Unix': '\n', 'of Windows': '\r\n', 'of an old Mac': '\r'}


@pytest.mark.parametrize('what', READERS)
def test_marks_and_line_ends_change_nothing(what, tmp_path, monkeypatch):
    name, text, reader = READERS[what]
    if what == 'manifest':
        (tmp_path / 'x.onnx').write_bytes(b'model')
        text = json.dumps({**MANIFEST, 'sha256': file_hash(tmp_path / 'x.onnx')}, indent=1)
    path = tmp_path / name
    path.write_bytes(text.encode())
    plain = reader(path)
    assert plain
    for mark in (b'', codecs.BOM_UTF8):
        for end in ENDS.values():
            path.write_bytes(mark + text.replace('\n', end).encode())
            assert reader(path) == plain, (mark, end)


@pytest.mark.parametrize('what', READERS)
@pytest.mark.parametrize('coding', ['utf-16', 'utf-16-be', 'utf-16-le', 'utf-32'])
def test_another_coding_is_named_in_one_line(what, coding, tmp_path):
    name, text, reader = READERS[what]
    marks = {'utf-16-be': codecs.BOM_UTF16_BE, 'utf-16-le': codecs.BOM_UTF16_LE}
    (tmp_path / name).write_bytes(marks.get(coding, b'') + text.encode(coding))
    with pytest.raises(ValueError, match=f'{name}.*\\bis {coding.upper()[:6]}; save it as UTF-8') as raised:
        reader(tmp_path / name)
    assert '\n' not in str(raised.value) and str(raised.value).count(name) == 1


def test_text_that_is_not_utf8_is_named_with_its_line(tmp_path):
    (tmp_path / 'a.txt').write_bytes(b'one\ncaf\xe9\n')
    with pytest.raises(ValueError, match='a.txt: not in UTF-8, byte 7 \\(line 2\\)'):
        read_text(tmp_path / 'a.txt')
    assert read_text(tmp_path / 'a.txt', 'replace') == 'one\ncaf\ufffd\n'
    (tmp_path / 'a.txt').write_bytes('größe'.encode('utf-16-le'))  # without a mark
    with pytest.raises(ValueError, match='is UTF-16 or no text; save it as UTF-8'):
        read_text(tmp_path / 'a.txt')


def test_only_the_first_mark_and_no_other_break_is_taken(tmp_path):
    (tmp_path / 'n.txt').write_bytes('\ufeffa\u2028b\x85c\x0bd\n\ufeffe\n'.encode())
    assert read_class_names(str(tmp_path / 'n.txt')) == ['a\u2028b\x85c\x0bd', '\ufeffe']


@pytest.mark.parametrize('text', ['{"a": NaN}', '{"a": -Infinity}', '[1e999]', '["\\udce9"]', '{"\\ud800": 1}', '[1',
                                  '', '[' * 100_000, '[1] 2', '["\t"]'])
def test_json_that_other_readers_refuse_is_refused(text, tmp_path):
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(ValueError, match='a.json: not valid JSON') as raised:
        read_json(tmp_path / 'a.json')
    assert len(str(raised.value)) < 250 + len(str(tmp_path))


def test_json_keeps_its_values(tmp_path):
    (tmp_path / 'a.json').write_text('{"a": [1, 1.5, true, null, "\\u00e9", "\\ud83d\\ude00"]}')
    assert read_json(tmp_path / 'a.json') == {'a': [1, 1.5, True, None, 'é', '😀']}


def test_the_launcher_reads_a_rank_table_without_the_packages_on_its_path(root, tmp_path):
    (tmp_path / 't.json').write_bytes(codecs.BOM_UTF16_LE)
    environment = {**os.environ, 'RANK_TABLE_FILE': str(tmp_path / 't.json'), 'DEVICE': 'Ascend'}
    environment.pop('PYTHONPATH', None)
    done = subprocess.run([sys.executable, root / 'src/tinynets/launch.py', 'train.py',
                           'configs/tinynet_e_digits.yaml', '2'],
                          capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count('\n') == 1 and 'is UTF-16; save it as UTF-8' in done.stderr


@pytest.mark.parametrize('length, limit', [(0, 100), (99, 100), (100, 100), (101, 100), (5000, 100), (7, 7), (8, 7)])
def test_a_text_is_cut_only_where_it_does_not_fit(length, limit):
    text = ''.join(chr(97 + i % 26) for i in range(length))
    cut = shorten(text, limit)
    if length <= limit:
        assert cut == text
    else:
        begin, end = cut.split('...')
        assert len(cut) == limit and text.startswith(begin) and text.endswith(end) and len(begin) > len(end) > 0


def test_a_number_agrees_with_its_noun():
    from tinynets.text import counted
    assert [counted(n, 'image') for n in (0, 1, 2, 1200)] == ['0 images', '1 image', '2 images', '1,200 images']


def test_values_of_any_size_are_shown_in_a_line():
    assert shown([1, 'a', None]) == "[1, 'a', None]" and shown(10 ** 99) == str(10 ** 99)
    assert shown(10 ** 5000) == 'a number of 16,610 bits'  # which Python refuses to write out
    nested = []
    for _ in range(1000):
        nested = [nested] * 9
    for value in (nested, 'x' * 10 ** 6, dict.fromkeys(range(10 ** 5)), [list(range(100))] * 100):
        assert len(shown(value)) <= 100
