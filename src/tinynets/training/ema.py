"""Exponential moving average of the weights, updated inside the compiled training step."""
from __future__ import annotations

from typing import Dict

import mindspore as ms
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from tinynets import native
from tinynets.model.checkpoint_file import AVERAGE
from tinynets.native.cells import FusedUpdate
from tinynets.runtime import fuses_updates
from tinynets.training.parallel import flat

VECTOR = f'{AVERAGE}_vector'


class WeightAverage(nn.Cell):
    """shadow <- d * shadow + (1 - d) * weight, for weights and batch norm statistics, once per call.

    d = min(decay, (1 + t) / (10 + t)) after t updates, as in TensorFlow's ExponentialMovingAverage with a step count,
    so that a short run is not averaged with its random start. The published decay 0.9999 is reached after 90,000 steps.

    If launching kernels limits the device's speed (`fuses_updates`), all shadows are one vector, updated by a few
    operators instead of three per tensor. Checkpoints hold them as separate tensors, by `split` and `join`.
    """

    def __init__(self, network: nn.Cell, decay: float):
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f'ema decay {decay}: must be at least 0 and below 1, for example 0.9999')
        self.decay = decay
        weights = [p for p in network.get_parameters() if p.dtype == ms.float32]
        self.weights = ParameterTuple(weights)
        self.shapes = {f'{AVERAGE}.{p.name}': p.shape for p in weights}
        shadows = {f'{AVERAGE}.{p.name}': p.asnumpy() for p in weights}
        self.one_vector = fuses_updates()
        if self.one_vector:
            shadows = self.join(shadows)
        self.shadows = ParameterTuple([Parameter(Tensor(array), name=name, requires_grad=False)
                                       for name, array in shadows.items()])
        self.updates = Parameter(Tensor([0], ms.float32), name=f'{AVERAGE}_updates', requires_grad=False)
        self.update = ops.MultitypeFuncGraph('ema_update')
        self.map = ops.HyperMap()
        library = native.active()
        self.fused = FusedUpdate(library, 'average') if library else None

        @self.update.register('Tensor', 'Tensor', 'Tensor')
        def _update(rate, shadow, weight):
            return ops.assign_add(shadow, (weight - shadow) * rate)

    def construct(self):
        t = ops.assign_add(self.updates, ops.ones_like(self.updates))
        rate = 1 - ops.minimum((1 + t) / (10 + t), self.decay)
        if self.fused is not None:
            return self.fused((rate,), self.shadows + self.weights)
        if self.one_vector:
            shadow = self.shadows[0]
            return ops.assign_add(shadow, (ops.concat(self.map(flat, self.weights)) - shadow) * rate)
        return self.map(ops.partial(self.update, rate), self.shadows, self.weights)

    def split(self, arrays: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Return a step's arrays by name, with the vector of shadows split into one array per weight."""
        arrays = dict(arrays)
        vector = arrays.pop(VECTOR, None)
        if vector is not None:
            ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes.values()])
            parts = np.split(vector, ends[:-1])
            arrays.update({name: part.reshape(shape) for part, (name, shape) in zip(parts, self.shapes.items())})
        return arrays

    def join(self, arrays: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Undo `split` if this average is one vector; other arrays stay as they are."""
        shapes = {name: np.shape(arrays[name]) for name in self.shapes if name in arrays}
        if not self.one_vector or shapes != self.shapes:  # missing arrays and other shapes are reported when loading
            return arrays
        vector = np.concatenate([np.ravel(arrays[name]) for name in self.shapes])
        return {**{name: array for name, array in arrays.items() if name not in self.shapes}, VECTOR: vector}
