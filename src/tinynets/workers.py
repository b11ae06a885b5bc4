"""Sums, agreements and barriers of several workers; a single worker does nothing.

Everything is an AllReduce of float32, which every back end has; MindSpore's CPU back end has no AllReduce of integers.
"""
from __future__ import annotations

import contextlib
import functools
from typing import Iterator

import numpy as np

from tinynets import runtime


def add_up(values):
    """Return the sum over the workers of a number or an array: integers exactly, others to about 14 digits.

    Raises ValueError for integers of 2^24 and more in an array, which float32 does not represent exactly.
    """
    if np.ndim(values) == 0:
        total = _by_rank(values)[:, 0].sum()
        return int(total) if isinstance(values, int) else float(total)
    if np.abs(values).max(initial=0) * runtime.size() >= 1 << 24:
        raise ValueError('counts of 2^24 and more cannot be added up over workers')
    return _all_reduce(values).astype(values.dtype)


def agree(*flags: bool):
    """Return, for each flag, whether any worker has it set; a single flag is returned without a list."""
    if runtime.size() > 1:
        flags = tuple(bool(count) for count in _all_reduce(np.array(flags)))
    return flags if len(flags) > 1 else flags[0]


def check_same(what: str, *numbers: float) -> None:
    """Raise ValueError on all workers if the numbers of one differ from the first one's.

    Integers below 2^48 are compared exactly.
    """
    if runtime.size() == 1:
        return
    table = _by_rank(*numbers)
    other = next((rank for rank, row in enumerate(table) if (row != table[0]).any()), None)
    if other is not None:
        ours, theirs = (', '.join(f'{number:.0f}' for number in table[rank]) for rank in (0, other))
        raise ValueError(f'{what}: {ours} on worker 0 and {theirs} on worker {other}; all need the same data, '
                         'configuration and run folder')


def wait_for_all() -> None:
    """Wait until every worker has called this function."""
    agree(False)


@contextlib.contextmanager
def first_alone() -> Iterator[None]:
    """Run a block on the first worker and then on the others, which find its results."""
    if runtime.rank() > 0:
        wait_for_all()
    yield
    if runtime.rank() == 0:
        wait_for_all()


def _by_rank(*numbers: float) -> np.ndarray:
    """Return the numbers of every worker, (size, n) float64; each is sent as two float32, leading and other digits."""
    leading = np.array(numbers, np.float32)
    rest = (np.array(numbers, np.float64) - leading).astype(np.float32)
    table = np.zeros((runtime.size(), 2, len(numbers)), np.float32)
    table[runtime.rank()] = leading, rest
    return _all_reduce(table).astype(np.float64).sum(axis=1)


def _all_reduce(array: np.ndarray) -> np.ndarray:
    from mindspore import Tensor
    return _sum()(Tensor(array.astype(np.float32))).asnumpy()


@functools.lru_cache(None)
def _sum():
    """Return the compiled sum over the workers."""
    from mindspore import nn, ops

    class Sum(nn.Cell):
        def __init__(self):
            super().__init__()
            self.all_reduce = ops.AllReduce()

        def construct(self, x):
            return self.all_reduce(x)
    return Sum()
