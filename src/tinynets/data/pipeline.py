"""Batches: an endless training stream that is a pure function of the global step, and a complete evaluation pass."""
from __future__ import annotations

import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Callable, Iterable, Iterator, Optional, Tuple

import numpy as np

from tinynets.data.buffers import Buffers
from tinynets.data.images import ImageError
from tinynets.runtime import printable


class TrainStream:
    """Training batches by global step.

    Step s belongs to epoch s // steps_per_epoch, whose order is a permutation drawn from (seed, epoch); each image's
    augmentation is drawn from (seed, epoch, index). A run that resumes at step s therefore sees exactly what the
    uninterrupted run sees, with any number of workers. The images of an incomplete last batch of an epoch are left out;
    the next epoch leaves out others. With `fast`, a TrainTransform writes the data set's `source(i)` straight into the
    batch; otherwise the transform is called with `image(i)`. `mix` (images, labels, step) changes whole batches, see
    src/tinynets/data/mixing.py.

    If `size` processes train together, each has batches of `batch_size`. In the order of the ranks, their batches at a
    step are the batch of a single process with `size` times the batch size.
    """

    def __init__(self, dataset, transform: Callable, batch_size: int, seed: int = 0, workers: int = 2,
                 mix: Optional[Callable] = None, rank: int = 0, size: int = 1, fast: bool = False):
        if len(dataset) < size:
            raise ValueError('the training set is empty' if not len(dataset) else
                             f'{len(dataset)} training images are too few for {size} workers')
        self.dataset, self.transform, self.seed, self.workers = dataset, transform, seed, workers
        self.mix, self.rank, self.size, self.fast = mix, rank, size, fast
        self.batch_size = min(batch_size, len(dataset) // size)
        self.steps_per_epoch = len(dataset) // (self.batch_size * size)
        if fast:
            self._buffers = Buffers((self.batch_size, *transform.shape))
        self._warned = set()
        self._order = lru_cache(maxsize=2)(self._permutation)

    def batch(self, step: int) -> Tuple[np.ndarray, np.ndarray]:
        """Return the images (B, 3, R, R) float32 and targets of a step: (B,) int32 labels, or (B, ...) float32.

        Mixed labels are shares, (B, classes) float32.
        """
        epoch, position = divmod(step, self.steps_per_epoch)
        start = (position * self.size + self.rank) * self.batch_size
        chosen = self._order(epoch)[start:start + self.batch_size]
        if self.fast:
            images = self._buffers.array()
            labels = [self._sample(int(i), epoch, out)[1] for i, out in zip(chosen, images)]
        else:
            samples = [self._sample(int(i), epoch) for i in chosen]
            images, labels = np.stack([image for image, _ in samples]), [label for _, label in samples]
        labels = np.array(labels, np.int32 if np.asarray(self.dataset.labels).dtype.kind in 'iu' else np.float32)
        return (images, labels) if self.mix is None else self.mix(images, labels, step)

    def _permutation(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.dataset))

    def batches(self, start: int, stop: int) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
        """Yield the batches of steps start..stop-1, prepared ahead by the worker threads."""
        return _ahead(self.batch, range(start, stop), self.workers)

    def _sample(self, index: int, epoch: int, out: Optional[np.ndarray] = None) -> tuple:
        """Return one augmented image, written to `out` if given, and its target.

        A file that has become unreadable since the start is named and replaced by the next readable one; with a strict
        data set it is an error.
        """
        for offset in range(len(self.dataset)):
            chosen = (index + offset) % len(self.dataset)
            rng = np.random.default_rng((self.seed, epoch, chosen))
            try:
                if out is None:
                    out = self.transform(self.dataset.image(chosen), rng)
                else:
                    self.transform.write(self.dataset.source(chosen), rng, out)
                return out, self.dataset.labels[chosen]
            except (ImageError, OSError) as error:
                if getattr(self.dataset, 'strict', False):
                    raise
                if chosen not in self._warned:
                    self._warned.add(chosen)
                    print(printable(f'skipped, unreadable since the check: {error}'), file=sys.stderr)
        raise ValueError('no training image can be read any more; is the data folder still there?')


def eval_batches(dataset, transform: Callable, batch_size: int, workers: int = 2, rank: int = 0, size: int = 1
                 ) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    """Yield every image once, in order: (images (B, 3, R, R), labels (b,)); each of `size` processes every size-th.

    The last batch is padded with zeros to B, so that one compiled graph serves all; it has only b labels.
    """
    own = range(rank, len(dataset), size)
    length = max(1, min(batch_size, len(own)))

    def batch(start: int) -> Tuple[np.ndarray, np.ndarray]:
        indices = own[start:start + length]
        samples = np.stack([transform(dataset.image(i)) for i in indices])
        if len(samples) < length:
            samples = np.concatenate([samples, np.zeros((length - len(samples), *samples.shape[1:]), samples.dtype)])
        return samples, dataset.labels[indices.start:indices.stop:size]

    return _ahead(batch, range(0, len(own), length), workers)


def _ahead(make: Callable, keys: Iterable, workers: int) -> Iterator:
    """Yield make(key) for each key in order, with up to 2 * workers results computed ahead in threads."""
    pending: deque = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for key in keys:
                pending.append(pool.submit(make, key))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
