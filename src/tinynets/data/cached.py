"""Decoded images kept in memory, for data sets that are small enough."""
from __future__ import annotations

from typing import List, Optional

import numpy as np
from PIL import Image


class Cached:
    """A data set whose images are decoded once, at their first use, and kept as (H, W, 3) uint8."""

    def __init__(self, dataset):
        self.dataset = dataset
        self.class_names, self.labels = dataset.class_names, dataset.labels
        self.strict = getattr(dataset, 'strict', False)
        self._kept: List[Optional[np.ndarray]] = [None] * len(dataset)

    def __len__(self) -> int:
        return len(self.labels)

    def source(self, index: int) -> np.ndarray:
        """Return the pixels of image `index`. Raises images.ImageError, on every call, if it cannot be decoded."""
        pixels = self._kept[index]
        if pixels is None:  # two threads may both decode it, with the same result
            pixels = self._kept[index] = np.asarray(self.dataset.image(index))
        return pixels

    def image(self, index: int) -> Image.Image:
        """Return image `index` as RGB."""
        return Image.fromarray(self.source(index))

    def name(self, index: int) -> str:
        """Return the data set's name of image `index`."""
        return self.dataset.name(index)


def cached(dataset, cache: str, megabytes: int):
    """Return the data set, Cached if `cache` is 'memory', or 'auto' and the decoded images fit into `megabytes`.

    A megabyte is 10^6 bytes. Sizes are read from the files' headers, until the limit is passed. Data sets that are in
    memory already have no `size` and are returned as they are. Raises ValueError if 'memory' needs more than the limit.
    """
    if cache == 'off' or not hasattr(dataset, 'size'):
        return dataset
    total = 0
    for index in range(len(dataset)):
        width, height = dataset.size(index)
        total += 3 * width * height
        if total > megabytes * 10 ** 6:
            if cache == 'memory':
                raise ValueError(f'data.cache=memory: the first {index + 1} of {len(dataset)} decoded images take more '
                                 f'than data.cache_mb={megabytes}; raise it, or leave data.cache at auto')
            return dataset
    return Cached(dataset)
