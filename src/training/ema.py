"""Exponential moving average of the weights, updated inside the compiled training step."""
from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from src import kernels
from src.kernels.cells import FusedUpdate
from src.model.checkpoint_file import AVERAGE


class WeightAverage(nn.Cell):
    """shadow <- d * shadow + (1 - d) * weight, for weights and batch norm statistics, once a call.

    d = min(decay, (1 + t) / (10 + t)) after t updates, as TensorFlow's ExponentialMovingAverage with its step count: a
    short run is not averaged with its own random start. The published decay 0.9999 is reached after 90,000 steps.
    """

    def __init__(self, network: nn.Cell, decay: float):
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f'ema decay {decay}: must be at least 0 and below 1, for example 0.9999')
        self.decay = decay
        weights = [p for p in network.get_parameters() if p.dtype == ms.float32]
        self.weights = ParameterTuple(weights)
        self.shadows = ParameterTuple([Parameter(Tensor(p.asnumpy()), name=f'{AVERAGE}.{p.name}', requires_grad=False)
                                       for p in weights])
        self.updates = Parameter(Tensor([0], ms.float32), name=f'{AVERAGE}_updates', requires_grad=False)
        self.update = ops.MultitypeFuncGraph('ema_update')
        self.map = ops.HyperMap()
        library = kernels.active()
        self.fused = FusedUpdate(library, 'average') if library else None

        @self.update.register('Tensor', 'Tensor', 'Tensor')
        def _update(rate, shadow, weight):
            return ops.assign_add(shadow, (weight - shadow) * rate)

    def construct(self):
        t = ops.assign_add(self.updates, ops.ones_like(self.updates))
        rate = 1 - ops.minimum((1 + t) / (10 + t), self.decay)
        if self.fused is not None:
            return self.fused((rate,), self.shadows + self.weights)
        return self.map(ops.partial(self.update, rate), self.shadows, self.weights)
