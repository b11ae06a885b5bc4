"""The names of the images that a network was trained on, as hashes that travel with its weights.

They tell how many images of any folder it was trained on, wherever that folder is and however it is divided now. Of a
large set only the names with the lowest hashes are kept: a sample whose size has a limit, and which can be merged with
others (bottom-k sampling; Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007).
"""
from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace
from typing import Any, Optional, Sequence, Tuple

import numpy as np

from tinynets.data.division import PLACE_LIMIT, is_place, places_of

KEPT = 20_000  # names of a part at most: 160 KB of text
PARTS = 4
_BYTES = 6  # per hash, which are 8 characters of base 64
_TEXT = re.compile('(?:[A-Za-z0-9+/]{8})*')


@dataclass(frozen=True, eq=False)
class Part:
    """The hashes below `end` of the names of training images: (N,) int64, ascending, at most KEPT in all.

    `own` are those of training images alone, `shared` those that a validation image of the run has as well: in a folder
    with val/ such a name does not tell which of the two an image is.
    """
    own: np.ndarray
    shared: np.ndarray
    end: int = PLACE_LIMIT

    def __len__(self) -> int:
        return len(self.own) + len(self.shared)

    @property
    def sampled(self) -> bool:
        """Whether these are a sample of the training images."""
        return self.end < PLACE_LIMIT

    def hits(self, places: np.ndarray, divided: bool) -> np.ndarray:
        """Whether each of the places below `end` is one of a training image."""
        known = np.concatenate([self.own, self.shared]) if divided else self.own
        return np.isin(places[places < self.end], known)

    def merged(self, other: Part) -> Part:
        """Return the training images of both."""
        own = np.union1d(self.own, other.own)
        return _limited(own, np.setdiff1d(np.union1d(self.shared, other.shared), own), min(self.end, other.end))


@dataclass(frozen=True, eq=False)
class Trained:
    """The training images of a network, in parts that are sampled differently; not `complete` if there were more.

    A part of its own for a run after one on many images keeps all names of a small run.
    """
    parts: Tuple[Part, ...]
    complete: bool = True

    @classmethod
    def of(cls, train: Sequence[str], val: Sequence[str]) -> Trained:
        """Return the names of a run's training images; `val` are those of its validation images."""
        places, others = np.unique(places_of(train)), places_of(val)
        both = np.isin(places, others)
        return cls((_limited(places[~both], places[both], PLACE_LIMIT),))

    @classmethod
    def unknown(cls) -> Trained:
        """Return the training images of a network about which nothing is known."""
        return cls((), False)

    def merged(self, other: Optional[Trained]) -> Trained:
        """Return the training images of both, for example of a run and of the weights that it started from."""
        if other is None:
            return self
        parts = list(self.parts)
        for part in other.parts:
            fits = [i for i, one in enumerate(parts) if not (one.sampled or part.sampled)
                    and len(one.merged(part)) == len(np.union1d(_all(one), _all(part)))]
            if fits:
                parts[fits[0]] = parts[fits[0]].merged(part)
            elif not any(_same(one, part) for one in parts):
                parts.append(part)
        while len(parts) > PARTS:
            parts.sort(key=lambda part: part.end)
            parts[:2] = [parts[0].merged(parts[1])]
        return replace(self, parts=tuple(parts), complete=self.complete and other.complete)

    def found(self, names: Sequence[str], divided: bool) -> Tuple[float, bool, int]:
        """Return the share of images that have the names of training images, from 0 to 1, of the part with most.

        Then whether it is an estimate, as the part is a sample, and the number of names that it is based on. `shared`
        names are counted if the folder is `divided` by the package, that is, has no val/.
        """
        places = places_of(names)
        best: Tuple[float, bool, int] = 0.0, False, 0
        for part in self.parts:
            hits = part.hits(places, divided)
            if len(hits) and hits.mean() > best[0]:
                best = float(hits.mean()), part.sampled, len(hits)
        return best

    def to_dict(self) -> dict:
        """Return the hashes for a checkpoint or manifest."""
        return {'complete': self.complete, 'parts': [
            {'own': _text(part.own), 'shared': _text(part.shared), 'end': part.end} for part in self.parts]}

    @classmethod
    def from_dict(cls, tree: Any, source: str) -> Trained:
        """Read what `to_dict` wrote. Raises ValueError, naming `source`, for anything else."""
        parts = tree.get('parts') if isinstance(tree, dict) else None
        if not (isinstance(parts, list) and len(parts) <= PARTS and isinstance(tree.get('complete'), bool)
                and all(map(_is_part, parts))):
            raise ValueError(f'{source}: its names of training images cannot be read; the file is damaged, or from '
                             'another release')
        read = []
        for part in parts:
            own, shared = (_places(part[key]) for key in ('own', 'shared'))
            read.append(_limited(own, np.setdiff1d(shared, own), part['end']))
        return cls(tuple(read), tree['complete'])


def _is_part(tree: Any) -> bool:
    return isinstance(tree, dict) and is_place(tree.get('end')) and all(
        isinstance(tree.get(key), str) and len(tree[key]) <= 8 * KEPT and bool(_TEXT.fullmatch(tree[key]))
        for key in ('own', 'shared'))


def _all(part: Part) -> np.ndarray:
    return np.concatenate([part.own, part.shared])


def _same(one: Part, other: Part) -> bool:
    return (one.end == other.end and np.array_equal(one.own, other.own)
            and np.array_equal(one.shared, other.shared))


def _limited(own: np.ndarray, shared: np.ndarray, end: int) -> Part:
    """Return the hashes below `end`, which is lowered until there are at most KEPT."""
    both = np.sort(np.concatenate([own, shared]))
    end = min(end, int(both[KEPT])) if len(both) > KEPT else end
    return Part(own[own < end], shared[shared < end], end)


def _text(places: np.ndarray) -> str:
    return base64.b64encode(places.astype('>i8').view(np.uint8).reshape(-1, 8)[:, -_BYTES:].tobytes()).decode()


def _places(text: str) -> np.ndarray:
    low = np.frombuffer(base64.b64decode(text), np.uint8).reshape(-1, _BYTES)
    return np.unique(np.pad(low, [(0, 0), (8 - _BYTES, 0)]).copy().view('>i8').astype(np.int64))
