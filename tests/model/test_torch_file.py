"""Files of torch.save: valid ones are read, hostile and damaged ones refused, and no code in them is run."""
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.golden import rule
from tests.model import archives
from tests.model.archives import call, mapping, name, number, row, storage, tensor, text
from tinynets.model import torch_file
from tinynets.model.torch_file import BFLOAT16, TorchFileError, read

FOUR = np.arange(4, dtype='<f4').tobytes()


def state_of_the_rule():
    """What tests/golden/generate_torch_files.py put into its files."""
    whole = rule.weight('whole', (6, 7))
    half_bits = rule.weight('bfloat16', (2, 3)).view(np.uint32)
    rounded = (half_bits + 0x7fff + (half_bits >> 16 & 1)) >> 16  # to the nearest, halves to even
    return {'float': rule.weight('float', (3, 4)), 'half': rule.weight('half', (5,)).astype(np.float16),
            'bfloat16': rounded.astype(np.uint16), 'double': rule.weight('double', (2, 2)).astype(np.float64),
            'counter': np.array(7), 'empty': np.zeros((0, 3), np.float32), 'parameter': rule.weight('parameter', (3,)),
            'transposed': whole.T, 'part': whole[1:4, 2:6], 'channels_last': rule.weight('channels_last', (2, 3, 4, 5))}


@pytest.mark.parametrize('file', ['torch.pth', 'torch_legacy.pth', 'torch_training.pth'])
def test_files_of_pytorch(root, file):
    arrays, wanted = read(str(root / 'tests' / 'golden' / file)), state_of_the_rule()
    assert list(arrays) == list(wanted)
    assert arrays['bfloat16'].dtype == BFLOAT16
    arrays['bfloat16'] = arrays['bfloat16']['bfloat16']
    for title, array in wanted.items():
        assert arrays[title].dtype == array.dtype, title
        np.testing.assert_array_equal(arrays[title], array, err_msg=title)
        assert not arrays[title].flags.writeable


def test_the_weights_of_a_training_checkpoint(root, tmp_path):
    training = str(root / 'tests' / 'golden' / 'torch_training.pth')
    assert list(read(training, 'raw')) == ['a'] and 'part' in read(training, 'ema')
    path, arrays = str(tmp_path / 'x.pth'), {'_orig_mod.module.a.weight': np.arange(6, dtype=np.float32).reshape(2, 3)}
    for wrap, kinds in (('model', ('auto', 'raw')), ('state_dict', ('auto', 'raw')), ('model_ema', ('auto', 'ema')),
                        (None, ('auto', 'raw'))):
        archives.write_state(path, arrays, wrap=wrap)
        for kind in kinds:
            np.testing.assert_array_equal(read(path, kind)['a.weight'], arrays['_orig_mod.module.a.weight'])
    with pytest.raises(TorchFileError, match='no averaged weights'):
        read(path, 'ema')
    for prefix in ('', 'module.', '_orig_mod.', 'module._orig_mod.'):
        archives.write_state(path, {f'{prefix}a.module.weight': np.zeros(1)})
        assert list(read(path)) == ['a.module.weight'], prefix
    archives.write_state(path, {'module.a': np.zeros(1), 'a': np.zeros(2)})
    with pytest.raises(TorchFileError, match='differ by a prefix only'):
        read(path)


@pytest.mark.parametrize('order', ['little', 'big'])
def test_byte_orders(tmp_path, order):
    arrays = {'a': rule.weight('a', (3, 2)), 'b': np.array(-2, np.int64), 'c': np.array([1, 2, 4], np.float16)}
    archives.write_state(tmp_path / 'x.pth', arrays, order)
    for title, array in read(str(tmp_path / 'x.pth')).items():
        np.testing.assert_array_equal(array, arrays[title])


