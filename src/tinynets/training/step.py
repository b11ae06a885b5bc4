"""The compiled training step: loss, gradients, clipping, optimizer, weight average, in one graph."""
from __future__ import annotations

from mindspore import amp, nn, ops

from tinynets.training.distill import Distillation
from tinynets.training.ema import WeightAverage


class TrainStep(nn.Cell):
    """images (N, C, H, W) float32, targets -> the mean loss before the update.

    Targets are the second argument of `loss`, after the network's outputs: labels (N,) int32, or (N, ...) float32.

    `clip_norm` limits the gradient's global norm (0: no limit); `average` may be None. The gradient is the mean over
    `micro_batches` equal parts of the batch, which run one after another: only one part's activations are in memory,
    and batch norm uses the statistics of a part. `distillation` adds a teacher's answers to the loss. `workers`
    averages gradients and loss over all workers; None means one worker.

    With a `scaler` the gradients belong to the scaled loss. If one is NaN or infinite, weights, average and optimizer
    stay as they are, including the optimizer's step: the schedule then ends that many steps early. Batch norm's
    statistics are updated by the forward pass in any case.
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
        if scaler is not None:  # it is not a cell; its state is saved with the step's
            self.loss_scale, self.good_steps = scaler.scale_value, scaler.counter
        self.distillation = distillation
        self.map = ops.HyperMap()
        self.value_and_grad = ops.value_and_grad(self.forward, None, optimizer.parameters, has_aux=scaler is not None)

    @property
    def compile_phase(self):
        return self._compile_phase

    @compile_phase.setter
    def compile_phase(self, value):
        """Pass a changed phase on to the cells inside; the framework does so in every call, which takes 2 to 3 ms."""
        if value != self._compile_phase:
            nn.Cell.compile_phase.fset(self, value)

    def forward(self, images, targets):
        outputs = self.network(images).float()
        loss = self.loss(outputs, targets)
        if self.distillation is not None:
            loss = self.distillation(loss, outputs, images)
        return loss if self.scaler is None else (self.scaler.scale(loss), loss)

    def part(self, images, targets):
        """Return (loss, gradients of the scaled loss) of one micro-batch."""
        loss, gradients = self.value_and_grad(images, targets)
        return (loss if self.scaler is None else loss[1]), gradients

    def gradients(self, images, targets):
        """Return (loss, gradients) of the batch."""
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
        """Update weights and average; return the loss, so that the graph keeps the updates."""
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
