"""The compiled training step: loss, gradients, clipping, optimizer, weight average, in one graph."""
from __future__ import annotations

from mindspore import amp, nn, ops

from tinynets.training.distill import Distillation
from tinynets.training.ema import WeightAverage


class TrainStep(nn.Cell):
    """images (N, C, H, W) float32, targets -> the mean loss before the update.

    Targets are what `loss` takes after the network's outputs: labels (N,) int32, or (N, ...) float32.

    `clip_norm` limits the gradient's global norm, 0 does not; `average` may be None. The gradient is the mean over
    `micro_batches` equal parts of the batch, run one after another: only one part's activations are held, and batch
    norm has the statistics of a part. `distillation` adds a teacher's answers to the loss. `workers` takes the mean
    over all workers, of the loss too; None is one worker.

    With a `scaler` the gradients are taken of the scaled loss. Where one is not finite, weights, optimizer and average
    stay as they are, the optimizer's step among them: the schedule then ends short by as many steps. Batch norm's
    statistics are the forward pass's and move on.
    """

    def __init__(self, network: nn.Cell, loss: nn.Cell, optimizer: nn.Optimizer, average: WeightAverage | None = None,
                 clip_norm: float = 0.0, micro_batches: int = 1, scaler: amp.LossScaler | None = None,
                 distillation: Distillation | None = None, workers: nn.Cell | None = None):
        super().__init__(auto_prefix=False)
        self.network = network
        self.loss = loss
        self.optimizer = optimizer
        self.average = average
        self.clip_norm = clip_norm
        self.workers = workers
        self.micro_batches = micro_batches
        self.scaler = scaler
        if scaler is not None:  # which is no cell: its state is saved with the step's
            self.loss_scale, self.good_steps = scaler.scale_value, scaler.counter
        self.distillation = distillation
        self.map = ops.HyperMap()
        self.value_and_grad = ops.value_and_grad(self.forward, None, optimizer.parameters, has_aux=scaler is not None)

    @property
    def compile_phase(self):
        return self._compile_phase

    @compile_phase.setter
    def compile_phase(self, value):
        """Tell the cells inside when it changes; the framework does at every call, 2 to 3 ms for these networks."""
        if value != self._compile_phase:
            nn.Cell.compile_phase.fset(self, value)

    def forward(self, images, targets):
        outputs = self.network(images).float()
        loss = self.loss(outputs, targets)
        if self.distillation is not None:
            loss = self.distillation(loss, outputs, images)
        return loss if self.scaler is None else (self.scaler.scale(loss), loss)

    def part(self, images, targets):
        """(loss, gradients) of one micro-batch, the gradients those of the scaled loss."""
        loss, gradients = self.value_and_grad(images, targets)
        return (loss if self.scaler is None else loss[1]), gradients

    def gradients(self, images, targets):
        """(loss, gradients) of the batch."""
        if self.micro_batches == 1:
            return self.part(images, targets)
        size = images.shape[0] // self.micro_batches
        loss, total = self.part(images[:size], targets[:size])
        for begin in range(size, images.shape[0], size):
            images = ops.depend(images, total)  # one after another
            next_loss, gradients = self.part(images[begin:begin + size], targets[begin:begin + size])
            loss, total = loss + next_loss, self.map(ops.add, total, gradients)
        share = 1 / self.micro_batches
        return loss * share, self.map(ops.partial(ops.mul, share), total)

    def update(self, loss, gradients):
        """Move weights and average; returns the loss, so that the graph keeps the updates."""
        if self.clip_norm > 0:
            gradients = ops.clip_by_global_norm(gradients, self.clip_norm)
        loss = ops.depend(loss, self.optimizer(gradients))
        if self.average is not None:
            loss = ops.depend(loss, self.average())
        return loss

    def construct(self, images, targets):
        loss, gradients = self.gradients(images, targets)
        if self.workers is not None:
            loss, gradients = self.workers(loss, gradients)
        if self.scaler is None:
            return self.update(loss, gradients)
        gradients = self.scaler.unscale(gradients)
        finite = amp.all_finite(gradients)
        if finite:
            loss = self.update(loss, gradients)
        self.scaler.adjust(finite)
        return loss
