"""Which networks the compiled operators run, and which layers run as one operator."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from tinynets.arch.layers import INPUT, Layer, block_layers, network_layers
from tinynets.arch.spec import BlockPlan, NetPlan
from tinynets.native.operators import ACTIVATIONS, GATES


@dataclass(frozen=True)
class Step:
    """Consecutive layers of a block that run as one operator.

    `layers` are indices in the block's list, `reads` the maps that the step reads, None for an unused optional one. A
    convolution reads (map, gate, residual). `pooled`: returns its map and the means of its channels. `defer_norm`: its
    norm and activation are computed by the following depthwise convolution, whose `input_act` names the activation.
    """
    layers: Tuple[int, ...]
    reads: Tuple[Optional[int], ...]
    pooled: bool = False
    defer_norm: bool = False
    input_act: Optional[str] = None


def serves(plan: NetPlan) -> bool:
    """Whether the compiled operators can run a whole network and are faster than the framework's.

    They have no max pooling, no bias instead of a norm (folded networks), and only the activations of operators.py. The
    framework is fast at dense convolutions of more than one pixel, so it runs networks that have them after the first
    layer.
    """
    layers = [layer for _, layer in network_layers(plan)]
    return all(_serves(layer) for layer in layers) and not any(
        layer.kind == 'conv' and layer.kernel > 1 and not layer.depthwise for layer in layers[1:])


def network_steps(plan: NetPlan) -> Dict[str, Tuple[Step, ...]]:
    """Return the steps of every block by the block's name, for a network that the operators run."""
    first = plan.stages[0][0]  # may be the only reader of the stem's map
    deferred = _deferred(block_layers(plan.stem)[-1], _readers(INPUT, block_layers(first)))
    steps = {block.name: block_steps(block) for block in plan.blocks}
    if deferred:
        steps[plan.stem.name] = block_steps(plan.stem, defer_last=True)
        steps[first.name] = block_steps(first, input_act=plan.stem.activation)
    return steps


def block_steps(block: BlockPlan, defer_last: bool = False, input_act: Optional[str] = None) -> Tuple[Step, ...]:
    """Return the steps of a block.

    `defer_last`: the norm of its last layer is deferred. `input_act`: the input's activation if its norm is deferred.
    """
    layers = block_layers(block)
    waiting = {INPUT: input_act} if input_act else {}  # maps whose norm is deferred -> their activation
    steps: List[Step] = []
    i = 0
    while i < len(layers):
        step = _step(layers, i, waiting, defer_last)
        if step.defer_norm:
            waiting[step.layers[-1] + 1] = layers[step.layers[-1]].act
        steps.append(step)
        i += len(step.layers)
    return tuple(steps)


def _step(layers: Sequence[Layer], i: int, waiting: Dict[int, Optional[str]], defer_last: bool) -> Step:
    """Return the step that starts with layer i."""
    layer, following = layers[i], layers[i + 1] if i + 1 < len(layers) else None
    if layer.kind == 'fc' and following is not None and following.kind == 'fc':
        return Step((i, i + 1), layer.reads)
    x, gate, conv = layer.reads[0], None, i
    if layer.kind == 'scale' and following is not None and following.kind == 'conv' and following.reads == (i + 1,):
        gate, conv = layer.reads[1], i + 1
    if layers[conv].kind != 'conv':
        return Step((i,), layer.reads)
    layer, given = layers[conv], conv + 1  # the number of its map
    covers, readers = tuple(range(i, conv + 1)), _readers(given, layers)
    if layer.depthwise:
        pooled = bool(readers) and readers[0].kind == 'mean' and layers[given] is readers[0]
        return Step(covers + ((given,) if pooled else ()), (x, gate, None), pooled=pooled, input_act=waiting.get(x))
    if len(readers) == 1 and readers[0].kind == 'add' and layers[given] is readers[0] and readers[0].reads[0] == given:
        return Step(covers + (given,), (x, gate, readers[0].reads[1]))
    defers = gate is None and (_deferred(layer, readers) or (defer_last and given == len(layers)))
    return Step(covers, (x, gate, None), defer_norm=defers)


def _readers(number: int, layers: Sequence[Layer]) -> List[Layer]:
    """Return the layers of a block that read a map."""
    return [layer for layer in layers if number in layer.reads]


def _deferred(layer: Layer, readers: Sequence[Layer]) -> bool:
    """Whether a layer's norm can be deferred: its only reader is a depthwise convolution with the same activation."""
    return (layer.kind == 'conv' and not layer.depthwise and len(readers) == 1 and readers[0].depthwise
            and readers[0].act == layer.act)


def _serves(layer: Layer) -> bool:
    if layer.kind == 'conv':
        return layer.norm and layer.kernel % 2 == 1 and layer.act in ACTIVATIONS
    if layer.kind == 'fc' and not layer.flat:  # of a gate: its second layer's activation makes the factors
        return layer.act in ACTIVATIONS or layer.act in GATES
    return layer.kind != 'max_pool'
