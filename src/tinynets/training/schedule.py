"""Learning-rate schedules: pure functions of the global step."""
from __future__ import annotations

import math
from typing import List

SCHEDULES = ('exponential', 'cosine', 'constant')


def learning_rate(step: int, *, kind: str, base: float, steps_per_epoch: int, epochs: float, warmup_epochs: float = 0.0,
                  warmup_start: float = 0.0, decay_rate: float = 0.97, decay_epochs: float = 2.4,
                  final: float = 0.0) -> float:
    """Return the learning rate of a step, counted from zero.

    - warm-up: linear from `warmup_start` to `base` over the first `warmup_epochs`.
    - exponential: base * decay_rate ** floor(epoch / decay_epochs), the published recipe's staircase. Epochs count from
      the start of training, including the warm-up. The authors' code changes the rate once per epoch, so that a stair
      of 2.4 epochs begins at the next whole epoch; here it begins at the step.
    - cosine: from `base` after the warm-up to `final` at the last step (Loshchilov and Hutter, ICLR 2017).
    - constant: `base`.

    Raises ValueError for an unknown kind.
    """
    if kind not in SCHEDULES:
        raise ValueError(f"schedule '{kind}': must be one of {', '.join(SCHEDULES)}")
    warmup = warmup_epochs * steps_per_epoch
    if step < warmup:
        return warmup_start + (base - warmup_start) * step / warmup
    if kind == 'exponential':
        return base * decay_rate ** math.floor(step / (decay_epochs * steps_per_epoch))
    if kind == 'cosine':
        last = epochs * steps_per_epoch - 1
        progress = min(1.0, (step - warmup) / (last - warmup)) if last > warmup else 1.0
        return final + (base - final) * (1 + math.cos(math.pi * progress)) / 2
    return base


def table(steps: int, **schedule) -> List[float]:
    """Return the learning rate of every step of a run, for the optimizers."""
    return [learning_rate(step, **schedule) for step in range(steps)]
