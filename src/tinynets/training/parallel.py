"""Several workers as one: what they average in a step, add up, agree on and wait for. One worker has nothing to do.

Everything is an AllReduce of float32, which every back end has; MindSpore's CPU takes no integers.
"""
from __future__ import annotations

import contextlib
from typing import Iterator, Optional

import numpy as np
from mindspore import ParameterTuple, Tensor, nn, ops

from tinynets import runtime
from tinynets.model.layers import Uniform

_sum: Optional['_Sum'] = None

flat = ops.MultitypeFuncGraph('flat')
_part = ops.MultitypeFuncGraph('part')
_assign = ops.MultitypeFuncGraph('assign')


@flat.register('Tensor')
def _flattened(tensor):
    return ops.reshape(tensor, (-1,))


@_part.register('Tensor', 'Number', 'Number', 'Tensor')
def _part_of(vector, start, size, like):
    return ops.reshape(ops.slice(vector, (start,), (size,)), like.shape)


@_assign.register('Tensor', 'Tensor')
def _assigned(parameter, value):
    return ops.assign(parameter, value)


class MeanOverWorkers(nn.Cell):
    """(loss, gradients of `network`) -> their means over all workers, by one AllReduce of everything as one vector.

    Batch norm's moving statistics are averaged along: each worker normalises by its own batch, and as the moving
    average is linear, the statistics are those of the workers' mean batch statistics. So all parameters stay the same
    on all workers. (The mean of the variances lacks the variance between the workers' means, as in every data-parallel
    training without synchronised batch norm.)
    """

    def __init__(self, network: nn.Cell):
        super().__init__()
        self.statistics = ParameterTuple([p for p in network.get_parameters()
                                          if p.name.endswith(('moving_mean', 'moving_variance'))])
        self.sizes = (1, *(p.size for p in network.trainable_params()), *(p.size for p in self.statistics))
        self.starts = tuple(sum(self.sizes[:i]) for i in range(len(self.sizes)))
        self.all_reduce = ops.AllReduce()
        self.share = 1 / runtime.size()
        self.map = ops.HyperMap()  # compiles in half the time of a loop

    def construct(self, loss, gradients):
        tensors = (loss,) + gradients + self.statistics
        mean = self.all_reduce(ops.concat(self.map(flat, tensors))) * self.share
        means = self.map(ops.partial(_part, mean), self.starts, self.sizes, tensors)
        count = len(gradients)
        loss = ops.depend(means[0], self.map(_assign, self.statistics, means[1 + count:]))
        return loss, means[1:1 + count]


def mean_over_workers(network: nn.Cell) -> Optional[MeanOverWorkers]:
    """What a training step averages by; None where there is one worker."""
    return MeanOverWorkers(network) if runtime.size() > 1 else None


def as_part(network: nn.Cell) -> nn.Cell:
    """Let a network's dropout and drop path draw for this worker's images, and return it."""
    for _, cell in network.cells_and_names():
        if isinstance(cell, Uniform):
            cell.part = runtime.rank()
    return network


def add_up(values):
    """The sum over the workers of a number or an array: whole numbers exactly, others to about 14 digits.

    Raises ValueError for whole numbers of 2^24 and more in an array, where float32 ends.
    """
    if np.ndim(values) == 0:
        total = _by_rank(values)[:, 0].sum()
        return int(total) if isinstance(values, int) else float(total)
    if np.abs(values).max(initial=0) * runtime.size() >= 1 << 24:
        raise ValueError('counts of 2^24 and more cannot be added up over workers')
    return _all_reduce(values).astype(values.dtype)


def agree(*flags: bool):
    """Each flag as any worker has it; a single one comes back by itself."""
    if runtime.size() > 1:
        flags = tuple(bool(count) for count in _all_reduce(np.array(flags)))
    return flags if len(flags) > 1 else flags[0]


def check_same(what: str, *numbers: float) -> None:
    """Raise ValueError, on all workers, where the numbers of one are not the first one's: they would drift apart.

    Whole numbers below 2^48 are compared exactly.
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
    """Go on when every worker has come here."""
    agree(False)


@contextlib.contextmanager
def first_alone() -> Iterator[None]:
    """Run a block on the first worker and then on the others, which find what it left."""
    if runtime.rank() > 0:
        wait_for_all()
    yield
    if runtime.rank() == 0:
        wait_for_all()


def _by_rank(*numbers: float) -> np.ndarray:
    """The numbers of every worker, (size, n) float64; each travels as two float32, its leading and its other digits."""
    leading = np.array(numbers, np.float32)
    rest = (np.array(numbers, np.float64) - leading).astype(np.float32)
    table = np.zeros((runtime.size(), 2, len(numbers)), np.float32)
    table[runtime.rank()] = leading, rest
    return _all_reduce(table).astype(np.float64).sum(axis=1)


class _Sum(nn.Cell):
    def __init__(self):
        super().__init__()
        self.all_reduce = ops.AllReduce()

    def construct(self, x):
        return self.all_reduce(x)


def _all_reduce(array: np.ndarray) -> np.ndarray:
    global _sum
    _sum = _sum or _Sum()
    return _sum(Tensor(array.astype(np.float32))).asnumpy()
