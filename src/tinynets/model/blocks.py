"""Blocks: one cell a kind, each built from its BlockPlan. Its cost stands in src/tinynets/arch/complexity.py, LAYERS.

To add a block: a row in a base of src/tinynets/arch/zoo.py, its layers in LAYERS there, its cell and its row in BLOCKS here, and
its parameters' names in timm's networks, if there are such, in src/tinynets/model/weights.py.
"""
from __future__ import annotations

import functools
from collections import OrderedDict
from typing import Optional

from mindspore import nn, ops

from tinynets.arch.spec import BlockPlan, NetPlan
from tinynets.model.layers import (
    ConvNormAct,
    Dropout,
    DropPath,
    GlobalPool,
    MaxPool,
    SqueezeExcite,
    activation,
    conv2d,
    stochastic,
)


class ConvBlock(ConvNormAct):
    """Stem and head: one convolution with norm and activation, and a max pooling where the plan has one."""

    def __init__(self, plan: BlockPlan, seed: int = 0, kernels: Optional[str] = None, hands_on: bool = False):
        super().__init__(plan.in_channels, plan.out_channels, plan.kernel, plan.stride, act=plan.activation,
                         folded=plan.folded, kernels=kernels, hands_on=hands_on)
        self.max_pool = MaxPool(plan.pool, plan.activation) if plan.pool > 1 else None

    def construct(self, x):
        y = super().construct(x)
        return y if self.max_pool is None else self.max_pool(y)


class MBConv(nn.Cell):
    """Mobile inverted bottleneck with squeeze-excite (EfficientNet): expand, depthwise, gate, project, add.

    The kind 'depthwise_separable' is the same block without the expansion.
    """

    def __init__(self, plan: BlockPlan, seed: int = 0, kernels: Optional[str] = None):
        super().__init__()
        expanded = plan.expanded_channels
        layer = functools.partial(ConvNormAct, folded=plan.folded, kernels=kernels)
        self.expand = layer(plan.in_channels, expanded, act=plan.activation,
                            hands_on=True) if plan.kind == 'mbconv' else nn.Identity()
        self.gated = plan.se_channels > 0
        self.depthwise = layer(expanded, expanded, plan.kernel, plan.stride, groups=expanded, act=plan.activation,
                               pooled=self.gated, input_act=plan.activation)
        self.se = squeeze_excite(plan, kernels)
        self.project = layer(expanded, plan.out_channels, act='none')
        self.residual = plan.residual
        self.drops = plan.residual and plan.drop_path > 0
        self.drop_path = stochastic(DropPath, plan.drop_path if plan.residual else 0.0, plan.name, seed)

    def construct(self, x):
        y, gate = self.expand(x), None
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            return self.drop_path(self.project(y, gate)) + x
        return self.project(y, gate, x if self.residual else None)


class GhostModule(nn.Cell):
    """Half of the channels by a 1x1 convolution, the others from those by a 3x3 depthwise one (GhostNet)."""

    def __init__(self, in_channels: int, out_channels: int, act: str, folded: bool, kernels: Optional[str]):
        super().__init__()
        half = out_channels // 2  # channels are multiples of four
        self.primary = ConvNormAct(in_channels, half, act=act, folded=folded, kernels=kernels)
        self.cheap = ConvNormAct(half, half, 3, groups=half, act=act, folded=folded, kernels=kernels)
        self.axis = 3 if kernels else 1

    def construct(self, x, gate=None):
        y = self.primary(x, gate)
        return ops.concat((y, self.cheap(y)), self.axis)


