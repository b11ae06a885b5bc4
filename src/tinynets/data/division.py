"""Dividing a set without validation images by the name of each image, so that other images have no influence.

An image's place is a hash of its name, which begins with its class. In each class the images with the lowest places are
the validation images; the run keeps the place where they end. Whatever is added, removed or damaged later, a run is
never scored on an image that it trained on.
"""
from __future__ import annotations

import hashlib
import os
import unicodedata
from dataclasses import dataclass
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

PLACE_LIMIT = 1 << 48  # exact in JSON's numbers
_RULE = 'names'


@dataclass(frozen=True)
class Division:
    """For each class, the place where the validation images end, and the place where the training images end.

    `images` is the number of divided images, `digest` a hash of their names.
    """
    val: Tuple[int, ...]
    train: Tuple[int, ...]
    images: int
    digest: str

    def indices(self, names: Sequence[str], labels: np.ndarray, split: str, whole: bool = False) -> np.ndarray:
        """Return the indices of the images of 'train' or 'val'; with `whole`, 'train' is every image not in 'val'."""
        places, labels = places_of(names), np.asarray(labels)
        below = places < np.array(self.val, np.int64)[labels]
        if split == 'val':
            return np.flatnonzero(below)
        return np.flatnonzero(~below & (whole | (places < np.array(self.train, np.int64)[labels])))

    def changed(self, names: Sequence[str]) -> bool:
        """Whether these are not the names of the divided images."""
        return self.digest != digest_of(names)

    def to_dict(self) -> dict:
        """Return the division for a checkpoint or manifest."""
        return {'rule': _RULE, 'val': list(self.val), 'train': list(self.train), 'images': self.images,
                'digest': self.digest}

    @classmethod
    def from_dict(cls, tree: dict, classes: int, source: str) -> 'Division':
        """Read what `to_dict` wrote. Raises ValueError, naming `source`, for anything else."""
        def places(key: str) -> Tuple[int, ...]:
            found = tree[key]
            if not (isinstance(found, list) and len(found) == classes
                    and all(map(is_place, found))):
                raise ValueError
            return tuple(found)
        try:
            if tree['rule'] != _RULE or not is_place(tree['images']) or not isinstance(tree['digest'], str):
                raise ValueError
            return cls(places('val'), places('train'), tree['images'], tree['digest'])
        except (ValueError, KeyError, TypeError):
            raise ValueError(f'{source}: its division of the data set cannot be read; the file is damaged, or from '
                             'another release') from None


@dataclass(frozen=True)
class EarlierDivision:
    """The division by a run of an earlier release, in which the place of an image depends on all others.

    `train_images` is the number of images that the run trained on. It is None if the file does not say, or if the run
    was `limited` to a number of images (data.images), which does not tell how many there were.
    """
    source: str
    train_images: Optional[int]
    limited: bool = False

    @property
    def advice(self) -> str:
        """Return how to evaluate the run if its validation images cannot be determined."""
        other = 'other images: --data-dir with a folder that has val/'
        if self.train_images is not None:
            return f'Put back what was changed, or give {other}'
        if self.limited or self.source.lower().endswith('.ckpt'):
            return f'Give {other}'
        return f'Export its checkpoint again, or give {other}'


def division_of(meta: dict, source: str):
    """Return the division kept in a checkpoint or manifest: a Division, an EarlierDivision, or None."""
    if 'division' in meta:
        tree = meta['division']
        return None if tree is None else Division.from_dict(tree, len(meta.get('class_names', ())), source)
    if not trained_on_files(meta):
        return None
    number, limited = meta.get('train_images'), meta['config']['data'].get('images') is not None
    return EarlierDivision(source, number if type(number) is int and not limited else None, limited)


def trained_on_files(meta: dict) -> bool:
    """Whether a checkpoint or manifest is of a training on image files: not on data in memory, and not elsewhere."""
    config = meta.get('config')
    part = config.get('data') if isinstance(config, dict) else None
    return isinstance(part, dict) and part.get('name') in ('image_folder', 'mindrecord') and bool(
        meta.get('score') or meta.get('train_images'))


def divide(names: Sequence[str], labels: np.ndarray, classes: int, val: int, train: Optional[int]) -> Division:
    """Return the division into `val` validation images and `train` of the others (None: all) for training.

    Each class has its share of the images to within one. At least one image per class is left for training if there are
    enough others.
    """
    places, labels = places_of(names), np.asarray(labels)
    own = [np.sort(places[labels == label]) for label in range(classes)]
    counts = [len(mine) for mine in own]
    spared = [max(count - 1, 0) for count in counts]
    held = shares(val, counts, spared if sum(spared) >= val else counts)
    rest = [count - number for count, number in zip(counts, held)]
    taken = rest if train is None else shares(train, rest, rest)

    def ends(numbers: Sequence[int]) -> Tuple[int, ...]:
        return tuple(int(mine[number]) if number < len(mine) else PLACE_LIMIT for mine, number in zip(own, numbers))
    return Division(ends(held), ends([a + b for a, b in zip(held, taken)]), len(places), digest_of(names))


def shares(total: int, counts: Sequence[int], most: Sequence[int]) -> List[int]:
    """Divide `total` in proportion to `counts` by the largest remainders, with no share above its `most`."""
    found, free = [0] * len(counts), [i for i, count in enumerate(counts) if count]
    while free:
        left, weight = total - sum(found), sum(counts[i] for i in free)
        full = [i for i in free if left * counts[i] > most[i] * weight]
        for i in full:
            found[i] = most[i]
        free = [i for i in free if i not in full]
        if not full:
            for i in free:
                found[i] = left * counts[i] // weight
            for i in sorted(free, key=lambda i: (-(left * counts[i] % weight), i))[:total - sum(found)]:
                found[i] += 1
            break
    return found


def places_of(names: Sequence[str]) -> np.ndarray:
    """Return the place of each name, the same on every machine: (N,) int64 below PLACE_LIMIT."""
    return np.array([int.from_bytes(hashlib.blake2b(_bytes(name), digest_size=6).digest(), 'big') for name in names],
                    np.int64)


def digest_of(names: Sequence[str]) -> str:
    """Return a hash of a set of names, independent of their order."""
    digest = hashlib.sha256()
    for name in sorted(map(_bytes, names)):
        digest.update(len(name).to_bytes(4, 'big') + name)
    return digest.hexdigest()[:32]


def is_place(value: Any) -> bool:
    """Whether a value read from JSON is a place or the end of all places."""
    return type(value) is int and 0 <= value <= PLACE_LIMIT


def _bytes(name: str) -> bytes:
    """Return a name as bytes that do not depend on the file system's accents and separators."""
    return unicodedata.normalize('NFC', name.replace(os.sep, '/')).encode('utf-8', 'surrogateescape')
