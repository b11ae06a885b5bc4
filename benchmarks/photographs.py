"""The images of the benchmarks: views of real photographs, which scripts/get_photographs.sh fetches.

A view is a window of a photograph, 4:3, at least twice as large as the image and at most all that fits, reduced to
500 x 375 (ImageNet's usual size) by antialiased bicubic and saved as JPEG. The photographs are used in turn; place and
size of a window are drawn with a fixed seed, so that the same photographs give the same files. No two files are equal.
"""
import os
import pathlib

import turns

SIZE, QUALITY, LEAST = (500, 375), 90, 2
FOLDER = 'data/photographs'


def originals(folder: str | None = None) -> list:
    """Return the photographs' sorted paths. Raises FileNotFoundError if there are none."""
    folder = pathlib.Path(folder or os.environ.get('PHOTOGRAPHS', turns.ROOT / FOLDER))
    found = sorted(folder.glob('*.jpg'))
    if not found:
        raise FileNotFoundError(f'{folder}: no photographs; bash scripts/get_photographs.sh fetches them')
    return found


def views(folder: pathlib.Path, count: int, photographs: str | None = None) -> int:
    """Write `count` views, 0000.jpg, 0001.jpg, ..., to a new folder; return their mean size in bytes."""
    import numpy as np
    from PIL import Image
    folder.mkdir(parents=True)
    paths = originals(photographs)
    rng = np.random.default_rng(0)
    drawn = rng.random((count, 3))
    for start, path in enumerate(paths):
        with Image.open(path) as file:
            photograph = file.convert('RGB')
        largest = min(photograph.width, photograph.height * SIZE[0] // SIZE[1])
        for i in range(start, count, len(paths)):
            scale, across, down = drawn[i]
            width = round(min(LEAST * SIZE[0], largest) * (1 - scale) + largest * scale)
            height = width * SIZE[1] // SIZE[0]
            left, top = round(across * (photograph.width - width)), round(down * (photograph.height - height))
            view = photograph.resize(SIZE, Image.BICUBIC, (left, top, left + width, top + height))
            view.save(folder / f'{i:04}.jpg', quality=QUALITY)
    return sum(path.stat().st_size for path in folder.iterdir()) // count
