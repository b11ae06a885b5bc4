"""Records of training: the mean loss of some steps, their learning rate and speed."""
from __future__ import annotations

import time
from typing import Any, Dict, List

import numpy as np

from tinynets.training.state import State
from tinynets.training.waiting import Waiting


class Meter:
    """Collects the losses of the steps since the last record."""

    def __init__(self, state: State, waiting: Waiting):
        self.state, self.waited = state, waiting.watch()
        self.losses: List[float] = []
        self.restart()

    def restart(self) -> None:
        """Start a new record at this step and time."""
        self.losses.clear()
        self.waited.restart()
        self.since, self.step = time.monotonic(), self.state.step

    @property
    def steps(self) -> int:
        """Steps since the last record."""
        return self.state.step - self.step

    @property
    def images_per_s(self) -> float:
        """Images per second since the last record."""
        return self.steps * self.state.parts.images_per_step / max(time.monotonic() - self.since, 1e-9)

    @property
    def updates(self) -> int:
        """The number of steps that changed the weights: with a loss scale, the steps without an overflow."""
        step = self.state.parts.step
        return self.state.step if step.scaler is None else step.optimizer.global_step.asnumpy().item()

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last update; the schedule counts updates, not steps."""
        return self.state.parts.rates[max(self.updates, 1) - 1]

    @property
    def loss_scale(self) -> float:
        """The current scale of the loss."""
        return float(self.state.parts.step.loss_scale.asnumpy())

    def record(self) -> Dict[str, Any]:
        """The record of the steps since the last one."""
        step, parts = self.state.step, self.state.parts
        scaling = {} if parts.step.scaler is None else {'updates': self.updates, 'loss_scale': self.loss_scale}
        return dict(kind='train', step=step, epoch=round(step / parts.steps_per_epoch, 4),
                    loss=round(float(np.mean(self.losses)), 6), learning_rate=self.learning_rate,
                    images_per_s=round(self.images_per_s, 1), wait=self.waited.share(), **scaling)
