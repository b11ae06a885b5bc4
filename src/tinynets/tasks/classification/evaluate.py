"""Evaluation: every image exactly once, with any function that computes logits."""
from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, Optional

import numpy as np

from tinynets import runtime
from tinynets.data.pipeline import eval_batches
from tinynets.tasks.classification.dataset import Labelled
from tinynets.workers import add_up


@dataclass(frozen=True)
class Result:
    """`top1` and `top5` in percent, `loss` the mean cross entropy, `confusion[i, j]` images of class i called j."""
    top1: float
    top5: float
    loss: float
    count: int
    images_per_s: float
    confusion: np.ndarray

    @property
    def correct(self) -> int:
        """The number of correctly classified images."""
        return int(np.trace(self.confusion))

    def summary(self) -> dict:
        """Return the numbers for JSON without the matrix; all but `correct` and `count` are rounded."""
        return {'top1': round(self.top1, 4), 'top5': round(self.top5, 4), 'loss': round(self.loss, 6),
                'correct': self.correct, 'count': self.count, 'images_per_s': round(self.images_per_s, 1)}


def correct(score: dict) -> int:
    """Return the number of correct images of a `summary`; summaries of earlier releases have only the rounded share."""
    return score.get('correct', round(score['top1'] * score['count'] / 100))


def exact_top1(score: dict) -> float:
    """Return a `summary`'s unrounded top-1 in percent, for comparisons: 33.3333 is less than a third."""
    return 100 * correct(score) / score['count'] if 'count' in score else score['top1']


def evaluate(predict: Callable[[np.ndarray], np.ndarray], dataset: Labelled, transform: Callable, batch_size: int,
             workers: int = 2, progress: Optional[Callable[[int, int], None]] = None) -> Result:
    """Score `predict`, images (B, 3, R, R) -> logits (B, classes), on a whole data set.

    With fewer than five classes top-5 counts all of them. Each worker of a job scores a part, and all return the result
    of the whole. Raises ValueError for an empty set, or if the number of counted images differs from the set's.
    """
    if len(dataset) == 0:
        raise ValueError('the evaluation set is empty')
    classes = len(dataset.class_names)
    confusion = np.zeros((classes, classes), np.int64)
    top5 = count = 0
    loss = 0.0
    start = time.perf_counter()
    for images, labels in eval_batches(dataset, transform, batch_size, workers, runtime.rank(), runtime.size()):
        logits = np.asarray(predict(images), np.float64)[:len(labels)]
        shifted = logits - logits.max(axis=1, keepdims=True)
        loss += float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]).sum())
        order = np.argsort(-logits, axis=1, kind='stable')[:, :5]
        np.add.at(confusion, (labels, order[:, 0]), 1)
        top5 += int((order == labels[:, None]).sum())
        count += len(labels)
        if progress:
            progress(min(count * runtime.size(), len(dataset)), len(dataset))
    if runtime.size() > 1:
        top5, count, loss = add_up(top5), add_up(count), add_up(loss)
        confusion = add_up(confusion)
    if count != len(dataset):
        raise ValueError(f'evaluated {count} images of {len(dataset)}')
    return Result(100 * int(np.trace(confusion)) / count, 100 * top5 / count, loss / count, count,
                  count / (time.perf_counter() - start), confusion)
