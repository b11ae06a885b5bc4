"""Mixed batches: mixup and cutmix, a pure function of (seed, step)."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Tuple

import numpy as np

_STREAM = 1  # keeps these draws apart from those of orders and images, which have no spawn key


@dataclass(frozen=True)
class Mixing:
    """Images (N, 3, H, W) float32, labels (N,) -> mixed images and the shares of the classes, (N, classes) float32.

    A batch is mixed with `probability`, each image with one of the same batch by a random permutation and all by the
    same share lambda ~ Beta(alpha, alpha): x <- lambda x + (1 - lambda) x', y <- lambda y + (1 - lambda) y'.

    - mixup (Zhang et al., ICLR 2018), alpha `mixup`: of all pixels;
    - cutmix (Yun et al., ICCV 2019), alpha `cutmix`: a rectangle of x' with the image's aspect and 1 - lambda of its
      area, its centre uniform; cut off at the border, lambda becomes what is left of x.

    An alpha of 0 leaves one out; with both, `switch` is the chance of cutmix. Everything is drawn from (seed, step).
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
        """Draw (top, bottom, left, right) in an image of `size` (height, width) that cutmix leaves `kept` of."""
        side = math.sqrt(1 - kept)
        ends = []
        for length in size:
            half, centre = int(length * side) // 2, int(rng.integers(length))
            ends += [max(0, centre - half), min(length, centre + half)]
        return ends[0], ends[1], ends[2], ends[3]
