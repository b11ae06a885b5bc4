"""Reading PyTorch's files (.pth) without PyTorch, as NumPy arrays. No code in a file is run.

`torch.save` writes an uncompressed zip archive: `<root>/data.pkl`, a pickle in which each tensor is a call on a
storage, `<root>/data/<key>`, the storages' bytes, and `<root>/byteorder`. Before release 1.6 it wrote five consecutive
pickles (magic number, version, system, object, keys of the storages), then each storage as an int64 count and its
bytes.

Python's Unpickler, whatever its find_class allows, sets attributes (BUILD), hashes keys of any depth and allocates what
a file claims (memo indices, byte arrays). Here pickletools only splits the pickle into opcodes, and an interpreter of
the opcodes that torch.save writes builds dictionaries, lists and tuples. A global is only a name.
"""
from __future__ import annotations

import functools
import io
import math
import os
import pickletools
import struct
import zipfile
import zlib
from typing import Any, BinaryIO, Callable, Dict, List, Mapping, NamedTuple, Tuple

import numpy as np

BFLOAT16 = np.dtype([('bfloat16', '<u2')])  # NumPy has no bfloat16; these are its bits, the upper half of a float32's

MAGIC_NUMBER, VERSION = 0x1950a86a20f9469cfc6c, 1001  # of files before release 1.6
MAX_OPCODES = 2_000_000  # 1,000 tensors with an optimizer's state need a twentieth of it
MAX_AXES = 32

STORAGES = {f'torch {name}Storage': np.dtype(kind) for name, kind in {
    'Float': '<f4', 'Half': '<f2', 'BFloat16': BFLOAT16, 'Double': '<f8', 'Long': '<i8', 'Int': '<i4', 'Short': '<i2',
    'Char': 'i1', 'Byte': 'u1', 'Bool': '?'}.items()}
WRAPPERS = {'ema': ('state_dict_ema', 'model_ema'), 'raw': ('state_dict', 'model')}  # where timm looks for the weights
PREFIXES = ('_orig_mod.', 'module.', '_orig_mod.')  # of torch.compile and data parallelism, in either order
RESAVE = 'in PyTorch, save the weights alone: torch.save(model.state_dict(), FILE)'


class TorchFileError(ValueError):
    """A file is damaged, holds more than tensors, or claims more than it holds; the message says which."""


class Storage(NamedTuple):
    """A storage of `count` numbers with the name `key`."""
    key: str
    dtype: np.dtype
    count: int


class TensorView(NamedTuple):
    """A tensor as a view of a storage; offset and strides count numbers."""
    storage: Storage
    offset: int
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]


class Global(NamedTuple):
    """A class or function named in a pickle, as 'module name'; it is never looked up."""
    name: str


def read(path: str, weights: str = 'auto') -> Dict[str, np.ndarray]:
    """Return the state dictionary in a file of torch.save as read-only arrays, bfloat16 as BFLOAT16.

    In a training checkpoint it is found as timm does: `weights` 'ema' takes state_dict_ema or model_ema, 'raw' takes
    state_dict, model or the file itself, 'auto' the first of these that exists. Prefixes of wrappers are removed. An
    array may have no more numbers than its storage, all arrays together no more bytes than the file. Raises
    FileNotFoundError, and TorchFileError for any other file.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'{path}: no such file')
    with open(path, 'rb') as file:
        try:
            start = file.read(4)
            file.seek(0)
            content, load = (_read_zip if start == b'PK\x03\x04' else _read_legacy)(file)
            state = _state(content, weights)
            if sum(math.prod(tensor.shape) for tensor in state.values()) > os.fstat(file.fileno()).st_size:
                raise TorchFileError('refused, its tensors share storages and have more numbers than it has bytes')
            return {name: _array(tensor, load(tensor.storage)) for name, tensor in state.items()}
        except TorchFileError as error:
            raise TorchFileError(f'{path}: {error}') from None
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, LookupError,
                TypeError, ValueError, OverflowError, OSError) as error:  # of zipfile, pickletools or the interpreter
            reason = ' '.join(str(error).split())[:80]
            raise TorchFileError(f'{path}: damaged, or not a file of torch.save ({reason})') from None


def _read_zip(file: BinaryIO) -> Tuple[Any, Callable[[Storage], bytes]]:
    """Return the object in an archive, and a function that returns a storage's bytes, little-endian."""
    archive = zipfile.ZipFile(file)
    if sum(entry.compress_size for entry in archive.infolist()) > os.fstat(file.fileno()).st_size:
        raise TorchFileError('damaged, its entries claim more bytes than the file has')
    entries = {entry.filename: entry for entry in archive.infolist()}
    roots = [name[:-len('data.pkl')] for name in entries if name.endswith('/data.pkl') and name.count('/') == 1]
    if len(roots) != 1:
        raise TorchFileError('a zip archive, but not of torch.save: it has no <name>/data.pkl')

    def entry(name: str) -> bytes:
        info = entries.get(roots[0] + name)
        if info is None:
            raise TorchFileError(f'damaged, {name!r} is missing in it')
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.flag_bits & 1:
            raise TorchFileError(f'{name!r} in it is compressed or encrypted, which torch.save never does')
        return archive.read(info)

    order = entry('byteorder') if roots[0] + 'byteorder' in entries else b'little'
    if order not in (b'little', b'big'):
        raise TorchFileError('damaged, its byte order is neither little nor big')

    @functools.lru_cache(maxsize=None)
    def load(storage: Storage) -> bytes:
        data, size = entry(f'data/{storage.key}'), storage.dtype.itemsize
        if len(data) != storage.count * size:
            raise TorchFileError(f'damaged, storage {storage.key!r} has {len(data):,} bytes, not {storage.count:,} '
                                 f'numbers of {size}')
        return np.frombuffer(data, f'u{size}').byteswap().tobytes() if order == b'big' else data
    return _unpickle(io.BytesIO(entry('data.pkl')), {}), load


