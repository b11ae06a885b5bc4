"""Names, probabilities, captions and tables of predictions, from logits that the tests choose."""
import shutil

import numpy as np
import pytest
from PIL import Image

from tinynets.data.classification import load_dataset
from tinynets.deploy import predict
from tinynets.deploy.classify import Sample, classify, evenly, find_files, samples_of_dataset, samples_of_files
from tinynets.deploy.predict import Predictor, load_predictor

PREPROCESSING = {'resolution': 8, 'crop_ratio': 1.0, 'mean': [0.0] * 3, 'deviation': [1.0] * 3}
NAMES = ('ant', 'bee', 'cow', 'dog')


def model(*rows):
    """A model that returns these logits for its images in turn."""
    left = iter(rows)
    return Predictor(lambda images: np.array([next(left) for _ in images], np.float32), {'name': 'fixed'}, NAMES,
                     PREPROCESSING, {}, 'raw')


def sample(index=None):
    return Sample('x.png', Image.new('RGB', (8, 8)), None if index is None else f'folder {NAMES[index]}', index)


def test_probabilities_are_the_softmax():
    """p_i / p_j = exp(l_i - l_j), and they sum to one: of logits that are logarithms of counts, the counts' shares."""
    found = model(np.log([1, 2, 3, 4]), [0, 0, 0, 0], [2000, 0, -1000, 2000]).probabilities([sample().image] * 3)
    np.testing.assert_allclose(found, [[0.1, 0.2, 0.3, 0.4], [0.25] * 4, [0.5, 0, 0, 0.5]], rtol=1e-6)
    assert found.dtype == np.float64


def test_the_likeliest_classes_come_first_with_their_probabilities():
    found, = classify(model(np.log([1, 4, 3, 2])), [sample()], topk=3)
    assert [name for name, _ in found.classes] == ['bee', 'cow', 'dog']
    assert [p for _, p in found.classes] == pytest.approx([0.4, 0.3, 0.2])
    assert (found.name, found.right, found.caption) == ('x.png', None, 'bee (40 %)')
    every, = classify(model(np.log([1, 4, 3, 2])), [sample()], topk=4)
    assert [name for name, _ in every.classes] == ['bee', 'cow', 'dog', 'ant']
    for topk in (0, 5):
        with pytest.raises(ValueError, match=f'topk={topk}: must be 1 to 4'):
            next(classify(model(), [sample()], topk))


def test_captions_name_the_truth_of_what_is_wrong():
    """Correctness is decided by the class's index: data sets may have other names than the model."""
    right, wrong = classify(model(np.log([1, 1, 1, 97]), np.log([70, 10, 10, 10])), [sample(3), sample(3)])
    assert (right.right, right.caption) == (True, 'dog (97 %)')
    assert (wrong.right, wrong.caption) == (False, 'ant (70 %)\n(is folder dog)')


def test_samples_are_spread_evenly_over_a_data_set():
    whole = load_dataset('digits', 'val')
    found = list(samples_of_dataset(whole, count=4))
    assert [s.name for s in found] == ['image 0', 'image 119', 'image 239', 'image 359']  # of 360
    assert len(list(samples_of_dataset(whole, count=1000))) == 360
    from tinynets.data.embedded import digits
    pixels, labels, names = digits('val')
    assert [s.index for s in found] == [labels[i] for i in (0, 119, 239, 359)]
    assert [s.label for s in found] == [names[s.index] for s in found]
    assert (np.asarray(found[1].image)[..., 0] == pixels[119]).all()


def test_files_are_found_and_bad_ones_named(tmp_path):
    Image.new('RGB', (4, 4)).save(tmp_path / 'b.png')
    (tmp_path / 'a.png').write_bytes(b'')
    paths = find_files([str(tmp_path), str(tmp_path / 'b.png')])
    assert paths == [str(tmp_path / name) for name in ('a.png', 'b.png', 'b.png')]
    bad = []
    assert [s.name for s in samples_of_files(paths, bad.append)] == paths[1:] and 'a.png' in bad[0]
    with pytest.raises(FileNotFoundError, match='nowhere'):
        find_files(['nowhere'])


class Shuffled:
    """The digits with other labels, so that each rank occurs."""

    def __init__(self, count=40):
        self.digits = load_dataset('digits', 'val')
        self.class_names = self.digits.class_names
        self.labels = np.random.default_rng(0).integers(0, 10, count).astype(np.int32)

    def __len__(self):
        return len(self.labels)

    def image(self, index):
        return self.digits.image(index)


def test_the_table_of_files_is_counted_by_hand(trained, tmp_path):
    """The averaged weights, and the raw ones as a file of another network."""
    from tinynets.deploy.compare import compare, table
    from tinynets.deploy.export import export
    from tinynets.runtime import configure
    configure('CPU')
    shutil.copy(trained / 'best.ckpt', tmp_path / 'best.ckpt')
    made, = export(str(tmp_path / 'best.ckpt'), ['ONNX'], str(tmp_path / 'export'), 'raw')
    dataset = Shuffled()
    rows = compare(str(tmp_path / 'best.ckpt'), dataset, 16, 1)
    logits = []
    for path in (str(tmp_path / 'best.ckpt'), made.path):
        loaded = load_predictor(path)
        logits.append(np.concatenate([loaded.predict(loaded.transform(dataset.image(i))[None]) for i in range(40)]))
    assert [row.file for row in rows] == ['best.ckpt', made.path.rsplit('/', 1)[1]]
    assert len(set(map(tuple, logits[0]))) == 40
    for row, own in zip(rows, logits):
        ranked = [sorted(range(10), key=lambda k: -v[k]) for v in own]
        assert row.top1 == pytest.approx(100 * sum(r[0] == y for r, y in zip(ranked, dataset.labels)) / 40)
        assert row.top5 == pytest.approx(100 * sum(y in r[:5] for r, y in zip(ranked, dataset.labels)) / 40)
        assert row.agree == sum(a.argmax() == b.argmax() for a, b in zip(own, logits[0])) and row.count == 40
        assert row.difference == pytest.approx(np.abs(own - logits[0]).max() / np.abs(logits[0]).max(), abs=1e-5)
    assert rows[0].difference == 0 and rows[1].difference > 1e-3
    line = table(rows).splitlines()[2]
    assert f'{rows[1].top1:.2f}' in line and f'{rows[1].top5:.2f}' in line and f'{rows[1].agree} of 40' in line


@pytest.mark.parametrize('error, words', [
    (ModuleNotFoundError("No module named 'onnxruntime'", name='onnxruntime'), 'onnxruntime is not installed'),
    (ImportError('libonnxruntime.so: file too short'), 'file too short'),
    (ImportError('libonnxruntime.so: failed to map segment from shared object'), '')])
def test_why_onnx_runtime_cannot_be_had(error, words, monkeypatch):
    """Want of memory is no missing package: it stays what it is, to be named so."""
    def fails():
        raise error
    monkeypatch.setattr(predict, 'onnx_runtime', fails)
    with pytest.raises(ValueError if words else ImportError) as caught:
        predict.onnx_function('x.onnx')
    assert caught.value is error or f'{words}' in str(caught.value) and 'pip install onnxruntime' in str(caught.value)


@pytest.mark.parametrize('number, count, chosen', [
    (10, 3, [0, 4, 9]), (3, 10, [0, 1, 2]), (1, 5, [0]), (5, 1, [0]), (4, 4, [0, 1, 2, 3]), (3, 10 ** 30, [0, 1, 2])])
def test_images_are_chosen_evenly(number, count, chosen):
    assert evenly(number, count) == chosen
