"""The layers every block is made of: convolution-norm-activation, squeeze-excite, dropout and drop path.

Parameter names (a public contract): `conv.weight`; `norm.gamma`, `norm.beta`, `norm.moving_mean`,
`norm.moving_variance`; `se.reduce.weight`, `se.reduce.bias`, `se.expand.weight`, `se.expand.bias`.
"""
from __future__ import annotations

import zlib

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

NORM_EPSILON = 1e-5
NORM_MOMENTUM = 0.9  # weight of the old statistics; PyTorch's momentum 0.1

ACTIVATIONS = {
    'silu': nn.SiLU,
    'relu': nn.ReLU,
    'relu6': nn.ReLU6,
    'hswish': nn.HSwish,
    'sigmoid': nn.Sigmoid,
    'none': nn.Identity,
}


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

    `folded`: the convolution has a bias in place of the norm.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1,
                 act: str = 'silu', folded: bool = False):
        super().__init__()
        self.conv = conv2d(in_channels, out_channels, kernel, stride, groups, bias=folded)
        self.norm = nn.Identity() if folded else nn.BatchNorm2d(out_channels, eps=NORM_EPSILON, momentum=NORM_MOMENTUM)
        self.act = activation(act)

    def construct(self, x):
        return self.act(self.norm(self.conv(x)))


class SqueezeExcite(nn.Cell):
    """Gate every channel by a function of all channel means (Hu et al., CVPR 2018): (N, C, H, W) -> the same."""

    def __init__(self, channels: int, reduced: int, act: str = 'silu', gate: str = 'sigmoid'):
        super().__init__()
        self.reduce = conv2d(channels, reduced, bias=True)
        self.act = activation(act)
        self.expand = conv2d(reduced, channels, bias=True)
        self.gate = activation(gate)

    def construct(self, x):
        pooled = ops.mean(x, (2, 3), True)
        return x * self.gate(self.expand(self.act(self.reduce(pooled))))


class Uniform(nn.Cell):
    """Uniform numbers in [0, 1), (count,) float32 a call, from a counter and a hash.

    The framework's dropout keeps its random state inside the kernel, where no checkpoint reaches it. Here the state is
    one int32 parameter, saved like batch norm's statistics, so a resumed run draws what the uninterrupted one draws.
    The numbers are a 32-bit integer hash (multiply and xor-shift, two rounds) of counter and position.
    """

    def __init__(self, name: str, seed: int = 0):
        super().__init__()
        start = zlib.crc32(f'{name}:{seed}'.encode()) >> 1
        self.counter = Parameter(Tensor(np.array([start], np.int32)), name='counter', requires_grad=False)
        self.weyl = Tensor(np.array([-1640531527], np.int32))  # 2^32 / golden ratio as a signed integer

    def construct(self, count):
        counter = ops.assign_add(self.counter, ops.ones_like(self.counter))
        x = ops.arange(0, count, 1, dtype=ms.int32) + counter * self.weyl
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
