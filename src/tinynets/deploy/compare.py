"""Comparing a network's exported files with its checkpoint on a whole validation set.

The C++ program of ascend310_infer/ is compared as well if it is built or can be. Images that are not JPEG or PNG files
are written as PNG for it, with the same pixels.
"""
from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from typing import Callable, List, Optional

import numpy as np

from tinynets.data.pipeline import eval_batches
from tinynets.deploy.manifest import manifest_path
from tinynets.deploy.predict import Predictor, load_predictor
from tinynets.deploy.program import run
from tinynets.files import file_hash, workplace
from tinynets.parsing import read_json
from tinynets.tasks.classification.dataset import Labelled
from tinynets.text import shorten


@dataclass(frozen=True)
class Row:
    """The scores of a file: percent, images, images classified as by the checkpoint, and the difference of logits.

    The difference is the largest one, as a share of the largest logit.
    """
    file: str
    engine: str
    top1: float
    top5: float
    count: int
    agree: int
    difference: float


def files_of(checkpoint: str) -> List[str]:
    """Return the checkpoint and the files that export.py and quantize.py made of it."""
    folder = glob.escape(os.path.join(os.path.dirname(checkpoint), 'export'))
    return [checkpoint] + sorted(glob.glob(f'{folder}/*.mindir') + glob.glob(f'{folder}/*.onnx'))


def compare(checkpoint: str, dataset: Labelled, batch_size: int, workers: int, program: bool = True,
            say: Callable[[str], None] = lambda line: None) -> List[Row]:
    """Score every file of a checkpoint; the first row is the checkpoint itself.

    `say` is called with lines on files of other checkpoints, and if the C++ program cannot be used. Raises ValueError
    or FileNotFoundError for a damaged file.
    """
    labels = np.asarray(dataset.labels)
    rows: List[Row] = []
    own: Optional[Predictor] = None
    reference: Optional[np.ndarray] = None
    for path in files_of(checkpoint):
        if reference is not None and not os.path.isfile(manifest_path(path)):
            say(f'left out: {path} has no manifest, so export.py did not make it')
            continue
        model = load_predictor(path)
        own = own or model
        if (model.network, model.class_names) != (own.network, own.class_names):
            say(f"left out: {path} is of another network, {shorten(str(model.network.get('name')))} with "
                f'{len(model.class_names)} classes')
            continue
        logits = np.concatenate([np.asarray(model.predict(images))[:len(batch)] for images, batch in
                                 eval_batches(dataset, model.transform, batch_size, workers)])
        reference = logits if reference is None else reference
        made_from = read_json(manifest_path(path)).get('checkpoint') if rows else None
        if made_from and made_from != file_hash(checkpoint):
            say(f'{path}: was not exported from the present {checkpoint}; export it again')
        engine = {'.onnx': 'ONNX Runtime'}.get(os.path.splitext(path)[1], 'MindSpore')
        rows.append(_row(path, engine, logits, labels, reference))
        if program and path.endswith('.mindir'):
            try:
                rows.append(_row(path, 'C++ program', by_program(path, dataset), labels, reference))
            except OSError as reason:
                say(f'not compared: the C++ program ({reason})')
    return rows


def by_program(path: str, dataset: Labelled) -> np.ndarray:
    """Return the logits (N, classes) of a data set by the C++ program. Raises OSError if it is missing or fails."""
    with workplace() as folder:
        files = []
        for i in range(len(dataset)):
            name = dataset.name(i)
            if not _for_program(name):
                name = os.path.join(folder, f'{i}.png')
                dataset.image(i).save(name, compress_level=1)
            files.append(name)
        return np.array([result['logits'] for result in run(path, files)['results']], np.float32)


def _for_program(path: str) -> bool:
    """Whether the C++ program decodes a file: a JPEG or PNG, by its content."""
    try:
        with open(path, 'rb') as file:
            return file.read(8).startswith((b'\xff\xd8', b'\x89PNG\r\n\x1a\n'))
    except OSError:
        return False


def _row(path: str, engine: str, logits: np.ndarray, labels: np.ndarray, reference: np.ndarray) -> Row:
    if len(logits) != len(labels):
        raise ValueError(f'{path}, {engine}: {len(logits)} results of {len(labels)} images')
    order = np.argsort(-logits, axis=1, kind='stable')[:, :5]
    return Row(os.path.basename(path), engine, 100 * float((order[:, 0] == labels).mean()),
               100 * float((order == labels[:, None]).any(axis=1).mean()), len(labels),
               int((order[:, 0] == reference.argmax(axis=1)).sum()),
               share_of_largest(logits, reference))


def share_of_largest(logits: np.ndarray, reference: np.ndarray) -> float:
    """Return the largest difference of logits as a share of the largest logit of the reference.

    If the reference's are all 0, it is a share of the largest of `logits`.
    """
    largest = np.abs(reference).max() or np.abs(logits).max() or 1.0
    return float(np.abs(logits - reference).max() / largest)


def table(rows: List[Row]) -> str:
    """Return the rows as text."""
    lines = [f'{"file":<36} {"engine":<20} {"top-1, %":>9} {"top-5, %":>9} {"as the checkpoint":>18} {"logits":>9}']
    for row in rows:
        lines.append(f'{row.file:<36} {row.engine:<20} {row.top1:>9.2f} {row.top5:>9.2f} {row.agree:>9} of '
                     f'{row.count:<5} {row.difference:>9.1e}')
    return '\n'.join(lines)
