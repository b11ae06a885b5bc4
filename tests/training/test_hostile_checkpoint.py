"""Hostile checkpoints: tensors whose content does not match dims and type, and invalid descriptions."""
import copy
import json
import os
import stat
import zlib

import mindspore as ms
import numpy as np
import pytest
from mindspore.train.checkpoint_pb2 import Checkpoint as Message

from tests.conftest import SMALL
from tinynets.model import checkpoint, create_model
from tinynets.model.checkpoint import CheckpointError
from tinynets.tasks import restore

CLASSES = 3


def record(name, dims, kind, content):
    message = Message()
    value = message.value.add()
    value.tag, value.tensor.tensor_type, value.tensor.tensor_content = name, kind, content
    value.tensor.dims.extend(dims)
    return message.SerializeToString()


def description(count, **changes):
    text = json.dumps({'format': 1, 'parameters': count, 'step': 0, **changes}).encode('utf-32-le')
    return record('meta', [1], 'str', text)


def written(path, *records, check=True):
    data = b''.join(records)
    path.write_bytes(data + (b'crc_num' + zlib.crc32(data).to_bytes(10, 'big') if check else b''))
    return str(path)


NUMBERS = np.arange(6, dtype=np.float32)


@pytest.mark.parametrize('check', [True, False])
def test_what_the_framework_writes_and_slices_is_read(tmp_path, check):
    path = written(tmp_path / 'x.ckpt', record('a', [2, 3], 'Float32', NUMBERS[:4].tobytes()),
                   record('a', [2, 3], 'Float32', NUMBERS[4:].tobytes()), record('b', [0], 'Int64', bytes(8)),
                   record('c', [3, 0], 'Float16', b''), description(3), check=check)
    arrays = checkpoint.load(path).arrays
    np.testing.assert_array_equal(arrays['a'], NUMBERS.reshape(2, 3))
    assert arrays['b'].shape == () and arrays['b'].dtype == np.int64 and arrays['c'].shape == (3, 0)


@pytest.mark.parametrize('dims, kind, content', [
    ([0], 'Float32', NUMBERS.tobytes()), ([0], 'Float32', b''), ([5], 'Float32', NUMBERS.tobytes()),
    ([7], 'Float32', NUMBERS.tobytes()), ([-1], 'Float32', NUMBERS.tobytes()), ([-2, -3], 'Float32', NUMBERS.tobytes()),
    ([2 ** 62, 4], 'Float32', b''), ([2 ** 62, 0], 'Float32', b''), ([2 ** 31, 2 ** 31], 'Float32', NUMBERS.tobytes()),
    ([1] * 100, 'Float32', bytes(4)), ([3], 'Float64', NUMBERS.tobytes()[:-1]), ([6], 'Float31', NUMBERS.tobytes()),
    ([6], '', NUMBERS.tobytes()), ([6], 'str', b'abc'), ([6], 'str', b'\xff\xff\xff\xff'), ([], 'Float32', b''),
    ([6], 'Float32', b'')])
def test_content_that_is_not_what_dims_and_type_say(tmp_path, dims, kind, content):
    path = written(tmp_path / 'x.ckpt', record('a', dims, kind, content), description(1))
    with pytest.raises(CheckpointError, match=f'^checkpoint {path}: ') as error:
        checkpoint.load(path)
        pytest.fail('taken')
    assert '\n' not in str(error.value) and len(str(error.value)) < 300


def test_records_that_do_not_fit_together(tmp_path):
    a, b = (record(name, [6], 'Float32', NUMBERS.tobytes()) for name in 'ab')
    for records in ((a, b, a, description(2)), (a, record('a', [2, 3], 'Float32', b''), description(1)),
                    (a, record('a', [6], 'Int32', b''), description(1)), (a, a, description(1)), (), (a,),
                    (a + b'\x12\x00', description(1)),
                    (a, b'\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff', description(1)), (a, description(2)),
                    (b'\x0a\x00', a, description(1)), (b'\x0a\x03\x0a\x01m', description(0))):
        with pytest.raises(CheckpointError):
            checkpoint.load(written(tmp_path / 'x.ckpt', *records))
    with pytest.raises(CheckpointError, match='records'):
        checkpoint.load(written(tmp_path / 'x.ckpt', record('a', [], 'Float32', b'') * 100_001, description(1)))
    whole = written(tmp_path / 'x.ckpt', a, b, description(2))
    data = bytearray(open(whole, 'rb').read())
    data[-1] ^= 1
    (tmp_path / 'y.ckpt').write_bytes(data)
    with pytest.raises(CheckpointError, match='check sum'):
        checkpoint.load(str(tmp_path / 'y.ckpt'))


