"""The manifest: a JSON file next to every exported model with everything a program needs to use it.

`<file>.json` holds: file, bytes and sha256; network (arguments of `create_model`), class names (their indices if not
`classes_named`), preprocessing; input and output (name, shape with null for a variable batch, dtype); cost (counted
from the plan); `division`, the validation images of a training on a folder without val/
(src/tinynets/data/division.py); `trained`, the names of the training images as hashes
(src/tinynets/data/trained.py); `probe` of a MINDIR, the seed of an image and the logits for it, which the C++ program
compares with its own when it loads the file; the SHA-256 of the checkpoint; the difference of the exported file's
logits from the checkpoint's; the versions that wrote it.
"""
from __future__ import annotations

import math
import os
import shutil
from typing import Any, Optional, Sequence

import numpy as np

from tinynets.data.origin import Origin
from tinynets.files import check_file, file_hash, workplace, write_json
from tinynets.parsing import read_json
from tinynets.preprocessing import channels_of, check_preprocessing
from tinynets.tasks import task_of
from tinynets.text import shown

FORMAT = 1
OPSET = 13  # of exported ONNX files: the first whose quantisation has a range per channel; tools drop older ones
PROBE_SEED = 1
LARGEST_LOGIT = 1e30
NEXT = 'next'  # in a manifest while its pair is being replaced: the manifest of the new model file


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ''


# key -> (is allowed, what is allowed), for keys that are read here or in C++
FIELDS = {
    'format': (lambda v: v == FORMAT and isinstance(v, int) and v is not True, f'{FORMAT}, which this release reads'),
    'kind': (_text, 'text'),
    'file': (_text, 'text'),
    'sha256': (_text, 'text'),
    'network': (lambda v: isinstance(v, dict) and _text(v.get('name')), 'a table with a name'),
    'preprocessing': (lambda v: isinstance(v, dict), 'a table'),
    'input': (lambda v: isinstance(v, dict) and _text(v.get('name')), 'a table with a name'),
    'weights': (lambda v: v in ('ema', 'raw'), 'ema or raw'),
    'config': (lambda v: isinstance(v, dict), 'a table'),
}


def manifest_path(model_path: str) -> str:
    """Return the path of a model file's manifest."""
    return f'{model_path}.json'


def read_manifest(model_path: str) -> dict:
    """Read and check the manifest next to a model file.

    Raises FileNotFoundError if one of the two is missing, ValueError if the manifest is damaged, has another format, or
    does not describe the model file.
    """
    path = manifest_path(model_path)
    if not os.path.isfile(model_path):
        raise FileNotFoundError(f'{model_path}: no such model file')
    if not os.path.isfile(path):
        raise FileNotFoundError(f'{path}: no such file; the manifest that export.py writes next to a model '
                                'must be there')
    digest = file_hash(model_path)
    try:
        manifest = _current(read_json(path), digest)
        check_manifest(manifest)
    except ValueError as error:
        reason = str(error).removeprefix(f'{path}: ')
        raise ValueError(f'{path}: not a manifest of export.py ({reason}); export the model again') from None
    if manifest['sha256'] != digest:
        raise ValueError(f'{model_path}: is not the file its manifest describes (sha256 differs); export it again')
    return manifest


def publish(work: str, model_path: str, manifest: dict) -> None:
    """Copy a finished model file to `model_path` and write its manifest, so that they always match.

    Whenever the process is killed, `read_manifest` then finds either the old or the new pair. Moving a file is atomic,
    moving two is not. So the manifest is first replaced by one that describes both model files, the old one and, as
    "next", the new one; then the model is moved, then its own manifest. If there was no valid pair, the manifest is
    written first, as nothing uses one without its model.
    """
    check_file(model_path)
    path = manifest_path(model_path)
    new = {**manifest, 'file': os.path.basename(model_path), 'bytes': os.path.getsize(work), 'sha256': file_hash(work)}
    old = _whole(model_path)
    with workplace(os.path.dirname(os.path.abspath(model_path)), model_path) as folder:
        model, first, last = (os.path.join(folder, name) for name in ('model', 'first', 'last'))
        shutil.copyfile(work, model)
        write_json(first, {**old, NEXT: new} if old else new)
        write_json(last, new)
        os.replace(first, path)
        os.replace(model, model_path)
        if old:
            os.replace(last, path)


