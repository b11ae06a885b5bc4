"""Data sets that need no download from a hub: scikit-learn's digits and Debian's Fashion-MNIST."""
from __future__ import annotations

import gzip
import os
import pathlib
import struct
import zlib
from typing import Optional, Tuple

import numpy as np

from tinynets.shipped import CLONE

FASHION_CLASSES = ('t-shirt', 'trouser', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot')
FASHION_FOLDERS = (  # where scripts/get_fashion_mnist.sh and the installed package put it
    str((CLONE or pathlib.Path()) / 'data' / 'fashion-mnist'), '/usr/share/datasets/fashion-mnist')


def digits(split: str) -> Tuple[np.ndarray, np.ndarray, Tuple[str, ...]]:
    """Return scikit-learn's 1,797 digits of 8x8 pixels: (images uint8 (N, 8, 8), labels, class names).

    A stratified fifth with a fixed seed is 'val' (360 images), the rest 'train' (1,437); no image is in both.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    data = load_digits()
    images = np.round(data.images * (255 / 16)).astype(np.uint8)  # sixteen grey levels
    train, val = train_test_split(np.arange(len(images)), test_size=0.2, random_state=0, stratify=data.target)
    chosen = np.sort(train if split == 'train' else val)
    return images[chosen], data.target[chosen].astype(np.int32), tuple('0123456789')


def fashion_mnist(split: str, folder: Optional[str]) -> Tuple[np.ndarray, np.ndarray, Tuple[str, ...]]:
    """Return Fashion-MNIST, 28x28 grey: (images uint8 (N, 28, 28), labels, class names); 60,000 train, 10,000 val.

    `folder` holds the four .gz (or unpacked) IDX files; without it the usual places are tried. Raises FileNotFoundError
    that says how to get them, ValueError for a damaged or different file.
    """
    stem = 'train' if split == 'train' else 't10k'
    folders = (folder,) if folder else FASHION_FOLDERS
    for place in folders:
        if any(os.path.isfile(os.path.join(place, f'{stem}-images-idx3-ubyte{end}')) for end in ('', '.gz')):
            break
    else:
        raise FileNotFoundError(f'Fashion-MNIST: no {stem}-images-idx3-ubyte.gz in {" or ".join(folders)}; run '
                                'bash scripts/get_fashion_mnist.sh, or give its folder as data.dir (--data-dir)')
    images = read_idx(os.path.join(place, f'{stem}-images-idx3-ubyte'))
    labels = read_idx(os.path.join(place, f'{stem}-labels-idx1-ubyte')).astype(np.int32)
    if images.ndim != 3 or labels.shape != images.shape[:1] or labels.max(initial=0) >= len(FASHION_CLASSES):
        raise ValueError(f'{place}: {len(images)} images {images.shape[1:]} but {len(labels)} labels up to '
                         f'{labels.max(initial=0)} are not Fashion-MNIST; fetch the files again')
    return images, labels, FASHION_CLASSES


def read_idx(path: str) -> np.ndarray:
    """Read an IDX file of unsigned bytes, `path` or `path`.gz. Raises FileNotFoundError, ValueError."""
    packed = not os.path.isfile(path)
    path = path + '.gz' if packed else path
    if not os.path.isfile(path):
        raise FileNotFoundError(f'{path}: no such file; fetch the data set again')
    try:
        with (gzip.open if packed else open)(path, 'rb') as file:
            data = file.read()
        zero, kind, rank = struct.unpack('>HBB', data[:4])
        shape = struct.unpack(f'>{rank}I', data[4:4 + 4 * rank])
        if zero or kind != 8:
            raise ValueError('bad magic number')
        return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise ValueError(f'{path}: not a complete IDX file ({error}); fetch the data set again') from None
