"""Restoring the network of a checkpoint of any task."""
from __future__ import annotations

from typing import Tuple

from tinynets.data.origin import Origin
from tinynets.model import checkpoint
from tinynets.model.checkpoint import Checkpoint, CheckpointError, network_arrays
from tinynets.model.checkpoint_file import AVERAGE
from tinynets.model.network import Network, create_model
from tinynets.model.weights import load_arrays
from tinynets.tasks import task_of


def check_meta(saved: Checkpoint) -> None:
    """Raise CheckpointError if a checkpoint's description lacks something or has a value of another type or size."""
    damaged = f'checkpoint {saved.path}: its description is damaged, '
    try:
        task = task_of(saved.meta)
        task.check_meta(saved.meta, checkpoint.check_meta(saved, task.metric.name))
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError(f'{damaged}{error}') from None
    try:
        Origin.of(saved.meta, f'checkpoint {saved.path}')
    except ValueError as error:
        raise CheckpointError(str(error)) from None


def restore_network(saved: Checkpoint, weights: str = 'auto') -> Tuple[Network, str]:
    """Build a checkpoint's network and load its 'ema' or 'raw' weights; 'auto' takes the average if there is one.

    Returns the network in evaluation mode, and which weights it has. Raises ValueError for other words, for 'ema' if
    the run kept no average, and for a damaged description.
    """
    if weights not in ('auto', 'ema', 'raw'):
        raise ValueError(f"weights '{weights}': must be auto, ema or raw")
    averaged = any(name.startswith(AVERAGE + '.') for name in saved.arrays)
    if weights == 'ema' and not averaged:
        raise ValueError(f'{saved.path}: has no weight average (train.ema_decay was 0); use --weights raw')
    kind = 'raw' if weights == 'raw' or not averaged else 'ema'
    check_meta(saved)
    network = create_model(**saved.meta['network'])
    load_arrays(network, network_arrays(saved.arrays, network, kind))
    return network.set_train(False), kind