def _current(manifest: dict, digest: str) -> dict:
    """Return the manifest of the model file with this SHA-256, of the two that a killed `publish` leaves in one."""
    if not isinstance(manifest, dict) or NEXT not in manifest:
        return manifest
    following = manifest.pop(NEXT)
    return following if isinstance(following, dict) and following.get('sha256') == digest else manifest


def _whole(model_path: str) -> Optional[dict]:
    """Return the manifest of a model file if both exist and match, else None."""
    try:
        digest = file_hash(model_path)
        manifest = _current(read_json(manifest_path(model_path)), digest)
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and manifest.get('sha256') == digest else None


def check_manifest(manifest: Any) -> None:
    """Raise ValueError if a manifest lacks something or has a value that this release does not support.

    ascend310_infer/src/manifest.cc refuses the same manifests.
    """
    if not isinstance(manifest, dict):
        raise ValueError(f'it is {shown(manifest)}, not a table')
    for key, (allowed, what) in FIELDS.items():
        if key not in manifest:
            raise ValueError(f'{key} is missing')
        if not allowed(manifest[key]):
            raise ValueError(f'{key} is {shown(manifest[key])}; it must be {what}')
    task = task_of(manifest)
    task.check_manifest(manifest)
    check_preprocessing(manifest['preprocessing'], manifest['network'].get('in_channels', 3))
    Origin.of(manifest, 'manifest')
    if manifest.get('probe') is not None and not _is_probe(manifest['probe'], task.output_shape(manifest)):
        raise ValueError(f'probe is {shown(manifest["probe"])}; it must be a seed and a number for each class')
    side, channels = manifest['preprocessing']['resolution'], channels_of(manifest['preprocessing'])
    for place, wanted in (('input', [channels, side, side]), ('output', task.output_shape(manifest))):
        found = manifest.get(place, {})
        if not isinstance(found, dict):
            raise ValueError(f'{place} is {shown(found)}; it must be a table')
        if found.get('dtype', 'float32') != 'float32':
            raise ValueError(f'{place}.dtype is {shown(found["dtype"])}; it must be float32')
        if 'shape' in found and not any(_same(found['shape'], [batch, *wanted]) for batch in (None, 1)):
            raise ValueError(f'{place}.shape is {shown(found["shape"])}; it must be that of the classes and the '
                             'preprocessing')


def probe_image(seed: int, shape: Sequence[int]) -> np.ndarray:
    """Return the probe's image: float32 from -1 to 1 by the Mersenne Twister, as in ascend310_infer/src/probe.cc."""
    numbers = np.random.RandomState(seed).randint(0, 1 << 32, math.prod(shape), dtype=np.uint32)
    return (numbers.astype(np.float32) / np.float32(1 << 31) - np.float32(1)).reshape(shape)


def probe(seed: int, logits: np.ndarray) -> dict:
    """Return the entry of a probe: its seed and the logits, with the seven digits of float32."""
    return {'seed': seed, 'logits': [float(f'{value:.7g}') for value in logits.ravel()]}


def _is_probe(value: Any, shape: Sequence[int]) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get('logits'), list):
        return False
    seed, logits = value.get('seed'), value['logits']
    return type(seed) is int and 0 <= seed < 1 << 32 and len(logits) == math.prod(shape) and all(
        type(logit) in (int, float) and abs(logit) <= LARGEST_LOGIT for logit in logits)


def _same(shape: Any, wanted: list) -> bool:
    """Whether a shape is the wanted one, in integers: 1.0 and true are not accepted."""
    return shape == wanted and list(map(type, shape)) == list(map(type, wanted))
