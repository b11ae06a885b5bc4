"""The cells of layers, one per kind in src/tinynets/arch/layers.py.

Parameter names (a public contract): `conv.weight`, `norm.gamma`, `norm.beta`, `norm.moving_mean` and
`norm.moving_variance` of a convolution; `weight` and `bias` of a fully connected or dense layer.
"""
from __future__ import annotations

import zlib
from typing import Callable, Dict, Optional

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from tinynets.arch.layers import NORM_EPSILON, NORM_MOMENTUM, Layer
from tinynets.native import operators


class HardSigmoid(nn.Cell):
    """relu6(x + 3) / 6, from simpler operators: the framework cannot export its hard sigmoid and hard swish to ONNX."""

    def construct(self, x):
        return ops.relu6(x + 3) * (1 / 6)


class HardSwish(nn.Cell):
    """x relu6(x + 3) / 6 (Howard et al., ICCV 2019), from simpler operators."""

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
NOT_NEGATIVE = ('relu', 'relu6', 'sigmoid', 'hsigmoid')  # activations without negative outputs


def activation(name: str) -> nn.Cell:
    """Return the activation cell of a name. Raises ValueError with the known names."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation '{name}': must be one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()


class ConvNormAct(nn.Cell):
    """Convolution, batch norm, activation: (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)).

    A layer without `norm`, in a folded network, has a bias instead.
    """

    def __init__(self, layer: Layer):
        super().__init__()
        self.conv = nn.Conv2d(layer.in_channels, layer.channels, layer.kernel, layer.stride, pad_mode='pad',
                              padding=(layer.kernel - 1) // 2, group=layer.groups, has_bias=not layer.norm)
        self.norm = nn.BatchNorm2d(layer.channels, eps=NORM_EPSILON,
                                   momentum=NORM_MOMENTUM) if layer.norm else nn.Identity()
        self.act = activation(layer.act)

    def construct(self, x):
        return self.act(self.norm(self.conv(x)))


class FullyConnected(nn.Conv2d):
    """A layer with a bias and an activation of one value per channel: (N, in, 1, 1) -> (N, out, 1, 1).

    It is a 1x1 convolution, as in timm's networks, so that the weights have the same layout. `flat`: (N, in) ->
    (N, out).
    """

    def __init__(self, layer: Layer):
        super().__init__(layer.in_channels, layer.channels, 1, pad_mode='pad', has_bias=True)
        self.act = activation(layer.act)
        self.flat = layer.flat

    def construct(self, x):
        if self.flat:
            y = self.act(super().construct(ops.reshape(x, (-1, self.in_channels, 1, 1))))
            return ops.reshape(y, (-1, y.shape[1]))
        return self.act(super().construct(x))


class Mean(nn.Cell):
    """The mean over a map's pixels: (N, C, H, W) -> (N, C, 1, 1), or (N, C) if `flat`."""

    def __init__(self, flat: bool = False):
        super().__init__()
        self.keep = not flat

    def construct(self, x):
        return ops.mean(x, (2, 3), self.keep)


class Scale(nn.Cell):
    """A map times one factor per channel: (N, C, H, W), (N, C, 1, 1) -> (N, C, H, W)."""

    def construct(self, x, factors):
        return x * factors


class Add(nn.Cell):
    """The sum of two maps."""

    def construct(self, x, y):
        return x + y


class Concat(nn.Cell):
    """The concatenation of two maps along the channels' axis."""

    def __init__(self, axis: int = 1):
        super().__init__()
        self.axis = axis

    def construct(self, x, y):
        return ops.concat((x, y), self.axis)


class MaxPool(nn.Cell):
    """3x3 max pooling, padded by one, after the activation `after`: (N, C, H, W) -> (N, C, ~H / s, ~W / s).

    The padding is zeros, which after a ReLU are never above the maximum of the pixels. Raises ValueError for an
    activation with negative outputs.
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
    """Images (N, C, H, W) -> maps in the layers' layout: channels-last with `kernels`, else the same."""

    def __init__(self, kernels: Optional[str] = None):
        super().__init__()
        self.fused = operators.channels_last(kernels) if kernels else None

    def construct(self, x):
        return self.fused(x) if self.fused is not None else x


class FromLayers(nn.Cell):
    """Maps in the layers' layout -> (N, C, H, W)."""

    def __init__(self, kernels: Optional[str] = None):
        super().__init__()
        self.fused = operators.channels_first(kernels) if kernels else None

    def construct(self, x):
        return self.fused(x) if self.fused is not None else x


class Uniform(nn.Cell):
    """Uniform numbers in [0, 1), (count,) float32 per call, from a counter and a hash.

    The framework's dropout keeps its random state inside the kernel, where it cannot be saved. Here the state is one
    int32 parameter, saved like batch norm's statistics, so a resumed run draws the same numbers as an uninterrupted
    one. The numbers are a 32-bit integer hash (multiply and xor-shift, two rounds) of counter and position. With
    several workers, each takes its `part` of one long draw, as if one process drew for all their images.
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


CELLS: Dict[str, Callable[[Layer, str, int], nn.Cell]] = {
    'conv': lambda layer, block, seed: ConvNormAct(layer),
    'fc': lambda layer, block, seed: FullyConnected(layer),
    'dense': lambda layer, block, seed: nn.Dense(layer.in_channels, layer.channels),
    'mean': lambda layer, block, seed: Mean(layer.flat),
    'max_pool': lambda layer, block, seed: MaxPool(layer.stride, layer.act),
    'scale': lambda layer, block, seed: Scale(),
    'add': lambda layer, block, seed: Add(),
    'concat': lambda layer, block, seed: Concat(),
    'act': lambda layer, block, seed: activation(layer.act),
    'dropout': lambda layer, block, seed: Dropout(layer.rate, block, seed),
    'drop_path': lambda layer, block, seed: DropPath(layer.rate, block, seed),
}


def build_layer(layer: Layer, block: str, seed: int = 0) -> nn.Cell:
    """Return the cell of a layer. Its block's name and `seed` start the random stream of dropout and drop path."""
    return CELLS[layer.kind](layer, block, seed)
