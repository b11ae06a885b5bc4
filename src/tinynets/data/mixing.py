"""Mixup and cutmix of batches, as a pure function of (seed, step)."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Tuple

import numpy as np

_STREAM = 1  # spawn key of these draws; the draws of orders and images have none


@dataclass(frozen=True)
class Mixing:
    """Images (N, 3, H, W) float32, labels (N,) -> mixed images and the shares of the classes, (N, classes) float32.

    A batch is mixed with `probability`. Each image is mixed with another of the batch, given by a random permutation,
    all with the same lambda ~ Beta(alpha, alpha): x <- lambda x + (1 - lambda) x', y <- lambda y + (1 - lambda) y'.

    - mixup (Zhang et al., ICLR 2018), alpha `mixup`, mixes all pixels.
    - cutmix (Yun et al., ICCV 2019), alpha `cutmix`, copies a rectangle of x' with the image's aspect, 1 - lambda of
      its area and a uniformly drawn centre. It is cut at the border; lambda becomes the share left of x.

    An alpha of 0 turns one off; with both on, `switch` is the probability of cutmix. All draws are from (seed, step).
    """
    classes: int
    seed: int
    mixup: float = 0.0
    cutmix: float = 0.0
    switch: float = 0.5
    probability: float = 1.0

    def __call__(self, images: np.ndarray, labels: np.ndarray, step: int) -> Tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(np.random.SeedSequence((self.seed, step), spawn_key=(_STREAM,)))
        shares = np.zeros((len(labels), self.classes), np.float32)
        shares[np.arange(len(labels)), labels] = 1
        if rng.random() >= self.probability:
            return images, shares
        cuts = self.cutmix > 0 and (self.mixup == 0 or rng.random() < self.switch)
        alpha = self.cutmix if cuts else self.mixup
        kept = np.float32(rng.beta(alpha, alpha))
        partner = rng.permutation(len(images))
        if cuts:
            top, bottom, left, right = self.box(images.shape[2:], float(kept), rng)
            images = images.copy()
            images[:, :, top:bottom, left:right] = images[partner, :, top:bottom, left:right]
            kept = np.float32(1 - (bottom - top) * (right - left) / (images.shape[2] * images.shape[3]))
        else:
            images = kept * images + (1 - kept) * images[partner]
        return images, kept * shares + (1 - kept) * shares[partner]

    @staticmethod
    def box(size: Tuple[int, int], kept: float, rng: np.random.Generator) -> Tuple[int, int, int, int]:
        """Draw cutmix's rectangle (top, bottom, left, right) of an image of `size` (height, width), to keep `kept`."""
        side = math.sqrt(1 - kept)
        ends = []
        for length in size:
            half, centre = int(length * side) // 2, int(rng.integers(length))
            ends += [max(0, centre - half), min(length, centre + half)]
        return ends[0], ends[1], ends[2], ends[3]
