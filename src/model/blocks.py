"""Blocks: one cell a kind, each built from its BlockPlan. Its cost stands in src/arch/complexity.py, LAYERS.

To add a block: a row in a base of src/arch/zoo.py, its layers in LAYERS there, its cell and its row in BLOCKS here.
"""
from __future__ import annotations

import functools
from typing import Optional

from mindspore import nn

from src.arch.spec import BlockPlan
from src.model.layers import ConvNormAct, Dropout, DropPath, GlobalPool, SqueezeExcite, stochastic


class ConvBlock(ConvNormAct):
    """Stem and head: one convolution with norm and activation."""

    def __init__(self, plan: BlockPlan, seed: int = 0, kernels: Optional[str] = None, hands_on: bool = False):
        super().__init__(plan.in_channels, plan.out_channels, plan.kernel, plan.stride, act=plan.activation,
                         folded=plan.folded, kernels=kernels, hands_on=hands_on)


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
        self.se = SqueezeExcite(expanded, plan.se_channels, plan.activation, kernels=kernels) if self.gated else None
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


class Classifier(nn.Cell):
    """Global average pool, dropout, dense layer: (N, C, H, W) -> (N, classes) logits."""

    def __init__(self, plan: BlockPlan, seed: int = 0, kernels: Optional[str] = None):
        super().__init__()
        self.pool = GlobalPool(kernels)
        self.dropout = stochastic(Dropout, plan.dropout, plan.name, seed)
        self.dense = nn.Dense(plan.in_channels, plan.out_channels)

    def construct(self, x):
        return self.dense(self.dropout(self.pool(x)))


BLOCKS = {
    'conv': ConvBlock,
    'depthwise_separable': MBConv,
    'mbconv': MBConv,
    'classifier': Classifier,
}


def build_block(plan: BlockPlan, seed: int = 0, kernels: Optional[str] = None, **options) -> nn.Cell:
    """Return the cell of one block; `seed` starts its dropout's and drop path's random streams; `kernels` as in layers."""
    return BLOCKS[plan.kind](plan, seed, kernels, **options)
