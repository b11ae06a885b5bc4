"""Warnings on a run's classes: unequal sizes before it starts, and a score at chance level."""
from __future__ import annotations

from typing import Sequence

import numpy as np

from tinynets.tasks.task import SETTLED

UNEQUAL = 5  # ratio of the largest to the smallest class from which there is a remark
CHANCE_MARGIN = 0.02  # of top-1, as a share
ROUNDING = 1e-9  # percent: tolerance for floating-point numbers of the same share


class AtChance(ValueError):
    """A run does not learn; the message says what to look at."""


def class_balance(labels: np.ndarray, class_names: Sequence[str]) -> str:
    """Return a line on the number of images per class."""
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
    """Return the top-1 in percent of always answering the most frequent class, plus a margin.

    The margin is two standard deviations, but at most two points, as otherwise a network could hardly beat it on few
    images.
    """
    share = np.bincount(labels).max() / len(labels)
    return float(100 * (share + min(CHANCE_MARGIN, 2 * np.sqrt(share * (1 - share) / len(labels)))))


def check_chance(best_top1: float, labels: np.ndarray, epoch: int, epochs: int, steps: int = SETTLED) -> None:
    """Raise AtChance if after `epochs` epochs the best top-1 (unrounded, in percent) does not beat chance level.

    `steps` is the number of updates; nothing is raised before SETTLED updates.
    """
    level = chance_level(labels)
    if epochs and epoch >= epochs and steps >= SETTLED and best_top1 <= level + ROUNDING:
        raise AtChance(f'top-1 is {best_top1:.2f} % after {epoch} epochs, which does not beat chance ({level:.2f} %). '
                       'Look at a few images and their classes, then try a lower optim.learning_rate, a longer '
                       'optim.warmup_epochs or a milder data.crop_area; to continue regardless, set '
                       "train.chance_epochs to 0 in the run's config.yaml and use --resume")
