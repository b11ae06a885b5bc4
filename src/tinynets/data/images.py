"""Decoding image files of any kind to RGB, and finding the files that cannot be decoded.

Grayscale is repeated, palettes are looked up, CMYK is converted, transparency is dropped, an animation gives its first
frame, and an image is turned upright by its EXIF orientation. Of samples wider than eight bits the upper eight are
kept: of 16 bits, or of the number that a TIFF file declares. A file that cannot be decoded raises ImageError with the
path and the reason.
"""
from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import importlib
import io
import json
import os
import pathlib
import stat
import struct
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Callable, Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np
from PIL import Image, ImageFile

from tinynets import cache
from tinynets.files import write_text

_NO_IMAGES = ('EPS', 'IPTC', 'MPEG')  # formats that Pillow opens but that are drawings, texts or films
_PLUGINS = ('pillow_heif', 'pillow_jxl')  # optional packages that add formats to Pillow
_JUNK_FOLDERS = frozenset(('__macosx', '@eadir', '$recycle.bin', 'system volume information', 'lost+found',
                           '__pycache__'))
_JUNK_FILES = frozenset(('thumbs.db', 'desktop.ini'))
_MAX_SAMPLE_VALUE, _BITS_PER_SAMPLE = 281, 258  # TIFF tags
_DARK, _NARROW = 15, 63  # upper eight bits of a 16-bit sample that has 12, 14 bits at most
_SAVE_EVERY = 10.0  # seconds from one saving of a check's results to the next

# Markers of a JPEG header, by their second byte: coefficients follow; the size; JFIF, Adobe, tables and comments
_SCAN, _FRAMES, _PLAIN = 0xda, (0xc0, 0xc1, 0xc2), (0xe0, 0xee, 0xdb, 0xc4, 0xdd, 0xfe)
_MARKED, _TABLES = (0xe0, 0xee), 0xdb  # the first two begin with a name and a version
_MOST_PIXELS = 2 ** 26  # Pillow warns of larger ones, or refuses them
_ORIENTATION = 0x0112
_TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_90}  # by EXIF's orientation


class ImageError(ValueError):
    """An image that cannot be decoded; the message names the file and the reason."""


def decode(path: Union[str, os.PathLike], data: Optional[bytes] = None) -> Image.Image:
    """Return the image of a file, mode RGB, upright. Raises ImageError.

    `data` is the file's content if it has been read already; `path` then only names it.
    """
    return decode_wide(path, data)[0]


def decode_wide(path: Union[str, os.PathLike], data: Optional[bytes] = None) -> Tuple[Image.Image, Optional[int]]:
    """Return what `decode` does and, for an image with 16-bit samples, the highest value left in eight bits."""
    register_plugins()
    with _errors_named(path):
        if (os.path.getsize(path) if data is None else len(data)) == 0:
            raise ImageError(f'{path}: the file is empty')
        with Image.open(path if data is None else io.BytesIO(data)) as image:
            wide = image.mode.startswith('I;16') or any(';16' in str(tile) for tile in getattr(image, 'tile', ()))
            image.load()
            bits = _sample_bits(image)
            rgb = to_rgb(_upright(image), bits)
        return rgb, max(high for _, high in rgb.getextrema()) if wide else None


def _sample_bits(image: Image.Image) -> Optional[int]:
    """Return the bits that the samples of a wide image use, None if only the samples can tell.

    A TIFF file may hold 12 bits, or declare that its largest value is 2^k - 1. PNG has no such field: the significant
    bits of its sBIT are the upper ones of a sample that fills 16.
    """
    if image.format in ('PPM', 'PNG'):  # with eight bits they have mode L; Pillow scales a PPM by its largest value
        return 16
    if not image.mode.startswith('I;16'):
        return None
    tags = getattr(image, 'tag_v2', {})
    if 12 in np.atleast_1d(tags.get(_BITS_PER_SAMPLE, 16)):
        return 12
    largest = int(np.max(np.atleast_1d(tags.get(_MAX_SAMPLE_VALUE, 0xffff))))
    said = largest.bit_length()
    if 8 <= said < 16 and largest == 2 ** said - 1 and np.asarray(image).max(initial=0) <= largest:
        return said
    return 16


