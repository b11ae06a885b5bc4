"""Layers: what a block does to feature maps, step by step. Each kind of block is written here, once.

A block's cost, its cell, the names of its weights in timm's files and its folded form are derived from its layers. To
add a kind of block, write a function that lists its layers and add a row to BLOCKS.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple

from tinynets.arch.spec import BlockPlan, NetPlan, conv_out_size

INPUT = 0  # the map that a block reads
NORM_EPSILON = 1e-5  # of every batch norm
NORM_MOMENTUM = 0.9  # weight of the old statistics; PyTorch's momentum is 0.1
WEIGHTED = ('conv', 'fc', 'dense')  # kinds with weights


@dataclass(frozen=True)
class Layer:
    """One operation of a block.

    A block's maps are numbered: 0 is its input, i the output of its i-th layer (counted from 1). `reads` holds the
    numbers of the maps that the layer reads. `name` is the layer's place in the block and the prefix of its parameters'
    names ('' is the block itself). Sizes are the sides of square maps in pixels. `rate` belongs to dropout and drop
    path. `flat`: one value per channel has the shape (N, C) instead of (N, C, 1, 1). `timm` holds the names of the
    weights in timm's files: of a convolution and its norm, or of a layer with a bias.

    | kind      | what it does                                                                             |
    |-----------|------------------------------------------------------------------------------------------|
    | conv      | convolution, padding (kernel - 1) // 2; batch norm, or a bias in a folded network; `act` |
    | fc        | 1x1 convolution with a bias of one value per channel; `act`                               |
    | dense     | dense layer with a bias                                                                  |
    | mean      | mean of each channel over the map                                                        |
    | max_pool  | maximum of 3x3 pixels, padded by one                                                     |
    | scale     | the first map times one factor per channel, the second                                   |
    | add       | the sum of two maps                                                                      |
    | concat    | the channels of two maps, the first map before the second                                |
    | act       | an activation alone                                                                      |
    | dropout   | zeroes features in training                                                              |
    | drop_path | zeroes whole images' maps in training                                                    |
    """
    kind: str
    name: str
    reads: Tuple[int, ...]
    in_channels: int
    channels: int
    in_size: int
    size: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    act: str = 'none'
    norm: bool = False
    rate: float = 0.0
    flat: bool = False
    timm: Tuple[str, ...] = ()

    @property
    def depthwise(self) -> bool:
        """Whether each channel is convolved separately."""
        return self.kind == 'conv' and self.groups > 1

    @property
    def pointwise(self) -> bool:
        """Whether the convolution is 1x1, over all channels."""
        return self.kind == 'conv' and self.groups == self.kernel == self.stride == 1


class _Builder:
    """Collects the layers of a block. Each method appends one and returns the number of its map."""

    def __init__(self, block: BlockPlan):
        self.block = block
        self.layers: List[Layer] = []
        self.shapes = [(block.in_channels, block.in_size)]  # of every map

    def conv(self, name: str, x: int, channels: int, kernel: int = 1, stride: int = 1, depthwise: bool = False,
             act: Optional[str] = None, timm: Tuple[str, ...] = ()) -> int:
        """Append a convolution with norm and activation (None: the block's)."""
        size = conv_out_size(self.shapes[x][1], stride)
        return self._append('conv', name, (x,), channels, size, kernel=kernel, stride=stride,
                            groups=channels if depthwise else 1, act=act or self.block.activation,
                            norm=not self.block.folded, timm=timm)

    def depthwise(self, name: str, x: int, kernel: int, stride: int = 1, act: Optional[str] = None,
                  timm: Tuple[str, ...] = ()) -> int:
        """Append a depthwise convolution with norm and activation (None: the block's)."""
        return self.conv(name, x, self.shapes[x][0], kernel, stride, depthwise=True, act=act, timm=timm)

    def fc(self, name: str, x: int, channels: int, act: str, **options: Any) -> int:
        """Append a layer with a bias and an activation that works on one value per channel."""
        return self._append('fc', name, (x,), channels, 1, act=act, **options)

    def simple(self, kind: str, name: str, *reads: int, **options: Any) -> int:
        """Append a layer without weights; its result has the shape in `options`, else the first map's shape."""
        channels, size = self.shapes[reads[0]]
        return self._append(kind, name, reads, options.pop('channels', channels), options.pop('size', size), **options)

    def concat(self, name: str, one: int, other: int) -> int:
        """Append the concatenation of two maps."""
        return self.simple('concat', name, one, other, channels=self.shapes[one][0] + self.shapes[other][0])

    def squeeze_excite(self, x: int) -> int:
        """Append squeeze-and-excitation (Hu et al., CVPR 2018); return the map itself in a block without it."""
        block = self.block
        if not block.se_channels:
            return x
        means = self.simple('mean', 'se.mean', x, size=1)
        reduced = self.fc('se.reduce', means, block.se_channels, block.se_activation, timm=('se.conv_reduce',))
        gate = self.fc('se.expand', reduced, self.shapes[x][0], block.se_gate, timm=('se.conv_expand',))
        return self.simple('scale', 'se.scale', x, gate)

    def ghost_module(self, name: str, x: int, channels: int, act: str, timm: str) -> int:
        """Append a ghost module: half of the channels by a 1x1 convolution, the rest from it by a 3x3 depthwise one."""
        primary = self.conv(f'{name}.primary', x, channels // 2, act=act,  # channels are multiples of four
                            timm=(f'{timm}.primary_conv.0', f'{timm}.primary_conv.1'))
        cheap = self.depthwise(f'{name}.cheap', primary, 3, act=act,
                               timm=(f'{timm}.cheap_operation.0', f'{timm}.cheap_operation.1'))
        return self.concat(f'{name}.concat', primary, cheap)

    def add(self, branch: int, shortcut: int) -> int:
        """Append the sum of a branch, which training drops for some images, and its shortcut."""
        return self.simple('add', 'add', branch, shortcut)

    def drop_path(self, x: int) -> int:
        """Append stochastic depth (Huang et al., ECCV 2016) if the block has a rate."""
        rate = self.block.drop_path
        return self.simple('drop_path', 'drop_path', x, rate=rate) if rate > 0 else x

    def _append(self, kind: str, name: str, reads: Tuple[int, ...], channels: int, size: int, **options: Any) -> int:
        in_channels, in_size = self.shapes[reads[0]]
        self.layers.append(Layer(kind, name, reads, in_channels, channels, in_size, size, **options))
        self.shapes.append((channels, size))
        return len(self.layers)


def _conv(block: BlockPlan, add: _Builder) -> None:
    """Stem and head: a convolution, and a max pooling if the plan has one."""
    x = add.conv('', INPUT, block.out_channels, block.kernel, block.stride)
    if block.pool > 1:
        add.simple('max_pool', 'max_pool', x, size=block.out_size, stride=block.pool, act=block.activation)


def _mbconv(block: BlockPlan, add: _Builder) -> None:
    """Mobile inverted bottleneck (EfficientNet): expand, depthwise, squeeze-excite, project, add.

    The kind 'depthwise_separable' is the same block without the expansion.
    """
    x, expands = INPUT, block.kind == 'mbconv'
    if expands:
        x = add.conv('expand', x, block.expanded_channels, timm=('conv_pw', 'bn1'))
    x = add.depthwise('depthwise', x, block.kernel, block.stride, timm=('conv_dw', 'bn2' if expands else 'bn1'))
    x = add.squeeze_excite(x)
    x = add.conv('project', x, block.out_channels, act='none',
                 timm=('conv_pwl', 'bn3') if expands else ('conv_pw', 'bn2'))
    if block.residual:
        add.add(add.drop_path(x), INPUT)


def _ghost(block: BlockPlan, add: _Builder) -> None:
    """Ghost bottleneck (Han et al., CVPR 2020): ghost module, depthwise if strided, squeeze-excite, ghost module, add.

    If the shape changes, a depthwise and a 1x1 convolution make the shortcut.
    """
    x = add.ghost_module('expand', INPUT, block.expanded_channels, block.activation, 'ghost1')
    if block.stride > 1:
        x = add.depthwise('depthwise', x, block.kernel, block.stride, act='none', timm=('conv_dw', 'bn_dw'))
    x = add.squeeze_excite(x)
    x = add.drop_path(add.ghost_module('project', x, block.out_channels, 'none', 'ghost2'))
    shortcut = INPUT
    if not block.residual:
        shortcut = add.depthwise('shortcut.depthwise', INPUT, block.kernel, block.stride, act='none',
                                 timm=('shortcut.0', 'shortcut.1'))
        shortcut = add.conv('shortcut.project', shortcut, block.out_channels, act='none',
                            timm=('shortcut.2', 'shortcut.3'))
    add.add(x, shortcut)


def _bottleneck(block: BlockPlan, add: _Builder) -> None:
    """Residual bottleneck (He et al., CVPR 2016): 1x1, 3x3 with the stride, 1x1, add, activation."""
    x = add.conv('reduce', INPUT, block.expanded_channels, timm=('conv1', 'bn1'))
    x = add.conv('spatial', x, block.expanded_channels, block.kernel, block.stride, timm=('conv2', 'bn2'))
    x = add.drop_path(add.conv('expand', x, block.out_channels, act='none', timm=('conv3', 'bn3')))
    shortcut = INPUT if block.residual else add.conv(
        'shortcut', INPUT, block.out_channels, stride=block.stride, act='none', timm=('downsample.0', 'downsample.1'))
    add.simple('act', 'act', add.add(x, shortcut), act=block.activation)


def _classifier(block: BlockPlan, add: _Builder) -> None:
    """Global average pool, hidden layer if the plan has one, dropout, dense layer."""
    x = add.simple('mean', 'pool', INPUT, size=1, flat=True)
    if block.expanded_channels:
        x = add.fc('hidden', x, block.expanded_channels, block.activation, flat=True)
    if block.dropout > 0:
        x = add.simple('dropout', 'dropout', x, rate=block.dropout)
    add.simple('dense', 'dense', x, channels=block.out_channels)


BLOCKS: Dict[str, Callable[[BlockPlan, _Builder], None]] = {
    'conv': _conv,
    'depthwise_separable': _mbconv,
    'mbconv': _mbconv,
    'ghost': _ghost,
    'bottleneck': _bottleneck,
    'classifier': _classifier,
}


def block_layers(block: BlockPlan) -> Tuple[Layer, ...]:
    """Return the layers of a block in the order they run; the last one's map is the block's result."""
    builder = _Builder(block)
    BLOCKS[block.kind](block, builder)
    return tuple(builder.layers)


def network_layers(plan: NetPlan) -> List[Tuple[BlockPlan, Layer]]:
    """Return every layer of a network with the block it belongs to, stem to classifier."""
    return [(block, layer) for block in plan.blocks for layer in block_layers(block)]


def parameter_name(block: BlockPlan, layer: Layer) -> str:
    """Return the prefix of a layer's weight and bias: 'stages.1.0.expand.conv', 'stages.1.0.se.reduce'."""
    return '.'.join(filter(None, (block.name, layer.name, 'conv' if layer.kind == 'conv' else '')))
