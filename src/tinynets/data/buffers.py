"""Reused memory for batches: allocating new pages takes longer than filling them with images."""
from __future__ import annotations

import weakref
from typing import List, Tuple

import numpy as np


class Buffers:
    """Arrays of one shape whose memory is reused when neither they nor views of them are referenced any more."""

    def __init__(self, shape: Tuple[int, ...], dtype: type = np.float32):
        self.shape, self.dtype = shape, dtype
        self._free: List[np.ndarray] = []

    def array(self) -> np.ndarray:
        """Return an uninitialised array."""
        try:
            memory = self._free.pop()
        except IndexError:
            memory = np.empty(self.shape, self.dtype)
        lease = _Lease(memory)
        weakref.finalize(lease, self._free.append, memory).atexit = False
        return np.asarray(lease)


class _Lease:
    """The owner of the memory of an array and its views."""

    def __init__(self, memory: np.ndarray):
        self.__array_interface__ = memory.__array_interface__
