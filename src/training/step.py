"""The compiled training step: loss, gradients, clipping, optimizer, weight average, in one graph."""
from __future__ import annotations

from mindspore import nn, ops

from src.training.ema import WeightAverage


class TrainStep(nn.Cell):
    """images (N, C, H, W) float32, labels (N,) int32 -> the mean loss before the update, a scalar.

    `clip_norm` limits the gradient's global norm, 0 does not; `average` may be None. `workers` takes the mean over all
    workers, of the loss too; None is one worker.
    """

    def __init__(self, network: nn.Cell, loss: nn.Cell, optimizer: nn.Optimizer, average: WeightAverage | None = None,
                 clip_norm: float = 0.0, workers: nn.Cell | None = None):
        super().__init__(auto_prefix=False)
        self.network = network
        self.loss = loss
        self.optimizer = optimizer
        self.average = average
        self.clip_norm = clip_norm
        self.workers = workers
        self.value_and_grad = ops.value_and_grad(self.forward, None, optimizer.parameters)

    @property
    def compile_phase(self):
        return self._compile_phase

    @compile_phase.setter
    def compile_phase(self, value):
        """Tell the cells inside when it changes; the framework does at every call, 2 to 3 ms for these networks."""
        if value != self._compile_phase:
            nn.Cell.compile_phase.fset(self, value)

    def forward(self, images, labels):
        return self.loss(self.network(images), labels)

    def construct(self, images, labels):
        loss, gradients = self.value_and_grad(images, labels)
        if self.workers is not None:
            loss, gradients = self.workers(loss, gradients)
        if self.clip_norm > 0:
            gradients = ops.clip_by_global_norm(gradients, self.clip_norm)
        loss = ops.depend(loss, self.optimizer(gradients))
        if self.average is not None:
            loss = ops.depend(loss, self.average())
        return loss
