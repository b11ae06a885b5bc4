"""Blocks: one cell a kind, each built from its BlockPlan. Its cost stands in src/arch/complexity.py, LAYERS.

To add a block: a row in a base of src/arch/zoo.py, its layers in LAYERS there, its cell and its row in BLOCKS here.
"""
from __future__ import annotations

from mindspore import nn, ops

from src.arch.spec import BlockPlan
from src.model.layers import ConvNormAct, Dropout, DropPath, SqueezeExcite, stochastic


class ConvBlock(ConvNormAct):
    """Stem and head: one convolution with norm and activation."""

    def __init__(self, plan: BlockPlan, seed: int = 0):
        super().__init__(plan.in_channels, plan.out_channels, plan.kernel, plan.stride, act=plan.activation,
                         folded=plan.folded)


class MBConv(nn.Cell):
    """Mobile inverted bottleneck with squeeze-excite (EfficientNet): expand, depthwise, gate, project, add.

    The kind 'depthwise_separable' is the same block without the expansion.
    """

    def __init__(self, plan: BlockPlan, seed: int = 0):
        super().__init__()
        expanded = plan.expanded_channels
        self.expands = plan.kind == 'mbconv'
        if self.expands:
            self.expand = ConvNormAct(plan.in_channels, expanded, act=plan.activation, folded=plan.folded)
        self.depthwise = ConvNormAct(expanded, expanded, plan.kernel, plan.stride, groups=expanded,
                                     act=plan.activation, folded=plan.folded)
        self.se = SqueezeExcite(expanded, plan.se_channels, plan.activation) if plan.se_channels else nn.Identity()
        self.project = ConvNormAct(expanded, plan.out_channels, act='none', folded=plan.folded)
        self.residual = plan.residual
        self.drop_path = stochastic(DropPath, plan.drop_path if plan.residual else 0.0, plan.name, seed)

    def construct(self, x):
        y = self.expand(x) if self.expands else x
        y = self.project(self.se(self.depthwise(y)))
        return self.drop_path(y) + x if self.residual else y


class Classifier(nn.Cell):
    """Global average pool, dropout, dense layer: (N, C, H, W) -> (N, classes) logits."""

    def __init__(self, plan: BlockPlan, seed: int = 0):
        super().__init__()
        self.dropout = stochastic(Dropout, plan.dropout, plan.name, seed)
        self.dense = nn.Dense(plan.in_channels, plan.out_channels)

    def construct(self, x):
        return self.dense(self.dropout(ops.mean(x, (2, 3))))


BLOCKS = {
    'conv': ConvBlock,
    'depthwise_separable': MBConv,
    'mbconv': MBConv,
    'classifier': Classifier,
}


def build_block(plan: BlockPlan, seed: int = 0) -> nn.Cell:
    """Return the cell of one block; `seed` starts the random streams of its dropout and drop path."""
    return BLOCKS[plan.kind](plan, seed)
