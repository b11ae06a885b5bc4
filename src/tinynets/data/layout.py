"""Finding the splits and the classes of an image folder.

    DIR/train/<class>/<image>  DIR/val/<class>/<image>      or, without a split,      DIR/<class>/<image>

The usual names of splits are known in upper and lower case: Train, training_set, valid, Validation, ... A folder with
such a name is a split if it holds folders, and a class if it holds images. An ambiguous layout is an error.
"""
from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from tinynets.data import images

_KINDS = {'train': 'train|training', 'val': 'val|valid|validation|dev|eval|evaluation', 'test': 'test|testing'}
_NAMES = {kind: re.compile(f'(?:{words})(?:[ _-]?(?:set|split|data|images|imgs))?') for kind, words in _KINDS.items()}
_EXPECTED = 'DIR/train/<class>/<image> and DIR/val/<class>/<image>, or DIR/<class>/<image>'


@dataclass(frozen=True)
class Layout:
    """The folders of the training and the validation images; `plain` if the folder itself holds the classes.

    `line` says which folder is taken as what if the names are not the documented ones, else it is empty.
    """
    folder: str
    train: Optional[str]
    val: Optional[str]
    plain: bool
    line: str = ''

    def split(self, name: str) -> str:
        """Return the folder with the classes of 'train' or 'val'; if there is none, under its documented name."""
        return self.folder if self.plain else getattr(self, name) or os.path.join(self.folder, name)


def kind_of(name: str) -> Optional[str]:
    """Return the split that a folder's name means: 'train', 'val', 'test' or None."""
    return next((kind for kind, names in _NAMES.items() if names.fullmatch(name.strip().lower())), None)


@dataclass(frozen=True)
class Listing:
    """The sorted content of a folder where folders are expected, without hidden entries.

    `junk` are folders made by a system or a program, `lost` are broken links, which may have been folders, `loose` is
    the number of images in the folder itself.
    """
    folders: List[str]
    junk: List[str]
    lost: List[str]
    loose: int


def look(folder: str) -> Listing:
    """List a folder."""
    found, junk, lost, loose = [], [], [], 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith('.'):
                continue
            if images.is_folder(entry):
                (junk if images.is_passed_over(entry.name) else found).append(entry.name)
            elif images.is_image(entry.name):
                loose += 1
            elif not os.path.exists(entry.path):
                lost.append(entry.name)
    return Listing(sorted(found), sorted(junk), sorted(lost), loose)


def find_layout(folder: str) -> Layout:
    """Return the layout of a folder by its folders and their content. Raises ValueError for an ambiguous one."""
    here = look(folder)
    names = here.folders
    for name in filter(kind_of, here.lost):
        raise ValueError(f'{folder}: {name} is a link that leads nowhere; repair it, or remove it')
    kinds: Dict[str, List[str]] = {}
    for name in names:
        kinds.setdefault(kind_of(name) or '', []).append(name)
    others = kinds.pop('', [])
    if not kinds:
        return Layout(folder, None, None, True)
    holds = {name: _holds(os.path.join(folder, name)) for name in names}
    called = [name for names in kinds.values() for name in names]
    flat = [name for name in called if holds[name] == (True, False)]
    classes = [name for name in others if holds[name][0]]
    if len(flat) == len(called) and classes:
        said = _listed(flat)
        return Layout(folder, None, None, True,
                      f'{folder}: {said} '
                      f'{"hold images, so they are classes" if len(flat) > 1 else "holds images, so it is a class"}')
    for kind in ('train', 'val'):
        if len(kinds.get(kind, ())) > 1:
            raise ValueError(f'{folder}: {_listed(kinds[kind])} are both names of the {kind} split; rename or '
                             'remove one')
        for name in kinds.get(kind, ()):
            if name in flat:
                raise ValueError(f'{folder}: {name}/ has the name of a split but holds images, not class folders; '
                                 f'expected {_EXPECTED}')
    train, val = (kinds.get(kind, [None])[0] for kind in ('train', 'val'))
    rest = [name for name in others if any(holds[name])]
    if not train and not val:
        if rest or not any(holds[name][1] for name in called):
            raise ValueError(f'{folder}: {called[0]}/ may be a class, or the test split next to classes. Expected '
                             f'{_EXPECTED}; rename it if it is a class, otherwise move it elsewhere')
        raise ValueError(f'{folder}: has {_listed(called)} but neither train/ nor val/; expected {_EXPECTED}. To score '
                         'its images, rename it to val')
    if rest and not (train and val):
        raise ValueError(f'{folder}: {_listed(rest)} next to {_listed([train or val])} may be '
                         f'{"a class or a split" if len(rest) == 1 else "classes or splits"}. Expected {_EXPECTED}; '
                         'rename a split to train or val, move anything else elsewhere')
    unused = sorted([*kinds.get('test', ()), *rest, *here.junk])
    parts = []
    parts += [f'{name}/ is taken as {kind}/' for kind, name in (('train', train), ('val', val))
              if name not in (kind, None)]
    if unused:
        parts.append(f'not used: {_listed(unused)}')
    if here.loose:
        parts.append(f'not used, images outside of the splits: {here.loose:,}')
    if here.lost:
        parts.append(f'links that lead nowhere: {", ".join(here.lost[:5])}{", ..." * (len(here.lost) > 5)}')
    where = [os.path.join(folder, name) if name else None for name in (train, val)]
    return Layout(folder, *where, False, f'{folder}: {"; ".join(parts)}' if parts else '')


def check_classes(folder: str, classes: Dict[str, List[str]]) -> None:
    """Raise ValueError if class folders hold folders of images only, so that those may be the classes.

    `classes` are the image files of each class. One class among several may be like that if the names in it differ.
    """
    deep = {name: sorted({os.path.relpath(path, os.path.join(folder, name)).split(os.sep)[0] for path in files})
            for name, files in classes.items()
            if files and all(os.path.dirname(path) != os.path.join(folder, name) for path in files)}
    filled = [name for name, files in classes.items() if files]
    name = next((name for name in deep if len(deep) == len(filled) or set(deep[name]) <= {*classes} - {name}
                 or all(map(kind_of, deep[name]))), None)
    if name is not None:
        raise ValueError(f'{folder}: the classes may be {_listed(filled)}, or {_listed(deep[name])} in {name}/. Class '
                         'folders must hold images directly: expected <class>/<image>')


def _holds(folder: str) -> Tuple[bool, bool]:
    """Whether a folder holds images itself, and whether folders in it may do so, at any depth."""
    own, waiting, seen = False, [folder], set()
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(here)
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name.startswith('.'):
                        continue
                    if images.is_folder(entry):
                        waiting += [entry.path] * (not images.is_passed_over(entry.name))
                    elif images.is_image(entry.name):
                        if here != folder:
                            return own, True
                        own = True
        except PermissionError:  # reported when the folder is read
            return own, True
    return own, False


def _listed(names: List[str]) -> str:
    return ', '.join(f'{name}/' for name in names[:5]) + (', ...' if len(names) > 5 else '')
