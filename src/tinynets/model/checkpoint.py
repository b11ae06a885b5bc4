"""A run's checkpoints: the network they describe, and its last or averaged weights."""
from __future__ import annotations

import math
from typing import Dict, Mapping

import numpy as np

from tinynets.arch import expand, measure, resolve
from tinynets.arch.spec import NetPlan
from tinynets.model.checkpoint_file import AVERAGE, Checkpoint, CheckpointError, NotFinite, load, save
from tinynets.model.network import Network
from tinynets.preprocessing import check_preprocessing
from tinynets.text import shorten, shown

__all__ = ['Checkpoint', 'CheckpointError', 'NotFinite', 'check_meta', 'load', 'network_arrays', 'save']
NUMBER = (int, float)
META = {'network': dict, 'preprocessing': dict, 'config': dict, 'step': int,
        'epoch': NUMBER, 'best': dict, 'score': (dict, type(None))}
NEEDED = ('network', 'preprocessing', 'config', 'network.name', 'best.epoch')
NETWORK = {'name': str, 'num_classes': int, 'in_channels': int, 'dropout': NUMBER, 'drop_path': NUMBER,
           'resolution': (int, type(None))}  # arguments of create_model, except those that would read another file
SCORE = {'epoch': NUMBER, 'step': int, 'count': int, 'correct': int}


def check_meta(checkpoint: Checkpoint, metric: str) -> NetPlan:
    """Return the plan of a checkpoint's network; `metric` is the name of the task's number in scores.

    Raises CheckpointError if the description lacks something or has a value of another type or size.
    """
    meta, damaged = checkpoint.meta, f'checkpoint {checkpoint.path}: its description is damaged, '
    score = {metric: NUMBER, **SCORE}
    for part, kinds in (('', META), ('network', NETWORK), ('best', score), ('score', score)):
        held = meta.get(part) if part else meta
        for key, kind in kinds.items() if held else ():
            name, value = f'{part}.{key}' if part else key, held.get(key)
            if key not in held and name not in (*NEEDED, f'best.{metric}'):
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
    return plan


def network_arrays(arrays: Mapping[str, np.ndarray], network: Network, kind: str = 'raw') -> Dict[str, np.ndarray]:
    """Return the network's parameters among a checkpoint's arrays; `kind` 'ema' prefers averaged ones."""
    names = [p.name for p in network.get_parameters()]
    chosen = {name: arrays[name] for name in names if name in arrays}
    if kind == 'ema':
        chosen.update({name: arrays[f'{AVERAGE}.{name}'] for name in names if f'{AVERAGE}.{name}' in arrays})
    return chosen
