"""What a run starts from: a checkpoint to be resumed, or pretrained weights and a teacher.

They fix the order of the classes, and they say which images were trained on before.
"""
from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Callable, List, Optional, Sequence

from tinynets.config import Config, from_dict
from tinynets.data.division import Division
from tinynets.data.origin import Origin
from tinynets.model import checkpoint
from tinynets.model.checkpoint import Checkpoint
from tinynets.model.pretrained import read_trained
from tinynets.tasks.restore import check_meta
from tinynets.tasks.task import Dataset


@dataclass(frozen=True)
class Start:
    """A file that a run starts from: `saved` if it is a checkpoint of this task, `resumed` if it is of the same run.

    A `teacher` does not give its weights to the run.
    """
    path: str
    origin: Origin
    saved: Optional[Checkpoint] = None
    resumed: bool = False
    teacher: bool = False


def starts_of(config: Config, earlier: Optional[Checkpoint], task: str) -> List[Start]:
    """Return what a run starts from: the checkpoint to be resumed, or else its pretrained weights and its teacher."""
    if earlier is not None:
        return [Start(earlier.path, Origin.of(earlier.meta, earlier.path), earlier, resumed=True)]
    found = []
    for path in filter(None, (config.model.pretrained, config.train.teacher)):
        saved = _checkpoint(path)
        meta = saved.meta if saved else {'trained': read_trained(path)}
        found.append(Start(path, Origin.of(meta, path), saved if meta.get('task', task) == task else None,
                           teacher=path != config.model.pretrained))
    return found


def kept_parts(config: Config, starts: Sequence[Start]) -> tuple:
    """Return the division of the data set and the order of its classes that are fixed already, else (None, ()).

    They come from the run to be resumed, or from the run whose weights a new run starts from: its training images in
    the same folder must not be used for validation. A teacher fixes the order of the classes.
    """
    for start in starts:
        if start.saved is None:
            continue
        meta, division = start.saved.meta, start.origin.division
        if start.resumed:
            return division, meta['class_names']
        theirs = from_dict(meta['config'], start.path).data
        same = start.path == config.model.pretrained and config.data.dir and theirs.dir and all(
            getattr(theirs, key) == getattr(config.data, key) for key in ('name', 'val_share', 'holdout', 'images')
        ) and os.path.realpath(theirs.dir) == os.path.realpath(config.data.dir)
        return division if same and isinstance(division, Division) else None, meta['class_names']
    return None, ()


def say_overlap(start: Start, val_set: Dataset, say: Callable[[str], None]) -> None:
    """Print a line if a new run validates on images that what it starts from was trained on, or if it is not known."""
    if start.resumed:
        return
    found = start.origin.overlap(val_set)
    if found:
        advice = 'may be too high. Use another train.teacher' if start.teacher else (
            'will be too high. Start from other weights, or, in a folder without val/, set data.val_share, '
            'data.holdout and data.images as in the run that wrote these')
        say(f'{start.path}: was trained on images with the names of {found} images that this run validates on; if they '
            f'are the same images, its scores {advice}')
    if start.origin.unknown(val_set):
        say(f'{start.path}: an earlier release wrote it or what it started from, without the names of the training '
            f'images; if some of the {len(val_set):,} that this run validates on are among them, its scores will be '
            'too high')


def _checkpoint(path: str) -> Optional[Checkpoint]:
    """Return the checkpoint at a path, None if there is another file or none."""
    if not path.lower().endswith('.ckpt') or not os.path.isfile(path):
        return None
    saved = checkpoint.load(path)
    check_meta(saved)
    return saved
