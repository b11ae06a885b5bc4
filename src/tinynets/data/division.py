"""Dividing a set that has no validation images of its own: by the name of each image, so that no other can move it.

An image's place is a hash of its name, which begins with its class. In each class the images of the lowest places are
validated on; where they end is kept with the run. Whatever is added, removed or damaged later, an image that a run
trained on is never one that it is scored on.
"""
from __future__ import annotations

import hashlib
import os
import unicodedata
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import numpy as np

PLACE_LIMIT = 1 << 48  # JSON's numbers hold them exactly
_RULE = 'names'


@dataclass(frozen=True)
class Division:
    """Of each class the place where the validation images end, and the one where those trained on do.

    `images` is how many were divided, `digest` a hash of their names.
    """
    val: Tuple[int, ...]
    train: Tuple[int, ...]
    images: int
    digest: str

    def indices(self, names: Sequence[str], labels: np.ndarray, split: str, whole: bool = False) -> np.ndarray:
        """The images of 'train' or 'val'; with `whole` those of 'train' are all the others than 'val'."""
        places, labels = places_of(names), np.asarray(labels)
        below = places < np.array(self.val, np.int64)[labels]
        if split == 'val':
            return np.flatnonzero(below)
        return np.flatnonzero(~below & (whole | (places < np.array(self.train, np.int64)[labels])))

    def changed(self, names: Sequence[str]) -> bool:
        """Whether these are other images than those that were divided, by their names."""
        return self.digest != digest_of(names)

    def to_dict(self) -> dict:
        """The division as checkpoints and manifests hold it."""
        return {'rule': _RULE, 'val': list(self.val), 'train': list(self.train), 'images': self.images,
                'digest': self.digest}

    @classmethod
    def from_dict(cls, tree: dict, classes: int, source: str) -> 'Division':
        """Read what `to_dict` wrote. Raises ValueError, which names `source`, for anything else."""
        def places(key: str) -> Tuple[int, ...]:
            found = tree[key]
            if not (isinstance(found, list) and len(found) == classes
                    and all(type(place) is int and 0 <= place <= PLACE_LIMIT for place in found)):
                raise ValueError
            return tuple(found)
        try:
            if tree['rule'] != _RULE or type(tree['images']) is not int or not isinstance(tree['digest'], str):
                raise ValueError
            return cls(places('val'), places('train'), tree['images'], tree['digest'])
        except (ValueError, KeyError, TypeError):
            raise ValueError(f'{source}: its division of the data set cannot be read; written by another release, or '
                             'damaged') from None


@dataclass(frozen=True)
class EarlierDivision:
    """That of a run of an earlier release, in which the place of an image depends on every other one.

    `train_images` is how many the run trained on, None where its file does not say, or where `limited`: it took a
    number of images (data.images), which says nothing of how many there were.
    """
    source: str
    train_images: Optional[int]
    limited: bool = False

    @property
    def advice(self) -> str:
        """How to evaluate it where its validation images cannot be known."""
        other = 'other images, by --data-dir and a folder that has val/'
        if self.train_images is not None:
            return f'Put back what was changed, or give {other}'
        if self.limited or self.source.lower().endswith('.ckpt'):
            return f'Give {other}'
        return f'Export its checkpoint again, or give {other}'


def division_of(meta: dict, source: str):
    """The division that a checkpoint's or manifest's run kept: a Division, an EarlierDivision, or None."""
    if 'division' in meta:
        tree = meta['division']
        return None if tree is None else Division.from_dict(tree, len(meta.get('class_names', ())), source)
    config = meta.get('config')
    part = config.get('data') if isinstance(config, dict) else None
    if not isinstance(part, dict) or part.get('name') not in ('image_folder', 'mindrecord') or not (
            meta.get('score') or meta.get('train_images')):
        return None  # trained on another kind of data set, or elsewhere
    number = meta.get('train_images')
    limited = part.get('images') is not None
    return EarlierDivision(source, number if type(number) is int and not limited else None, limited)


def divide(names: Sequence[str], labels: np.ndarray, classes: int, val: int, train: Optional[int]) -> Division:
    """Take `val` images for validation and `train` of the others, or all, for training, in each class its share.

    A class has its share of the images taken to within one; one image of it at least is left to training where there
    are enough others.
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
    """Divide `total` in proportion to `counts`, by the largest remainders, no share above its `most`."""
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
    """The place of each name, the same on every machine: (N,) int64 below PLACE_LIMIT."""
    return np.array([int.from_bytes(hashlib.blake2b(_bytes(name), digest_size=6).digest(), 'big') for name in names],
                    np.int64)


def digest_of(names: Sequence[str]) -> str:
    """A hash of a set of names, whatever their order."""
    digest = hashlib.sha256()
    for name in sorted(map(_bytes, names)):
        digest.update(len(name).to_bytes(4, 'big') + name)
    return digest.hexdigest()[:32]


def _bytes(name: str) -> bytes:
    """A name as bytes that are the same whatever the file system makes of accents and separators."""
    return unicodedata.normalize('NFC', name.replace(os.sep, '/')).encode('utf-8', 'surrogateescape')
