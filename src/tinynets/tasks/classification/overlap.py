"""Images of a new run's validation set that its starting weights were trained on."""
from __future__ import annotations

import os
import unicodedata
from typing import List, Optional, Sequence

import numpy as np

from tinynets.config import Config, from_dict
from tinynets.data import presets
from tinynets.data.division import Division, digest_of, division_of
from tinynets.model.checkpoint import Checkpoint
from tinynets.tasks.classification.dataset import Labelled


def overlap(config: Config, start: Checkpoint, train_set: Labelled, val_set: Labelled) -> Optional[str]:
    """Return a line if a new run may validate on images that the checkpoint it starts from was trained on, else None.

    Images are known by their names. They are counted if the earlier run divided the same folder or the same names; a
    line without a number is returned for a divided folder of the same classes elsewhere, if the weights were trained on
    the whole of a folder that is divided now, and if the same images have others in val/ now.
    """
    names, own = presets.names_of(val_set), getattr(train_set, 'division', None)
    if names is None:
        return None
    earlier, division = from_dict(start.meta['config'], start.path).data, division_of(start.meta, start.path)
    there, here = (os.path.realpath(data.dir) if data.dir else '' for data in (earlier, config.data))
    if not there or division is not None and not isinstance(division, Division):
        return None  # weights made elsewhere, or by an earlier release, about which another line was printed
    if own is None:
        return _with_val(config, start, train_set, val_set, division, names)
    alike = set(_normal(start.meta['class_names'])) == set(_normal(val_set.class_names))
    elsewhere = (f'{start.path}: was trained on images of the same classes in {earlier.dir}; if {config.data.dir} '
                 'holds some of them, they may be validated on now')
    if division is None:
        if there not in (here, os.path.dirname(here)):
            return elsewhere if alike else None
        return (f'{start.path}: was trained on all training images of {earlier.dir}; of these, {len(val_set):,} are '
                'validated on now, so their scores will be too high. Start from other weights, or validate on a val/')
    if there != here and division.digest != own.digest:
        return elsewhere if alike else None
    count = _trained(start, division, val_set, names)
    if not count:
        return None
    return (f'{start.path}: was trained on {count:,} of the {len(val_set):,} images that this run validates on, so '
            f'their scores will be too high; it had data.val_share={earlier.val_share:g}, '
            f'data.holdout={earlier.holdout} and data.images={earlier.images}. Take the same, or start from other '
            'weights')


def _with_val(config: Config, start: Checkpoint, train_set: Labelled, val_set: Labelled, division: Optional[Division],
              names: Sequence[str]) -> Optional[str]:
    """Return the line of `overlap` for a run with a val/, if the weights were trained on the same images."""
    earlier = from_dict(start.meta['config'], start.path).data
    there, here = earlier.dir or '', config.data.dir or ''
    same_place = bool(here) and os.path.realpath(there) == os.path.realpath(here)
    whole = division.digest if division else start.meta.get('all_names')
    if not same_place and whole != presets.digest_of_both(train_set, val_set):
        return None
    if division:
        count = _trained(start, division, val_set, names)
        return (f'{start.path}: was trained on these images before they had a val/; by their names, {count:,} of the '
                f'{len(val_set):,} images in it may be training images; if so, the scores will be too high'
                if count else None)
    then = str(start.meta.get('names', '')).partition('-')[2]
    return (f'{start.path}: was trained in {there} with other images in val/; if it was trained on some of these '
            f'{len(val_set):,}, their scores will be too high' if then and then != digest_of(names) else None)


def _trained(start: Checkpoint, division: Division, val_set: Labelled, names: Sequence[str]) -> int:
    """Return how many validation images of the checkpoint's classes were its training images, by their names."""
    classes = {name: place for place, name in enumerate(_normal(start.meta['class_names']))}
    ours = _normal(val_set.class_names)
    known = [i for i, label in enumerate(val_set.labels) if ours[label] in classes]
    labels = np.array([classes[ours[val_set.labels[i]]] for i in known], np.int64)
    images = from_dict(start.meta['config'], start.path).data.images
    return len(division.indices([names[i] for i in known], labels, 'train', images is None))


def _normal(names: Sequence[str]) -> List[str]:
    """Return names in Unicode's composed form: file systems differ in the form that they keep."""
    return [unicodedata.normalize('NFC', name) for name in names]
