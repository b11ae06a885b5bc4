"""Matching the classes of a data set with the classes of a model."""
from __future__ import annotations

import os
import re
import unicodedata
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np

from tinynets.text import shorten


class UnknownClass(ValueError):
    """A data set has a class that is not among the known ones; the message names it."""


def class_name(folder: str, name: str) -> str:
    """Return the name of a class folder as text. Raises ValueError for a name that is blank or not in UTF-8.

    With a locale that is not UTF-8, Python represents the bytes of a name as surrogates; the class is the same.
    """
    try:
        text = os.fsencode(name).decode()
    except UnicodeDecodeError:
        raise ValueError(f'{folder}: the class folder {name} has a name that is not in UTF-8, which checkpoints and '
                         'manifests cannot hold; rename it') from None
    if not text.strip():
        raise ValueError(f'{folder}: the class folder {name!r} has a blank name; rename it')
    return text


def known_names(folder: str, found: Sequence[str], known: Sequence[str], say: Callable[[str], None]) -> Dict[str, str]:
    """Map the classes found in a folder to the known ones: by the same name, else by the same Unicode normal form.

    Some systems, such as macOS, write accents as separate characters. `say` is called with a line on names matched by
    the normal form. Raises UnknownClass for an unknown class, ValueError for two that differ in the normal form only.
    """
    own, forms = set(known), {}
    for name in known:
        forms.setdefault(normal(name), []).append(name)
    matched = {name: name if name in own else forms[normal(name)][0] for name in found
               if name in own or len(forms.get(normal(name), ())) == 1}
    unknown = next((name for name in found if name not in matched), None)
    if unknown is not None:
        raise UnknownClass(f"{folder}: class '{unknown}' is not one of the {len(known)} known "
                           f"({', '.join(known[:5])}{', ...' if len(known) > 5 else ''})")
    check_forms(folder, found)
    changed = [name for name in found if matched[name] != name]
    if changed:
        say(f"{folder}: classes matched to the known ones by Unicode's normal form: {len(changed):,}, the first "
            f'{ascii(changed[0])} to {ascii(matched[changed[0]])}')
    return matched


def check_forms(folder: str, found: Iterable[str]) -> None:
    """Raise ValueError if two classes look the same: they differ in Unicode's normal form only."""
    forms: Dict[str, str] = {}
    for name in found:
        other = forms.setdefault(normal(name), name)
        if other != name:
            raise ValueError(f"{folder}: the classes {ascii(other)} and {ascii(name)} differ in Unicode's normal form "
                             'alone; merge or rename them')


def normal(name: str) -> str:
    """Return a name with composed accents."""
    return unicodedata.normalize('NFC', name)


def numbers(names: Iterable[str]) -> Tuple[int, ...]:
    """Return the names as numbers, or () if one is not a number or two are equal, such as 1 and 01."""
    found = [int(name) if re.fullmatch('[0-9]{1,9}', name) else -1 for name in names]
    return tuple(found) if -1 not in found and len(set(found)) == len(found) else ()


def in_order(names: Iterable[str]) -> Tuple[str, ...]:
    """Return names in the order of the classes: sorted as text, or by value if all are numbers."""
    names = sorted(names)
    return tuple(sorted(names, key=int)) if numbers(names) else tuple(names)


def match_indices(found: Sequence[str], count: int, where: str, say: Callable[[str], None]) -> List[int]:
    """Return, for each class of a data set, its index among `count` classes without names.

    Numbered classes are matched by number, from 0, and may be fewer than `count`; `count` classes with other numbers
    are matched by the order of the numbers. Other classes are matched in the data set's order; there must be `count`.
    `say` is called with a line if another order could be meant. Raises ValueError for classes that cannot be matched.
    """
    remedy = 'name the classes with convert_weights.py --classes'
    own = numbers(found)
    if own and max(own) < count:
        if min(own):  # a folder 0 shows that they are counted from 0
            say(f'{where}: the {len(own):,} classes {min(own)} to {max(own)} are matched by number, from 0, with the '
                f'{count:,} of the model; if they are counted from 1, {remedy}')
        return list(own)
    if len(found) != count:
        beyond = f'; {max(own)} is beyond the last, {count - 1}' if own and len(own) <= count else ''
        raise ValueError(f'{where} has {len(found)} classes, the model has {count} without names{beyond}; {remedy}')
    if own:
        order = sorted(own)
        say(f'{where}: the classes {order[0]} to {order[-1]} are matched with classes 0 to {count - 1} of the model, '
            f'in the order of the numbers; if that is wrong, {remedy}')
        return [order.index(number) for number in own]
    natural = sorted(found, key=_natural)
    if list(found) == sorted(found) != natural:
        place = next(i for i, pair in enumerate(zip(found, natural)) if pair[0] != pair[1])
        say(f'{where}: the classes are matched in sorted order, so class {place} of the model is '
            f'{shorten(found[place])}; in natural order it would be {shorten(natural[place])}. If natural order is '
            f'right, {remedy}')
        return list(range(count))
    place = next((i for i, name in enumerate(found) if _number(name) not in (None, i)), None)
    if place is None:
        place = _unnumbered(found)
    if place is not None:  # a number among names, one of another script, or a name among numbered ones
        say(f'{where}: the classes are matched in order, so class {place} of the model is {shorten(found[place])}; if '
            f'that is wrong, {remedy}')
    return list(range(count))


def relabel(dataset, indices: Sequence[int], names: Sequence[str]):
    """Return the data set with label i replaced by `indices[i]`, an index of `names`."""
    dataset.labels = np.array(indices, np.int32)[dataset.labels]
    dataset.class_names = tuple(names)
    return dataset


def _number(name: str) -> Optional[int]:
    """Return the number that a name is, in digits of any script and perhaps between spaces, else None."""
    found = re.fullmatch(r'\s*(\d{1,9})\s*', name)
    return int(found[1]) if found else None


def _unnumbered(found: Sequence[str]) -> Optional[int]:
    """Return the place of a name without a number among numbered ones, such as background among c001, c002, ...

    None if each number is its name's place, counted from 0: then there is no other way to count.
    """
    families: Dict[str, Dict[int, int]] = {}  # by the text before the number: place to number
    for i, name in enumerate(found):
        parts = re.fullmatch(r'(\D*)(\d{1,9})(\D.*)?', name, re.DOTALL)
        if parts:
            families.setdefault(parts[1], {})[i] = int(parts[2])
    places = max(families.values(), key=len, default={})
    if 2 * len(places) <= len(found) or 0 in places.values() and all(i == number for i, number in places.items()):
        return None
    return next((i for i, name in enumerate(found) if not re.search(r'\d', name)), None)


def _natural(name: str) -> tuple:
    """Return a key for natural order: case is ignored, and numbers in names are compared by value."""
    parts = re.split(r'(\d+)', name)
    return tuple((0, int(part), '') if part.isdecimal() else (1, 0, part.lower()) for part in parts)
