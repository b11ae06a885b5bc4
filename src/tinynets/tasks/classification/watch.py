"""What a run is told about its classes: unequal ones before it starts, and when it learns nothing."""
from __future__ import annotations

from typing import Sequence

import numpy as np

from tinynets.tasks.task import SETTLED

UNEQUAL = 5  # times as many images in the largest class as in the smallest: worth advice on the remedy
CHANCE_MARGIN = 0.02  # of top-1, as a share
ROUNDING = 1e-9  # percent: of floating-point numbers that mean the same share


class AtChance(ValueError):
    """A run that learns nothing; the message says what to look at."""


def class_balance(labels: np.ndarray, class_names: Sequence[str]) -> str:
    """A line on how many images the classes have."""
    counts = np.bincount(labels, minlength=len(class_names))
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts.min() == counts.max():
        return f'images per class: {counts.min():,}'
    line = (f'images per class: {counts.min():,} ({class_names[least]}) to {counts.max():,} ({class_names[most]}), '
            f'median {np.median(counts):,.0f}')
    if counts.min() == 0:
        return f'{line}; a class without images is never learnt'
    if counts.max() >= UNEQUAL * counts.min():
        line += f'; the largest has {counts.max() / counts.min():.0f} times the smallest, whose accuracy may suffer'
    return line


def chance_level(labels: np.ndarray) -> float:
    """Top-1 in percent that guessing reaches: always the most frequent class, and some luck.

    Luck is two standard deviations, but at most two points, or a network could hardly be better on a few images.
    """
    share = np.bincount(labels).max() / len(labels)
    return float(100 * (share + min(CHANCE_MARGIN, 2 * np.sqrt(share * (1 - share) / len(labels)))))


def check_chance(best_top1: float, labels: np.ndarray, epoch: int, epochs: int, steps: int = SETTLED) -> None:
    """Raise AtChance where after `epochs` epochs the best top-1, in percent, not rounded, is no more than guessing's.

    `steps` is how many updates there were; before SETTLED of them it is too early to say.
    """
    level = chance_level(labels)
    if epochs and epoch >= epochs and steps >= SETTLED and best_top1 <= level + ROUNDING:
        raise AtChance(f'top-1 is {best_top1:.2f} % after {epoch} epochs, no more than guessing reaches ({level:.2f} %'
                       '): nothing is learnt. Look at a few images and their classes, then try a lower '
                       'optim.learning_rate, a longer optim.warmup_epochs or a milder data.crop_area; to continue '
                       'regardless set train.chance_epochs to 0 in config.yaml of the run and --resume')
