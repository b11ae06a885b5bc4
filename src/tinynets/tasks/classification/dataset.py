"""A data set with the classes of a trained model, and warnings if the model was trained on some of its images."""
from __future__ import annotations

import os
from typing import Any, Callable, Optional, Protocol, Tuple

from tinynets.config import DataConfig
from tinynets.data import presets
from tinynets.data.classes import UnknownClass, match_indices, relabel
from tinynets.data.classification import say
from tinynets.data.layout import kind_of
from tinynets.tasks.task import Dataset


class Labelled(Dataset, Protocol):
    """Images with one class each; `labels` (N,) are indices of `class_names`."""
    class_names: Tuple[str, ...]


def model_dataset(model: Any, data: DataConfig, split: str,
                  progress: Optional[Callable[[int, int], None]] = None) -> Labelled:
    """Return a split of a data set with the model's classes; classes without names get the data set's names.

    Numbered folders are then matched by number, others in order. Raises ValueError if the data set has other classes or
    another number of them.
    """
    names = model.class_names if model.named else None
    _check_kept(model, data, split)
    try:
        dataset = presets.dataset(data, split, class_names=names, progress=progress, division=model.origin.division)
    except UnknownClass as error:
        raise ValueError(f"{error}; if these are the model's classes under other names, convert the published "
                         "weights with --classes and a file of the folders' names, see docs/weights.md") from None
    if model.named and dataset.class_names != model.class_names:
        raise ValueError(f'{data.name} has the classes {dataset.class_names[:3]}..., the model '
                         f'{model.class_names[:3]}...; they must be the same')
    if split == 'val':
        _check_trained(model, data, dataset)
    if not model.named:
        found, where = dataset.class_names, data.dir or data.name
        indices = match_indices(found, len(model.class_names), where, say)
        theirs = dict(zip(indices, found))
        relabel(dataset, indices, [theirs.get(i, name) for i, name in enumerate(model.class_names)])
    return dataset


def _check_kept(model: Any, data: DataConfig, split: str) -> None:
    """Raise ValueError if the folder that the model was trained on has lost its val/."""
    then = (model.config.get('data') or {}).get('dir')
    if split != 'val' or model.origin.division is not None or not then or not data.dir:
        return
    there, here = os.path.realpath(then), os.path.realpath(data.dir)
    inside = os.path.dirname(here) == there and kind_of(os.path.basename(here)) == 'train'
    if (here == there or inside) and not presets.has_validation(data.name, data.dir):
        raise ValueError(f'{data.dir}: has no val/, and the model was trained on all images in it; put val/ back, or '
                         'give other images with --data-dir')


def _check_trained(model: Any, data: DataConfig, dataset: Labelled) -> None:
    """Print a line if the model was trained on some of these validation images, or if that cannot be known."""
    found = model.origin.overlap(dataset)
    if found:
        say(f'{data.dir}: the model was trained on images with the names of {found} images that are scored; if they '
            'are the same images, the score is too high')
    if model.origin.unknown(dataset):
        say(f'{data.dir}: an earlier release wrote the model or what it started from, without the names of the '
            f'training images; if some of these {len(dataset):,} are among them, the score is too high')