class Jpeg:
    """A JPEG image of which only the header has been read: `size` (width, height), `data`, and `name` in errors."""

    def __init__(self, data: bytes, size: Tuple[int, int], name: str):
        self.data, self.size, self.name = data, size, name

    def scale(self, box: Tuple[int, int, int, int], side: int) -> int:
        """Return the largest of 1, 2, 4 and 8 by which a box can be divided without becoming smaller than `side`."""
        shorter = min(box[2] - box[0], box[3] - box[1])
        return max(scale for scale in (1, 2, 4, 8) if scale == 1 or shorter >= scale * side)

    def resized(self, box: Tuple[int, int, int, int], side: int) -> Image.Image:
        """Return the box (left, top, right, bottom) at side x side by Pillow's bicubic, from the image at 1/scale.

        The decoder makes the smaller image from fewer coefficients: a block of 8 x 8 pixels becomes 4 x 4, 2 x 2 or
        one. Raises ImageError.
        """
        scale = self.scale(box, side)
        with _errors_named(self.name), Image.open(io.BytesIO(self.data)) as image:
            if scale > 1:
                image.draft(None, (self.size[0] // scale, self.size[1] // scale))
                if image.size != tuple(-(-length // scale) for length in self.size):
                    raise ValueError(f'decoded at {image.size}, not at 1/{scale} of {self.size}')
            image.load()
            left, top = box[0] // scale, box[1] // scale
            cut = to_rgb(image).crop((left, top, min(image.width, -(-box[2] // scale)),
                                      min(image.height, -(-box[3] // scale))))
        inside = (box[0] / scale - left, box[1] / scale - top, box[2] / scale - left, box[3] / scale - top)
        return squared(cut, side, inside)


def squared(image: Image.Image, side: int, box: Optional[Tuple[float, float, float, float]] = None) -> Image.Image:
    """Return an image, or its box (left, top, right, bottom), at side x side by Pillow's bicubic, rows first.

    In a single call Pillow chooses the faster order of rows and columns; the order changes the rounding of a few
    pixels.
    """
    left, top, right, bottom = box or (0, 0, *image.size)
    narrow = image.resize((side, image.height), Image.Resampling.BICUBIC, (left, 0, right, image.height))
    return narrow.resize((side, side), Image.Resampling.BICUBIC, (0, top, side, bottom))


def open_image(path: Union[str, os.PathLike], data: Optional[bytes] = None) -> Union[Jpeg, Image.Image]:
    """Return an upright JPEG as a Jpeg, any other image decoded. Raises ImageError; `data` as in `decode`."""
    with _errors_named(path):
        data = read(path) if data is None else data
        if data[:2] == b'\xff\xd8':
            size = _plain_size(data)
            if size is not None:
                return Jpeg(data, size, str(path))
            with Image.open(io.BytesIO(data)) as image:
                if image.format == 'JPEG' and _orientation(image) not in _TURNS:
                    return Jpeg(data, image.size, str(path))
    return decode(path, data)


def read(path: Union[str, os.PathLike]) -> bytes:
    """Return the bytes of an image file. Raises OSError, and ImageError for a pipe or a device, which may never end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ImageError(f'{path}: is a folder, a pipe or a device, not an image file')
    with open(path, 'rb', buffering=0) as file:
        return file.read()


def _plain_size(data: bytes) -> Optional[Tuple[int, int]]:
    """Return width and height of a JPEG of eight bits and three components with a plain header.

    None for any other JPEG, for example with EXIF data: Pillow reads those, which takes several times as long.
    """
    at, size = 2, None
    while at + 10 <= len(data) and data[at] == 0xff:
        kind, length = data[at + 1], int.from_bytes(data[at + 2:at + 4], 'big')
        content = data[at + 4:at + 2 + length]
        if length < 2 or len(content) != length - 2:
            return None
        if kind == _SCAN:
            return size
        if kind in _FRAMES and size is None:
            height, width = struct.unpack_from('>HH', data, at + 5)
            if length != 17 or content[0] != 8 or content[5] != 3 or not 0 < width * height <= _MOST_PIXELS:
                return None
            size = width, height
        elif kind not in _PLAIN or kind in _MARKED and length < 9 or kind == _TABLES and (
                len(content) % 65 or any(precision > 15 for precision in content[::65])):
            return None  # includes headers that are too short for Pillow
        at += 2 + length
    return None


def header_size(path: Union[str, os.PathLike], data: Optional[bytes] = None) -> Tuple[int, int]:
    """Return width and height as stored in the file's header, (0, 0) if it cannot be read. `data` as in `decode`."""
    try:
        with Image.open(path if data is None else io.BytesIO(data)) as image:
            return image.size
    except Exception:  # the reason is reported when the image is decoded
        return 0, 0


@contextlib.contextmanager
def _errors_named(path: Union[str, os.PathLike]) -> Iterator[None]:
    """Turn Pillow's exceptions into an ImageError that names the file."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f'{path}: too large to decode') from None
    except Exception as error:  # Pillow's decoders raise OSError, ValueError, SyntaxError, struct.error and more
        reason = 'not an image that Pillow reads' if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise ImageError(f'{path}: {" ".join(reason.split()) or type(error).__name__}') from None


def _orientation(image: Image.Image) -> object:
    """Return the orientation from EXIF data or XMP, 1 if they are damaged."""
    with contextlib.suppress(Exception):
        return image.getexif().get(_ORIENTATION, 1)
    return 1


def _upright(image: Image.Image) -> Image.Image:
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image, bits: Optional[int] = None) -> Image.Image:
    """Convert any Pillow mode to RGB. Wide samples become eight bits first, the upper ones of `bits`.

    If `bits` is None, modes I;16 have 16. Mode I has 16 if a sample is above 255, else eight. Mode F ranges from 0 to 1
    if no sample is above 1, else from 0 to 255.
    """
    if image.mode == 'RGB':
        return image
    if image.mode.startswith('I') or image.mode == 'F':
        samples = np.nan_to_num(np.asarray(image).astype(np.float64))
        if image.mode == 'F':
            samples = samples * (255 if samples.max(initial=0) <= 1 else 1)
        else:
            known = bits or (16 if image.mode.startswith('I;16') or samples.max(initial=0) > 255 else 8)
            samples = samples // 2 ** (known - 8)
        return Image.fromarray(np.clip(samples, 0, 255).astype(np.uint8), 'L').convert('RGB')
    image.info.pop('transparency', None)  # a damaged one would stop the conversion
    return image.convert('RGB')


@functools.lru_cache(maxsize=None)
def register_plugins() -> None:
    """Make Pillow read the formats of its installed plug-ins."""
    for name in _PLUGINS:
        with contextlib.suppress(Exception):  # not installed, or incompatible with this Pillow
            getattr(importlib.import_module(name), 'register_heif_opener', lambda: None)()


@functools.lru_cache(maxsize=None)
def endings() -> FrozenSet[str]:
    """Return the lower-case endings of the raster images that Pillow and its installed plug-ins read."""
    register_plugins()
    Image.init()
    stubs = {kind for kind, (factory, _) in Image.OPEN.items()  # formats without a decoder
             if isinstance(factory, type) and issubclass(factory, ImageFile.StubImageFile)}
    readable = {*Image.OPEN, 'MPO'} - stubs - {*_NO_IMAGES}  # the JPEG reader opens an MPO
    return frozenset(ending for ending, kind in Image.registered_extensions().items() if kind in readable)


def is_image(name: str) -> bool:
    """Whether a file is an image by the ending of its name."""
    return os.path.splitext(name)[1].lower() in endings()


def is_passed_over(folder: str) -> bool:
    """Whether a folder is hidden or made by a system, by its name."""
    return folder.startswith('.') or folder.lower() in _JUNK_FOLDERS


@dataclass
class Found:
    """The content of a folder and its subfolders: sorted image files, and entries that are left out.

    `others` counts the endings of files that are not images, `junk` are folders of the operating system, `twice` are
    links to folders that had been read already.
    """
    files: List[str] = field(default_factory=list)
    others: Counter = field(default_factory=Counter)
    junk: List[str] = field(default_factory=list)
    twice: List[str] = field(default_factory=list)

    def add(self, other: 'Found') -> None:
        """Add what was found in another folder."""
        self.files += other.files
        self.others.update(other.others)
        self.junk += other.junk
        self.twice += other.twice

    def left_out(self, folder: str) -> List[str]:
        """Return lines on the entries that were left out, at most one per kind."""
        lines = []
        if self.others:
            kinds = [f'{count} {ending or "without an ending"}' for ending, count in self.others.most_common(10)]
            more = ', ...' if len(self.others) > len(kinds) else ''
            lines.append(f'{folder}: left out, not images that Pillow reads by their endings: '
                         f'{", ".join(kinds)}{more}' +
                         ('; for .heic, pip install pillow-heif' if {'.heic', '.heif'} & set(self.others) else ''))
        if self.junk:
            lines.append(f'{folder}: left out, as an operating system or a program makes them: '
                         f'{", ".join(sorted(set(map(os.path.basename, self.junk))))}')
        if self.twice:
            lines.append(f'{self.twice[0]}: leads to a folder whose images are taken already, so it is not followed'
                         f'{f" ({len(self.twice)} such links)" if len(self.twice) > 1 else ""}')
        return lines


def find(folder: str) -> Found:
    """Return the content of a folder and its subfolders without hidden entries. Links to folders are followed.

    Raises OSError for a folder that cannot be read, as its images would be missing silently.
    """
    found, links = Found(), []
    seen = {_place(above) for above in pathlib.Path(os.path.realpath(folder)).parents}  # a link to one is a cycle

    def read(base: str, linked: bool) -> None:
        waiting = [base]
        while waiting:
            here = waiting.pop()
            place = _place(here)
            if linked and place in seen:
                found.twice.append(here)
                continue
            seen.add(place)
            with os.scandir(here) as entries:
                for entry in entries:
                    if is_folder(entry):
                        if is_passed_over(entry.name):
                            found.junk += [entry.path] * (not entry.name.startswith('.'))
                        else:
                            (links if entry.is_symlink() else waiting).append(entry.path)
                    elif not entry.name.startswith('.') and entry.name.lower() not in _JUNK_FILES:
                        if is_image(entry.name):
                            found.files.append(entry.path)
                        else:
                            found.others[os.path.splitext(entry.name)[1].lower()] += 1

    read(folder, False)
    while links:  # after the folders themselves, so that these are taken rather than links to them
        links.sort(reverse=True)
        read(links.pop(), True)
    found.files.sort()
    found.twice.sort()
    return found


def is_folder(entry: os.DirEntry) -> bool:
    """Whether an entry is a folder or a link to one. Raises OSError if that cannot be determined."""
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG):  # a broken link
            return False
        raise


def _place(folder: Union[str, os.PathLike]) -> Tuple[int, int]:
    stat = os.stat(folder)
    return stat.st_dev, stat.st_ino


@dataclass
class Examined:
    """The results of decoding every file once.

    `bad` are (path, reason) of files that cannot be decoded; `highest` has, for each image with 16-bit samples, the
    highest value left in eight bits.
    """
    bad: List[Tuple[str, str]] = field(default_factory=list)
    highest: Dict[str, int] = field(default_factory=dict)


def examine(paths: Sequence[Union[str, os.PathLike]], workers: int = 2,
            progress: Optional[Callable[[int, int], None]] = None) -> Examined:
    """Decode every file once and return the results.

    Files that were decoded before, with the same size and time of change, are not decoded again: the results are kept
    in a file in the user's cache folder (XDG_CACHE_HOME or ~/.cache). If it cannot be written, every file is decoded.
    It is also saved during the check, so that an interrupted one continues. `progress` is called with (done, total).
    """
    paths = [os.path.abspath(p) for p in paths]
    memory = _cache_file(paths)
    known = _read_cache(memory)
    stamps = {path: _stamp(path) for path in paths}
    good = {p: known[p] for p in paths if stamps[p] is not None and _known(known.get(p), stamps[p])}
    pending = [p for p in paths if p not in good]
    examined = Examined(highest={p: entry[2] for p, entry in good.items() if len(entry) > 2})
    due = time.monotonic() + _SAVE_EVERY
    pool = ThreadPoolExecutor(max(1, workers))
    try:
        for done, (path, reason, highest) in enumerate(pool.map(_try_decode, pending), start=1):
            if reason:
                examined.bad.append((path, reason))
            elif stamps[path] is not None:
                good[path] = stamps[path] + ([] if highest is None else [highest])
            if highest is not None:
                examined.highest[path] = highest
            if progress:
                progress(done, len(pending))
            if time.monotonic() > due:
                begun = time.monotonic()
                _write_cache(memory, good)
                due = time.monotonic() + max(_SAVE_EVERY, 20 * (time.monotonic() - begun))
    finally:
        pool.shutdown(cancel_futures=True)
        if pending:
            _write_cache(memory, good)
    return examined


def dark_images(highest: Dict[str, int]) -> Optional[str]:
    """Return a line on images that stay dark, as their 16-bit samples use fewer bits, or None if there are none.

    `highest` is as in Examined. Images of at most 12 bits are dark, and all images if none in the set has 15 bits.
    """
    dark = [path for path, value in highest.items() if value <= _DARK]
    if highest and max(highest.values()) <= _NARROW:
        dark = list(highest)
    if not dark:
        return None
    bits = 8 + max(highest[path] for path in dark).bit_length()
    return (f'{len(dark):,} of {len(highest):,} images with 16-bit samples have none above {2 ** bits - 1:,} ({bits} '
            f'bits) and stay dark, in {2 ** (bits - 8)} of 256 grey levels: scale their samples to 16 bits, or to 8; '
            f'the first is {min(dark)}')


def _known(entry: object, stamp: List[int]) -> bool:
    return isinstance(entry, list) and entry[:2] == stamp and (
        len(entry) == 2 or len(entry) == 3 and type(entry[2]) is int and 0 <= entry[2] <= 255)


def _stamp(path: str) -> Optional[List[int]]:
    try:
        stat = os.stat(path)
    except OSError:  # a broken link, or deleted meanwhile: decoding it will report it
        return None
    return [stat.st_size, stat.st_mtime_ns]


def _try_decode(path: str) -> Tuple[str, str, Optional[int]]:
    try:
        return path, '', decode_wide(path)[1]
    except ImageError as error:
        return path, str(error)[len(path) + 2:], None


def _cache_file(paths: Sequence[str]) -> pathlib.Path:
    root = os.path.commonpath(paths) if paths else ''
    return cache.user_folder() / f'checked-{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.json'


def _read_cache(path: pathlib.Path) -> dict:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _write_cache(path: pathlib.Path, known: dict) -> None:
    try:
        cache.make(path.parent)
        write_text(path, json.dumps(known))
    except OSError:
        pass  # a cache only saves time
