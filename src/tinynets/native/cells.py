"""The cells that call the compiled operators. They hold no parameters: the layers of src/tinynets/model keep those."""
from __future__ import annotations

from dataclasses import replace
from typing import Sequence

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from tinynets.native import operators
from tinynets.native.operators import Options


class FusedConvNormAct(nn.Cell):
    """act(norm(conv(x * gate))) + residual on channels-last maps, and the result's mean over each image.

    `hands_on`: in training the result is handed on before its norm, as (z, (mean, 1 / deviation), gamma, beta), to a
    depthwise convolution with `input_act`, which finishes it as it reads.
    """

    def __init__(self, library: str, kernel: int, groups: int, options: Options, hands_on: bool = False):
        super().__init__()
        self.depthwise = groups > 1
        self.hands_on = hands_on
        self.pointwise = groups == 1 and kernel == options.stride == 1
        if self.depthwise:
            self.train_op, self.infer_op = operators.depthwise(library, options.stride)
        else:
            self.train_op, self.infer_op = operators.convolution(library, options.stride, self.pointwise)
            self.hand_on_op = operators.convolution_hand_on(library, options.stride, self.pointwise)
        self.finishing = self.both_modes(options)
        options = replace(options, input_act=None)
        # (training, evaluation) by (gate, residual)
        self.plain, self.with_gate = self.both_modes(options), self.both_modes(replace(options, gated=True))
        self.adds = not (self.depthwise or hands_on or options.pooled)
        self.with_residual = self.both_modes(replace(options, residual=self.adds))
        self.with_both = self.both_modes(replace(options, gated=True, residual=self.adds))
        self.nothing = Tensor([0.0], ms.float32)

    @staticmethod
    def both_modes(options: Options):
        """The options of training and of evaluation."""
        return options.tensor(), replace(options, frozen=True).tensor()

    def construct(self, x, gate, residual, weight, gamma, beta, mean, variance, training):
        mode = 0 if training else 1
        if residual is not None and not self.adds:
            raise ValueError('residual: is added by projections only, not by a layer that is depthwise, pooled or '
                             'handed on before its norm; add it to the result')
        if gate is not None and (not self.pointwise or self.hands_on):  # only finished projections gate as they read
            x, gate = x * ops.reshape(gate, (gate.shape[0], 1, 1, gate.shape[1])), None
        if self.hands_on and training:
            z, kept, new_mean, new_variance = self.hand_on_op(x, weight, mean, variance, self.plain[mode])
            z = ops.depend(z, ops.assign(mean, new_mean))
            z = ops.depend(z, ops.assign(variance, new_variance))
            return z, kept, gamma, beta
        if self.depthwise:
            if isinstance(x, tuple):
                inputs = (*x, weight, gamma, beta, mean, variance, self.finishing[mode])
            else:
                inputs = (x, self.nothing, self.nothing, self.nothing, weight, gamma, beta, mean, variance,
                          self.plain[mode])
        else:
            if gate is None:
                options = self.plain if residual is None else self.with_residual
            else:
                options = self.with_gate if residual is None else self.with_both
            inputs = (x, self.nothing if gate is None else gate, self.nothing if residual is None else residual, weight,
                      gamma, beta, mean, variance, options[mode])
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
