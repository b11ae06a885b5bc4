"""Readers of untrusted files on mutated ones: each reads them or raises ValueError or OSError with one short line."""
import json
import os
import shutil

import numpy as np
import pytest

from tests.conftest import ROOT, SMALL
from tests.model import archives
from tinynets.config import load_config
from tinynets.formula import Formula
from tinynets.formula.records import base_of, read
from tinynets.formula.tiny import PUBLISHED
from tinynets.model import checkpoint, create_model
from tinynets.model.pretrained import read_description, read_weights
from tinynets.runtime import describe
from tinynets.tasks import restore
from tinynets.text import LINE
from tinynets.training.run import RunFolder
from tinynets.training.summary import summarise

FILES = 60  # of each kind
SPLICES = [b'[' * 400, b'{"a":' * 300, b'&a [*a]', b'1e400', b'NaN', b'-1', b'"', b'\0', b'\xff\xfe', b'9' * 5000,
           b'null', b'!!int ""', b'true', b'\n', b',', b';', b'\x0a\x00', b'\x0a\xff\xff\xff\xff\x0f', b'\x80\x02.',
           b'PK\x03\x04']


def mutated(data, rng):
    """Return a file with bytes changed, parts removed, repeated or moved, or foreign bytes inserted."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        begin, end = sorted(int(place) for place in rng.integers(0, len(data) + 1, 2))
        short = min(end, begin + 40)
        how = rng.integers(7)
        if how == 0:
            data[begin:] = b''
        elif how == 1:
            data[begin:short] = b''
        elif how == 2:
            data[begin:begin] = data[begin:short]
        elif how == 3:
            data[begin:begin] = SPLICES[rng.integers(len(SPLICES))]
        elif how == 4:
            data[begin:short] = SPLICES[rng.integers(len(SPLICES))]
        elif how == 5:
            data[begin:short] = rng.bytes(short - begin)
        else:
            for place in rng.integers(0, max(1, len(data)), 3) if data else ():
                data[place] = rng.integers(256)
    return bytes(data)


def whole_files(folder):
    """Return {kind: (file, reader)}."""
    network = create_model(SMALL, num_classes=3)
    meta = {'step': 4, 'epoch': 1.0, 'best': {}, 'score': {}, 'network': {'name': SMALL, 'num_classes': 3},
            'class_names': ['a', 'b', 'c'], 'config': {}, 'preprocessing': {
                'resolution': 16, 'crop_ratio': 0.875, 'interpolation': 'bicubic_antialiased', 'mean': [0.5] * 3,
                'deviation': [0.2] * 3, 'channels': 'RGB', 'layout': 'NCHW'}}
    checkpoint.save(str(folder / 'x.ckpt'), {p.name: p.asnumpy() for p in network.get_parameters()}, meta)
    state = archives.state_of(SMALL, 3)
    archives.write_state(folder / 'x.pth', state)
    from safetensors.numpy import save_file
    save_file(state, folder / 'x.safetensors')
    shutil.copy(ROOT / 'configs' / 'tinynet_e_digits.yaml', folder / 'x.yaml')
    shutil.copy(PUBLISHED, folder / 'formula.json')
    shutil.copy(PUBLISHED.with_suffix('.csv'), folder / 'x.csv')
    (folder / 'config.json').write_text(json.dumps(
        {'architecture': 'tinynet_e', 'pretrained_cfg': {'mean': [0.5] * 3}}))
    run = folder / 'run'
    run.mkdir()
    (run / 'config.yaml').write_text('train: {epochs: 3}\n')
    (run / 'metrics.jsonl').write_text(''.join(json.dumps(record) + '\n' for record in [
        dict(kind='train', step=9, epoch=1.0, loss=2.0, learning_rate=0.1, images_per_s=9.0),
        dict(kind='eval', step=9, epoch=1, loss=2.0, top1=50.0, top5=80.0)] * 3))

    def of_checkpoint(path):
        restore.check_meta(checkpoint.load(path))

    def of_run(path):
        summarise('run', RunFolder.open(os.path.dirname(path)))
    return {'x.ckpt': of_checkpoint, 'x.pth': read_weights, 'x.safetensors': read_weights, 'x.yaml': load_config,
            'formula.json': Formula.load, 'x.csv': lambda path: read(path, base_of(path)[0]),
            'config.json': lambda path: read_description(os.path.join(os.path.dirname(path), 'x.pth')),
            'run/metrics.jsonl': of_run, 'run/config.yaml': of_run}


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('files')
    return folder, whole_files(folder)


@pytest.mark.parametrize('name', ['x.ckpt', 'x.pth', 'x.safetensors', 'x.yaml', 'formula.json', 'x.csv', 'config.json',
                                  'run/metrics.jsonl', 'run/config.yaml'])
def test_mutated_files_are_read_or_refused_in_a_line(files, name):
    folder, readers = files
    path, rng = folder / name, np.random.default_rng([int(os.environ.get('TINYNETS_SEED', 0)), len(name)])
    data, refused = path.read_bytes(), 0
    readers[name](str(path))
    try:
        for _ in range(int(os.environ.get('TINYNETS_MUTATIONS', FILES))):
            path.write_bytes(mutated(data, rng))
            try:
                readers[name](str(path))
            except (ValueError, OSError) as error:
                refused += 1
                assert len(str(error)) < LINE and describe(error).isprintable(), str(error)[:999]
    finally:
        path.write_bytes(data)
    assert refused > FILES // 20
