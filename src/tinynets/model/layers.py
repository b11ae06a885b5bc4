"""The layers every block is made of: convolution-norm-activation, squeeze-excite, dropout and drop path.

Parameter names (a public contract): `conv.weight`; `norm.gamma`, `norm.beta`, `norm.moving_mean`,
`norm.moving_variance`; `se.reduce.weight`, `se.reduce.bias`, `se.expand.weight`, `se.expand.bias`.
"""
from __future__ import annotations

import zlib
from typing import Optional

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from tinynets.native import cells, operators

NORM_EPSILON = 1e-5
NORM_MOMENTUM = 0.9  # weight of the old statistics; PyTorch's momentum 0.1


class HardSigmoid(nn.Cell):
    """relu6(x + 3) / 6, in pieces: the framework's own is not exported to ONNX, as its hard swish is not."""

    def construct(self, x):
        return ops.relu6(x + 3) * (1 / 6)


class HardSwish(nn.Cell):
    """x relu6(x + 3) / 6 (Howard et al., ICCV 2019), in pieces."""

    def construct(self, x):
        return x * ops.relu6(x + 3) * (1 / 6)


ACTIVATIONS = {
    'silu': nn.SiLU,
    'relu': nn.ReLU,
    'relu6': nn.ReLU6,
    'hswish': HardSwish,
    'sigmoid': nn.Sigmoid,
    'hsigmoid': HardSigmoid,
    'none': nn.Identity,
}
NOT_NEGATIVE = ('relu', 'relu6', 'sigmoid', 'hsigmoid')  # what these give never is


def activation(name: str) -> nn.Cell:
    """Return the activation cell of a name; ValueError names the known ones."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation '{name}': must be one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()


def conv2d(in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1,
           bias: bool = False) -> nn.Conv2d:
    """Convolution with symmetric padding (kernel - 1) // 2; weights (out, in / groups, kernel, kernel)."""
    return nn.Conv2d(in_channels, out_channels, kernel, stride, pad_mode='pad', padding=(kernel - 1) // 2,
                     group=groups, has_bias=bias)


class ConvNormAct(nn.Cell):
    """Convolution, batch norm, activation: (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)).

    `folded`: the convolution has a bias in place of the norm. `pooled`: returns the result and its mean over an image.
    A `gate` of SqueezeExcite scales the input's channels; a `residual` is added to the result.

    `kernels` is the library of compiled CPU operators or None; with it maps are channels-last, (N, H, W, C), and means
    and gates (N, C) rather than (N, C, 1, 1). Parameters are the same. In training with kernels a layer with `hands_on`
    is followed by a depthwise one with `input_act`, which finishes its norm and activation (src/tinynets/native/cells.py).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1,
                 act: str = 'silu', folded: bool = False, pooled: bool = False, kernels: Optional[str] = None,
                 hands_on: bool = False, input_act: Optional[str] = None):
        super().__init__()
        self.conv = conv2d(in_channels, out_channels, kernel, stride, groups, bias=folded)
        self.norm = nn.Identity() if folded else nn.BatchNorm2d(out_channels, eps=NORM_EPSILON, momentum=NORM_MOMENTUM)
        self.act = activation(act)
        self.pooled = pooled
        self.hands_on = hands_on
        if kernels and (folded or kernel % 2 == 0 or (groups > 1 and not groups == in_channels == out_channels)):
            raise ValueError(f'kernel {kernel}, groups {groups}, {in_channels} to {out_channels} channels, folded '
                             f'{folded}: the CPU kernels have odd kernels, one group or one a channel, and a norm; '
                             'build the layer without `kernels`')
        options = operators.Options(stride, act, NORM_EPSILON, NORM_MOMENTUM, pooled=pooled, input_act=input_act)
        self.fused = cells.FusedConvNormAct(kernels, kernel, groups, options, hands_on) if kernels else None

    def construct(self, x, gate=None, residual=None):
        if self.fused is not None:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta,
                           self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            if self.pooled or (self.hands_on and self.norm.training):
                return y
            return y[0]
        y = self.act(self.norm(self.conv(x if gate is None else x * gate)))
        y = y if residual is None else y + residual
        return (y, ops.mean(y, (2, 3), True)) if self.pooled else y


class SqueezeExcite(nn.Cell):
    """A gate a channel from all channels' means (Hu et al., CVPR 2018): (N, C, 1, 1) -> the same, as in ConvNormAct."""

    def __init__(self, channels: int, reduced: int, act: str = 'silu', gate: str = 'sigmoid',
                 kernels: Optional[str] = None):
        super().__init__()
        self.reduce = conv2d(channels, reduced, bias=True)
        self.act = activation(act)
        self.expand = conv2d(reduced, channels, bias=True)
        self.gate = activation(gate)
        if kernels and gate not in operators.GATES:
            raise ValueError(f"gate '{gate}': the CPU kernels have {', '.join(operators.GATES)}; build it without "
                             '`kernels`')
        self.fused = operators.gate(kernels) if kernels else None
        self.options = operators.Options(act=act, gate=gate).tensor() if kernels else None

    def construct(self, means):
        if self.fused is not None:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias,
                                    self.options)
            return gate
        return self.gate(self.expand(self.act(self.reduce(means))))


