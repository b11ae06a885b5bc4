"""Loading the weights of a file into a network: published ones (safetensors, PyTorch's .pth) and checkpoints (.ckpt).

A folder of timm's model hub holds a config.json next to the weights. Weights of another network are refused by it, as
shapes are not enough: timm's tf_efficientnet_b0 has the shapes of efficientnet_b0 but another padding.
"""
from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Callable, Dict, Mapping, Optional, Tuple

import numpy as np
from mindspore import nn

from tinynets.arch.spec import NetSpec
from tinynets.arch.zoo import VARIANTS
from tinynets.model import checkpoint_file, torch_file
from tinynets.model.checkpoint_file import AVERAGE
from tinynets.model.torch_file import BFLOAT16, TorchFileError
from tinynets.model.weights import load_arrays, mismatches, torch_names
from tinynets.parsing import parse_json, read_json

PARTS = ('stem', 'stages', 'head', 'classifier')  # first words of a network's parameter names
COUNTERS = '.num_batches_tracked'  # of PyTorch's batch norms; the networks here have none
OPERATIONS = ('total_ops', 'total_params')  # added to every module by thop, a counter of operations
SHOWN = 10  # names of a kind in an error
MAX_NAME = 200
TRAINED = 'tinynets.trained'  # in the metadata of a .safetensors file
POINTER = b'version https://git-lfs'  # start of a Git LFS pointer, which git without LFS leaves instead of a large file
SAFETENSORS = {'F64': '<f8', 'F32': '<f4', 'F16': '<f2', 'BF16': BFLOAT16, 'I64': '<i8', 'I32': '<i4', 'I16': '<i2',
               'I8': 'i1', 'U8': 'u1', 'BOOL': '?'}


@dataclass(frozen=True)
class Weights:
    """The content of a file: float32 arrays by the file's names, which are PyTorch's (timm's) if `torch`.

    `network` is the name of their network, '' if the file does not say; `note` says what was converted.
    """
    path: str
    arrays: Dict[str, np.ndarray]
    torch: bool
    network: str
    note: str


def read_weights(path: str, weights: str = 'auto') -> Weights:
    """Read the weights in a .ckpt, a .safetensors or a file of torch.save (.pth, .pt, .bin, .tar).

    `weights` selects the averaged ('ema') or the last ('raw') weights of a training checkpoint; 'auto' takes the
    average if there is one. Raises FileNotFoundError, and ValueError for another ending, a damaged file or values that
    cannot be weights.
    """
    ending = os.path.splitext(path)[1].lower()
    if ending not in READERS:
        raise ValueError(f'{path}: the ending must be one of {", ".join(READERS)}')
    if weights not in ('auto', 'ema', 'raw'):
        raise ValueError(f"weights '{weights}': must be auto, ema or raw")
    if not os.path.isfile(path):
        raise FileNotFoundError(f'{path}: no such file')
    with open(path, 'rb') as file:
        if file.read(len(POINTER)) == POINTER:
            raise ValueError(f'{path}: a pointer of Git LFS, not the weights; fetch these with `git lfs pull`, or '
                             'download the file itself')
    found, network = READERS[ending](path, weights)
    strange = next((name for name in found if not name.isprintable() or len(name) > MAX_NAME), None)
    if strange is not None:
        raise ValueError(f'{path}: {strange[:60]!r} is not the name of a weight')
    converted = sorted({_dtype_name(array.dtype) for array in found.values()} - {'float32'})
    arrays = {}
    for name, array in found.items():
        if array.dtype != BFLOAT16 and array.dtype.kind != 'f':
            raise ValueError(f'{path}: {name} holds {array.dtype} numbers; weights are floating point')
        arrays[name] = _float32(array)
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f'{path}: {name} holds numbers that are not finite')
    note = f'{", ".join(converted)} converted to float32' if converted else ''
    return Weights(path, arrays, ending != '.ckpt', network, note)


def read_description(path: str) -> dict:
    """Return the config.json of timm's model hub next to a file of weights, {} if there is none. Raises ValueError."""
    config_path = os.path.join(os.path.dirname(os.path.abspath(path)), 'config.json')
    if not os.path.isfile(config_path):
        return {}
    try:
        description = read_json(config_path)
    except ValueError as error:
        raise ValueError(f'{error}; it should describe {os.path.basename(path)}. Fetch it again, or move one of the '
                         'two files elsewhere') from None
    described = isinstance(description, dict) and isinstance(description.get('architecture'), str)
    return description if described else {}


def read_trained(path: str) -> Optional[dict]:
    """Return the names of training images that `convert_weights.py` wrote into a .safetensors file, None without them.

    See tinynets.data.trained. A file that cannot be read has none; `read_weights` says what is wrong with it.
    """
    if not path.lower().endswith('.safetensors') or not os.path.isfile(path):  # a pipe would never end
        return None
    import safetensors
    try:
        with safetensors.safe_open(path, 'np') as file:
            kept = (file.metadata() or {}).get(TRAINED)
    except (OSError, safetensors.SafetensorError):
        return None
    try:
        return None if kept is None else parse_json(kept)
    except ValueError as error:
        raise ValueError(f'{path}: {TRAINED} in its metadata is {error}') from None


def timm_name(spec: NetSpec) -> str:
    """Return timm's name of a network: the variant with its base, depth and width, else the name here."""
    return next((row.name for row in VARIANTS.values() if (row.base, row.d, row.w) == (spec.base, spec.d, spec.w)),
                spec.name)


def load_pretrained(network: nn.Cell, path: str, weights: str = 'auto') -> str:
    """Load the weights of a file; return a line on them, which says whether the classifier was loaded too.

    A classifier with another number of classes is not loaded. Any other difference raises ValueError with the names,
    and the network is unchanged.
    """
    return fill(network, read_weights(path, weights))


