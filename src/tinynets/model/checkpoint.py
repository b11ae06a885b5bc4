"""A run's checkpoints: the network that a file describes, with its last or its averaged weights."""
from __future__ import annotations

import math
from typing import Dict, Mapping, Tuple

import numpy as np

from tinynets.arch import expand, measure, resolve
from tinynets.model.checkpoint_file import AVERAGE, Checkpoint, CheckpointError, NotFinite, load, save
from tinynets.model.network import Network, create_model
from tinynets.model.weights import load_arrays
from tinynets.preprocessing import check_preprocessing
from tinynets.text import shorten, shown

__all__ = ['Checkpoint', 'CheckpointError', 'NotFinite', 'check_meta', 'load', 'network_arrays', 'restore_network',
           'save']
NUMBER = (int, float)
META = {'network': dict, 'class_names': list, 'preprocessing': dict, 'config': dict, 'classes_named': bool, 'step': int,
        'epoch': NUMBER, 'best': dict, 'score': (dict, type(None))}
NEEDED = ('network', 'class_names', 'preprocessing', 'config', 'network.name', 'best.top1', 'best.epoch')
NETWORK = {'name': str, 'num_classes': int, 'in_channels': int, 'dropout': NUMBER, 'drop_path': NUMBER,
           'resolution': (int, type(None))}  # of create_model, without what would read another file
SCORE = {'top1': NUMBER, 'epoch': NUMBER, 'step': int, 'count': int, 'correct': int}


def check_meta(checkpoint: Checkpoint) -> None:
    """Raise CheckpointError where a checkpoint's description lacks something, or has it of another type or size."""
    meta, damaged = checkpoint.meta, f'checkpoint {checkpoint.path}: its description is damaged, '
    for part, kinds in (('', META), ('network', NETWORK), ('best', SCORE), ('score', SCORE)):
        held = meta.get(part) if part else meta
        for key, kind in kinds.items() if held else ():
            name, value = f'{part}.{key}' if part else key, held.get(key)
            if key not in held and name not in NEEDED:
                continue
            if (not isinstance(value, kind) or isinstance(value, bool) and kind is not bool
                    or isinstance(value, float) and not math.isfinite(value) or name.endswith('.count') and value < 1):
                raise CheckpointError(f'{damaged}{name} is {shown(value)}')
    unknown = next((key for key in meta['network'] if key not in NETWORK), 'none' if not meta['network'] else None)
    if unknown is not None:
        raise CheckpointError(f'{damaged}network.{shorten(unknown)} is not a property of a network')
    try:
        plan = expand(resolve(**meta['network']))
    except ValueError as error:
        raise CheckpointError(f'checkpoint {checkpoint.path}: {error}') from None
    names, count = meta['class_names'], plan.spec.num_classes
    if len(names) != count or not all(isinstance(name, str) for name in names):
        raise CheckpointError(f'{damaged}{count} classes are named {shown(names)}')
    try:
        check_preprocessing(meta['preprocessing'], plan.spec.in_channels)
    except ValueError as error:
        raise CheckpointError(f'{damaged}{error}') from None
    held, needed = sum(array.size for array in checkpoint.arrays.values()), measure(plan).params
    if needed > held:
        raise CheckpointError(f'checkpoint {checkpoint.path}: {shorten(plan.spec.name)} has {needed:,} parameters, '
                              f'the file {held:,} numbers')
    if meta.get('score') and not meta.get('best'):
        raise CheckpointError(f'{damaged}it has a score but no best one')
    if meta.get('step', 0) < 0:
        raise CheckpointError(f'{damaged}step is {shown(meta["step"])}')


def restore_network(checkpoint: Checkpoint, weights: str = 'auto') -> Tuple[Network, str]:
    """Build the network a checkpoint describes and fill it with its 'ema' or 'raw' weights.

    'auto' is the average where there is one. Returns the network in evaluation mode and which weights it has.
    Raises ValueError for other words, for 'ema' where the run kept no average, and where the description is damaged.
    """
    if weights not in ('auto', 'ema', 'raw'):
        raise ValueError(f"weights '{weights}': must be auto, ema or raw")
    averaged = any(name.startswith(AVERAGE + '.') for name in checkpoint.arrays)
    if weights == 'ema' and not averaged:
        raise ValueError(f'{checkpoint.path}: has no weight average (train.ema_decay was 0); use --weights raw')
    kind = 'raw' if weights == 'raw' or not averaged else 'ema'
    check_meta(checkpoint)
    network = create_model(**checkpoint.meta['network'])
    load_arrays(network, network_arrays(checkpoint.arrays, network, kind))
    return network.set_train(False), kind


def network_arrays(arrays: Mapping[str, np.ndarray], network: Network, kind: str = 'raw') -> Dict[str, np.ndarray]:
    """The network's parameters among a checkpoint's arrays, averaged ones in their place where `kind` is 'ema'."""
    names = [p.name for p in network.get_parameters()]
    chosen = {name: arrays[name] for name in names if name in arrays}
    if kind == 'ema':
        chosen.update({name: arrays[f'{AVERAGE}.{name}'] for name in names if f'{AVERAGE}.{name}' in arrays})
    return chosen