class Runs:
    """An object that makes a file when Python unpickles it."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def pickled(value, protocol=2):
    return pickle.dumps(value, protocol)[2:-1]


GOOD = tensor(storage('0'))
DEEP = b')' + b'\x85' * 200_000  # ((((...),),),)
HOSTILE = {  # title -> (pickle, words of the error)
    'a system call': (pickled(Runs(os.system, 'touch ran')), "asks for 'posix.system'"),
    'one among weights': (mapping({'a': GOOD, 'b': pickled(Runs(os.system, 'touch ran'))}), "asks for 'posix.system'"),
    'a system call, protocol 4': (b'\x8c\x05posix\x8c\x06system\x93\x8c\x09touch ran\x85R', "asks for 'posix.system'"),
    'eval': (pickled(Runs(eval, 'open("ran", "w")')), "asks for '__builtin__.eval'"),
    'getattr': (name('builtins', 'getattr'), "asks for 'builtins.getattr'"),
    'a name within a name': (text('torch._utils') + text('_rebuild_tensor_v2.__globals__') + b'\x93', 'asks for'),
    'names that are no text': (number(3) + number(4) + b'\x93', 'not one of a state dictionary'),
    'a name that is half right': (name('collections', 'OrderedDict.fromkeys'), 'asks for'),
    'the opcode INST': (b'(' + text('touch ran') + b'ios\nsystem\n', 'opcode INST'),
    'the opcode OBJ': (b'(' + name('collections', 'OrderedDict') + b'o', 'opcode OBJ'),
    'an extension': (b'\x82\x01', 'opcode EXT1'),
    'a call of text': (text('os.system') + row(text('touch ran')) + b'R', 'not one of a state dictionary'),
    'a call of a storage class': (call(name('torch', 'FloatStorage'), number(2**40)), 'damaged'),
    'arguments for a dictionary': (call(name('collections', 'OrderedDict'), row(row(DEEP, b'N'))), 'damaged'),
    'attributes of a function': (name('torch._utils', '_rebuild_tensor_v2') + b'}b', 'not one of a state dictionary'),
    'attributes of a tensor': (mapping({'a': GOOD + b'}b'}), 'not one of a state dictionary'),
    'a deep key': (b'}' + DEEP + b'Ns', 'not one of a state dictionary'),
    'a deep value': (mapping({'a': b']' * 100_000 + b'a' * 99_999}), "'a' in it is of type list"),
    'a deep tuple': (DEEP, 'of type tuple'),
    'itself': (b'}q\x01' + text('a') + b'h\x01s', "'a' in it is of type dict"),
    'a copied stack': (b'N2', 'opcode DUP'),
    'a byte array of 2^60': (b'\x96' + struct.pack('<Q', 2**60), 'damaged'),
    'text of 4 GB': (b'X\xff\xff\xff\xff', 'damaged'),
    'a whole number of 2 GB': (b'\x8b\xff\xff\xff\x7f', 'damaged'),
    'nothing on the stack': (b'', 'damaged'),
    'a mark that is missing': (b't', 'damaged'),
    'a memo that is missing': (b'h\x07', 'damaged'),
    'no tensor': (mapping({'epoch': number(3)}), "'epoch' in it is of type int"),
    'no name': (b'}' + number(3) + GOOD + b's', "'3' in it is of type tensor"),
    'a list': (b']', 'of type list'),
    'nothing': (b'}', 'no state dictionary'),
    'a number in place of weights': (mapping({'state_dict': number(3)}), "under 'state_dict' no state dictionary"),
    'another persistent thing': (row(text('module'), b'N', b'N', b'N', b'N') + b'Q', 'more than a state dictionary'),
    'a view of a storage': (mapping({'a': tensor(row(text('storage'), name('torch', 'FloatStorage'), text('0'),
                                                     text('cpu'), number(4), row(text('1'), number(0), number(4)))
                                                 + b'Q')}), 'more than a state dictionary'),
    'a storage outside': (mapping({'a': tensor(storage('../../../etc/passwd'))}), 'is missing in it'),
    'a storage that is missing': (mapping({'a': tensor(storage('1'))}), 'is missing in it'),
    'a storage of more numbers': (mapping({'a': tensor(storage('0', count=5))}), '16 bytes, not 5 numbers of 4'),
    'a storage of 2^60 numbers': (mapping({'a': tensor(storage('0', count=2**60))}), 'not a possible whole number'),
    'a storage of wider numbers': (mapping({'a': tensor(storage('0', 'DoubleStorage'))}), 'not 4 numbers of 8'),
    'a storage of two kinds': (mapping({'a': GOOD, 'b': tensor(storage('0', 'IntStorage'))}), 'in two ways'),
    'a storage of no kind': (mapping({'a': tensor(storage('0', 'ComplexFloatStorage'))}), 'asks for'),
    'a shape beyond': (mapping({'a': tensor(storage('0'), (5,))}), 'beyond its storage'),
    'a shape far beyond': (mapping({'a': tensor(storage('0'), (2**40, 2**40), (0, 0))}), 'beyond its storage'),
    'a stride beyond': (mapping({'a': tensor(storage('0'), (2, 2), (3, 1))}), 'beyond its storage'),
    'an offset beyond': (mapping({'a': tensor(storage('0'), (3,), (1,), 2)}), 'beyond its storage'),
    'an offset below': (mapping({'a': tensor(storage('0'), (2,), (1,), -1)}), 'not a possible whole number'),
    'a negative stride': (mapping({'a': tensor(storage('0'), (2,), (-1,), 2)}), 'not a possible whole number'),
    'more shape than strides': (mapping({'a': tensor(storage('0'), (2, 1), (1,))}), '2 axes and 1 strides'),
}


def test_a_storage_that_is_no_view_may_say_so(tmp_path):
    """As torch.save wrote it before release 1.6: its last field is None."""
    whole = row(text('storage'), name('torch', 'FloatStorage'), text('0'), text('cpu'), number(4), b'N') + b'Q'
    archives.write(tmp_path / 'x.pth', mapping({'a': tensor(whole)}), {'0': FOUR})
    np.testing.assert_array_equal(read(str(tmp_path / 'x.pth'))['a'], np.frombuffer(FOUR, '<f4'))


@pytest.mark.parametrize('title', HOSTILE)
def test_hostile_pickles(tmp_path, monkeypatch, title):
    hostile, words = HOSTILE[title]
    archives.write(tmp_path / 'x.pth', hostile, {'0': FOUR})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TorchFileError, match=words) as caught:
        read('x.pth')
    assert str(caught.value).startswith('x.pth: ') and '\n' not in str(caught.value) and len(str(caught.value)) < 300
    assert os.listdir(tmp_path) == ['x.pth']  # a call would have made another


def test_claims_take_no_memory(tmp_path):
    path = str(tmp_path / 'x.pth')
    tracemalloc.start()
    for title in ('a byte array of 2^60', 'text of 4 GB', 'a whole number of 2 GB', 'a shape far beyond'):
        archives.write(path, HOSTILE[title][0], {'0': FOUR})
        with pytest.raises(TorchFileError):
            read(path)
    archives.write(path, mapping({'a': GOOD + b'r\xff\xff\xff\xff', 'b': b'j\xff\xff\xff\xff'}), {'0': FOUR})
    arrays = read(path)  # number 2^32 - 1 of the memo is used, without memory for the others
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(arrays['a'], arrays['b'])
    assert peak < 1e6


def test_limits(tmp_path, monkeypatch):
    path = str(tmp_path / 'x.pth')
    many = {f'{i}': tensor(storage('0', count=50_000), (50_000,)) for i in range(10)}
    archives.write(path, mapping(many), {'0': bytes(200_000)})
    with pytest.raises(TorchFileError, match='share storages'):
        read(path)
    monkeypatch.setattr(torch_file, 'MAX_OPCODES', 100)
    with pytest.raises(TorchFileError, match='more than 100 opcodes'):
        read(path)


def overlapping(path):
    """Return an archive whose directory lists its entries a hundred times, with the same bytes of the file."""
    data = path.read_bytes()
    start, end = data.index(b'PK\x01\x02'), data.index(b'PK\x05\x06')
    count = 100 * struct.unpack_from('<H', data, end + 10)[0]
    return data[:end] + 99 * data[start:end] + struct.pack('<4sHHHHIIH', b'PK\x05\x06', 0, 0, count, count,
                                                           100 * (end - start), start, 0)


def encrypted(data):
    """Return an archive with the encryption flag set in every entry."""
    for signature, place in ((b'PK\x01\x02', 8), (b'PK\x03\x04', 6)):
        at = data.find(signature)
        while at >= 0:
            data = data[:at + place] + bytes([data[at + place] | 1]) + data[at + place + 1:]
            at = data.find(signature, at + 4)
    return data


def test_hostile_archives(tmp_path):
    path, pickle_of_four = tmp_path / 'x.pth', mapping({'a': GOOD})

    def refused(words, data=None):
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(TorchFileError, match=words):
            read(str(path))
    archives.write(path, pickle_of_four, {'0': FOUR})
    good = path.read_bytes()
    refused('claim more bytes than the file has', overlapping(path))
    refused('compressed or encrypted', encrypted(good))
    refused('damaged', good.replace(FOUR, FOUR[::-1]))  # CRC
    for length in range(0, len(good), 23):
        refused('damaged|not a file', good[:length])
    for other in (b'', b'text\n' * 99, bytes(999), pickle.dumps({'a': 1}), b'PK\x03\x04' + bytes(99)):
        refused('damaged|not a file', other)
    archives.write(path, mapping({'a': tensor(storage('0', count=5_000_000))}), {'0': bytes(20_000_000)},
                   compression=zipfile.ZIP_DEFLATED)
    refused('is compressed or encrypted')
    archives.write(path, pickle_of_four, {'0': FOUR}, root='a/b')
    refused('has no <name>/data.pkl')
    archives.write(path, pickle_of_four, {'0': FOUR}, **{'../other/data.pkl': b''})
    assert list(read(str(path))) == ['a']
    archives.write(path, pickle_of_four, {'0': FOUR}, byteorder='middle')
    refused('byte order')
    with pytest.raises(FileNotFoundError):
        read(str(tmp_path))


def test_hostile_files_of_old(tmp_path):
    path = tmp_path / 'x.pth'
    state = mapping({'a': GOOD})
    path.write_bytes(archives.legacy(state, ['0'], [(4, FOUR)]))
    np.testing.assert_array_equal(read(str(path))['a'], np.arange(4))
    for file, words in ((archives.legacy(state, ['0'], [(4, FOUR[:-1])]), 'not have its 4 numbers'),
                        (archives.legacy(state, ['0'], [(-1, FOUR)]), 'not have its 4 numbers'),
                        (archives.legacy(state, ['0'], [(2**60, FOUR)]), 'not have its 4 numbers'),
                        (archives.legacy(state, ['0'], []), 'damaged'),
                        (archives.legacy(state, [], []), 'damaged'),
                        (archives.legacy(state, ['1'], [(4, FOUR)]), 'damaged'),
                        (archives.legacy(HOSTILE['a system call'][0], [], []), 'asks for'),
                        (archives.legacy(state, ['0'], [(4, FOUR)]).replace(b'\x88s', b'\x89s'), 'not little-endian')):
        path.write_bytes(file)
        with pytest.raises(TorchFileError, match=words):
            read(str(path))


def test_a_deep_key_in_a_file_of_old(tmp_path):
    """Hashing such a tuple overflows C's stack, which ends the process."""
    data = archives.legacy(mapping({'a': GOOD}), ['0'], [(4, FOUR)])
    keys = b'](' + text('0') + b'e'
    assert data.count(keys) == 1
    (tmp_path / 'x.pth').write_bytes(data.replace(keys, b']' + b')' + b'\x85' * 1_000_000 + b'a'))
    code = 'import sys; from tinynets.model.torch_file import read; read(sys.argv[1])'
    done = subprocess.run([sys.executable, '-c', code, tmp_path / 'x.pth'], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and 'TorchFileError' in done.stderr, done.returncode


@pytest.mark.parametrize('part', ['file', 'file of old', 'pickle'])
def test_damage_anywhere_is_an_error_of_ours_or_none(root, tmp_path, part):
    """Random bytes are changed in a file, and in a pickle of a valid archive."""
    path, rng, refused = tmp_path / 'x.pth', np.random.default_rng(0), 0
    whole = (root / 'tests' / 'golden' / ('torch_legacy.pth' if part == 'file of old' else 'torch.pth')).read_bytes()
    with zipfile.ZipFile(root / 'tests' / 'golden' / 'torch.pth') as archive:
        entries = {t.partition('data/')[2]: archive.read(t) for t in archive.namelist() if '/data/' in t}
        whole = archive.read('torch/data.pkl') if part == 'pickle' else whole
    for _ in range(400):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            data[place] ^= int(rng.integers(1, 256))
        if part == 'pickle':
            archives.write(path, data[2:-1], entries)
        else:
            path.write_bytes(data)
        try:
            read(str(path))
        except TorchFileError:
            refused += 1
    assert refused > 100