def fill(network: nn.Cell, found: Weights) -> str:
    """Load weights that were read, as `load_pretrained` does."""
    spec, names = network.plan.spec, weight_names(network, found.torch)
    if found.torch and found.network not in ('', timm_name(spec), spec.name):
        raise ValueError(f"{found.path}: the config.json next to it says that these are {found.network}'s weights, not "
                         f"{timm_name(spec)}'s; use that network, or move the weights to another folder")
    params = {p.name: p for p in network.get_parameters()}
    shapes = {theirs: params[name].shape for theirs, name in names.items()}
    arrays = dict(found.arrays)
    stem = next(theirs for theirs, name in names.items() if name == 'stem.conv.weight')
    channels = arrays[stem].shape[1] if stem in arrays and arrays[stem].ndim == 4 else spec.in_channels
    if channels != spec.in_channels:
        raise ValueError(f'in_channels={spec.in_channels}: {found.path} has weights for images of {channels} channels; '
                         f'build the network with in_channels={channels}')
    classifier = [theirs for theirs, name in names.items() if name.startswith('classifier.dense.')]
    classes = {arrays[n].shape[0] for n in classifier if n in arrays and arrays[n].ndim == len(shapes[n])}
    afresh = len(classes) == 1 and classes != {spec.num_classes} and all(
        n in arrays and arrays[n].shape[1:] == shapes[n][1:] for n in classifier)
    for name in classifier if afresh else ():
        del shapes[name], arrays[name]
    problems = mismatches(shapes, arrays, SHOWN)
    if problems:
        whose = f", which are {found.network}'s," if found.network else ''
        raise ValueError(f'{found.path}: the weights{whose} do not fit {spec.name}; {problems}')
    kept = {name: p.asnumpy() for name, p in params.items()}
    load_arrays(network, {**kept, **{names[theirs]: array for theirs, array in arrays.items()}})
    classifier = (f'the classifier is new: {spec.num_classes} classes, {classes.pop()} in the file' if afresh
                  else f'the classifier of {spec.num_classes} classes is kept')
    return f'{len(arrays)} arrays of weights from {found.path}{f", {found.note}" if found.note else ""}; {classifier}'


def weight_names(network: nn.Cell, torch: bool) -> Dict[str, str]:
    """Map the name of every weight and statistic in a file, PyTorch's or this package's, to the parameter's name."""
    names = torch_names(network)
    return {theirs: name for name, theirs in names.items()} if torch else {name: name for name in names}


def _read_safetensors(path: str, weights: str) -> Tuple[Dict[str, np.ndarray], str]:
    import safetensors
    if weights == 'ema':
        raise ValueError(f'{path}: holds one set of weights; leave --weights out')
    with open(path, 'rb') as file:
        data = file.read()
    try:
        tensors = safetensors.deserialize(data)
    except safetensors.SafetensorError as error:
        raise ValueError(f'{path}: damaged, or not safetensors ({" ".join(str(error).split())[:80]})') from None
    arrays = {}
    for name, tensor in tensors:
        if tensor['dtype'] not in SAFETENSORS:
            raise ValueError(f'{path}: {name[:60]!r} is of type {tensor["dtype"]}, which is not read here')
        dtype = np.dtype(SAFETENSORS[tensor['dtype']])
        numbers = np.frombuffer(tensor['data'], dtype) if tensor['data'] else np.empty(0, dtype)
        arrays[name] = numbers.reshape(tensor['shape'])
    try:
        named = torch_file.without_prefixes(arrays)
    except TorchFileError as error:
        raise TorchFileError(f'{path}: {error}') from None
    return _without_counters(named), read_description(path).get('architecture', '')


def _read_torch(path: str, weights: str) -> Tuple[Dict[str, np.ndarray], str]:
    return _without_counters(torch_file.read(path, weights)), read_description(path).get('architecture', '')


def _read_checkpoint(path: str, weights: str) -> Tuple[Dict[str, np.ndarray], str]:
    """Return the weights of a checkpoint of this package, without optimizer, step and dropout's counters."""
    saved = checkpoint_file.load(path)
    averaged = {name[len(AVERAGE) + 1:]: a for name, a in saved.arrays.items() if name.startswith(f'{AVERAGE}.')}
    if weights == 'ema' and not averaged:
        raise ValueError(f'{path}: has no weight average (train.ema_decay was 0); use --weights raw')
    raw = {name: a for name, a in saved.arrays.items() if name.partition('.')[0] in PARTS and a.dtype.kind == 'f'}
    return {**raw, **averaged} if weights != 'raw' else raw, str(saved.meta.get('network', {}).get('name', ''))


def _without_counters(arrays: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    return {name: array for name, array in arrays.items()
            if not name.endswith(COUNTERS) and name.rpartition('.')[2] not in OPERATIONS}


def _float32(array: np.ndarray) -> np.ndarray:
    if array.dtype == BFLOAT16:
        return (array['bfloat16'].astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over='ignore'):  # too large numbers become infinite, which is checked later
        return np.ascontiguousarray(array, np.float32).reshape(array.shape)


def _dtype_name(dtype: np.dtype) -> str:
    return dtype.names[0] if dtype.names else dtype.name


READERS: Dict[str, Callable[[str, str], Tuple[Dict[str, np.ndarray], str]]] = {
    '.ckpt': _read_checkpoint,
    '.safetensors': _read_safetensors,
    **dict.fromkeys(('.pth', '.pt', '.bin', '.tar'), _read_torch),  # .bin: model hub, .tar: timm's .pth.tar
}
