"""A data set with the classes of a trained model, and warnings if the model was trained on some of its images."""
from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Callable, Optional, Protocol, Sequence, Tuple

from tinynets.config import DataConfig
from tinynets.data import presets
from tinynets.data.classes import UnknownClass, match_indices, relabel
from tinynets.data.classification import say
from tinynets.data.division import Division, digest_of
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
        dataset = presets.dataset(data, split, class_names=names, progress=progress, division=model.division)
    except UnknownClass as error:
        raise ValueError(f"{error}; if these are the model's classes under other names, convert the published "
                         "weights with --classes and a file of the folders' names, see docs/weights.md") from None
    if model.named and dataset.class_names != model.class_names:
        raise ValueError(f'{data.name} has the classes {dataset.class_names[:3]}..., the model '
                         f'{model.class_names[:3]}...; they must be the same')
    own = getattr(dataset, 'division', None)
    if split == 'val' and own is not None and model.division is None and own.digest == model.train_digest:
        raise _lost(data)
    if split == 'val' and own is not None and model.division is None and model.train_digest:
        say(f'{data.dir}: has no val/, and the model was trained with a val/ of its own; if images that it was trained '
            'on are in this folder, they are scored as well')
    _check_moved(model, data, split, dataset)
    if not model.named:
        found, where = dataset.class_names, data.dir or data.name
        indices = match_indices(found, len(model.class_names), where, say)
        theirs = dict(zip(indices, found))
        relabel(dataset, indices, [theirs.get(i, name) for i, name in enumerate(model.class_names)])
    return dataset


def _check_kept(model: Any, data: DataConfig, split: str) -> None:
    """Raise ValueError if the model's data set has lost its val/: all other images were trained on."""
    then = (model.config.get('data') or {}).get('dir')
    if split != 'val' or model.division is not None or not then or not data.dir:
        return
    there, here = os.path.realpath(then), os.path.realpath(data.dir)
    inside = os.path.dirname(here) == there and kind_of(os.path.basename(here)) == 'train'
    if (here == there or inside) and not presets.has_validation(data.name, data.dir):
        raise _lost(data)


def _lost(data: DataConfig) -> ValueError:
    return ValueError(f'{data.dir}: has no val/, and the model was trained on all images in it; put val/ back, or '
                      'give other images with --data-dir')


def _check_moved(model: Any, data: DataConfig, split: str, dataset: Labelled) -> None:
    """Print a line if val/ of the model's data set may hold images that it was trained on."""
    then = (model.config.get('data') or {}).get('dir')
    names = presets.names_of(dataset)
    if split != 'val' or not then or not data.dir:
        return
    if os.path.realpath(then) != os.path.realpath(data.dir) and not _same_images(model, data, names):
        return
    if model.division is None and model.val_digest and names is not None and model.val_digest != digest_of(names):
        say(f'{data.dir}: its {len(dataset):,} validation images are not the ones that the training was scored on; '
            'training images may be among them')
    if not isinstance(model.division, Division) or names is None or not presets.has_validation(data.name, data.dir):
        return
    if model.config['data'].get('holdout'):  # it may have had val/ then
        if model.division.changed(_training_names(data)):
            say(f'{data.dir}: the images have changed since the training divided them; if training images are in val/ '
                'now, the score is too high')
        return
    trained = len(model.division.indices(names, dataset.labels, 'train'))
    if trained:
        say(f'{data.dir}: had no val/ when the model was trained on it; by their names, {trained:,} of the '
            f'{len(dataset):,} images in val/ may be training images; if so, the score is too high')


def _same_images(model: Any, data: DataConfig, names: Optional[Sequence[str]]) -> bool:
    """Whether a folder at another place holds, by their names, all images of the training, divided in whatever way."""
    whole = model.division.digest if isinstance(model.division, Division) else model.all_digest
    return (whole is not None and names is not None and presets.has_validation(data.name, data.dir)
            and digest_of([*_training_names(data), *names]) == whole)


def _training_names(data: DataConfig) -> Sequence[str]:
    """Return the names of the training images, none if there is no train/ any more."""
    try:
        return presets.names_of(presets.dataset(replace(data, check=False), 'train')) or []
    except (ValueError, OSError):
        return []
