"""From an image file to an RGB image, whatever the file is; and finding the files that cannot be decoded.

What decodes is used as RGB: grayscale is repeated, palettes are looked up, CMYK is converted, transparency is dropped,
16-bit samples keep their upper eight bits, an animation gives its first frame, and an EXIF orientation turns the image
upright. What does not decode raises ImageError with the path and the reason.
"""
from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pathlib
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np
from PIL import Image, ImageOps

from src import cache
from src.files import write_text

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.gif', '.webp', '.tif', '.tiff', '.ppm', '.pgm')

# Markers of a JPEG header, by their second byte: coefficients follow; the size; JFIF, Adobe, tables and comments
_SCAN, _FRAMES, _PLAIN = 0xda, (0xc0, 0xc1, 0xc2), (0xe0, 0xee, 0xdb, 0xc4, 0xdd, 0xfe)
_MOST_PIXELS = 2 ** 26  # Pillow warns of larger ones, or refuses them


class ImageError(ValueError):
    """An image that cannot be decoded; the message names the file and the reason."""


def decode(path: Union[str, os.PathLike], data: Optional[bytes] = None) -> Image.Image:
    """Return the image of a file, mode RGB, upright. Raises ImageError.

    `data` is what the file holds where it has been read already; `path` then only names it.
    """
    with _errors_named(path):
        if (os.path.getsize(path) if data is None else len(data)) == 0:
            raise ImageError(f'{path}: the file is empty')
        with Image.open(path if data is None else io.BytesIO(data)) as image:
            image.load()
            wide = image.mode == 'I' and image.format == 'PPM'  # an eight-bit one would be mode L
            return to_rgb(ImageOps.exif_transpose(image), wide)


class Jpeg:
    """A JPEG image of which only the header has been read: `size` (width, height), `data`, and `name` in errors."""

    def __init__(self, data: bytes, size: Tuple[int, int], name: str):
        self.data, self.size, self.name = data, size, name

    def scale(self, box: Tuple[int, int, int, int], side: int) -> int:
        """The largest of 1, 2, 4 and 8 by which a box may be decoded smaller and is still no smaller than `side`."""
        shorter = min(box[2] - box[0], box[3] - box[1])
        return max(scale for scale in (1, 2, 4, 8) if scale == 1 or shorter >= scale * side)

    def resized(self, box: Tuple[int, int, int, int], side: int) -> Image.Image:
        """The box (left, top, right, bottom) at side x side by Pillow's bicubic, from the image at 1/scale.

        The decoder makes the smaller image from fewer coefficients, a block of 8 x 8 pixels becoming 4 x 4, 2 x 2 or
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
    """An image, or its box (left, top, right, bottom), at side x side by Pillow's bicubic, rows first, then columns.

    Asked for both at once, Pillow takes the order that is faster; the order decides how a few pixels are rounded.
    """
    left, top, right, bottom = box or (0, 0, *image.size)
    narrow = image.resize((side, image.height), Image.Resampling.BICUBIC, (left, 0, right, image.height))
    return narrow.resize((side, side), Image.Resampling.BICUBIC, (0, top, side, bottom))


def open_image(path: Union[str, os.PathLike], data: Optional[bytes] = None) -> Union[Jpeg, Image.Image]:
    """An upright JPEG image with its size only, any other image decoded. Raises ImageError; `data` as in `decode`."""
    with _errors_named(path):
        if data is None:
            with open(path, 'rb', buffering=0) as file:
                data = file.read()
        if data[:2] == b'\xff\xd8':
            size = _plain_size(data)
            if size is not None:
                return Jpeg(data, size, str(path))
            with Image.open(io.BytesIO(data)) as image:
                if image.format == 'JPEG' and image.getexif().get(0x0112, 1) not in range(2, 9):
                    return Jpeg(data, image.size, str(path))
    return decode(path, data)


def _plain_size(data: bytes) -> Optional[Tuple[int, int]]:
    """Width and height of a JPEG of eight bits and three components whose header has nothing beside what decodes it.

    None for any other, as those with EXIF data: Pillow says what they are, in several times as long.
    """
    at, size = 2, None
    while at + 10 <= len(data) and data[at] == 0xff:
        kind = data[at + 1]
        if kind == _SCAN:
            return size
        if kind in _FRAMES and size is None:
            height, width = struct.unpack_from('>HH', data, at + 5)
            if data[at + 4] != 8 or data[at + 9] != 3 or not 0 < width * height <= _MOST_PIXELS:
                return None
            size = width, height
        elif kind not in _PLAIN:
            return None
        at += 2 + int.from_bytes(data[at + 2:at + 4], 'big')
    return None


def header_size(path: Union[str, os.PathLike], data: Optional[bytes] = None) -> Tuple[int, int]:
    """Width and height as stored, from the file's header; (0, 0) where it can't be read. `data` as in `decode`."""
    try:
        with Image.open(path if data is None else io.BytesIO(data)) as image:
            return image.size
    except Exception:  # whoever decodes it says why
        return 0, 0


@contextlib.contextmanager
def _errors_named(path: Union[str, os.PathLike]) -> Iterator[None]:
    """Turn what Pillow raises into an ImageError that names the file."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f'{path}: too large to decode') from None
    except Exception as error:  # Pillow's decoders raise OSError, ValueError, SyntaxError, struct.error and more
        reason = 'not an image that Pillow reads' if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise ImageError(f'{path}: {" ".join(reason.split()) or type(error).__name__}') from None


