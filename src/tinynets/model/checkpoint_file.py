"""Checkpoint files: the whole state of a run in one MindSpore .ckpt file, written atomically.

The file holds the network's parameters under their names (so `mindspore.load_checkpoint` and `load_param_into_net`
work), the weight average under `ema.<name>`, the optimizer's state, and one JSON text `meta`: step, epoch, best result,
network, classes, preprocessing, configuration, versions.
"""
from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import zlib
from dataclasses import dataclass
from typing import BinaryIO, Dict, Iterator, Mapping, Tuple, Union

import mindspore as ms
import numpy as np
from google.protobuf.message import DecodeError
from mindspore import Tensor
from mindspore.train.checkpoint_pb2 import Checkpoint as Message

from tinynets.files import file_mode, replacing
from tinynets.parsing import parse_json
from tinynets.runtime import crc_check
from tinynets.text import shorten, shown

FORMAT = 1
AVERAGE = 'ema'  # the averaged weights are named ema.<name>
MAX_RECORDS = 100_000  # of a file; the largest network here with an optimizer's state has 4,000
MAX_DIMS = 8
EXPORTED = ('.mindir', '.onnx', '.air')  # endings of files that are made from a checkpoint
CHECKSUM = b'crc_num'  # followed by ten bytes at the end of a file with a checksum
TYPES = {'Int8': np.int8, 'UInt8': np.uint8, 'Int16': np.int16, 'UInt16': np.uint16, 'Int32': np.int32,
         'UInt32': np.uint32, 'Int64': np.int64, 'UInt64': np.uint64, 'Float16': np.float16, 'Float32': np.float32,
         'Float64': np.float64, 'Bool': np.bool_}  # the framework's names


class CheckpointError(ValueError):
    """A checkpoint cannot be read, written or used; the message says why and what to do."""


class NotFinite(CheckpointError):
    """A network with NaN or infinite numbers is not saved: its training diverged."""


@dataclass(frozen=True)
class Checkpoint:
    """The content of a file: arrays by name, and the meta dictionary."""
    path: str
    arrays: Dict[str, np.ndarray]
    meta: dict


def save(path: str, arrays: Mapping[str, np.ndarray], meta: dict) -> None:
    """Write a checkpoint to a temporary file next to `path` and move it into place.

    Whatever happens, `path` is then the complete old or the complete new file. Raises NotFinite if an array has NaN or
    infinite numbers, so that the last good checkpoint is kept, and CheckpointError if the disk is full.
    """
    broken = next((name for name, array in arrays.items()
                   if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all()), None)
    if broken:
        raise NotFinite(f'{path}: not saved, {broken} holds NaN or infinite numbers: training diverged. The '
                        'existing checkpoints are good; try a lower optim.learning_rate or optim.clip_norm=1')
    text = json.dumps({'format': FORMAT, 'parameters': len(arrays), **meta})
    try:
        with _quiet(), replacing(path) as temporary:
            written = os.path.join(os.path.dirname(temporary), 'written.ckpt')  # it would append this ending to others
            ms.save_checkpoint([{'name': n, 'data': Tensor(a)} for n, a in arrays.items()], written,
                               append_dict={'meta': text}, **crc_check(ms.save_checkpoint))
            os.chmod(written, file_mode())  # the framework makes it read-only
            os.rename(written, temporary)
            with open(temporary, 'rb') as file:
                os.fsync(file.fileno())
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        kept = '; the older checkpoint there is untouched' if os.path.exists(path) else ''
        raise CheckpointError(f'{path}: could not be saved ({_reason(error, path)}){kept}') from None


def load(path: str) -> Checkpoint:
    """Read a checkpoint of this package. Raises FileNotFoundError, and CheckpointError for any other file."""
    if os.path.isdir(path):
        raise IsADirectoryError(f'checkpoint {path}: is a folder; give a .ckpt file, such as best.ckpt in it')
    if not os.path.isfile(path):
        raise FileNotFoundError(f'checkpoint {path}: no such file')
    if path.lower().endswith(EXPORTED):
        raise CheckpointError(f'{path}: is an exported file; give the .ckpt that it was made from')
    try:
        loaded = dict(_tensors(path))
    except (ValueError, DecodeError) as error:
        raise CheckpointError(f'checkpoint {path}: cannot be read; it is damaged or not a checkpoint '
                              f'({shorten(" ".join(str(error).split()))})') from None
    try:
        meta = loaded.pop('meta', None)
        meta = parse_json(meta) if isinstance(meta, str) else None
    except ValueError:
        meta = None
    if not isinstance(meta, dict) or not isinstance(meta.get('network', {}), dict):
        raise CheckpointError(f"checkpoint {path}: holds no description of its network; it was not written by this "
                              "package's train.py")
    if meta.get('format') != FORMAT or meta.get('parameters') != len(loaded):
        raise CheckpointError(f"checkpoint {path}: format {shown(meta.get('format'))}, {len(loaded)} of "
                              f"{shown(meta.get('parameters'))} parameters; written by another release, or damaged")
    return Checkpoint(path, loaded, meta)


