"""Checkpoint files: everything a run is, in one MindSpore .ckpt file, written atomically.

The file holds the network's parameters under their own names (so `mindspore.load_checkpoint` and
`load_param_into_net` work), the weight average under `ema.<name>`, the optimizer's state, and one JSON text `meta`:
step, epoch, best result, network, classes, preprocessing, configuration, versions.
"""
from __future__ import annotations

import contextlib
import json
import logging
import os
from dataclasses import dataclass
from typing import Dict, Mapping

import mindspore as ms
import numpy as np
from mindspore import Tensor

from src.files import replacing
from src.runtime import crc_check

FORMAT = 1
AVERAGE = 'ema'  # the averaged weights stand under ema.<name>


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, written or used; the message says which and what to do."""


class NotFinite(CheckpointError):
    """A network that holds numbers that are not finite, so it is not saved: its training diverged."""


@dataclass(frozen=True)
class Checkpoint:
    """What a file held: arrays by name, and the meta dictionary."""
    path: str
    arrays: Dict[str, np.ndarray]
    meta: dict


def save(path: str, arrays: Mapping[str, np.ndarray], meta: dict) -> None:
    """Write a checkpoint to a temporary file beside `path` and move it into place.

    Whatever happens, `path` is afterwards the complete old file or the complete new one. Raises NotFinite when
    an array holds such a number, so that the last good checkpoint stays the last, CheckpointError when the disk is full.
    """
    broken = next((name for name, array in arrays.items()
                   if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all()), None)
    if broken:
        raise NotFinite(f'{path}: not saved, {broken} holds numbers that are not finite: training diverged. The '
                        'checkpoints that are there are good; a lower optim.learning_rate or optim.clip_norm=1 helps')
    text = json.dumps({'format': FORMAT, 'parameters': len(arrays), **meta})
    try:
        with _quiet(), replacing(path) as temporary:
            ms.save_checkpoint([{'name': n, 'data': Tensor(a)} for n, a in arrays.items()], temporary,
                               append_dict={'meta': text}, **crc_check(ms.save_checkpoint))
            os.chmod(temporary, 0o644)  # the framework leaves it read-only
            with open(temporary, 'rb') as file:
                os.fsync(file.fileno())
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        kept = '; the older checkpoint there is untouched' if os.path.exists(path) else ''
        raise CheckpointError(f'{path}: could not be saved ({_reason(error, path)}){kept}') from None


def load(path: str) -> Checkpoint:
    """Read a checkpoint of this project. Raises FileNotFoundError, and CheckpointError for anything else it may be."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f'checkpoint {path}: no such file')
    try:
        with _quiet():
            loaded = ms.load_checkpoint(path, **crc_check(ms.load_checkpoint))
    except Exception as error:  # the framework's reader raises many kinds on a damaged file
        raise CheckpointError(f'checkpoint {path}: cannot be read; it is damaged or no checkpoint '
                              f'({" ".join(str(error).split())[:80]})') from None
    try:
        meta = json.loads(str(loaded.pop('meta')))
        described = isinstance(meta, dict) and isinstance(meta.get('network', {}), dict)
    except (KeyError, ValueError, RecursionError):
        described = False
    if not described:
        raise CheckpointError(f"checkpoint {path}: holds no description of its network; it was not written by this "
                              "package's train.py")
    if meta.get('format') != FORMAT or meta.get('parameters') != len(loaded):
        raise CheckpointError(f"checkpoint {path}: format {meta.get('format')}, {len(loaded)} of "
                              f"{meta.get('parameters')} parameters; written by another release, or damaged")
    return Checkpoint(path, {name: value.asnumpy() for name, value in loaded.items()}, meta)


def _reason(error: Exception, path: str) -> str:
    folder = os.path.dirname(os.path.abspath(path))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if not os.access(folder, os.W_OK):
        return f'{folder} cannot be written'
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return ' '.join(str(error).split())[:120]


@contextlib.contextmanager
def _quiet():
    """Without the framework's own log lines: the exception says it all."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
