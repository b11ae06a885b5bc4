"""The cells that call the compiled operators. The parameters belong to the layers of src/tinynets/model."""
from __future__ import annotations

from dataclasses import replace
from typing import Sequence

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from tinynets.arch.layers import NORM_EPSILON, NORM_MOMENTUM, Layer
from tinynets.native import operators
from tinynets.native.fusion import Step
from tinynets.native.operators import Options


class Conv(nn.Cell):
    """act(norm(conv(x * gate))) + residual on channels-last maps; with `pooled`, also the mean of each channel.

    The weights belong to `cell`, a layer with `conv` and `norm`. `defer_norm`: in training the result is z,
    (mean, 1 / std), gamma and beta; the normalisation is deferred to a depthwise convolution with `input_act`.
    """

    def __init__(self, library: str, cell: nn.Cell, layer: Layer, step: Step):
        super().__init__(auto_prefix=False)  # the cell's parameters keep their names
        self.cell = cell
        self.depthwise, self.pointwise = layer.depthwise, layer.pointwise
        self.defer_norm, self.pooled = step.defer_norm, step.pooled
        options = Options(layer.stride, layer.act, NORM_EPSILON, NORM_MOMENTUM, pooled=step.pooled,
                          input_act=step.input_act)
        if self.depthwise:
            self.train_op, self.infer_op = operators.depthwise(library, layer.stride)
        else:
            self.train_op, self.infer_op = operators.convolution(library, layer.stride, self.pointwise)
            self.defer_op = operators.convolution_defer_norm(library, layer.stride, self.pointwise)
        self.finishing = self.both_modes(options)
        options = replace(options, input_act=None)
        # (training, evaluation) options by (gate, residual)
        self.plain, self.with_gate = self.both_modes(options), self.both_modes(replace(options, gated=True))
        adds = step.reads[2] is not None
        self.with_residual = self.both_modes(replace(options, residual=adds))
        self.with_both = self.both_modes(replace(options, gated=True, residual=adds))
        self.nothing = Tensor([0.0], ms.float32)

    @staticmethod
    def both_modes(options: Options):
        """Return the options of training and of evaluation."""
        return options.tensor(), replace(options, frozen=True).tensor()

    def construct(self, x, gate, residual):
        norm, weight = self.cell.norm, self.cell.conv.weight
        gamma, beta, mean, variance = norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance
        training = norm.training
        mode = 0 if training else 1
        if gate is not None and (not self.pointwise or self.defer_norm):  # only normalised 1x1 convolutions take a gate
            x, gate = x * ops.reshape(gate, (gate.shape[0], 1, 1, gate.shape[1])), None
        if self.defer_norm and training:
            z, kept, new_mean, new_variance = self.defer_op(x, weight, mean, variance, self.plain[mode])
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
            y, pooled = self.infer_op(*inputs)
            return (y, pooled) if self.pooled else y
        y, _, _, new_mean, new_variance, pooled = self.train_op(*inputs)
        y = ops.depend(y, ops.assign(mean, new_mean))
        y = ops.depend(y, ops.assign(variance, new_variance))
        return (y, pooled) if self.pooled else y


class Gate(nn.Cell):
    """Two layers of squeeze-and-excitation: means (N, C) -> factors (N, C)."""

    def __init__(self, library: str, reduce: nn.Cell, expand: nn.Cell, layers: Sequence[Layer]):
        super().__init__(auto_prefix=False)
        self.reduce, self.expand = reduce, expand
        self.operator = operators.gate(library)
        self.options = Options(act=layers[0].act, gate=layers[1].act).tensor()

    def construct(self, means):
        gate, _, _ = self.operator(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias,
                                   self.options)
        return gate


class Mean(nn.Cell):
    """(N, H, W, C) -> the mean of each channel, (N, C)."""

    def __init__(self, library: str):
        super().__init__()
        self.operator = operators.mean(library)

    def construct(self, x):
        return self.operator(x)


class Scale(nn.Cell):
    """A channels-last map times one factor per channel, (N, C)."""

    def construct(self, x, factors):
        return x * ops.reshape(factors, (factors.shape[0], 1, 1, factors.shape[1]))


class Concat(nn.Cell):
    """The concatenation of two channels-last maps."""

    def construct(self, x, y):
        return ops.concat((x, y), 3)


def build_step(step: Step, layers: Sequence[Layer], cells: Sequence[nn.Cell], library: str) -> nn.Cell:
    """Return the cell of a block's step; `cells` are the cells of the block's layers, which hold the parameters."""
    covered = [(layers[i], cells[i]) for i in step.layers]
    for layer, cell in covered:
        if layer.kind == 'conv':
            return Conv(library, cell, layer, step)
    layer, cell = covered[0]
    if len(covered) == 2:
        return Gate(library, cell, covered[1][1], [layer for layer, _ in covered])
    own = {'mean': lambda: Mean(library), 'scale': Scale, 'concat': Concat}
    return own[layer.kind]() if layer.kind in own else cell


class FusedUpdate(nn.Cell):
    """One operator of cc/optimizer.cc over all tensors, in place: construct(rates: scalars, tensors: parameters)."""

    def __init__(self, library: str, kind: str, *constants: Sequence[float]):
        super().__init__()
        self.update = operators.update(library, kind)
        self.constants = tuple(Tensor(np.array(numbers, np.float32)) for numbers in constants)

    def construct(self, rates, tensors):
        numbers = ()
        for rate in rates:
            numbers += (ops.reshape(rate, (1,)),)
        return self.update(ops.concat(numbers), *self.constants, *tensors)
