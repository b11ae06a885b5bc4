"""The classes of a data set against those that are known, a model's."""
from __future__ import annotations

import re
from typing import Iterable, Sequence, Tuple


class UnknownClass(ValueError):
    """A data set has a class that is not among the known ones; the message names it."""


def check_known(folder: str, found: Iterable[str], known: Sequence[str]) -> None:
    """Raise UnknownClass for the first class found in a folder that is none of the known."""
    unknown = next((name for name in found if name not in known), None)
    if unknown is not None:
        raise UnknownClass(f"{folder}: class '{unknown}' is not one of the {len(known)} known "
                           f"({', '.join(known[:5])}{', ...' if len(known) > 5 else ''})")


def numbers(names: Iterable[str]) -> Tuple[int, ...]:
    """The numbers that names are, or none where one is not a number or two are the same one, as 1 and 01 are."""
    found = [int(name) if re.fullmatch('[0-9]{1,9}', name) else -1 for name in names]
    return tuple(found) if -1 not in found and len(set(found)) == len(found) else ()


def in_order(names: Iterable[str]) -> Tuple[str, ...]:
    """Names in the order of the classes: sorted, and where all are numbers, by their size."""
    names = sorted(names)
    return tuple(sorted(names, key=int)) if numbers(names) else tuple(names)
