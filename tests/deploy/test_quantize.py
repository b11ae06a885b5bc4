"""Eight bits: the written graph, its score and manifest, and errors."""
import json
import os
import tempfile
import types

import numpy as np
import onnx
import pytest

from tinynets.deploy.export import export
from tinynets.deploy.predict import load_predictor
from tinynets.deploy.quantize import AccuracyFell, fell, quantize, side_by_side
from tinynets.files import PREFIX


@pytest.fixture(scope='module')
def exported(trained, tmp_path_factory):
    """The ONNX file of a small trained network."""
    made, = export(str(trained / 'best.ckpt'), ['ONNX'], str(tmp_path_factory.mktemp('export')))
    return made.path


@pytest.fixture(scope='module')
def quantised(exported, entry, tmp_path_factory):
    out = tmp_path_factory.mktemp('int8') / 'small.onnx'
    done = entry('quantize.py', '--model', exported, '--out', out, '--max-drop', '20')
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_weights_are_signed_bytes_with_a_range_a_channel(quantised, exported):
    graph = onnx.load(quantised[0]).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == 'Conv']
    producers = {node.output[0]: node for node in graph.node}
    assert len(convolutions) == sum(node.op_type == 'Conv' for node in onnx.load(exported).graph.node)
    for convolution in convolutions:
        node = producers[convolution.input[1]]
        weight, scale = (onnx.numpy_helper.to_array(constants[name]) for name in node.input[:2])
        assert node.op_type == 'DequantizeLinear' and weight.dtype == np.int8 and np.abs(weight).max() <= 64
        assert scale.shape == (weight.shape[0],)
        assert producers[convolution.input[0]].op_type == 'DequantizeLinear'


def test_the_score_is_that_of_the_file_and_stands_in_its_manifest(quantised, exported, entry, tmp_path):
    path, said = quantised
    manifest = json.loads(path.with_name(path.name + '.json').read_text())
    assert manifest['kind'] == 'ONNX-INT8' and manifest['quantization']['calibration_images'] == 256
    scores, fives = {}, {}
    for name, model in (('before', exported), ('after', path)):
        done = entry('eval.py', '--checkpoint', model, '--json', tmp_path / f'{name}.json')
        assert done.returncode == 0, done.stderr
        result = json.loads((tmp_path / f'{name}.json').read_text())
        scores[name], fives[name] = result['top1'], result['top5']
    assert not {'score', 'max_difference'} & set(manifest) and 'macs' in manifest['cost']
    assert 'size_bytes' not in manifest['cost']
    assert manifest['quantization']['top1'] == pytest.approx(scores['after'], abs=1e-3)
    assert manifest['quantization']['top1_before'] == pytest.approx(scores['before'], abs=1e-3)
    assert scores['after'] > scores['before'] - 20
    for line, name, model in zip(said.splitlines()[1:], ('before', 'after'), (exported, path)):
        words = line.split()
        assert words[0] == str(model).rsplit('/', 1)[1] and words[1] == f'{os.path.getsize(model):,}'
        assert words[3:] == [f'{scores[name]:.2f}', f'{fives[name]:.2f}']


def test_logits_stay_near(quantised, exported):
    images = np.random.default_rng(1).normal(0, 1, (8, 3, 16, 16)).astype(np.float32)
    before, after = (load_predictor(str(path)).predict(images) for path in (exported, quantised[0]))
    assert 0 < np.abs(before - after).max() < 0.35 * np.abs(before).max()


def test_a_fall_is_refused_unless_told(exported, entry, tmp_path):
    out = tmp_path / 'x.onnx'
    done = entry('quantize.py', '--model', exported, '--out', out, '--max-drop', '-101')
    assert done.returncode == 2 and 'nothing was written' in done.stderr and not list(tmp_path.iterdir())
    done = entry('quantize.py', '--model', exported, '--out', out, '--max-drop', '-101', '--force', '--count', '8')
    assert done.returncode == 0 and sorted(p.name for p in tmp_path.iterdir()) == ['x.onnx', 'x.onnx.json']


def test_fewer_images_than_asked_for_calibrate_all(exported, entry, tmp_path):
    out = tmp_path / 'x.onnx'
    done = entry('quantize.py', '--model', exported, '--out', out, '--count', '100000', '--force')
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / 'x.onnx.json').read_text())['quantization']['calibration_images'] == 1437


class Answers:
    """The digits with a model's answers as true classes."""

    def __init__(self, predictor):
        from tinynets.data.classification import load_dataset
        self.digits = load_dataset('digits', 'val')
        self.class_names = self.digits.class_names
        tensors = np.stack([predictor.transform(self.digits.image(i)) for i in range(60)])
        self.labels = np.asarray(predictor.predict(tensors)).argmax(1).astype(np.int32)

    def __len__(self):
        return len(self.labels)

    def image(self, index):
        return self.digits.image(index)


def far(model):
    """Calibration images of values so large that digits fall into one level."""
    side = model.preprocessing['resolution']
    return [1e4 * np.random.default_rng(0).normal(0, 1, (1, 3, side, side)).astype(np.float32)]


