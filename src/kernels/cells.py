"""The cells that call the compiled operators. They hold no parameters: the layers of src/model keep those and their names."""
from __future__ import annotations

from typing import Sequence

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from src.kernels import operators
from src.kernels.operators import Options


class FusedConvNormAct(nn.Cell):
    """act(norm(conv(x * gate))) + residual on channels-last maps, and the result's mean over each image."""

    def __init__(self, library: str, kernel: int, groups: int, options: Options):
        super().__init__()
        self.depthwise = groups > 1
        if self.depthwise:
            self.train_op, self.infer_op = operators.depthwise(library, options.stride)
        else:
            self.train_op, self.infer_op = operators.convolution(library, options.stride, kernel == options.stride == 1)
        # options for (no gate, gate) x (no residual, residual)
        variants = [[Options(**{**vars(options), 'gated': g, 'residual': r}).tensor() for r in (False, True)]
                    for g in (False, True)]
        (self.plain, self.with_residual), (self.with_gate, self.with_both) = variants
        self.nothing = Tensor([0.0], ms.float32)

    def construct(self, x, gate, residual, weight, gamma, beta, mean, variance, training):
        if gate is None:
            options = self.plain if residual is None else self.with_residual
        else:
            options = self.with_gate if residual is None else self.with_both
        if self.depthwise:
            inputs = (x, weight, gamma, beta, mean, variance, options)
        else:
            inputs = (x, self.nothing if gate is None else gate, self.nothing if residual is None else residual, weight,
                      gamma, beta, mean, variance, options)
        if not training:
            return self.infer_op(*inputs)
        y, _, _, new_mean, new_variance, pooled = self.train_op(*inputs)
        y = ops.depend(y, ops.assign(mean, new_mean))
        y = ops.depend(y, ops.assign(variance, new_variance))
        return y, pooled


class FusedUpdate(nn.Cell):
    """One operator of cc/optimizer.cc over all tensors, in place: construct(rates, tensors), scalars and parameters."""

    def __init__(self, library: str, kind: str, *constants: Sequence[float]):
        super().__init__()
        self.update = operators.update(library, kind)
        self.constants = tuple(Tensor(np.array(numbers, np.float32)) for numbers in constants)

    def construct(self, rates, tensors):
        numbers = ()
        for rate in rates:
            numbers += (ops.reshape(rate, (1,)),)
        return self.update(ops.concat(numbers), *self.constants, *tensors)
