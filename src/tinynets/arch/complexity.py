"""What a plan costs, per layer and in total, counted without building the network.

Conventions:
- `macs`: multiply-adds of convolutions and dense layers, one image. Batch norm folds into the convolution before it,
  and activations, pooling, scaling and additions are not multiply-adds of weights, so none of them counts. The field
  calls this number FLOPs.
- `params`: learnable numbers (weights, biases, batch norm's scale and shift), without running statistics.
- `activations`: elements written by convolutions and dense layers, one image (Radosavovic et al., "Designing Network
  Design Spaces", CVPR 2020).
- `peak_memory`: the largest number of bytes of float32 feature maps alive at the same time during inference of one
  image: a layer's input and output, and a shortcut that waits for its addition. Normalisation, activation, scaling and
  addition work in place.
"""
from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import List, Sequence, Set, Tuple

from tinynets.arch.layers import WEIGHTED, Layer, block_layers, parameter_name
from tinynets.arch.spec import BlockPlan, NetPlan

BYTES = 4  # float32
IN_PLACE = ('scale', 'add', 'act', 'dropout', 'drop_path')  # kinds that write over the first map they read


@dataclass(frozen=True)
class LayerCost:
    """Cost of one layer with weights; `shape` is its output (C, H, W).

    `live` is the number of elements of feature maps alive while it, or a layer without weights counted with it, runs.
    """
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


def layer_costs(plan: NetPlan) -> List[LayerCost]:
    """Return the cost of every convolution and dense layer in the order they run."""
    return [cost for block in plan.blocks for cost in _block_costs(block)[0]]


def measure(plan: NetPlan) -> Complexity:
    """Return the total cost of a plan for one image."""
    layers = layer_costs(plan)
    params = sum(layer.params for layer in layers)
    return Complexity(macs=sum(layer.macs for layer in layers), params=params,
                      activations=sum(layer.activations for layer in layers),
                      peak_memory=BYTES * max(_block_costs(block)[1] for block in plan.blocks),
                      size_bytes=BYTES * params)


def live_elements(block: BlockPlan, layers: Sequence[Layer]) -> List[int]:
    """Return the elements of maps alive while each layer of a block runs: maps read by it or later, and its result."""
    sizes = [block.in_channels * block.in_size ** 2] + [layer.channels * layer.size ** 2 for layer in layers]
    stored: List[Set[int]] = [{0}]  # the maps whose memory holds each map
    for i, layer in enumerate(layers, 1):
        if layer.kind == 'concat':  # the maps were written next to each other
            stored.append(stored[layer.reads[0]] | stored[layer.reads[1]])
        elif layer.kind in IN_PLACE:
            stored.append(stored[layer.reads[0]])
        else:
            stored.append({i})
    last = {m: i for i, layer in enumerate(layers, 1) for read in layer.reads for m in stored[read]}
    live = [0] * (len(layers) + 1)
    for m in set().union(*stored):
        for i in range(m, max(m, last.get(m, 0)) + 1):
            live[i] += sizes[m]
    return live[1:]


@functools.lru_cache(4096)
def _block_costs(block: BlockPlan) -> Tuple[Tuple[LayerCost, ...], int]:
    """Return the costs of a block's layers with weights, and the most elements of maps alive in it."""
    layers = block_layers(block)
    live = live_elements(block, layers)
    most = max(live, default=0)
    costs: List[LayerCost] = []
    for i, layer in enumerate(layers):
        if layer.kind not in WEIGHTED:
            reader = layer.kind in ('mean', 'dropout') or not costs  # counts with the layer that reads it
            if reader and i + 1 < len(layers):
                live[i + 1] = max(live[i:i + 2])
            elif costs:  # counts with the layer before it
                costs[-1] = replace(costs[-1], live=max(costs[-1].live, live[i]))
            continue
        weights = layer.kernel ** 2 * (layer.in_channels // layer.groups) * layer.channels
        own = 2 if layer.norm else 1  # scale and shift of a norm, or a bias
        dense = layer.kind == 'dense'
        costs.append(LayerCost(
            block.name if dense else parameter_name(block, layer),
            'dense' if dense else 'depthwise' if layer.depthwise else 'conv', (layer.channels, layer.size, layer.size),
            macs=weights * layer.size ** 2, params=weights + own * layer.channels,
            activations=layer.channels * layer.size ** 2, live=live[i]))
    return tuple(costs), most
