"""ONNX files that their manifest does not describe, or that do not run: one line that names the file, no result."""
import json
import os

import numpy as np
import pytest
from PIL import Image

from tests.deploy.test_manifests import COLOUR, manifest
from tinynets.deploy.predict import load_predictor
from tinynets.files import file_hash

onnx = pytest.importorskip('onnx')
FLOAT = onnx.TensorProto.FLOAT


def write(folder, nodes=(), shape=('N', 2), kind=FLOAT, inputs=1, side=32, **changes):
    """Write x.onnx, whose logits are the means of two channels unless `nodes` make others, and its manifest."""
    make = onnx.helper
    nodes = [make.make_node('GlobalAveragePool', ['images'], ['pooled']),
             make.make_node('Flatten', ['pooled'], ['flat']),
             make.make_node('Slice', ['flat', 'zero', 'two', 'one'], ['means']),
             *(nodes or [make.make_node('Identity', ['means'], ['logits'])])]
    constants = [make.make_tensor(name, onnx.TensorProto.INT64, [1], [value])
                 for name, value in (('zero', 0), ('two', 2), ('one', 1))]
    values = [make.make_tensor_value_info(name, FLOAT, ['N', 3, side, side]) for name in ('images', 'more')[:inputs]]
    graph = make.make_graph(nodes, 'x', values, [make.make_tensor_value_info('logits', kind, shape)], constants)
    path = folder / 'x.onnx'
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid('', 13)], ir_version=7), path)
    (folder / 'x.onnx.json').write_text(json.dumps({**manifest(COLOUR), 'sha256': file_hash(str(path)), **changes}))
    return str(path)


def test_a_file_that_its_manifest_describes(tmp_path):
    model = load_predictor(write(tmp_path))
    images = np.random.default_rng(0).normal(0, 1, (5, 3, 32, 32)).astype(np.float32)
    np.testing.assert_allclose(model.predict(images), images.mean((2, 3))[:, :2], rtol=1e-4, atol=1e-5)
    assert model.probabilities([Image.new('RGB', (40, 40), 'red')])[0].argmax() == 0


def node(kind, inputs=('means',), **options):
    return [onnx.helper.make_node(kind, list(inputs), ['logits'], **options)]


@pytest.mark.parametrize('options, words', [
    (dict(class_names=['a', 'b', 'c'], output={}), r'gives outputs of shape \(1, 2\) .* manifest says \(1, 3\)'),
    (dict(class_names=['a'], output={}), r'gives outputs of shape \(1, 2\) .* manifest says \(1, 1\)'),
    (dict(nodes=node('Transpose', perm=[1, 0]), shape=(2, 'N')), r'outputs of shape \(2, 1\)'),
    (dict(nodes=node('Unsqueeze', ('means', 'one')), shape=('N', 1, 2)), r'outputs of shape \(1, 1, 2\)'),
    (dict(nodes=node('Cast', to=onnx.TensorProto.DOUBLE), kind=onnx.TensorProto.DOUBLE), 'type float64'),
    (dict(nodes=node('Cast', to=onnx.TensorProto.INT64), kind=onnx.TensorProto.INT64), 'type int64'),
    (dict(side=48), r'ONNX Runtime cannot run it on images \(1, 3, 32, 32\) \('),
    (dict(nodes=node('Reshape', ('means', 'two')), shape=('N', 2)), 'outputs of shape|cannot run it'),
    (dict(inputs=2), 'has 2 inputs and 1 outputs')])
def test_other_files_are_refused_when_they_are_loaded(options, words, tmp_path, capfd):
    path = write(tmp_path, **options)
    with pytest.raises(ValueError, match=words) as caught:
        load_predictor(path)
    assert str(caught.value).startswith(f'{path}: ') and '\n' not in str(caught.value)
    assert capfd.readouterr().err == ''  # nothing by ONNX Runtime itself


@pytest.mark.parametrize('ending, content', [('mindir', b'no model'), ('mindir', b'\x0a\x03abc' * 9),
                                             ('onnx', b'no model')])
def test_the_engines_print_nothing_of_damaged_files(ending, content, tmp_path, capfd):
    path = tmp_path / f'x.{ending}'
    path.write_bytes(content)
    (tmp_path / f'x.{ending}.json').write_text(json.dumps({**manifest(COLOUR), 'sha256': file_hash(str(path))}))
    with pytest.raises(ValueError, match='cannot load it'):
        load_predictor(str(path))
    assert capfd.readouterr() == ('', '')
    os.write(2, b'seen again')
    assert capfd.readouterr().err == 'seen again'


def test_outputs_are_checked_in_every_call(tmp_path):
    """Here two rows for one image, by a second look at the number of images."""
    model = load_predictor(write(tmp_path, node('Slice', ('means', 'zero', 'one', 'zero'), name='one row')))
    assert model.predict(np.zeros((1, 3, 32, 32), np.float32)).shape == (1, 2)
    with pytest.raises(ValueError, match=r'gives outputs of shape \(1, 2\) .* manifest says \(3, 2\)'):
        model.predict(np.zeros((3, 3, 32, 32), np.float32))