class GlobalPool(nn.Cell):
    """The mean over a map's pixels: (N, C, H, W) -> (N, C); `keep`: as SqueezeExcite takes it."""

    def __init__(self, kernels: Optional[str] = None, keep: bool = False):
        super().__init__()
        self.keep = keep
        self.fused = operators.mean(kernels) if kernels else None

    def construct(self, x):
        return self.fused(x) if self.fused is not None else ops.mean(x, (2, 3), self.keep)


class MaxPool(nn.Cell):
    """3x3 max pooling, padded by one, of what the activation `after` gives: (N, C, H, W) -> (N, C, ~H / s, ~W / s).

    The padding is zeros, which after a ReLU are never above the maximum of the pixels. Raises ValueError for an
    activation that gives negative numbers.
    """

    def __init__(self, stride: int, after: str):
        super().__init__()
        if after not in NOT_NEGATIVE:
            raise ValueError(f"max pooling after activation '{after}': must be one without negative numbers "
                             f'({", ".join(NOT_NEGATIVE)}), as the padding is zeros')
        self.pad = nn.Pad(((0, 0), (0, 0), (1, 1), (1, 1)))
        self.pool = nn.MaxPool2d(3, stride)

    def construct(self, x):
        return self.pool(self.pad(x))


class ToLayers(nn.Cell):
    """Images (N, C, H, W) -> maps as the layers take them: channels-last with `kernels`, else the same."""

    def __init__(self, kernels: Optional[str] = None):
        super().__init__()
        self.fused = operators.channels_last(kernels) if kernels else None

    def construct(self, x):
        return self.fused(x) if self.fused is not None else x


class FromLayers(nn.Cell):
    """Maps as the layers give them -> (N, C, H, W)."""

    def __init__(self, kernels: Optional[str] = None):
        super().__init__()
        self.fused = operators.channels_first(kernels) if kernels else None

    def construct(self, x):
        return self.fused(x) if self.fused is not None else x


class Uniform(nn.Cell):
    """Uniform numbers in [0, 1), (count,) float32 a call, from a counter and a hash.

    The framework's dropout keeps its random state inside the kernel, where no checkpoint reaches it. Here the state is
    one int32 parameter, saved like batch norm's statistics, so a resumed run draws what the uninterrupted one draws.
    The numbers are a 32-bit integer hash (multiply and xor-shift, two rounds) of counter and position. Of several
    workers each takes its `part` of one long draw, as if one process drew for all their images.
    """

    def __init__(self, name: str, seed: int = 0):
        super().__init__()
        start = zlib.crc32(f'{name}:{seed}'.encode()) >> 1
        self.counter = Parameter(Tensor(np.array([start], np.int32)), name='counter', requires_grad=False)
        self.part = 0
        self.weyl = Tensor(np.array([-1640531527], np.int32))  # 2^32 / golden ratio as a signed integer

    def construct(self, count):
        counter = ops.assign_add(self.counter, ops.ones_like(self.counter))
        x = ops.arange(self.part * count, (self.part + 1) * count, 1, dtype=ms.int32) + counter * self.weyl
        x = self.mix(x, 16, 2146121005)
        x = self.mix(x, 15, -2073254261)
        x = self.mix(x, 16, 1)
        return ops.cast(ops.bitwise_and(x, 0xFFFFFF), ms.float32) * (1.0 / 16777216)

    def mix(self, x, shift, factor):
        """x ^= x >>> shift; x *= factor. The mask makes the arithmetic shift a logical one."""
        return ops.bitwise_xor(x, ops.bitwise_and(ops.bitwise_right_shift(x, shift), (1 << (32 - shift)) - 1)) * factor


class Dropout(nn.Cell):
    """Zero a share `rate` of the features in training and scale the rest by 1 / (1 - rate): (N, C) -> (N, C)."""

    def __init__(self, rate: float, name: str, seed: int = 0):
        super().__init__()
        self.rate = rate
        self.uniform = Uniform(name, seed)

    def construct(self, x):
        if not self.training:
            return x
        draw = ops.reshape(self.uniform(x.shape[0] * x.shape[1]), x.shape)
        return x * ops.cast(draw >= self.rate, x.dtype) * (1 / (1 - self.rate))


class DropPath(nn.Cell):
    """Drop a residual branch for a share `rate` of the samples (Huang et al., ECCV 2016): (N, C, H, W) -> the same."""

    def __init__(self, rate: float, name: str, seed: int = 0):
        super().__init__()
        self.rate = rate
        self.uniform = Uniform(name, seed)

    def construct(self, x):
        if not self.training:
            return x
        draw = ops.reshape(self.uniform(x.shape[0]), (x.shape[0], 1, 1, 1))
        return x * (ops.cast(draw >= self.rate, x.dtype) * (1 / (1 - self.rate)))


def stochastic(cell, rate: float, name: str, seed: int) -> nn.Cell:
    """`cell(rate, name, seed)`, or nothing to run and no parameter when the rate is zero."""
    return cell(rate, name, seed) if rate > 0 else nn.Identity()
