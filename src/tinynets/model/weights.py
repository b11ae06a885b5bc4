"""Weights: initialisation, the names PyTorch's networks use, and strict loading from arrays."""
from __future__ import annotations

import math
import zlib
from typing import Dict, List, Mapping, Sequence

import numpy as np
from mindspore import Tensor, nn

from tinynets.arch.spec import NetPlan


def initialise(network: nn.Cell, seed: int = 0) -> None:
    """Fill a Network's weights in place; the same seed gives the same weights in any order of building.

    `initial` of the specification is the rule. 'fan_out': convolutions N(0, 2 / fan_out), fan_out = k^2 out / groups,
    and biases zero, EfficientNet's rule. 'fan_in': weights and biases U(-b, b) with b = 1 / sqrt(k^2 in / groups),
    PyTorch's own, which GhostNet's authors left. Its modules project to half of a block's channels, where 'fan_out'
    makes maps larger from block to block, to logits of millions while batch norm's statistics are fresh.

    Norms are one and zero, ResNet's as its authors and torchvision have them; timm starts the last one of each block at
    zero, which learnt more slowly in a short training (docs/studies/other_bases.md). Dense layers are U(-b, b) with b =
    1 / sqrt(inputs) by both rules, where EfficientNet's has 1 / sqrt(classes): almost the same for 1,000 classes (0.028
    and 0.032), but with ten the rule's logits start at a loss of six.
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
            deviation = math.sqrt(2 * cell.group / (inputs[1] * inputs[2] * out))
            _fill(cell.weight, rng.normal(0, deviation, cell.weight.shape))
        if cell.has_bias:
            _fill(cell.bias, rng.uniform(-bound, bound, cell.bias.shape) if fan_in else np.zeros(cell.bias.shape))


def load_arrays(network: nn.Cell, arrays: Mapping[str, np.ndarray]) -> None:
    """Set every parameter of a network from arrays by name, all or nothing.

    Raises ValueError naming what is missing, what is left over and which shapes differ; the network is then unchanged.
    """
    params = {p.name: p for p in network.get_parameters()}
    problems = mismatches({name: param.shape for name, param in params.items()}, arrays)
    if problems:
        raise ValueError(f'weights do not fit the network; {problems}')
    for name, param in params.items():
        _fill(param, arrays[name])


def mismatches(shapes: Mapping[str, Sequence[int]], arrays: Mapping[str, np.ndarray], shown: int = 3) -> str:
    """What is missing among `arrays`, left over or of another shape: up to `shown` names of each, '' where none is."""
    missing = sorted(set(shapes) - set(arrays))
    extra = sorted(set(arrays) - set(shapes))
    differ = [f'{n} is {tuple(arrays[n].shape)}, the network has {tuple(shapes[n])}'
              for n in sorted(set(shapes) & set(arrays)) if tuple(arrays[n].shape) != tuple(shapes[n])]
    found = (('missing', missing), ('not in the network', extra), ('shape differs', differ))
    return '; '.join(f'{title}: {", ".join(names[:shown])}{" ..." if len(names) > shown else ""} ({len(names)})'
                     for title, names in found if names)


_TORCH_PLACES = {  # block kind -> our place in a block -> timm's
    'mbconv': {
        'expand.conv': 'conv_pw', 'expand.norm': 'bn1', 'depthwise.conv': 'conv_dw', 'depthwise.norm': 'bn2',
        'se.reduce': 'se.conv_reduce', 'se.expand': 'se.conv_expand', 'project.conv': 'conv_pwl', 'project.norm': 'bn3'},
    'depthwise_separable': {
        'depthwise.conv': 'conv_dw', 'depthwise.norm': 'bn1', 'se.reduce': 'se.conv_reduce',
        'se.expand': 'se.conv_expand', 'project.conv': 'conv_pw', 'project.norm': 'bn2'},
    'ghost': {
        'expand.primary.conv': 'ghost1.primary_conv.0', 'expand.primary.norm': 'ghost1.primary_conv.1',
        'expand.cheap.conv': 'ghost1.cheap_operation.0', 'expand.cheap.norm': 'ghost1.cheap_operation.1',
        'depthwise.conv': 'conv_dw', 'depthwise.norm': 'bn_dw', 'se.reduce': 'se.conv_reduce',
        'se.expand': 'se.conv_expand', 'project.primary.conv': 'ghost2.primary_conv.0',
        'project.primary.norm': 'ghost2.primary_conv.1', 'project.cheap.conv': 'ghost2.cheap_operation.0',
        'project.cheap.norm': 'ghost2.cheap_operation.1', 'shortcut.depthwise.conv': 'shortcut.0',
        'shortcut.depthwise.norm': 'shortcut.1', 'shortcut.project.conv': 'shortcut.2',
        'shortcut.project.norm': 'shortcut.3'},
    'bottleneck': {
        'reduce.conv': 'conv1', 'reduce.norm': 'bn1', 'spatial.conv': 'conv2', 'spatial.norm': 'bn2',
        'expand.conv': 'conv3', 'expand.norm': 'bn3', 'shortcut.conv': 'downsample.0', 'shortcut.norm': 'downsample.1'},
}
_TORCH_FIELDS = {'gamma': 'weight', 'beta': 'bias', 'moving_mean': 'running_mean', 'moving_variance': 'running_var',
                 'weight': 'weight', 'bias': 'bias'}


def torch_names(network: nn.Cell) -> Dict[str, str]:
    """Map each parameter name of a network to the name in timm's PyTorch network.

    Layouts agree (convolutions (out, in / groups, k, k), dense (out, in)), so no array needs a transposition. The names
    of GhostNet are timm's at the base's depth; at another depth timm has no such network.
    """
    plan = network.plan
    places, stages = {}, _torch_stages(plan)
    for block, theirs in zip((block for stage in plan.stages for block in stage), stages):
        places.update({f'{block.name}.{place}': f'{theirs}.{name}' for place, name in _TORCH_PLACES[block.kind].items()})
    if plan.stages[0][0].kind == 'bottleneck':
        places.update({'stem.conv': 'conv1', 'stem.norm': 'bn1', 'classifier.dense': 'fc'})
    else:
        head = f'blocks.{int(stages[-1].split(".")[1]) + 1}.0'  # a stage of its own where a hidden layer follows
        hidden = plan.spec.hidden > 0
        places.update({'stem.conv': 'conv_stem', 'stem.norm': 'bn1', 'head.conv': f'{head}.conv' if hidden else 'conv_head',
                       'head.norm': f'{head}.bn1' if hidden else 'bn2', 'classifier.hidden': 'conv_head',
                       'classifier.dense': 'classifier'})
    names = {}
    for param in network.get_parameters():
        place, _, field = param.name.rpartition('.')
        if place in places:
            names[param.name] = f'{places[place]}.{_TORCH_FIELDS[field]}'
    return names


def _torch_stages(plan: NetPlan) -> List[str]:
    """timm's name of every block of the stages, in order."""
    blocks = [(i, j, block) for i, stage in enumerate(plan.stages) for j, block in enumerate(stage)]
    kind = blocks[0][2].kind
    if kind == 'bottleneck':
        return [f'layer{i + 1}.{j}' for i, j, _ in blocks]
    if kind != 'ghost':
        return [f'blocks.{i}.{j}' for i, j, _ in blocks]
    names, stage, index = [], 0, 0
    for position, (_, _, block) in enumerate(blocks):
        # GhostNet's authors begin a stage at every block with a stride, and after it
        if position and (block.stride > 1 or blocks[position - 1][2].stride > 1):
            stage, index = stage + 1, 0
        names.append(f'blocks.{stage}.{index}')
        index += 1
    return names


def load_torch_arrays(network: nn.Cell, arrays: Mapping[str, np.ndarray]) -> None:
    """Set a network's parameters from a PyTorch state dictionary of timm's network, its tensors as NumPy arrays.

    Counters of batches, which the networks here do not keep, are passed over; dropout's counters stay as they are. All
    or nothing, as `load_arrays`. Raises ValueError.
    """
    names = torch_names(network)
    own = {theirs: name for name, theirs in names.items()}
    loaded = {own.get(name, name): array for name, array in arrays.items() if not name.endswith('num_batches_tracked')}
    kept = {p.name: p.asnumpy() for p in network.get_parameters() if p.name not in names}
    load_arrays(network, {**kept, **loaded})


def _fill(param, array) -> None:
    param.set_data(Tensor(np.asarray(array, order='C'), dtype=param.dtype))