class Ghost(nn.Cell):
    """Ghost bottleneck (Han et al., CVPR 2020): ghost module, depthwise where there is a stride, gate, ghost module, add.

    Where shape changes, a depthwise and a 1x1 convolution make the shortcut.
    """

    def __init__(self, plan: BlockPlan, seed: int = 0, kernels: Optional[str] = None):
        super().__init__()
        inner = plan.expanded_channels
        module = functools.partial(GhostModule, folded=plan.folded, kernels=kernels)
        layer = functools.partial(ConvNormAct, act='none', folded=plan.folded, kernels=kernels)
        self.expand = module(plan.in_channels, inner, plan.activation)
        self.depthwise = layer(inner, inner, plan.kernel, plan.stride,
                               groups=inner) if plan.stride > 1 else nn.Identity()
        self.means = GlobalPool(kernels, keep=True)
        self.se = squeeze_excite(plan, kernels)
        self.project = module(inner, plan.out_channels, 'none')
        self.drop_path = stochastic(DropPath, plan.drop_path, plan.name, seed)
        self.shortcut = nn.Identity() if plan.residual else nn.SequentialCell(OrderedDict(
            depthwise=layer(plan.in_channels, plan.in_channels, plan.kernel, plan.stride, groups=plan.in_channels),
            project=layer(plan.in_channels, plan.out_channels)))

    def construct(self, x):
        y = self.depthwise(self.expand(x))
        gate = None if self.se is None else self.se(self.means(y))
        return self.drop_path(self.project(y, gate)) + self.shortcut(x)


class Bottleneck(nn.Cell):
    """Residual bottleneck (He et al., CVPR 2016): 1x1, 3x3 with the stride, 1x1, add, activation."""

    compiled = False  # the framework's dense 3x3 convolutions and max pooling are good, and NCHW

    def __init__(self, plan: BlockPlan, seed: int = 0, kernels: Optional[str] = None):
        super().__init__()
        inner = plan.expanded_channels
        layer = functools.partial(ConvNormAct, folded=plan.folded, kernels=kernels)
        self.reduce = layer(plan.in_channels, inner, act=plan.activation)
        self.spatial = layer(inner, inner, plan.kernel, plan.stride, act=plan.activation)
        self.expand = layer(inner, plan.out_channels, act='none')
        self.drop_path = stochastic(DropPath, plan.drop_path, plan.name, seed)
        self.shortcut = nn.Identity() if plan.residual else layer(plan.in_channels, plan.out_channels,
                                                                  stride=plan.stride, act='none')
        self.act = activation(plan.activation)

    def construct(self, x):
        return self.act(self.drop_path(self.expand(self.spatial(self.reduce(x)))) + self.shortcut(x))


class Classifier(nn.Cell):
    """Global average pool, hidden layer if the plan has one, dropout, dense layer: (N, C, H, W) -> (N, classes) logits."""

    def __init__(self, plan: BlockPlan, seed: int = 0, kernels: Optional[str] = None):
        super().__init__()
        self.pool = GlobalPool(kernels)
        self.features, hidden = plan.in_channels, plan.expanded_channels
        # a 1x1 convolution, as in timm's networks, so that weights have their layout
        self.hidden = conv2d(self.features, hidden, bias=True) if hidden else None
        self.act = activation(plan.activation)
        self.dropout = stochastic(Dropout, plan.dropout, plan.name, seed)
        self.dense = nn.Dense(hidden or self.features, plan.out_channels)

    def construct(self, x):
        y = self.pool(x)
        if self.hidden is not None:
            y = self.act(self.hidden(ops.reshape(y, (-1, self.features, 1, 1))))
            y = ops.reshape(y, (-1, y.shape[1]))
        return self.dense(self.dropout(y))


def squeeze_excite(plan: BlockPlan, kernels: Optional[str]) -> Optional[SqueezeExcite]:
    """A block's squeeze-and-excitation, None where it has none."""
    return SqueezeExcite(plan.expanded_channels, plan.se_channels, plan.se_activation, plan.se_gate,
                         kernels) if plan.se_channels else None


BLOCKS = {
    'conv': ConvBlock,
    'depthwise_separable': MBConv,
    'mbconv': MBConv,
    'ghost': Ghost,
    'bottleneck': Bottleneck,
    'classifier': Classifier,
}


def build_block(plan: BlockPlan, seed: int = 0, kernels: Optional[str] = None, **options) -> nn.Cell:
    """Return the cell of one block; `seed` starts its dropout's and drop path's random streams; `kernels` as in layers."""
    return BLOCKS[plan.kind](plan, seed, kernels, **options)


def compiled(plan: NetPlan) -> bool:
    """Whether every block of a network can run on the compiled CPU operators."""
    return all(getattr(BLOCKS[block.kind], 'compiled', True) and block.pool == 1 for block in plan.blocks)
