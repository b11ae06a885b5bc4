"""What a plan costs, per layer and in total, counted without building the network.

Conventions, stated once:
- `macs`: multiply-adds of convolutions and dense layers, one image. Batch norm folds into the convolution before it,
  and activations, pooling, scaling and additions are not multiply-adds of weights, so none of them counts. The field
  calls this number FLOPs.
- `params`: learnable numbers (weights, biases, batch norm's scale and shift); running statistics are not learnt.
- `activations`: elements written by convolutions and dense layers, one image (Radosavovic et al., "Designing Network
  Design Spaces", CVPR 2020).
- `peak_memory`: bytes of float32 feature maps alive at once during inference of one image, layer after layer: a
  layer's input and output, and a shortcut that waits for its addition. Normalisation, activation, scaling and addition
  work in place.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Dict, List, Tuple

from tinynets.arch.spec import BlockPlan, NetPlan, conv_out_size

BYTES = 4  # float32


@dataclass(frozen=True)
class LayerCost:
    """Cost of one layer; `live` is the elements of feature maps alive while it runs, `shape` its output (C, H, W)."""
    name: str
    kind: str
    shape: Tuple[int, int, int]
    macs: int
    params: int
    activations: int
    live: int


@dataclass(frozen=True)
class Complexity:
    """Total cost of a network: counts, and bytes for `peak_memory` and `size_bytes` (float32 parameters)."""
    macs: int
    params: int
    activations: int
    peak_memory: int
    size_bytes: int


def _conv(name: str, cin: int, cout: int, in_size: int, out_size: int, kernel: int = 1, groups: int = 1,
          folded: bool = False, held: int = 0) -> LayerCost:
    """A convolution with its batch norm (2 numbers a channel) or, folded, a bias. `held`: elements waiting elsewhere."""
    weights = kernel * kernel * (cin // groups) * cout
    written = cout * out_size * out_size
    return LayerCost(name, 'depthwise' if groups > 1 else 'conv', (cout, out_size, out_size),
                     macs=weights * out_size * out_size, params=weights + (1 if folded else 2) * cout,
                     activations=written, live=cin * in_size * in_size + written + held)


def _squeeze_excite(block: BlockPlan, held: int) -> List[LayerCost]:
    """Pool to one value a channel, two 1x1 convolutions with bias; the gated map waits meanwhile."""
    if not block.se_channels:
        return []
    channels = block.expanded_channels
    held += channels * block.out_size ** 2
    return [_conv(f'{block.name}.se.reduce', channels, block.se_channels, 1, 1, folded=True, held=held),
            _conv(f'{block.name}.se.expand', block.se_channels, channels, 1, 1, folded=True, held=held)]


def _conv_block(block: BlockPlan) -> List[LayerCost]:
    """A convolution, and the max pooling after it, which reads its map and writes another."""
    size = conv_out_size(block.in_size, block.stride)
    layer = _conv(f'{block.name}.conv', block.in_channels, block.out_channels, block.in_size, size, block.kernel,
                  folded=block.folded)
    pooled = block.out_channels * (size ** 2 + block.out_size ** 2) if block.pool > 1 else 0
    return [replace(layer, live=max(layer.live, pooled))]


def _mbconv(block: BlockPlan) -> List[LayerCost]:
    """Expansion (absent when the block does not expand), depthwise, squeeze-excite, projection."""
    shortcut = block.in_channels * block.in_size ** 2 if block.residual else 0
    expanded = block.expanded_channels
    expands = block.kind == 'mbconv'
    layers = [_conv(f'{block.name}.expand.conv', block.in_channels, expanded, block.in_size, block.in_size,
                    folded=block.folded)] if expands else []
    layers.append(_conv(f'{block.name}.depthwise.conv', expanded, expanded, block.in_size, block.out_size,
                        block.kernel, groups=expanded, folded=block.folded,
                        held=shortcut if expands else 0))
    layers += _squeeze_excite(block, held=shortcut)
    layers.append(_conv(f'{block.name}.project.conv', expanded, block.out_channels, block.out_size, block.out_size,
                        folded=block.folded, held=shortcut))
    return layers


def _ghost_module(name: str, cin: int, cout: int, size: int, folded: bool, held: int) -> List[LayerCost]:
    """Half of the channels by a 1x1 convolution, the others from them by a depthwise one; they lie side by side."""
    half = cout // 2
    return [_conv(f'{name}.primary.conv', cin, half, size, size, folded=folded, held=held),
            _conv(f'{name}.cheap.conv', half, half, size, size, 3, groups=half, folded=folded, held=held)]


def _ghost(block: BlockPlan) -> List[LayerCost]:
    """Ghost module, depthwise convolution where there is a stride, squeeze-excite, ghost module; then the shortcut."""
    inner, folded = block.expanded_channels, block.folded
    waiting = block.in_channels * block.in_size ** 2  # the shortcut, or what it is made from
    # the first module's input is what waits, while its first convolution reads it
    primary, cheap = _ghost_module(f'{block.name}.expand', block.in_channels, inner, block.in_size, folded, 0)
    layers = [primary, replace(cheap, live=cheap.live + waiting)]
    if block.stride > 1:
        layers.append(_conv(f'{block.name}.depthwise.conv', inner, inner, block.in_size, block.out_size, block.kernel,
                            groups=inner, folded=folded, held=waiting))
    layers += _squeeze_excite(block, held=waiting)
    layers += _ghost_module(f'{block.name}.project', inner, block.out_channels, block.out_size, folded, waiting)
    if not block.residual:
        held = block.out_channels * block.out_size ** 2  # the branch, to which the shortcut is added
        layers += [_conv(f'{block.name}.shortcut.depthwise.conv', block.in_channels, block.in_channels, block.in_size,
                         block.out_size, block.kernel, groups=block.in_channels, folded=folded, held=held),
                   _conv(f'{block.name}.shortcut.project.conv', block.in_channels, block.out_channels, block.out_size,
                         block.out_size, folded=folded, held=held)]
    return layers


def _bottleneck(block: BlockPlan) -> List[LayerCost]:
    """1x1, 3x3 with the stride, 1x1; then the shortcut, a 1x1 convolution with the stride or the input itself."""
    inner, folded = block.expanded_channels, block.folded
    waiting = block.in_channels * block.in_size ** 2
    layers = [_conv(f'{block.name}.reduce.conv', block.in_channels, inner, block.in_size, block.in_size, folded=folded),
              _conv(f'{block.name}.spatial.conv', inner, inner, block.in_size, block.out_size, block.kernel,
                    folded=folded, held=waiting),
              _conv(f'{block.name}.expand.conv', inner, block.out_channels, block.out_size, block.out_size,
                    folded=folded, held=waiting)]
    if not block.residual:
        layers.append(_conv(f'{block.name}.shortcut.conv', block.in_channels, block.out_channels, block.in_size,
                            block.out_size, folded=folded, held=block.out_channels * block.out_size ** 2))
    return layers


def _classifier(block: BlockPlan) -> List[LayerCost]:
    """Global average pool, which reads the map and writes one value a channel; hidden layer, dense layer."""
    features, classes, hidden = block.in_channels, block.out_channels, block.expanded_channels
    pooled = features * block.in_size ** 2 + features
    layers = []
    if hidden:
        layer = _conv(f'{block.name}.hidden', features, hidden, 1, 1, folded=True)
        layers, features, pooled = [replace(layer, live=max(layer.live, pooled))], hidden, 0
    return layers + [LayerCost(block.name, 'dense', (classes, 1, 1), macs=features * classes,
                               params=features * classes + classes, activations=classes,
                               live=max(pooled, features + classes))]


# One row a block kind, beside the cells in src/tinynets/model/blocks.py.
LAYERS: Dict[str, Callable[[BlockPlan], List[LayerCost]]] = {
    'conv': _conv_block,
    'depthwise_separable': _mbconv,
    'mbconv': _mbconv,
    'ghost': _ghost,
    'bottleneck': _bottleneck,
    'classifier': _classifier,
}


def layer_costs(plan: NetPlan) -> List[LayerCost]:
    """Cost of every convolution and dense layer in the order they run."""
    return [layer for block in plan.blocks for layer in LAYERS[block.kind](block)]


def measure(plan: NetPlan) -> Complexity:
    """Total cost of a plan for one image."""
    layers = layer_costs(plan)
    params = sum(layer.params for layer in layers)
    return Complexity(macs=sum(layer.macs for layer in layers), params=params,
                      activations=sum(layer.activations for layer in layers),
                      peak_memory=BYTES * max(layer.live for layer in layers), size_bytes=BYTES * params)