def test_a_fall_is_that_of_the_quantised_file(exported, tmp_path):
    """Labelled by the float network, that one has 100 %; labelled by the quantised one, that one has."""
    model, ruined = load_predictor(exported), tmp_path / 'ruined.onnx'
    with pytest.raises(AccuracyFell, match='from 100.00 to '):
        quantize(exported, str(ruined), far(model), Answers(model), max_drop=1.0)
    assert not list(tmp_path.iterdir())
    before, after = quantize(exported, str(ruined), far(model), Answers(model), max_drop=1.0, force=True)
    assert (before.score.top1, before.score.count) == (100, 60) and after.score.top1 < 99
    assert before.path == exported and after.path == str(ruined) and after.bytes == ruined.stat().st_size
    before, after = quantize(exported, str(tmp_path / 'again.onnx'), far(model), Answers(load_predictor(str(ruined))),
                             max_drop=0.0)
    assert after.score.top1 == 100 and before.score.top1 < 99
    manifest = json.loads((tmp_path / 'again.onnx.json').read_text())['quantization']
    assert (manifest['top1_before'], manifest['top1'], manifest['images']) == (before.score.top1, 100, 60)


def test_what_a_kill_would_leave_is_in_a_folder_that_is_removed(exported, tmp_path, monkeypatch):
    """ONNX Runtime has folders of its own for temporary files, which no later command would know."""
    model, seen = load_predictor(exported), []
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))

    def calibration():
        for image in far(model):
            seen.extend(path.relative_to(tmp_path) for path in tmp_path.rglob('*'))
            yield image
    with pytest.raises(AccuracyFell):
        quantize(exported, str(tmp_path / 'x.onnx'), calibration(), Answers(model))
    assert any(path.name == 'augmented_model.onnx' for path in seen) and len({path.parts[0] for path in seen}) == 1
    assert seen[0].parts[0].startswith(PREFIX) and tempfile.tempdir == str(tmp_path) and not os.listdir(tmp_path)


def test_ranges_are_those_of_the_method(exported, tmp_path):
    """The input's levels: by minmax the whole range of the calibration's values, by percentile not the few far ones."""
    model = load_predictor(exported)
    images = np.random.default_rng(0).uniform(-1, 1, (400, 1, 3, 16, 16)).astype(np.float32)
    images[0, 0, 0, 0, 0], images[0, 0, 0, 0, 1] = 30, -20  # two values of 307,200, of which 99.999 % are to fit
    spans = {}
    for method in ('minmax', 'percentile'):
        path = tmp_path / f'{method}.onnx'
        quantize(exported, str(path), list(images), Answers(model), force=True, method=method)
        graph = onnx.load(path).graph
        constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        node = next(node for node in graph.node if node.op_type == 'QuantizeLinear' and node.input[0] == 'images')
        spans[method] = float(constants[node.input[1]]) * 255
        assert json.loads((tmp_path / f'{method}.onnx.json').read_text())['quantization']['method'] == method
    assert spans['minmax'] == pytest.approx(50) and 1.9 < spans['percentile'] < 5


@pytest.mark.parametrize('options, words', [(('--method', 'guess'), "method 'guess'"), (('--count', '0'), '--count 0'),
                                            (('--images', 'nowhere'), 'nowhere: no such'),
                                            (('--out', 'no/x.onnx'), 'the folder')])
def test_mistakes_are_one_line(exported, entry, options, words, tmp_path):
    done = entry('quantize.py', '--model', exported, *options, cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1 and words in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_is_no_export_or_quantised_already_is_refused(quantised, trained, entry):
    for model in (quantised[0], trained / 'best.ckpt'):
        done = entry('quantize.py', '--model', model)
        assert done.returncode == 2 and 'must be an .onnx file of export.py' in done.stderr


def test_times_are_medians_in_milliseconds(monkeypatch):
    """One call in ten takes a thousand times as long; the first ten, each slow, are not counted."""
    clock, calls = [0.0], {'a': 0, 'b': 0}

    def taking(name, seconds):
        def call(image):
            calls[name] += 1
            clock[0] += seconds * (1000 if calls[name] <= 10 or calls[name] % 10 == 0 else 1)
        return call
    monkeypatch.setattr('tinynets.deploy.quantize.time.perf_counter', lambda: clock[0])
    assert side_by_side([taking('a', 0.002), taking('b', 0.005)], None) == pytest.approx([2, 5])


def test_functions_take_turns():
    calls = []
    times = side_by_side([lambda x: calls.append('a'), lambda x: calls.append('b')], None)
    assert calls[:4] == ['a', 'b', 'a', 'b'] and calls.count('a') == calls.count('b') >= 101 and min(times) >= 0


@pytest.mark.parametrize('before, after, count, points, wanted', [
    (700, 693, 700, 1.0, False), (700, 692, 700, 1.0, True), (50, 50, 100, 0.0, False), (50, 49, 100, 0.0, True),
    (50, 60, 100, -10.0, False), (50, 59, 100, -10.0, True), (100, 0, 100, float('inf'), False),
    (0, 100, 100, float('-inf'), True)])
def test_a_fall_is_counted_exactly(before, after, count, points, wanted):
    first, second = (types.SimpleNamespace(correct=correct, count=count) for correct in (before, after))
    assert fell(first, second, points) is wanted