def _tensors(path: str) -> Iterator[Tuple[str, Union[np.ndarray, str]]]:
    """Yield the named arrays and texts of a file of mindspore.save_checkpoint. Raises ValueError, DecodeError on
    damage.

    The framework's own reader copies a tensor's content without checking its length against `dims`: out of bounds if
    `dims` are too small.
    """
    name, dims, kind, parts = None, (), '', []
    for tag, tensor in _records(path):
        if tag != name:
            if name is not None:
                yield name, _value(name, dims, kind, b''.join(parts))
            name, dims, kind, parts = tag, tuple(tensor.dims), tensor.tensor_type, []
        elif (tuple(tensor.dims), tensor.tensor_type) != (dims, kind):
            raise ValueError(f'{shown(name)} is in it with two shapes or types')
        parts.append(tensor.tensor_content)
    if name is not None:
        yield name, _value(name, dims, kind, b''.join(parts))


def _records(path: str) -> Iterator[tuple]:
    """Yield (name, TensorProto) of every record; a tensor of hundreds of megabytes is several consecutive records."""
    seen, last, check = set(), None, 0
    with open(path, 'rb') as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - len(CHECKSUM) - 10))
        closing = file.read()
        expected = int.from_bytes(closing[-10:], 'big') if closing[:-10] == CHECKSUM else None
        end = size if expected is None else size - len(closing)
        file.seek(0)
        for count in range(MAX_RECORDS + 1):
            if file.tell() == end:
                break
            if count == MAX_RECORDS:
                raise ValueError(f'more than {MAX_RECORDS:,} records')
            head, length = _head(file)
            if length > end - file.tell():
                raise ValueError('cut short')
            data = file.read(length)
            check = zlib.crc32(data, zlib.crc32(head, check))
            record = Message.Value.FromString(data)
            if not record.HasField('tensor'):
                raise ValueError(f'{shown(record.tag)} is not a tensor')
            if record.tag != last and record.tag in seen:
                raise ValueError(f'{shown(record.tag)} is in it twice')
            last = record.tag
            seen.add(last)
            yield last, record.tensor
    if not seen:
        raise ValueError('nothing in it')
    if expected not in (None, check):
        raise ValueError('its check sum differs')


def _head(file: BinaryIO) -> Tuple[bytes, int]:
    """Return the head of a record and the record's length: field 1 of a protobuf message, of wire type 2."""
    head, length = file.read(1), 0
    if head != b'\x0a':
        raise ValueError('no record where one should begin')
    for shift in range(0, 63, 7):
        byte = file.read(1)
        head += byte
        if not byte:
            break
        length |= (byte[0] & 0x7f) << shift
        if byte[0] < 0x80:
            return head, length
    raise ValueError('a record without a length')


def _value(name: str, dims: Tuple[int, ...], kind: str, content: bytes) -> Union[np.ndarray, str]:
    """Return a tensor as an array or a text. Raises ValueError if its length does not match its dims and type."""
    if kind == 'str':
        return content.decode('utf-32-le').rstrip('\0')
    if kind not in TYPES:
        raise ValueError(f'{shown(name)} has numbers of type {shown(kind)}')
    shape = () if dims == (0,) else dims  # the framework writes a scalar with dims (0,)
    if len(shape) > MAX_DIMS or min(shape, default=0) < 0:
        raise ValueError(f'{shown(name)} has dims {shown(shape)}')
    numbers = np.frombuffer(content, np.uint8)
    if math.prod(shape) * np.dtype(TYPES[kind]).itemsize != len(content):
        raise ValueError(f'{shown(name)} has {len(content):,} bytes, not {shown(dims)} numbers of type {kind}')
    return numbers.view(TYPES[kind]).reshape(shape).copy() if len(content) else np.zeros(shape, TYPES[kind])


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
    """Turn off the framework's log lines, which repeat the exception."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
