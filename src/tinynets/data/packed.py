"""Packed sets: the encoded images of a class-folder set in a few MindRecord files, with random access.

    OUT/train/images.mindrecord0, images.mindrecord0.db, ...    OUT/train/pack.json    OUT/val/...

MindSpore reads MindRecord as a stream (FileReader) or through its own pipeline (MindDataset), but a training stream
that is a function of the step asks for image i. Next to every MindRecord file is a SQLite index, which has the page and
the offset of each row's bytes and the fields that were declared as index: all but the image. The index is read once,
and each image is a single read from the file. MindSpore's readers can read the same files.

pack.json is the set's table of contents: classes, count, and the files with their sizes. It is written last.
"""
from __future__ import annotations

import hashlib
import json
import os
import pathlib
import sqlite3
import sys
from typing import List, Optional, Sequence, Tuple, Union

import numpy as np
from PIL import Image

from tinynets.data import images
from tinynets.data.classes import known_names
from tinynets.parsing import read_json
from tinynets.runtime import printable

CONTENTS = 'pack.json'
_ROWS = 'SELECT index_0, label_0, name_0, PAGE_ID_BLOB, PAGE_OFFSET_BLOB, PAGE_OFFSET_BLOB_END FROM INDEXES'
_LENGTH = 8  # bytes before a blob that hold its length


class PackedImages:
    """A split that scripts/pack_dataset.py wrote: the images, labels and order of the folder it was made from.

    `class_names`, if given (a checkpoint's), fixes the classes and their order. Raises FileNotFoundError if there is no
    packed set, ValueError if it is damaged or has an unknown class.
    """

    def __init__(self, folder: str, class_names: Optional[Sequence[str]] = None, strict: bool = False):
        self.folder, self.strict = folder, strict
        contents = _contents(folder)
        own = contents['class_names']
        self.class_names = tuple(own if class_names is None else class_names)
        known = known_names(folder, own, self.class_names, lambda line: print(printable(line), file=sys.stderr))
        self._files: List[int] = []
        rows: List[tuple] = []
        for name in contents['files']:
            if not name.endswith('.db'):
                rows += self._rows(os.path.join(folder, name))
        if len(rows) != contents['count']:
            raise ValueError(f'{folder}: the index has {len(rows)} images, {CONTENTS} {contents["count"]}; '
                             'pack it again')
        rows.sort()  # by their place in the original folder
        if any(row[0] != place or not 0 <= row[1] < len(own) for place, row in enumerate(rows)):
            raise ValueError(f'{folder}: the index names images or classes that {CONTENTS} lacks; pack it again')
        self.digest = _digest(own, rows)
        if contents.get('digest', self.digest) != self.digest:  # earlier releases wrote none
            raise ValueError(f'{folder}: the index or {CONTENTS} is damaged: classes, labels or names differ from the '
                             'packed ones; copy it again, or pack the set again')
        self.labels = np.array([self.class_names.index(known[own[row[1]]]) for row in rows], np.int32)
        self.names = [row[2] for row in rows]
        self._places = np.array([row[3:] for row in rows], np.int64)  # file, begin, length

    def _rows(self, path: str) -> List[tuple]:
        """(place, label, name, file, begin, length) of each image of a file."""
        try:
            self._files.append(os.open(path, os.O_RDONLY))
            header_length = int.from_bytes(os.pread(self._files[-1], 8, 0), 'little')
            if header_length > os.fstat(self._files[-1]).st_size:
                raise ValueError('its header is longer than the file')
            header = json.loads(os.pread(self._files[-1], header_length, 8))
            first, page = int(header['header_size']), int(header['page_size'])
            index = sqlite3.connect(f'{pathlib.Path(path).absolute().as_uri()}.db?mode=ro&immutable=1', uri=True)
            try:
                found = index.execute(_ROWS).fetchall()
            finally:
                index.close()
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, MemoryError,
                sqlite3.Error) as error:
            raise ValueError(f'{path}: not a MindRecord file of this package ({" ".join(str(error).split())}); '
                             'pack the set again') from None
        size, rows = os.fstat(self._files[-1]).st_size, []
        for row in found:
            whole = len(row) == 6 and all(type(row[i]) is int for i in (0, 1, 3, 4, 5)) and type(row[2]) is str
            begin = first + page * row[3] + row[4] + _LENGTH if whole else -1
            length = row[5] - row[4] - _LENGTH if whole else -1
            if length < 0 or not 0 <= begin <= size - length:
                raise ValueError(f'{path}: its index refers to bytes that do not exist; pack the set again')
            rows.append((*row[:3], len(self._files) - 1, begin, length))
        return rows

    def __del__(self):
        for file in getattr(self, '_files', ()):
            os.close(file)

    def __len__(self) -> int:
        return len(self.labels)

    def encoded(self, index: int) -> bytes:
        """Return the encoded bytes of image `index`. Raises images.ImageError if they cannot be read."""
        file, begin, length = self._places[index].tolist()
        try:
            data = os.pread(self._files[file], length, begin)
        except OSError as error:
            raise images.ImageError(f'{self.name(index)}: {error.strerror}') from None
        if len(data) != length:
            raise images.ImageError(f'{self.name(index)}: the packed file has become shorter')
        return data

    def image(self, index: int) -> Image.Image:
        """Image `index` as RGB. Raises images.ImageError."""
        return images.decode(self.name(index), self.encoded(index))

    def source(self, index: int) -> Union[images.Jpeg, Image.Image]:
        """Return image `index`, a JPEG without decoding it. Raises images.ImageError."""
        return images.open_image(self.name(index), self.encoded(index))

    def size(self, index: int) -> Tuple[int, int]:
        """Return width and height by the image's header, (0, 0) if it cannot be read."""
        return images.header_size(self.name(index), self.encoded(index))

    def name(self, index: int) -> str:
        """Return the folder and the path of image `index` in the original set."""
        return os.path.join(self.folder, self.names[index])


