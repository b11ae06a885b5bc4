"""The classes of a data set against those that are known, a model's."""
from __future__ import annotations

import re
from typing import Callable, Iterable, List, Sequence, Tuple

import numpy as np

from src.text import shorten


class UnknownClass(ValueError):
    """A data set has a class that is not among the known ones; the message names it."""


def check_known(folder: str, found: Iterable[str], known: Sequence[str]) -> None:
    """Raise UnknownClass for the first class found in a folder that is none of the known."""
    unknown = next((name for name in found if name not in known), None)
    if unknown is not None:
        raise UnknownClass(f"{folder}: class '{unknown}' is not one of the {len(known)} known "
                           f"({', '.join(known[:5])}{', ...' if len(known) > 5 else ''})")


def numbers(names: Iterable[str]) -> Tuple[int, ...]:
    """Return the numbers that names are, or none where one is not a number or two are the same one, as 1 and 01 are."""
    found = [int(name) if re.fullmatch('[0-9]{1,9}', name) else -1 for name in names]
    return tuple(found) if -1 not in found and len(set(found)) == len(found) else ()


def in_order(names: Iterable[str]) -> Tuple[str, ...]:
    """Names in the order of the classes: sorted, and where all are numbers, by their size."""
    names = sorted(names)
    return tuple(sorted(names, key=int)) if numbers(names) else tuple(names)


def match_indices(found: Sequence[str], count: int, where: str, say: Callable[[str], None]) -> List[int]:
    """The index among `count` nameless classes that each class of a data set is.

    Numbered classes are matched by number, from 0, and may be fewer; where there are `count` of them with other
    numbers, by the order of these. Others are matched in the order that the data set has them, of which there must be
    `count`. `say` is told of an order that could be meant otherwise. Raises ValueError for what cannot be matched.
    """
    remedy = 'name the classes with convert_weights.py --classes'
    own = numbers(found)
    if own and max(own) < count:
        return list(own)
    if len(found) != count:
        beyond = f'; {max(own)} is beyond the last, {count - 1}' if own and len(own) <= count else ''
        raise ValueError(f'{where} has {len(found)} classes, the model {count} that have no names{beyond}: {remedy}')
    if own:
        order = sorted(own)
        say(f'{where}: the classes {order[0]} to {order[-1]} are taken for the classes 0 to {count - 1} of the model, '
            f'in the order of the numbers; if that is wrong, {remedy}')
        return [order.index(number) for number in own]
    natural = sorted(found, key=_natural)
    if list(found) == sorted(found) != natural:
        place = next(i for i, pair in enumerate(zip(found, natural)) if pair[0] != pair[1])
        say(f'{where}: the classes are taken in sorted order, by which class {place} of the model is '
            f'{shorten(found[place])}; in natural order it would be {shorten(natural[place])}. If that is meant, '
            f'{remedy}')
    return list(range(count))


def relabel(dataset, indices: Sequence[int], names: Sequence[str]):
    """The data set with class i called `indices[i]`, an index of `names`."""
    dataset.labels = np.array(indices, np.int32)[dataset.labels]
    dataset.class_names = tuple(names)
    return dataset


def _natural(name: str) -> tuple:
    """A key that sorts as people do: without case, and numbers in names by their size."""
    parts = re.split('([0-9]+)', name)
    return tuple((0, int(part), '') if part.isdecimal() else (1, 0, part.lower()) for part in parts)
