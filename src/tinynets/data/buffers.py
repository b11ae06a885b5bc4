"""Memory for batches that is used again: fresh pages cost more time than the images in them."""
from __future__ import annotations

import weakref
from typing import List, Tuple

import numpy as np


class Buffers:
    """Arrays of one shape whose memory comes back when nothing refers to them any more, views included."""

    def __init__(self, shape: Tuple[int, ...], dtype: type = np.float32):
        self.shape, self.dtype = shape, dtype
        self._free: List[np.ndarray] = []

    def array(self) -> np.ndarray:
        """An array of whatever values."""
        try:
            memory = self._free.pop()
        except IndexError:
            memory = np.empty(self.shape, self.dtype)
        lease = _Lease(memory)
        weakref.finalize(lease, self._free.append, memory).atexit = False
        return np.asarray(lease)


class _Lease:
    """What an array and its views refer to as the owner of their memory."""

    def __init__(self, memory: np.ndarray):
        self.__array_interface__ = memory.__array_interface__
