"""When a run is no longer worth continuing."""
from __future__ import annotations

from tinynets.tasks.task import SETTLED


def patience_over(best: dict, epoch: int, patience: int, steps: int = SETTLED) -> bool:
    """Whether the best evaluation is `patience` epochs or more ago; not before SETTLED of the `steps`, the updates."""
    return bool(patience and best and epoch - best['epoch'] >= patience and steps >= SETTLED)
