"""Files of a small network: ONNX that older tools read, and timm's folder, complete or not written."""
import os

import numpy as np
import pytest

from tests.conftest import SMALL
from tinynets.deploy import compare, convert
from tinynets.deploy.export import export
from tinynets.deploy.quantize import without_unused_domains
from tinynets.model import checkpoint, create_model


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """The folder of a checkpoint and its ONNX file in export/."""
    folder = tmp_path_factory.mktemp('small')
    arrays = {p.name: p.asnumpy() for p in create_model(SMALL, num_classes=3).get_parameters()}
    checkpoint.save(str(folder / 'x.ckpt'), arrays, {
        'step': 0, 'epoch': 0, 'best': {}, 'score': {}, 'network': {'name': SMALL, 'num_classes': 3},
        'class_names': ['a', 'b', 'c'], 'config': {}, 'preprocessing': {
            'resolution': 16, 'crop_ratio': 0.875, 'interpolation': 'bicubic_antialiased', 'mean': [0.5] * 3,
            'deviation': [0.2] * 3, 'channels': 'RGB', 'layout': 'NCHW'}})
    export(str(folder / 'x.ckpt'), ['ONNX'], str(folder / 'export'))
    return folder


def test_onnx_is_of_opset_13(exported):
    import onnx
    path, = (exported / 'export').glob('*.onnx')
    assert [(entry.domain, entry.version) for entry in onnx.load(path).opset_import] == [('', 13)]


def test_operator_sets_that_no_node_uses_go(exported):
    import onnx
    path, = (exported / 'export').glob('*.onnx')
    model = onnx.load(path)
    model.opset_import.extend([onnx.helper.make_opsetid('com.microsoft', 1), onnx.helper.make_opsetid('ai.onnx.ml', 5)])
    model.graph.node[0].domain = 'com.microsoft'
    without_unused_domains(model)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [('', 13), ('com.microsoft', 1)]


def test_a_foreign_file_in_export_is_left_out_and_named(exported):
    (exported / 'export' / 'foreign.onnx').write_bytes(b'of another program')
    lines = []
    pixels = np.zeros((4, 3, 16, 16), np.float32)
    dataset = type('Four', (), {'labels': np.zeros(4, np.int32), '__len__': lambda self: 4})()
    original, compare.eval_batches = compare.eval_batches, lambda *_: [(pixels, dataset.labels)]
    try:
        rows = compare.compare(str(exported / 'x.ckpt'), dataset, 4, 1, False, lines.append)
    finally:
        compare.eval_batches = original
        os.remove(exported / 'export' / 'foreign.onnx')
    assert len(rows) == 2 and len(lines) == 1 and 'foreign.onnx has no manifest' in lines[0], (rows, lines)


def test_timms_folder_on_a_full_disk(exported, tmp_path, monkeypatch):
    out = str(tmp_path / 'model.safetensors')
    convert.to_safetensors(str(exported / 'x.ckpt'), out)
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    assert set(before) == {'model.safetensors', 'config.json'}

    def full(*_):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(convert, 'write_json', full)
    with pytest.raises(OSError) as error:
        convert.to_safetensors(str(exported / 'x.ckpt'), out)
    assert error.value.filename == out
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before
