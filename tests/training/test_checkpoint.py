"""Checkpoints: their content, atomic saving under failures, and one clear error for every kind of damage."""
import errno
import os
import subprocess
import sys

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from tinynets.model import checkpoint
from tinynets.model.checkpoint import CheckpointError
from tinynets.tasks import restore

ARRAYS = {'a.weight': np.arange(12, dtype=np.float32).reshape(3, 4), 'step': np.array([7], np.int32)}
META = {'step': 7, 'name': 'über "quoted"', 'class_names': ['x', 'y']}


def test_round_trip(tmp_path):
    path = tmp_path / 'a folder with spaces & ü' / 'x.ckpt'
    path.parent.mkdir()
    checkpoint.save(str(path), ARRAYS, META)
    loaded = checkpoint.load(str(path))
    assert {k: v for k, v in loaded.meta.items() if k in META} == META
    assert set(loaded.arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert loaded.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.arrays[name], array)
    assert os.listdir(path.parent) == ['x.ckpt']


def test_the_framework_loads_it_into_the_network(trained):
    saved = checkpoint.load(str(trained / 'best.ckpt'))
    network, kind = restore.restore_network(saved, 'raw')
    fresh, _ = restore.restore_network(saved, 'ema')
    missing, _ = ms.load_param_into_net(fresh, ms.load_checkpoint(str(trained / 'best.ckpt')))
    assert kind == 'raw' and missing == []
    for p, q in zip(network.get_parameters(), fresh.get_parameters()):
        np.testing.assert_array_equal(p.asnumpy(), q.asnumpy())


def test_raw_and_averaged_weights_differ_and_auto_is_the_average(trained):
    saved = checkpoint.load(str(trained / 'last.ckpt'))
    (raw, _), (ema, _), (auto, kind) = (restore.restore_network(saved, w) for w in ('raw', 'ema', 'auto'))
    assert kind == 'ema'
    assert (raw.stem.conv.weight.asnumpy() != ema.stem.conv.weight.asnumpy()).any()
    np.testing.assert_array_equal(auto.stem.conv.weight.asnumpy(), ema.stem.conv.weight.asnumpy())
    with pytest.raises(ValueError, match='auto, ema or raw'):
        restore.restore_network(saved, 'best')


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_numbers_that_are_not_finite_never_replace_a_good_checkpoint(tmp_path, value):
    path = str(tmp_path / 'x.ckpt')
    checkpoint.save(path, ARRAYS, META)
    with pytest.raises(CheckpointError, match='a.weight holds NaN or infinite numbers'):
        checkpoint.save(path, {**ARRAYS, 'a.weight': np.full((3, 4), value, np.float32)}, META)
    np.testing.assert_array_equal(checkpoint.load(path).arrays['a.weight'], ARRAYS['a.weight'])


FULL_DISK = """
import resource, signal, sys
import numpy as np
from tinynets.model import checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    checkpoint.save(sys.argv[1], {'a': np.zeros(1_000_000, np.float32)}, {'step': 2})
except checkpoint.CheckpointError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_old_file_and_one_line(tmp_path, root):
    path = str(tmp_path / 'x.ckpt')
    checkpoint.save(path, ARRAYS, META)
    done = subprocess.run([sys.executable, '-c', FULL_DISK, path], capture_output=True, text=True, cwd=root)
    assert done.stdout.startswith(f'{path}: could not be saved ({os.strerror(errno.EFBIG)}')
    assert done.stdout.count('\n') == 1
    assert checkpoint.load(path).meta['step'] == 7
    assert os.listdir(tmp_path) == ['x.ckpt']


def damaged(data, kind):
    if kind == 'cut in half':
        return data[:len(data) // 2]
    if kind == 'cut by one byte':
        return data[:-1]
    if kind == 'a bit flipped':
        middle = len(data) // 2
        return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1:]
    return {'empty': b'', 'text': b'hello\n' * 50, 'zeros': bytes(5000)}[kind]


@pytest.mark.parametrize('kind', ['cut in half', 'cut by one byte', 'a bit flipped', 'empty', 'text', 'zeros'])
def test_damage_is_one_clear_line(tmp_path, trained, kind):
    path = tmp_path / 'x.ckpt'
    path.write_bytes(damaged((trained / 'best.ckpt').read_bytes(), kind))
    with pytest.raises(CheckpointError, match='^checkpoint .*x.ckpt: ') as caught:
        checkpoint.load(str(path))
    assert '\n' not in str(caught.value)


def test_another_programs_checkpoint_is_refused(tmp_path):
    path = str(tmp_path / 'other.ckpt')
    ms.save_checkpoint(nn.Dense(2, 2), path)
    with pytest.raises(CheckpointError, match='not written by this package'):
        checkpoint.load(path)
    with pytest.raises(FileNotFoundError, match='no such file'):
        checkpoint.load(str(tmp_path / 'none.ckpt'))
    with pytest.raises(IsADirectoryError, match='is a folder; give a .ckpt file'):
        checkpoint.load(str(tmp_path))
