"""The classes of a data set against those that are known, a model's."""
from __future__ import annotations

from typing import Iterable, Sequence


class UnknownClass(ValueError):
    """A data set has a class that is not among the known ones; the message names it."""


def check_known(folder: str, found: Iterable[str], known: Sequence[str]) -> None:
    """Raise UnknownClass for the first class found in a folder that is none of the known."""
    unknown = next((name for name in found if name not in known), None)
    if unknown is not None:
        raise UnknownClass(f"{folder}: class '{unknown}' is not one of the {len(known)} known "
                           f"({', '.join(known[:5])}{', ...' if len(known) > 5 else ''})")
