"""A run's checkpoints: the network that a file describes, with its last or its averaged weights."""
from __future__ import annotations

from typing import Dict, Mapping, Tuple

import numpy as np

from src.model.checkpoint_file import AVERAGE, Checkpoint, CheckpointError, NotFinite, load, save
from src.model.network import Network, create_model
from src.model.weights import load_arrays

__all__ = ['Checkpoint', 'CheckpointError', 'NotFinite', 'load', 'network_arrays', 'restore_network', 'save']


def restore_network(checkpoint: Checkpoint, weights: str = 'auto') -> Tuple[Network, str]:
    """Build the network a checkpoint describes and fill it with its 'ema' or 'raw' weights.

    'auto' is the average where there is one. Returns the network in evaluation mode and which weights it has.
    Raises ValueError for other words and for 'ema' where the run kept no average.
    """
    if weights not in ('auto', 'ema', 'raw'):
        raise ValueError(f"weights '{weights}': must be auto, ema or raw")
    averaged = any(name.startswith(AVERAGE + '.') for name in checkpoint.arrays)
    if weights == 'ema' and not averaged:
        raise ValueError(f'{checkpoint.path}: has no weight average (train.ema_decay was 0); use --weights raw')
    kind = 'raw' if weights == 'raw' or not averaged else 'ema'
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
