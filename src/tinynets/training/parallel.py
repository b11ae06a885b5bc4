"""Averages over several workers within a step; sums, agreements and barriers are in tinynets/workers.py."""
from __future__ import annotations

from typing import Optional

from mindspore import ParameterTuple, nn, ops

from tinynets import runtime
from tinynets.model.layers import Uniform

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

    Batch norm's moving statistics are averaged as well. Each worker normalises by its own batch; as the moving average
    is linear, the result is the same as with the mean batch statistics. All parameters thus stay equal on all workers.
    The mean of the variances lacks the variance between the workers' means, as in any data-parallel training without
    synchronised batch norm.
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
    """Return the cell that averages a training step over the workers, None for a single worker."""
    return MeanOverWorkers(network) if runtime.size() > 1 else None


def as_part(network: nn.Cell) -> nn.Cell:
    """Set up a network's dropout and drop path to draw for this worker's images; return the network."""
    for _, cell in network.cells_and_names():
        if isinstance(cell, Uniform):
            cell.part = runtime.rank()
    return network
