"""Weights: initialisation, their names in PyTorch's networks, and strict loading from arrays."""
from __future__ import annotations

import math
import zlib
from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np
from mindspore import Tensor, nn

from tinynets.arch.layers import Layer, block_layers, parameter_name
from tinynets.arch.spec import BlockPlan, NetPlan


def initialise(network: nn.Cell, seed: int = 0) -> None:
    """Fill a Network's weights in place; the same seed gives the same weights in any order of building.

    The specification's `initial` is the rule. 'fan_out', EfficientNet's: convolutions N(0, 2 / fan_out) with fan_out =
    k^2 out / groups, biases zero. 'fan_in', PyTorch's default, which GhostNet's authors use: weights and biases
    U(-b, b) with b = 1 / sqrt(k^2 in / groups). GhostNet's modules project to half of a block's channels; there
    'fan_out' would make maps larger from block to block, up to logits of millions before batch norm has statistics.

    Norms start at one and zero. So do ResNet's, as in its paper and torchvision; timm starts the last norm of each
    block at zero, which learnt more slowly in a short training (docs/studies/other_bases.md). Dense layers are U(-b, b)
    with b = 1 / sqrt(inputs) by both rules; EfficientNet has b = 1 / sqrt(classes), which is almost the same for 1,000
    classes (0.028 and 0.032) but starts at a loss of six with ten classes.
    """
    fan_in = network.plan.spec.initial == 'fan_in'
    for name, cell in network.cells_and_names():
        rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
        if not isinstance(cell, (nn.Conv2d, nn.Dense)):
            continue
        out, *inputs = cell.weight.shape
        bound = 1 / math.sqrt(math.prod(inputs))
        if fan_in or isinstance(cell, nn.Dense):
            _fill(cell.weight, rng.uniform(-bound, bound, cell.weight.shape))
        else:
            std = math.sqrt(2 * cell.group / (inputs[1] * inputs[2] * out))
            _fill(cell.weight, rng.normal(0, std, cell.weight.shape))
        if cell.has_bias:
            _fill(cell.bias, rng.uniform(-bound, bound, cell.bias.shape) if fan_in else np.zeros(cell.bias.shape))


def load_arrays(network: nn.Cell, arrays: Mapping[str, np.ndarray]) -> None:
    """Set every parameter of a network from arrays by name, all or none.

    Raises ValueError with the names that are missing, unknown or have another shape; the network is then unchanged.
    """
    params = {p.name: p for p in network.get_parameters()}
    problems = mismatches({name: param.shape for name, param in params.items()}, arrays)
    if problems:
        raise ValueError(f'weights do not fit the network; {problems}')
    for name, param in params.items():
        _fill(param, arrays[name])


def mismatches(shapes: Mapping[str, Sequence[int]], arrays: Mapping[str, np.ndarray], shown: int = 3) -> str:
    """Return a text on arrays that are missing, unknown or of another shape, up to `shown` names each, '' if none."""
    missing = sorted(set(shapes) - set(arrays))
    extra = sorted(set(arrays) - set(shapes))
    differ = [f'{n} is {tuple(arrays[n].shape)}, the network has {tuple(shapes[n])}'
              for n in sorted(set(shapes) & set(arrays)) if tuple(arrays[n].shape) != tuple(shapes[n])]
    found = (('missing', missing), ('not in the network', extra), ('shape differs', differ))
    return '; '.join(f'{title}: {", ".join(names[:shown])}{" ..." if len(names) > shown else ""} ({len(names)})'
                     for title, names in found if names)


_TORCH_FIELDS = {'gamma': 'weight', 'beta': 'bias', 'moving_mean': 'running_mean', 'moving_variance': 'running_var',
                 'weight': 'weight', 'bias': 'bias'}


def torch_names(network: nn.Cell) -> Dict[str, str]:
    """Map each parameter name of a network to the name in timm's PyTorch network.

    Layouts agree (convolutions (out, in / groups, k, k), dense (out, in)), so no array needs a transposition. The names
    of GhostNet are timm's at the base's depth; at another depth timm has no such network.
    """
    plan, naming = network.plan, network.plan.spec.timm
    places, stages = {}, _torch_stages(plan)
    for block, theirs in zip((block for stage in plan.stages for block in stage), stages):
        for layer in block_layers(block):
            places.update({own: f'{theirs}.{name}' for own, name in zip(_places(block, layer), layer.timm)})
    head, hidden = naming.head, plan.spec.hidden > 0
    if hidden:  # then timm's head is a stage, and the hidden layer has the head's name
        last = f'blocks.{int(stages[-1].split(".")[1]) + 1}.0'
        head = (f'{last}.conv', f'{last}.bn1')
    places.update(zip(('stem.conv', 'stem.norm', 'head.conv', 'head.norm', 'classifier.hidden', 'classifier.dense'),
                      (*naming.stem, *head, naming.head[0], naming.classifier)))
    names = {}
    for param in network.get_parameters():
        place, _, field = param.name.rpartition('.')
        if place in places:
            names[param.name] = f'{places[place]}.{_TORCH_FIELDS[field]}'
    return names


def _places(block: BlockPlan, layer: Layer) -> Tuple[str, ...]:
    """Return the prefixes of a layer's parameter names: of its convolution and norm, or of a layer with a bias."""
    place = parameter_name(block, layer)
    return (place, f'{place[:-len("conv")]}norm') if layer.kind == 'conv' else (place,)


def _torch_stages(plan: NetPlan) -> List[str]:
    """Return timm's name of every block of the stages, in order."""
    naming = plan.spec.timm
    blocks = [(i, j, block) for i, stage in enumerate(plan.stages) for j, block in enumerate(stage)]
    if not naming.stages_at_strides:
        return [naming.block.format(stage=i, block=j, number=i + 1) for i, j, _ in blocks]
    names, stage, index = [], 0, 0
    for position, (_, _, block) in enumerate(blocks):
        # in GhostNet's code a stage begins at every block with a stride, and after it
        if position and (block.stride > 1 or blocks[position - 1][2].stride > 1):
            stage, index = stage + 1, 0
        names.append(naming.block.format(stage=stage, block=index))
        index += 1
    return names


def load_torch_arrays(network: nn.Cell, arrays: Mapping[str, np.ndarray]) -> None:
    """Set a network's parameters from a PyTorch state dictionary of timm's network, its tensors as NumPy arrays.

    Counters of batches, which these networks do not have, are ignored; dropout's counters stay as they are. Sets all or
    none, as `load_arrays`. Raises ValueError.
    """
    names = torch_names(network)
    own = {theirs: name for name, theirs in names.items()}
    loaded = {own.get(name, name): array for name, array in arrays.items() if not name.endswith('num_batches_tracked')}
    kept = {p.name: p.asnumpy() for p in network.get_parameters() if p.name not in names}
    load_arrays(network, {**kept, **loaded})


def _fill(param, array) -> None:
    param.set_data(Tensor(np.asarray(array, order='C'), dtype=param.dtype))
