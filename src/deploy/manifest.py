"""The manifest: a JSON file beside every exported model that says all a program needs to use it.

`<file>.json` holds: file, bytes and sha256; network (arguments of `create_model`), class names (their indices where not
`classes_named`), preprocessing; input and output (name, shape with null for a free batch, dtype); cost (counted from
the plan); how far the exported file's logits were from the checkpoint's; the versions that wrote it.
"""
from __future__ import annotations

import os

from src.files import file_hash
from src.parsing import read_json

FORMAT = 1


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
    manifest = read_json(path)
    try:
        found = (manifest['format'], manifest['sha256'], manifest['network'], manifest['class_names'],
                 manifest['preprocessing'])
    except (KeyError, TypeError) as error:
        raise ValueError(f'{path}: not a manifest of export.py ({error!r}); export the model again') from None
    if found[0] != FORMAT:
        raise ValueError(f'{path}: format {found[0]}, this release reads {FORMAT}; export the model again')
    if found[1] != file_hash(model_path):
        raise ValueError(f'{model_path}: is not the file its manifest describes (sha256 differs); export it again')
    return manifest
