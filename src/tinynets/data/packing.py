"""Writing a class-folder set as a packed set (packed.py) of MindRecord files, completely or not at all."""
from __future__ import annotations

import contextlib
import glob
import io
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterator, List, Optional, Tuple

from PIL import Image

from tinynets.data import images
from tinynets.data.classification import ImageFolder
from tinynets.data.packed import CONTENTS, PackedImages
from tinynets.files import check_text_path, remove_abandoned, workplace, write_json

ROWS = 256  # written together
SMALLEST_PAGE, LARGEST_PAGE = 2 ** 20, 2 ** 28  # bytes; the format allows 2^15 to 2^28, and an image must fit in one
PAGE = 2 ** 25  # the format's default, for files that fill it
QUALITY = 92  # of resized JPEG images


def pack(source: str, target: str, shards: int = 4, size: Optional[int] = None, workers: int = 2,
         report: Callable[[str], None] = print, progress: Optional[Callable[[int, int], None]] = None
         ) -> Tuple[int, int]:
    """Pack a folder of class folders into the new folder `target`; return (images, bytes).

    Encoded bytes are kept as they are. With `size`, images whose shorter side is longer are resized to it and encoded
    as JPEG. Every image is decoded once; images that fail are left out and `report` is called with their names.
    `target` appears when everything is written. Raises what ImageFolder raises, and FileExistsError if `target` exists
    or another process made it in the meantime.
    """
    from mindspore.mindrecord import FileWriter
    check_text_path(target)
    if os.path.exists(target):
        raise FileExistsError(f'{target}: exists already; remove it to pack it again')
    data = ImageFolder(source, check=False, report=report)
    with _becoming(target) as work, _said_by_mindspore(target):
        writer = FileWriter(os.path.join(work, 'images.mindrecord'), shards, overwrite=True)
        writer.set_page_size(_page_size(data.paths, shards, size))
        writer.add_schema({'image': {'type': 'bytes'}, 'index': {'type': 'int64'}, 'label': {'type': 'int32'},
                           'name': {'type': 'string'}}, 'images of classes')
        writer.add_index(['index', 'label', 'name'])
        count, rows, highest = 0, [], {}
        for done, (path, label, encoded, reason, wide) in enumerate(_read(data, size, workers), start=1):
            if wide is not None:
                highest[path] = wide
            if reason:
                report(f'left out: {reason}')
            else:
                name = os.path.relpath(path, source)
                rows.append({'image': encoded, 'index': count, 'label': label, 'name': name})
                count += 1
            if len(rows) == ROWS:
                writer.write_raw_data(rows)
                rows = []
            if progress:
                progress(done, len(data))
        dark = images.dark_images(highest)
        if dark:
            report(dark)
        if not count:
            raise ValueError(f'{source}: no image that can be decoded in it')
        if rows:
            writer.write_raw_data(rows)
        writer.commit()
        sizes = {name: os.path.getsize(os.path.join(work, name)) for name in sorted(os.listdir(work))}
        contents = {'class_names': data.class_names, 'count': count, 'files': sizes}
        write_json(os.path.join(work, CONTENTS), contents)
        write_json(os.path.join(work, CONTENTS), {**contents, 'digest': PackedImages(work).digest})
    return count, sum(sizes.values())


@contextlib.contextmanager
def _said_by_mindspore(target: str) -> Iterator[None]:
    """Turn the writer's RuntimeError, for example for a full disk, into an OSError of one line."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(f'{target}: cannot be written ({" ".join(str(error).split())[:200]})') from None


def _read(data: ImageFolder, size: Optional[int], workers: int) -> Iterator[Tuple[str, int, bytes, str, Optional[int]]]:
    """Yield (path, label, encoded bytes, reason for a failure or '', highest value) of each image in order."""
    def read(index: int) -> Tuple[str, int, bytes, str, Optional[int]]:
        path = data.paths[index]
        try:
            encoded = images.read(path)
            if len(encoded) > LARGEST_PAGE // 2:
                raise images.ImageError(f'{path}: larger than the {LARGEST_PAGE // 2:,} bytes that can be packed')
            path.encode()  # a name that is not Unicode cannot be stored
            image, highest = images.decode_wide(path, encoded)
            return path, int(data.labels[index]), _shrunk(image, encoded, size), '', highest
        except UnicodeEncodeError:
            return path, 0, b'', f'{os.fsencode(path)!r}: the name is not UTF-8; rename it', None
        except (images.ImageError, OSError) as error:
            return path, 0, b'', str(error), None

    pending: deque = deque()
    with ThreadPoolExecutor(workers) as pool:
        for index in range(len(data)):
            pending.append(pool.submit(read, index))
            if len(pending) > 4 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _shrunk(image: Image.Image, encoded: bytes, size: Optional[int]) -> bytes:
    shorter = min(image.size)
    if size is None or shorter <= size:
        return encoded
    file = io.BytesIO()
    image.resize([max(size, round(length * size / shorter)) for length in image.size], Image.Resampling.BICUBIC).save(
        file, 'JPEG', quality=QUALITY)
    return file.getvalue()


def _page_size(paths: List[str], shards: int, size: Optional[int]) -> int:
    """Return the bytes of a page: enough for the largest image twice, and more if files would have many pages.

    Every file begins with whole pages, so small sets use small ones. An image resized to `size` may take more bytes
    than its file did: its size is taken as four squares of that side with three bytes per pixel.
    """
    sizes = [os.path.getsize(path) for path in paths if os.path.isfile(path)]
    largest = max([*sizes, 12 * size * size if size else 0], default=0)
    page = SMALLEST_PAGE
    while page < LARGEST_PAGE and (page < 2 * largest or page < min(PAGE, sum(sizes) // shards)):
        page *= 2
    return page


@contextlib.contextmanager
def _becoming(target: str) -> Iterator[str]:
    """Yield a new folder in a hidden one next to `target`, moved to `target` on success and removed otherwise.

    Raises FileExistsError if another process made `target` in the meantime.
    """
    parent, name = os.path.split(os.path.abspath(target))
    os.makedirs(parent, exist_ok=True)
    remove_abandoned(parent, glob.escape(f'.{name}.packing'))  # of earlier releases
    with workplace(parent, target) as hidden:
        work = os.path.join(hidden, name)
        os.mkdir(work)  # with the usual permissions: only its owner can enter the hidden one
        yield work
        try:
            os.rename(work, target)
        except OSError:
            if os.path.lexists(target):
                raise FileExistsError(f'{target}: another process made it in the meantime; it was not '
                                      'replaced') from None
            raise
