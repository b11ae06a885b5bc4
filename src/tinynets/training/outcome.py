"""The outcome of a finished run."""
from __future__ import annotations

from dataclasses import dataclass

from tinynets.training.progress import duration
from tinynets.training.run import RunFolder


@dataclass(frozen=True)
class Outcome:
    """The outcome of a finished run: its folder and its best and last evaluation."""
    run: RunFolder
    best: dict
    last: dict
    seconds: float


def finished_text(outcome: Outcome) -> str:
    """Return the lines that a run prints at its end."""
    run, best, metric = outcome.run, outcome.best, outcome.run.metric
    return (f"best {metric.title} {metric.text(best[metric.name])} at epoch {best['epoch']}, trained in "
            f'{duration(outcome.seconds)}\nresults in {run.path}: {run.best.name}, {run.card.name}, {run.last.name}, '
            f'{run.metrics.name}, {run.curve.name}')
