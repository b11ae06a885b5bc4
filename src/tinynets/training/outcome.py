"""What a finished run left."""
from __future__ import annotations

from dataclasses import dataclass

from tinynets.training.progress import duration
from tinynets.training.run import RunFolder


@dataclass(frozen=True)
class Outcome:
    """What a finished run left: the best evaluation and where everything is."""
    run: RunFolder
    best: dict
    last: dict
    seconds: float


def finished_text(outcome: Outcome) -> str:
    """What a run says at its end."""
    run, best, metric = outcome.run, outcome.best, outcome.run.metric
    return (f"best {metric.title} {metric.text(best[metric.name])} at epoch {best['epoch']}, trained in "
            f'{duration(outcome.seconds)}\nresults in {run.path}: {run.best.name}, {run.card.name}, {run.last.name}, '
            f'{run.metrics.name}, {run.curve.name}')
