"""The names of the images that a network was trained on, as hashes that travel with its weights.

They tell how many images of any folder it was trained on, wherever that folder is and however it is divided now. Of a
large set only the names with the lowest hashes are kept: a sample whose size has a limit, and which can be merged with
others (bottom-k sampling; Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007).
"""
from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any, Optional, Sequence

import numpy as np

from tinynets.data.division import PLACE_LIMIT, is_place, places_of

KEPT = 20_000  # names at most: 160 KB of text
_BYTES = 6  # per hash, which are 8 characters of base 64
_TEXT = re.compile('(?:[A-Za-z0-9+/]{8})*')


@dataclass(frozen=True)
class Trained:
    """The hashes below `end` of the names of training images: (N,) int64, ascending, at most KEPT in all.

    `own` are those of training images alone, `shared` those that a validation image of the run has as well: in a folder
    with val/ such a name does not tell which of the two an image is.
    """
    own: np.ndarray
    shared: np.ndarray
    end: int = PLACE_LIMIT

    @classmethod
    def of(cls, train: Sequence[str], val: Sequence[str]) -> Trained:
        """Return the names of a run's training images; `val` are those of its validation images."""
        places, others = np.unique(places_of(train)), places_of(val)
        both = np.isin(places, others)
        return _limited(places[~both], places[both], PLACE_LIMIT)

    def merged(self, other: Optional[Trained]) -> Trained:
        """Return the training images of both, for example of a run and of the weights that it started from."""
        if other is None:
            return self
        own = np.union1d(self.own, other.own)
        return _limited(own, np.setdiff1d(np.union1d(self.shared, other.shared), own), min(self.end, other.end))

    def share(self, names: Sequence[str], divided: bool) -> float:
        """Return the share of images that have the names of training images, from 0 to 1.

        `shared` names are counted if the folder is `divided` by the package, that is, has no val/. Of a sample, the
        share of the sampled names is returned, and 0 if there are none.
        """
        places = places_of(names)
        sampled = places[places < self.end]
        known = np.concatenate([self.own, self.shared]) if divided else self.own
        return float(np.isin(sampled, known).mean()) if len(sampled) else 0.0

    @property
    def sampled(self) -> bool:
        """Whether these are a sample of the training images."""
        return self.end < PLACE_LIMIT

    def to_dict(self) -> dict:
        """Return the hashes for a checkpoint or manifest."""
        return {'own': _text(self.own), 'shared': _text(self.shared), 'end': self.end}

    @classmethod
    def from_dict(cls, tree: Any, source: str) -> Trained:
        """Read what `to_dict` wrote. Raises ValueError, naming `source`, for anything else."""
        good = isinstance(tree, dict) and is_place(tree.get('end')) and all(
            isinstance(tree.get(key), str) and len(tree[key]) <= 8 * KEPT and _TEXT.fullmatch(tree[key])
            for key in ('own', 'shared'))
        if not good:
            raise ValueError(f'{source}: its names of training images cannot be read; the file is damaged, or from '
                             'another release')
        own, shared = (_places(tree[key]) for key in ('own', 'shared'))
        return _limited(own, np.setdiff1d(shared, own), tree['end'])


def _limited(own: np.ndarray, shared: np.ndarray, end: int) -> Trained:
    """Return the hashes below `end`, which is lowered until there are at most KEPT."""
    both = np.sort(np.concatenate([own, shared]))
    end = min(end, int(both[KEPT])) if len(both) > KEPT else end
    return Trained(own[own < end], shared[shared < end], end)


def _text(places: np.ndarray) -> str:
    return base64.b64encode(places.astype('>i8').view(np.uint8).reshape(-1, 8)[:, -_BYTES:].tobytes()).decode()


def _places(text: str) -> np.ndarray:
    low = np.frombuffer(base64.b64decode(text), np.uint8).reshape(-1, _BYTES)
    return np.unique(np.pad(low, [(0, 0), (8 - _BYTES, 0)]).copy().view('>i8').astype(np.int64))
