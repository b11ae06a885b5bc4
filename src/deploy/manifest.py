"""The manifest: a JSON file beside every exported model that says all a program needs to use it.

`<file>.json` holds: file, bytes and sha256; network (arguments of `create_model`), class names (their indices where not
`classes_named`), preprocessing; input and output (name, shape with null for a free batch, dtype); cost (counted from
the plan); `division`, what a training kept of a folder without val/ for validation (src/data/division.py); how far the
exported file's logits were from the checkpoint's; the versions that wrote it.
"""
from __future__ import annotations

import os
import shutil
from typing import Optional

from src.files import file_hash, workplace, write_json
from src.parsing import read_json
from src.text import shown

FORMAT = 1
KINDS = {'kind': str, 'network': dict, 'network.name': str, 'class_names': list, 'preprocessing': dict, 'input': dict,
         'input.name': str, 'weights': str, 'config': dict, 'sha256': str}  # what must be there, and not empty
NEXT = 'next'  # in a manifest while its pair is being replaced: the manifest of the new model file


def manifest_path(model_path: str) -> str:
    """Where the manifest of a model file is."""
    return f'{model_path}.json'


def read_manifest(model_path: str) -> dict:
    """Read and check the manifest beside a model file.

    Raises FileNotFoundError where one of the two is missing, ValueError where the manifest is damaged, of another
    format, or the model file is not the one it describes.
    """
    path = manifest_path(model_path)
    if not os.path.isfile(model_path):
        raise FileNotFoundError(f'{model_path}: no such model file')
    if not os.path.isfile(path):
        raise FileNotFoundError(f'{path}: no such file; the manifest that export.py writes beside a model must lie there')
    digest = file_hash(model_path)
    try:
        manifest = _current(read_json(path), digest)
    except ValueError as error:
        raise ValueError(f'{error}; this is not a manifest of export.py, export the model again') from None
    if not isinstance(manifest, dict):
        raise ValueError(f'{path}: not a manifest of export.py (no JSON object); export the model again')
    if manifest.get('format') != FORMAT:
        raise ValueError(f'{path}: format {shown(manifest.get("format"))}, this release reads {FORMAT}; export the '
                         'model again')
    for place, kind in KINDS.items():
        value = manifest
        for key in place.split('.'):
            value = value.get(key)
        if not isinstance(value, kind) or not value and kind is not dict:
            raise ValueError(f'{path}: not a manifest of export.py ({place} is {shown(value)}); export the model again')
    if not all(isinstance(name, str) for name in manifest['class_names']):
        raise ValueError(f'{path}: not a manifest of export.py (class_names are {shown(manifest["class_names"])}); '
                         'export the model again')
    if manifest['sha256'] != digest:
        raise ValueError(f'{model_path}: is not the file its manifest describes (sha256 differs); export it again')
    return manifest


def publish(work: str, model_path: str, manifest: dict) -> None:
    """Copy a finished model file to `model_path` and write its manifest, as one.

    The process may be killed at any moment: afterwards `read_manifest` finds the old pair whole, or the new one. A file
    is moved at once, two are not. So the manifest first becomes one that describes both model files, the old one and,
    as "next", the new one; then the model is moved, then its own manifest. Where there was no whole pair the manifest
    comes first, as nothing uses one without its model.
    """
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
    """What describes the model file of this SHA-256, of the two manifests that a stopped `publish` leaves in one."""
    if not isinstance(manifest, dict) or NEXT not in manifest:
        return manifest
    following = manifest.pop(NEXT)
    return following if isinstance(following, dict) and following.get('sha256') == digest else manifest


def _whole(model_path: str) -> Optional[dict]:
    """The manifest of a model file that is there and is the one it describes, else None."""
    try:
        digest = file_hash(model_path)
        manifest = _current(read_json(manifest_path(model_path)), digest)
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and manifest.get('sha256') == digest else None
