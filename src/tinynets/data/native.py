"""Compiled functions (cc/) that crop a JPEG or pixels into a network's tensor.

They need a C++ compiler and libjpeg-turbo's headers (Debian: g++, libjpeg-dev) and are compiled once per machine. The
pixels equal Pillow's bit for bit. TINYNETS_KERNELS=stock in the environment turns them off.
"""
from __future__ import annotations

import ctypes
import functools
import os
import pathlib
import subprocess
from typing import Optional, Tuple

import numpy as np

from tinynets.native import build
from tinynets.text import say_once

# no fused multiply-add, as in Pillow's builds, for the same rounding
PART = build.Part(pathlib.Path(__file__).parent / 'cc', 'crops of images', ('-ffp-contract=off',), ('-ljpeg',))
_NEEDS = '#include <cstdio>\n#include <jpeglib.h>\n#if LIBJPEG_TURBO_VERSION_NUMBER < 1005000\n#error\n#endif\n'
_Box = ctypes.c_int * 4


def compiled() -> str:
    """Return the path of the library, compiled first if it is not cached. Raises build.Unavailable if that fails."""
    found = subprocess.run([*build.compiler(), '-E', '-x', 'c++', '-'], input=_NEEDS, text=True, errors='replace',
                           capture_output=True)
    if found.returncode:
        raise build.Unavailable("libjpeg-turbo's header is missing; install it (Debian: libjpeg-dev)")
    return build.library(PART)


@functools.lru_cache(None)
def library() -> Optional[ctypes.CDLL]:
    """Return the library, compiled by the first call, or None if Pillow must be used."""
    if os.environ.get('TINYNETS_KERNELS') == 'stock':
        return None
    try:
        loaded = ctypes.CDLL(compiled())
    except (build.Unavailable, OSError) as reason:
        say_once(f'training images are decoded by Pillow, about four times slower: {reason}')
        return None
    address, whole = ctypes.c_void_p, ctypes.c_int
    loaded.tinynets_crop_jpeg.argtypes = [ctypes.c_char_p, ctypes.c_size_t, whole, _Box, whole, whole, address, address]
    loaded.tinynets_crop_pixels.argtypes = [address, ctypes.c_size_t, _Box, whole, whole, address, address]
    loaded.tinynets_crop_pixels.restype = None
    return loaded


def crop_jpeg(data: bytes, scale: int, box: Tuple[int, int, int, int], mirrored: bool, factors: np.ndarray,
              out: np.ndarray) -> bool:
    """Write a crop of a JPEG to `out`, (3, side, side) float32, contiguous; return False if Pillow must do it.

    `box` is (left, top, right, bottom) in pixels of the full size; the image is decoded at 1/`scale` (1, 2, 4, 8) of
    it. A value v of channel c becomes v * factors[0, c] - factors[1, c]; `factors` is (2, 3) float32, contiguous.
    """
    native = library()
    return native is not None and not native.tinynets_crop_jpeg(
        data, len(data), scale, _Box(*box), out.shape[-1], mirrored, factors.ctypes.data, out.ctypes.data)


def crop_pixels(pixels: np.ndarray, box: Tuple[int, int, int, int], mirrored: bool, factors: np.ndarray,
                out: np.ndarray) -> bool:
    """Write a crop of pixels (H, W, 3) uint8 with contiguous rows, as `crop_jpeg` does."""
    native = library()
    if native is None:
        return False
    native.tinynets_crop_pixels(pixels.ctypes.data, pixels.strides[0], _Box(*box), out.shape[-1], mirrored,
                                factors.ctypes.data, out.ctypes.data)
    return True
