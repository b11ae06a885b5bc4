"""From an image file to an RGB image, whatever the file is; and finding the files that cannot be decoded.

What decodes is used as RGB: grayscale is repeated, palettes are looked up, CMYK is converted, transparency is dropped,
16-bit samples keep their upper eight bits, an animation gives its first frame, and an EXIF orientation turns the image
upright. What does not decode raises ImageError with the path and the reason.
"""
from __future__ import annotations

import hashlib
import json
import os
import pathlib
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, List, Optional, Sequence, Tuple, Union

import numpy as np
from PIL import Image, ImageOps

from src.files import write_text

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.gif', '.webp', '.tif', '.tiff', '.ppm', '.pgm')


class ImageError(ValueError):
    """An image that cannot be decoded; the message names the file and the reason."""


def decode(path: Union[str, os.PathLike]) -> Image.Image:
    """Return the image of a file, mode RGB, upright. Raises ImageError."""
    try:
        if os.path.getsize(path) == 0:
            raise ImageError(f'{path}: the file is empty')
        with Image.open(path) as image:
            image.load()
            wide = image.mode == 'I' and image.format == 'PPM'  # an eight-bit one would be mode L
            return to_rgb(ImageOps.exif_transpose(image), wide)
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
    """The image files of a folder and its subfolders by their endings, sorted; hidden files and folders are passed over."""
    found = []
    for base, folders, names in os.walk(folder):
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
    folder = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
    root = os.path.commonpath(paths) if paths else ''
    return pathlib.Path(folder) / 'tinynets' / f'decoded-{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.json'


def _read_cache(path: pathlib.Path) -> dict:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _write_cache(path: pathlib.Path, known: dict) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(known))
    except OSError:
        pass  # a cache only saves time