def _read_legacy(file: BinaryIO) -> Tuple[Any, Callable[[Storage], bytes]]:
    """Return what `_read_zip` does for a file from before release 1.6."""
    data = file.read()
    stream = io.BytesIO(data)  # unlike a file's read(), its read() never allocates more than there is
    if data[:1] != b'\x80' or _unpickle(stream, {}) != MAGIC_NUMBER or _unpickle(stream, {}) != VERSION:
        raise TorchFileError('not a file of torch.save')
    if _expect(_unpickle(stream, {}), dict).get('little_endian') is not True:
        raise TorchFileError(f'its numbers are not little-endian; {RESAVE}')
    storages: Dict[str, Storage] = {}
    content, keys = _unpickle(stream, storages), _unpickle(stream, {})
    position, places = stream.tell(), {}
    for key in _expect(keys, list):
        _expect(key, str)  # whose hash is cheap
        count, = struct.unpack_from('<q', data, position)
        length = count * storages[key].dtype.itemsize
        if count != storages[key].count or position + 8 + length > len(data):
            raise TorchFileError(f'damaged, storage {key!r} does not have its {storages[key].count:,} numbers')
        places[key] = slice(position + 8, position + 8 + length)
        position += 8 + length
    return content, lambda storage: memoryview(data)[places[storage.key]]


def _array(tensor: TensorView, data: bytes) -> np.ndarray:
    """Return a tensor as a view of its storage's bytes; that it is within the storage was checked before."""
    dtype = tensor.storage.dtype
    numbers = np.frombuffer(data, dtype)[tensor.offset:] if len(data) else np.empty(0, dtype)
    return np.lib.stride_tricks.as_strided(numbers, tensor.shape, [s * dtype.itemsize for s in tensor.strides],
                                           writeable=False)


def _state(content: Any, weights: str) -> Dict[str, TensorView]:
    """Return the state dictionary in a file's content, with names without prefixes."""
    if weights not in ('auto', 'ema', 'raw'):
        raise TorchFileError(f"weights '{weights}': must be auto, ema or raw")
    wanted = WRAPPERS['ema'] + WRAPPERS['raw'] if weights == 'auto' else WRAPPERS[weights]
    if not isinstance(content, dict):
        raise TorchFileError(f'holds an object of type {_kind(content)}, not a state dictionary; {RESAVE}')
    key = next((key for key in wanted if content.get(key) is not None), None)
    if weights == 'ema' and key is None:
        raise TorchFileError(f'has no averaged weights ({", ".join(WRAPPERS["ema"])} in it); use --weights raw')
    state = content if key is None else content[key]
    if not isinstance(state, dict) or not state:
        raise TorchFileError(f'holds {"no" if key is None else f"under {key!r} no"} state dictionary; {RESAVE}')
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, TensorView):
            raise TorchFileError(f'{str(name)[:60]!r} in it is of type {_kind(value)}, not a tensor; {RESAVE}')
    return without_prefixes(state)