def to_rgb(image: Image.Image, wide: bool = False) -> Image.Image:
    """Convert any Pillow mode to RGB; wide samples become eight bits first.

    Modes I;16 are 16-bit. Mode I may be anything: it is taken as 16-bit where `wide` says so or a sample is above 255.
    Mode F is taken as 0 to 1 where no sample is above 1, else as 0 to 255.
    """
    if image.mode == 'RGB':
        return image
    if image.mode.startswith('I') or image.mode == 'F':
        samples = np.nan_to_num(np.asarray(image).astype(np.float64))
        if image.mode == 'F':
            samples = samples * (255 if samples.max(initial=0) <= 1 else 1)
        elif wide or image.mode.startswith('I;16') or samples.max(initial=0) > 255:
            samples = samples // 256
        return Image.fromarray(np.clip(samples, 0, 255).astype(np.uint8), 'L').convert('RGB')
    return image.convert('RGB')


def find_images(folder: str) -> List[str]:
    """The image files of a folder and its subfolders by their endings, sorted, without hidden files and folders.

    Raises OSError for a folder that cannot be read: its images would be missing without a word.
    """
    def fail(error: OSError) -> None:
        raise error

    found = []
    for base, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith('.')]
        found += [os.path.join(base, name) for name in names
                  if not name.startswith('.') and name.lower().endswith(SUFFIXES)]
    return sorted(found)


def find_undecodable(paths: Sequence[Union[str, os.PathLike]], workers: int = 2,
                     progress: Optional[Callable[[int, int], None]] = None) -> List[Tuple[str, str]]:
    """Decode every file once and return (path, reason) of those that fail.

    Files seen good before, by size and time of change, are not decoded again: the memory is a file in the user's cache
    folder (XDG_CACHE_HOME or ~/.cache), and where none can be written every file is decoded. `progress` is called with
    (done, total).
    """
    paths = [os.path.abspath(p) for p in paths]
    cache = _cache_file(paths)
    known = _read_cache(cache)
    stamps = {path: _stamp(path) for path in paths}
    pending = [p for p in paths if stamps[p] is None or known.get(p) != stamps[p]]
    bad = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for done, (path, reason) in enumerate(pool.map(_try_decode, pending), start=1):
            if reason:
                bad.append((path, reason))
            if progress:
                progress(done, len(pending))
    if pending:
        failed = {path for path, _ in bad}
        _write_cache(cache, {p: s for p, s in stamps.items() if p not in failed})
    return bad


def _stamp(path: str) -> Optional[List[int]]:
    try:
        stat = os.stat(path)
    except OSError:  # a broken link, or deleted meanwhile: decoding it will say so
        return None
    return [stat.st_size, stat.st_mtime_ns]


def _try_decode(path: str) -> Tuple[str, str]:
    try:
        decode(path)
        return path, ''
    except ImageError as error:
        return path, str(error)[len(path) + 2:]


def _cache_file(paths: Sequence[str]) -> pathlib.Path:
    root = os.path.commonpath(paths) if paths else ''
    return cache.user_folder() / f'decoded-{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.json'


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
