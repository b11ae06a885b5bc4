"""Weights: initialisation, the names PyTorch's networks use, and strict loading from arrays."""
from __future__ import annotations

import math
import re
import zlib
from typing import Dict, Mapping, Sequence

import numpy as np
from mindspore import Tensor, nn


def initialise(network: nn.Cell, seed: int = 0) -> None:
    """Fill convolution and dense weights in place; the same seed gives the same weights in any order of building.

    Convolutions N(0, 2 / fan_out) with fan_out = k^2 out / groups, biases zero, norms one and zero: EfficientNet's rule,
    as the authors' networks were initialised. Dense layers U(-b, b) with b = 1 / sqrt(inputs), where the rule has
    1 / sqrt(classes): almost the same for 1,000 classes (0.028 and 0.032), but with ten the rule's logits start at a
    loss of six.
    """
    for name, cell in network.cells_and_names():
        rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
        if isinstance(cell, nn.Conv2d):
            out, _, k, _ = cell.weight.shape
            deviation = math.sqrt(2 * cell.group / (k * k * out))
            _fill(cell.weight, rng.normal(0, deviation, cell.weight.shape))
        elif isinstance(cell, nn.Dense):
            bound = 1 / math.sqrt(cell.weight.shape[1])
            _fill(cell.weight, rng.uniform(-bound, bound, cell.weight.shape))
        else:
            continue
        if cell.has_bias:
            _fill(cell.bias, np.zeros(cell.bias.shape))


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


_TORCH_PLACES = (  # our place in a block -> timm's, for blocks with an expansion
    ('expand.conv', 'conv_pw'), ('expand.norm', 'bn1'), ('depthwise.conv', 'conv_dw'), ('depthwise.norm', 'bn2'),
    ('se.reduce', 'se.conv_reduce'), ('se.expand', 'se.conv_expand'), ('project.conv', 'conv_pwl'),
    ('project.norm', 'bn3'))
_TORCH_PLACES_SEPARABLE = (  # and for those without
    ('depthwise.conv', 'conv_dw'), ('depthwise.norm', 'bn1'), ('se.reduce', 'se.conv_reduce'),
    ('se.expand', 'se.conv_expand'), ('project.conv', 'conv_pw'), ('project.norm', 'bn2'))
_TORCH_ENDS = {'stem.conv': 'conv_stem', 'stem.norm': 'bn1', 'head.conv': 'conv_head', 'head.norm': 'bn2',
               'classifier.dense': 'classifier'}
_TORCH_FIELDS = {'gamma': 'weight', 'beta': 'bias', 'moving_mean': 'running_mean', 'moving_variance': 'running_var',
                 'weight': 'weight', 'bias': 'bias'}


def torch_names(network: nn.Cell) -> Dict[str, str]:
    """Map each parameter name of an EfficientNet-family network to the name in timm's PyTorch network.

    Layouts agree (convolutions (out, in / groups, k, k), dense (out, in)), so no array needs a transposition.
    """
    kinds = {block.name: block.kind for block in network.plan.blocks}
    names = {}
    for param in network.get_parameters():
        place, _, field = param.name.rpartition('.')
        match = re.match(r'stages\.(\d+)\.(\d+)\.(.+)', place)
        if match:
            stage, block, inner = match.groups()
            separable = kinds[f'stages.{stage}.{block}'] == 'depthwise_separable'
            places = dict(_TORCH_PLACES_SEPARABLE if separable else _TORCH_PLACES)
            if inner in places:
                names[param.name] = f'blocks.{stage}.{block}.{places[inner]}.{_TORCH_FIELDS[field]}'
        elif place in _TORCH_ENDS:
            names[param.name] = f'{_TORCH_ENDS[place]}.{_TORCH_FIELDS[field]}'
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