def without_prefixes(state: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the dictionary without the name prefixes of wrappers. Raises TorchFileError if names become equal."""
    clean = {functools.reduce(str.removeprefix, PREFIXES, name): value for name, value in state.items()}
    if len(clean) != len(state):
        raise TorchFileError('two of its names differ by a prefix only (module. or _orig_mod.)')
    return clean


def _unpickle(stream: BinaryIO, storages: Dict[str, Storage]) -> Any:
    """Return the object of the stream's next pickle, with torch.save's opcodes and calls; fill `storages`."""
    stack: List[Any] = []
    marks: List[int] = []
    memo: Dict[int, Any] = {}

    def since_mark() -> List[Any]:
        items = stack[marks[-1]:]
        del stack[marks.pop():]
        return items

    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if count > MAX_OPCODES:
            raise TorchFileError(f'its pickle has more than {MAX_OPCODES:,} opcodes; {RESAVE}')
        op = opcode.name
        if op in ('PROTO', 'FRAME'):
            pass
        elif op == 'STOP':
            return stack.pop()
        elif op == 'MARK':
            marks.append(len(stack))
        elif op == 'NONE':
            stack.append(None)
        elif op in ('NEWTRUE', 'NEWFALSE'):
            stack.append(op == 'NEWTRUE')
        elif op in ('BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT', 'BINUNICODE', 'SHORT_BINUNICODE'):
            stack.append(argument)
        elif op == 'EMPTY_DICT':
            stack.append({})
        elif op == 'EMPTY_LIST':
            stack.append([])
        elif op == 'EMPTY_TUPLE':
            stack.append(())
        elif op == 'TUPLE':
            stack.append(tuple(since_mark()))
        elif op in ('TUPLE1', 'TUPLE2', 'TUPLE3'):
            size = int(op[-1])
            stack[-size:] = [tuple(stack[-size:])]
        elif op in ('APPEND', 'APPENDS'):
            items = since_mark() if op == 'APPENDS' else [stack.pop()]
            _expect(stack[-1], list).extend(items)
        elif op in ('SETITEM', 'SETITEMS'):
            items = since_mark() if op == 'SETITEMS' else [stack.pop(-2), stack.pop()]
            keys = [_expect(key, (str, int)) for key in items[::2]]  # whose hash is cheap
            _expect(stack[-1], dict).update(zip(keys, items[1::2]))
        elif op in ('BINPUT', 'LONG_BINPUT'):
            memo[argument] = stack[-1]
        elif op == 'MEMOIZE':
            memo[len(memo)] = stack[-1]
        elif op in ('BINGET', 'LONG_BINGET'):
            stack.append(memo[argument])
        elif op == 'GLOBAL':
            stack.append(_global(argument))
        elif op == 'STACK_GLOBAL':
            name, module = stack.pop(), stack.pop()
            stack.append(_global(f'{_expect(module, str)} {_expect(name, str)}'))
        elif op in ('REDUCE', 'NEWOBJ'):
            arguments = _expect(stack.pop(), tuple)
            stack.append(CALLS[_expect(stack.pop(), Global).name](*arguments))
        elif op == 'BUILD':  # attributes of an OrderedDict or a Namespace, which are not weights
            _expect(stack.pop(), dict)
            _expect(stack[-1], dict)
        elif op == 'BINPERSID':
            storage = _storage(*_expect(stack.pop(), tuple))
            if storages.setdefault(storage.key, storage) != storage:
                raise TorchFileError(f'damaged, storage {storage.key!r} is described in two ways')
            stack.append(storage)
        else:
            raise TorchFileError(f'its pickle has the opcode {op}, which no state dictionary needs; {RESAVE}')
    raise TorchFileError('damaged, its pickle has no end')


def _global(name: str) -> Global:
    if name not in CALLS and name not in STORAGES:
        raise TorchFileError(f'refused, it asks for {name[:80].replace(" ", ".")!r}, which weights do not need; '
                             f'{RESAVE}')
    return Global(name)


def _storage(kind: Any, dtype: Any, key: Any, location: Any, count: Any, view: Any = None) -> Storage:
    if kind != 'storage' or view is not None:
        raise TorchFileError(f'holds more than a state dictionary; {RESAVE}')
    return Storage(_expect(key, str), STORAGES[_expect(dtype, Global).name], _whole(count))


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> TensorView:
    """Do what torch._utils._rebuild_tensor_v2 does; further arguments are requires_grad, hooks and metadata."""
    view = TensorView(_expect(storage, Storage), _whole(offset), tuple(map(_whole, _expect(shape, tuple))),
                      tuple(map(_whole, _expect(strides, tuple))))
    if len(view.shape) != len(view.strides) or len(view.shape) > MAX_AXES:
        raise TorchFileError(f'damaged, a tensor has {len(view.shape)} axes and {len(view.strides)} strides')
    numbers = math.prod(view.shape)
    last = view.offset + sum((n - 1) * stride for n, stride in zip(view.shape, view.strides))
    if numbers > view.storage.count or (numbers and last >= view.storage.count):
        raise TorchFileError(f'damaged, a tensor of shape {view.shape} reaches beyond its storage, which has '
                             f'{view.storage.count:,} numbers')
    return view


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**48:
        raise TorchFileError('damaged, a size in it is not a possible whole number')
    return value


def _expect(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, tuple) and kind is tuple and type(value) is not tuple):
        raise TorchFileError(f'its pickle is not one of a state dictionary; {RESAVE}')
    return value


def _kind(value: Any) -> str:
    return {TensorView: 'tensor', Storage: 'storage', Global: 'class'}.get(type(value), type(value).__name__)


CALLS: Dict[str, Callable] = {
    'collections OrderedDict': lambda: {},
    'argparse Namespace': lambda: {},  # the settings in timm's training checkpoints
    'torch._utils _rebuild_tensor_v2': _tensor,
    'torch._utils _rebuild_parameter': lambda tensor, *_: tensor,
    'torch._utils _rebuild_parameter_with_state': lambda tensor, *_: tensor,
}
