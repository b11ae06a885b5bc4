"""Unusual names: accents in two forms, bytes that are not text, line breaks, commas."""
import json
import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from tinynets.data.classes import UnknownClass, class_name, known_names
from tinynets.data.classification import ImageFolder
from tinynets.files import check_text_path
from tinynets.parsing import parse_json, read_json

NFC, NFD = unicodedata.normalize('NFC', 'café'), unicodedata.normalize('NFD', 'café')
ODD = ['a,b', 'a|b', 'a\nb', 'a\tb', '"q"', "it's", '$x$', '日本', '<b>', '-x', '`rm`', '😀']


def folder_of(root, names):
    for i, name in enumerate(names):
        folder = os.path.join(os.fsencode(root), name if isinstance(name, bytes) else name.encode())
        os.makedirs(folder)
        for k in range(2):
            pixels = np.full((8, 8, 3), 20 * i + k, np.uint8)
            with open(os.path.join(folder, b'caf\xe9 %d.png' % k), 'wb') as file:
                Image.fromarray(pixels).save(file, 'PNG')
    return str(root)


def test_odd_names_of_classes_and_files_are_taken_as_they_are(tmp_path):
    folder = folder_of(tmp_path / 'set', ODD)
    data = ImageFolder(folder, report=pytest.fail)
    assert data.class_names == tuple(sorted(ODD)) and len(data) == 2 * len(ODD)
    for i in range(len(data)):
        name = os.path.basename(os.path.dirname(data.name(i)))
        assert data.class_names[data.labels[i]] == name
        assert np.asarray(data.image(i))[0, 0, 0] // 20 == ODD.index(name)


@pytest.mark.parametrize('name, reason', [(b'caf\xe9', 'not in UTF-8'), (b'\xff', 'not in UTF-8'), (b' ', 'blank'),
                                          ('\u3000'.encode(), 'blank'), (b'\t', 'blank')])
def test_a_class_that_no_checkpoint_can_hold_is_named_at_the_start(name, reason, tmp_path):
    folder = folder_of(tmp_path / 'set', ['good', name])
    with pytest.raises(ValueError, match=f'{folder}: the class folder .*{reason}') as raised:
        ImageFolder(folder)
    assert '\n' not in str(raised.value)


def test_a_name_is_the_same_in_a_terminal_of_ascii():
    assert class_name('f', os.fsdecode('é'.encode())) == 'é'
    ascii_view = 'é'.encode().decode('ascii', 'surrogateescape')  # Python's form of it under LC_ALL=C
    assert ascii_view.encode('utf-8', 'surrogateescape').decode() == class_name('f', ascii_view) == 'é'


@pytest.mark.parametrize('written, known', [(NFD, NFC), (NFC, NFD)])
def test_accents_match_in_either_form_and_it_is_said(written, known, tmp_path):
    folder, said = folder_of(tmp_path / 'set', [written, 'tea']), []
    data = ImageFolder(folder, class_names=('milk', known, 'tea'), report=said.append)
    assert data.class_names == ('milk', known, 'tea') and sorted(set(data.labels)) == [1, 2]
    assert len(said) == 1 and 'normal form: 1, the first' in said[0]
    assert ascii(written) in said[0] and ascii(known) in said[0]
    same = ImageFolder(folder, class_names=(written, 'tea'), report=pytest.fail)
    assert same.class_names == (written, 'tea')


def test_two_classes_that_look_the_same_are_refused(tmp_path):
    folder = folder_of(tmp_path / 'set', [NFC, NFD])
    for known in (None, (NFC, 'x'), (NFC, NFD)):
        with pytest.raises(ValueError, match="differ in Unicode's normal form alone|is not one of"):
            ImageFolder(folder, class_names=known)
    for name, known in (('cafè', [NFC, NFD]), ('ﬁ', ['fi']), ('Ａ', ['A', 'B']), ('cafe\u0301s', [NFC])):
        with pytest.raises(UnknownClass, match='is not one of the'):
            known_names('f', [name], known, pytest.fail)
    three = 'ệ', 'e\u0323\u0302', 'e\u0302\u0323'  # one letter in three forms: ambiguous between two
    with pytest.raises(UnknownClass, match='is not one of the 2 known'):
        known_names('f', [three[2]], three[:2], pytest.fail)
    assert known_names('f', [three[2]], three[:1], lambda line: None) == {three[2]: three[0]}


def test_the_card_holds_every_name_in_its_cell(small_config):
    from tinynets.training.card import _markdown
    cells = [_markdown(name) for name in [*ODD, 'a\u2028b']]
    assert not any(set(cell) & set('\n\t\r') for cell in cells)
    assert cells[0] == '"a,b"' and cells[1] == 'a\\|b' and cells[2] == 'a\\nb'
    assert cells[8] == '\\<b\\>' and cells[7] == '日本'


def test_what_breaks_or_turns_a_line_is_shown_as_escapes():
    from tinynets.runtime import printable
    assert printable('a\u2028b\u202ec\u2066\x1b\x85') == 'a\\u2028b\\u202ec\\u2066\\x1b\\x85'
    assert printable('é 日本 \u2027\u202f\u2065\u206a') == 'é 日本 \u2027\u202f\u2065\u206a'


def test_paths_that_are_no_text_are_refused_before_the_work(tmp_path):
    from tinynets.deploy.export import export
    from tinynets.deploy.predict import load_predictor
    from tinynets.training.run import RunFolder
    path = os.path.join(str(tmp_path), os.fsdecode(b'caf\xe9'))
    for use in (lambda: check_text_path(path), lambda: RunFolder.new(path), lambda: load_predictor(path + '.onnx'),
                lambda: export('x.ckpt', ['ONNX'], path)):
        with pytest.raises(ValueError, match='the path is not in UTF-8'):
            use()
    check_text_path(tmp_path / 'café')
    assert os.listdir(tmp_path) == []


def test_a_checkpoints_description_may_hold_a_path_that_a_shared_file_may_not(tmp_path):
    text = json.dumps({'dir': os.fsdecode(b'caf\xe9')})
    assert parse_json(text)['dir'] == os.fsdecode(b'caf\xe9')
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(ValueError, match='half of a surrogate pair'):
        read_json(tmp_path / 'a.json')


@pytest.mark.parametrize('coding', [{'PYTHONIOENCODING': 'ascii'},
                                    {'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}])
def test_a_terminal_of_ascii_gets_escapes_and_the_files_are_in_utf8(coding, trained, entry, tmp_path):
    from tinynets.model import checkpoint
    saved = checkpoint.load(str(trained / 'best.ckpt'))
    names = ['é', '日本', *(str(i) for i in range(8))]
    checkpoint.save(str(tmp_path / 'x.ckpt'), saved.arrays, {**saved.meta, 'class_names': names})
    with open(os.path.join(os.fsencode(tmp_path), 'bild-ä.png'.encode()), 'wb') as file:
        Image.new('RGB', (16, 16), (200, 10, 10)).save(file, 'PNG')
    done = entry('predict.py', '--model', tmp_path / 'x.ckpt', '--images', tmp_path / 'bild-ä.png', '--topk', '10',
                 '--plot', tmp_path / 'p.png', env={**os.environ, **coding})
    assert done.returncode == 0 and done.stderr == '', done.stderr
    assert '\\xe9 ' in done.stdout and '\\u65e5\\u672c' in done.stdout and done.stdout.isascii()
    assert (tmp_path / 'p.png').exists()
