"""Images of a new run's validation set that its starting weights were trained on."""
from __future__ import annotations

import os
from typing import Optional

import numpy as np

from tinynets.config import Config, from_dict
from tinynets.data import presets
from tinynets.data.division import Division, division_of
from tinynets.model.checkpoint import Checkpoint
from tinynets.tasks.classification.dataset import Labelled


def overlap(config: Config, start: Checkpoint, train_set: Labelled, val_set: Labelled) -> Optional[str]:
    """Return a line if a new run may validate on images that the checkpoint it starts from was trained on, else None.

    Images are known by their names. They are counted if both runs divide the same folder or the same names; a line
    without a number is returned for other images of the same classes, and if the weights were trained on the whole of a
    folder that is divided now.
    """
    names, own = presets.names_of(val_set), getattr(train_set, 'division', None)
    if own is None or names is None:
        return None  # the validation images are in a folder of their own
    earlier, division = from_dict(start.meta['config'], start.path).data, division_of(start.meta, start.path)
    there, here = (os.path.realpath(data.dir) if data.dir else '' for data in (earlier, config.data))
    if not there or division is not None and not isinstance(division, Division):
        return None  # weights made elsewhere, or by an earlier release, about which another line was printed
    if division is None:
        if there not in (here, os.path.dirname(here)):
            return None
        return (f'{start.path}: was trained on all training images of {earlier.dir}; of these, {len(val_set):,} are '
                'validated on now, so their scores will be too high. Start from other weights, or validate on a val/')
    if there != here and division.digest != own.digest:
        if set(start.meta['class_names']) != set(val_set.class_names):
            return None
        return (f'{start.path}: was trained on images of the same classes in {earlier.dir}; if {config.data.dir} holds '
                'some of them, they may be validated on now')
    classes = {name: place for place, name in enumerate(start.meta['class_names'])}
    known = [i for i, label in enumerate(val_set.labels) if val_set.class_names[label] in classes]
    labels = np.array([classes[val_set.class_names[val_set.labels[i]]] for i in known], np.int64)
    count = len(division.indices([names[i] for i in known], labels, 'train', earlier.images is None))
    if not count:
        return None
    return (f'{start.path}: was trained on {count:,} of the {len(val_set):,} images that this run validates on, so '
            f'their scores will be too high; it had data.val_share={earlier.val_share:g}, '
            f'data.holdout={earlier.holdout} and data.images={earlier.images}. Take the same, or start from other '
            'weights')
