"""Evaluation compared with counting by hand: every score, the matrix, and a trained run recomputed from its file."""
import json
import math

import numpy as np
import pytest
from PIL import Image

from tinynets.tasks.classification.evaluate import evaluate


class Numbered:
    """Image i is the number i."""

    def __init__(self, labels, classes):
        self.labels, self.class_names = np.asarray(labels, np.int32), tuple(map(str, range(classes)))

    def __len__(self):
        return len(self.labels)

    def image(self, index):
        return index


def as_tensor(number):
    return np.full((3, 2, 2), number, np.float32)


def score(logits, labels, batch_size=4, **options):
    """Return the result of `evaluate` for a network with row i of `logits` for image i."""
    logits = np.asarray(logits, np.float32)
    return evaluate(lambda images: logits[images[:, 0, 0, 0].astype(int)], Numbered(labels, logits.shape[1]), as_tensor,
                    batch_size, **options)


def by_hand(logits, labels):
    """Return (top-1 %, top-5 %, loss, matrix), computed image by image with Python's sorting and logarithms."""
    first = fifth = 0
    loss, matrix = 0.0, [[0] * len(logits[0]) for _ in logits[0]]
    for row, label in zip(logits, labels):
        ranked = sorted(range(len(row)), key=lambda k: (-row[k], k))
        matrix[label][ranked[0]] += 1
        first += ranked[0] == label
        fifth += label in ranked[:5]
        loss += math.log(sum(math.exp(v - row[label]) for v in row))
    return 100 * first / len(labels), 100 * fifth / len(labels), loss / len(labels), matrix


@pytest.mark.parametrize('count, classes, batch_size', [(1, 2, 4), (7, 3, 2), (40, 5, 16), (61, 9, 7), (100, 12, 100)])
def test_scores_are_those_counted_by_hand(count, classes, batch_size):
    rng = np.random.default_rng(count)
    logits, labels = rng.normal(0, 2, (count, classes)).astype(np.float32), rng.integers(0, classes, count)
    found = score(logits, labels, batch_size)
    top1, top5, loss, matrix = by_hand(logits.tolist(), labels.tolist())
    assert (found.top1, found.top5, found.count) == (pytest.approx(top1), pytest.approx(top5), count)
    assert found.loss == pytest.approx(loss, rel=1e-6) and found.confusion.tolist() == matrix
    told = found.summary()
    assert (told['top1'], told['top5'], told['count']) == (round(top1, 4), round(top5, 4), count)
    assert told['loss'] == pytest.approx(loss, abs=1e-6) and told['correct'] == round(top1 * count / 100)


def test_the_true_class_in_each_place_of_the_ranking():
    """Logits 9, 8, ... 0: label k is in place k + 1, so one image in ten is right, five are in the first five."""
    found = score([range(9, -1, -1)] * 10, range(10))
    assert (found.top1, found.top5) == (10, 50)
    # true class down, called 0 across
    assert found.confusion[:, 0].tolist() == [1] * 10 and found.confusion.sum() == 10


def test_the_loss_of_equal_logits_is_the_logarithm_of_the_classes():
    assert score(np.zeros((6, 8)), [0, 1, 2, 3, 4, 5]).loss == pytest.approx(math.log(8))
    sure = score(1000 * np.eye(3), [0, 1, 0])  # exp(1000) overflows
    assert sure.loss == pytest.approx(1000 / 3) and sure.top1 == pytest.approx(200 / 3)


def test_speed_is_of_the_images(monkeypatch):
    times = iter((50.0, 54.0))
    monkeypatch.setattr('tinynets.tasks.classification.evaluate.time.perf_counter', lambda: next(times))
    assert score(np.eye(6), range(6), 4).images_per_s == 1.5


def test_progress_counts_the_images_and_none_is_refused():
    told = []
    score(np.eye(5), range(5), batch_size=2, progress=lambda done, total: told.append((done, total)))
    assert told == [(2, 5), (4, 5), (5, 5)]
    with pytest.raises(ValueError, match='evaluation set is empty'):
        score(np.zeros((0, 3)), [])


def test_the_scores_of_a_run_are_those_of_its_file(trained):
    """The digits as pixels, the preset by Pillow, the averaged weights: counted here, as metrics.jsonl has it."""
    import mindspore as ms
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    from tinynets.model import checkpoint
    from tinynets.runtime import configure
    from tinynets.tasks import restore
    digits = load_digits()
    val = np.sort(train_test_split(np.arange(1797), test_size=0.2, random_state=0, stratify=digits.target)[1])
    tensors = []
    for pixels in digits.images[val]:
        image = Image.fromarray(np.round(pixels * 255 / 16).astype(np.uint8)).convert('RGB')
        image = image.resize((18, 18), Image.Resampling.BICUBIC).crop((1, 1, 17, 17))  # floor(16 / 0.875) is 18
        values = (np.asarray(image, np.float64) / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
        tensors.append(values.transpose(2, 0, 1))
    configure('CPU')
    network, kind = restore.restore_network(checkpoint.load(str(trained / 'best.ckpt')))
    logits = network(ms.Tensor(np.array(tensors, np.float32))).asnumpy()
    top1, top5, loss, matrix = by_hand(logits.tolist(), digits.target[val].tolist())
    records = [json.loads(line) for line in (trained / 'metrics.jsonl').read_text().splitlines()]
    best = max((r for r in records if r['kind'] == 'eval'), key=lambda r: r['top1'])
    assert kind == 'ema' and (best['top1'], best['top5'], best['count']) == (round(top1, 4), round(top5, 4), 360)
    assert best['loss'] == pytest.approx(loss, abs=1e-4) and np.sum(matrix) == 360


def test_a_score_without_its_number_of_images_is_the_share_it_says():
    from tinynets.tasks.classification.evaluate import exact_top1
    assert exact_top1({'top1': 33.3333, 'epoch': 1}) == 33.3333
    assert exact_top1({'top1': 33.3333, 'count': 6}) == 100 * 2 / 6