def _digest(class_names: Sequence[str], rows: Sequence[tuple]) -> str:
    """A hash of the classes and of every image's label, name and number of bytes."""
    hashed = hashlib.sha256(json.dumps(list(class_names)).encode())
    for _, label, name, _, _, length in rows:
        hashed.update(json.dumps([label, name, length]).encode())
    return hashed.hexdigest()


def _contents(folder: str) -> dict:
    """Return pack.json's content after a check of every file in it."""
    path = os.path.join(folder, CONTENTS)
    if not os.path.isfile(path):
        raise FileNotFoundError(f'{path}: no such file; python scripts/pack_dataset.py --data-dir <folder> --out '
                                f'{os.path.dirname(folder) or "."} packs <folder>/train and <folder>/val')
    try:
        contents = read_json(path)
    except ValueError as error:
        raise ValueError(f'{path}: not the contents of a packed set ({str(error).removeprefix(f"{path}: ")}); pack it '
                         'again') from None
    try:
        if not _sound(contents):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f'{path}: not the contents of a packed set; pack it again') from None
    sizes = contents['files']
    for name, size in sizes.items():
        there = os.path.join(folder, name)
        if not os.path.isfile(there):
            raise FileNotFoundError(f'{there}: missing from the packed set; copy it again, or pack the set again')
        if os.path.getsize(there) != size:
            raise ValueError(f'{there}: holds {os.path.getsize(there):,} bytes of {size:,}; copy it again, or pack the '
                             'set again')
    return contents


def _sound(contents: dict) -> bool:
    """Whether pack.json is valid: it lists files of its folder with their sizes, classes and a count."""
    sizes, names, count = contents['files'], contents['class_names'], contents['count']
    return (isinstance(sizes, dict) and isinstance(names, list) and all(isinstance(name, str) for name in names)
            and len(set(names)) == len(names) > 0
            and all(type(number) is int and number >= 0 for number in sizes.values())
            and type(count) is int and count > 0
            and all(name == os.path.basename(name) not in ('', '.', '..') for name in sizes))