@pytest.fixture(scope='module')
def whole():
    network = create_model(SMALL, num_classes=CLASSES)
    meta = {'step': 4, 'epoch': 1.0, 'best': {'top1': 50.0, 'epoch': 1, 'step': 4}, 'score': {},
            'network': {'name': SMALL, 'num_classes': CLASSES}, 'class_names': ['a', 'b', 'c'], 'classes_named': True,
            'preprocessing': {'resolution': 16, 'crop_ratio': 0.875, 'interpolation': 'bicubic_antialiased',
                              'mean': [0.5] * 3, 'deviation': [0.2] * 3, 'channels': 'RGB', 'layout': 'NCHW'},
            'config': {}}
    return {p.name: p.asnumpy() for p in network.get_parameters()}, meta


@pytest.mark.parametrize('place, value', [
    ('network', {}), ('network', None), ('network', []), ('network.name', 3), ('network.name', 'net'),
    ('network.name', 'x' * 10 ** 5), ('network.name', 'resnet50@w=100,d=100'), ('network.num_classes', 10 ** 9),
    ('network.num_classes', 900_000), ('network.num_classes', True), ('network.num_classes', 2),
    ('network.num_classes', '3'), ('network.checkpoint', '/etc/passwd'), ('network.say', 1), ('network.dropout', 'a'),
    ('network.dropout', 2), ('network.resolution', 1e9), ('network.in_channels', -1), ('class_names', ['a', 'b']),
    ('class_names', []), ('class_names', None), ('class_names', [1, 2, 3]), ('class_names', {'a': 1}),
    ('class_names', [None] * 3), ('preprocessing', None), ('preprocessing', []), ('config', None), ('config', []),
    ('best', None), ('best', {'top1': 'x', 'epoch': 1}), ('best', {'epoch': 1}), ('score', [1]), ('step', -1),
    ('best.top1', float('nan')), ('best.count', 0), ('best.count', 'x'), ('best.correct', None),
    ('epoch', float('inf')), ('step', 'x'), ('step', 1.5), ('epoch', None), ('classes_named', 'yes')])
def test_descriptions_of_the_wrong_kind(tmp_path, whole, place, value):
    arrays, meta = whole[0], copy.deepcopy(whole[1])
    place, _, key = place.partition('.')
    (meta[place] if key else meta)[key or place] = value
    path = str(tmp_path / 'x.ckpt')
    checkpoint.save(path, arrays, meta)
    with pytest.raises(ValueError, match=f'^checkpoint {path}: ') as error:
        restore.restore_network(checkpoint.load(path))
    assert len(str(error.value).replace(path, '')) < 430 and '\n' not in str(error.value)


@pytest.mark.parametrize('place', ['network', 'class_names', 'preprocessing', 'config'])
def test_descriptions_that_lack_something(tmp_path, whole, place):
    path = str(tmp_path / 'x.ckpt')
    checkpoint.save(path, whole[0], {key: value for key, value in whole[1].items() if key != place})
    with pytest.raises(CheckpointError, match=place):
        restore.restore_network(checkpoint.load(path))


def test_a_score_without_a_best_one(tmp_path, whole):
    path = str(tmp_path / 'x.ckpt')
    score = {'top1': 50.0, 'epoch': 1, 'step': 4}
    for best in ({}, score):
        checkpoint.save(path, whole[0], {**whole[1], 'score': score, 'best': best})
        if best:
            restore.check_meta(checkpoint.load(path))
            continue
        with pytest.raises(CheckpointError, match='has a score but no best one'):
            restore.check_meta(checkpoint.load(path))


@pytest.mark.parametrize('text', ['[' * 100_000 + ']' * 100_000, '{"a":' * 100_000, '3', 'null', '', '[]', '{'])
def test_descriptions_that_are_no_json_object(tmp_path, text):
    path = written(tmp_path / 'x.ckpt', record('meta', [1], 'str', text.encode('utf-32-le')))
    with pytest.raises(CheckpointError, match='holds no description'):
        checkpoint.load(path)


def test_whole_descriptions_are_taken(tmp_path, whole):
    path = str(tmp_path / 'x.ckpt')
    checkpoint.save(path, *whole)
    network, kind = restore.restore_network(checkpoint.load(path))
    assert kind == 'raw'
    for parameter in network.get_parameters():
        np.testing.assert_array_equal(parameter.asnumpy(), whole[0][parameter.name])
    assert set(ms.load_checkpoint(path)) == {*whole[0], 'meta'}  # the framework's own reader reads the file too


@pytest.mark.parametrize('umask', [0o022, 0o077, 0o027, 0o002])
def test_a_checkpoint_obeys_the_umask(tmp_path, umask, monkeypatch):
    before = os.umask(umask)
    try:
        for name in ('x.ckpt', 'X.CKPT', 'with.two.ckpt'):
            checkpoint.save(str(tmp_path / name), {'a': NUMBERS}, {})
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~umask
    finally:
        os.umask(before)
    assert sorted(os.listdir(tmp_path)) == ['X.CKPT', 'with.two.ckpt', 'x.ckpt']
