"""Running steps, fed batch by batch or by data sinking."""
from __future__ import annotations

from typing import Iterator, Tuple

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from tinynets import runtime
from tinynets.data.pipeline import TrainStream
from tinynets.training.build import Parts
from tinynets.training.waiting import Waiting

MOST = 100  # steps per call of data sinking


def losses(parts: Parts, start: int, waiting: Waiting) -> Iterator[Tuple[int, float]]:
    """Run the steps from `start` to the end; yield (steps done, loss) per step, or per call with data sinking."""
    if parts.sinks:
        yield from _sunk_losses(parts, start)
        return
    for step, (images, labels) in enumerate(waiting.timed(parts.stream.batches(start, parts.total_steps)), start + 1):
        yield step, float(parts.step(Tensor(images), Tensor(labels)).asnumpy())


def call_steps(steps_per_epoch: int, start: int) -> int:
    """Return the most steps per call of data sinking, up to 100, so that calls from `start` on end with each epoch."""
    return next(steps for steps in range(min(MOST, steps_per_epoch), 0, -1)
                if steps_per_epoch % steps == 0 and start % steps == 0)


def _sunk_losses(parts: Parts, start: int) -> Iterator[Tuple[int, float]]:
    import mindspore.dataset as ds
    size = call_steps(parts.steps_per_epoch, start)
    source = ds.GeneratorDataset(_Steps(parts.stream, parts.total_steps), ['images', 'labels'],
                                 sampler=list(range(start, parts.total_steps)),
                                 num_parallel_workers=parts.config.data.workers, python_multiprocessing=False)
    counted = Counted(parts.step)
    # without a level, the first Ascend 910 runs only one step per call
    level = runtime.compile_level(parts.config.runtime.jit_level, parts.device)
    sink = ms.data_sink(counted, source, sink_size=size, jit_config=ms.JitConfig(jit_level=level))
    due = 0
    while start + due < parts.total_steps:
        loss = float(sink().asnumpy())
        due += size
        if int(counted.count.asnumpy()) != due:
            raise ValueError(f'data sinking: the device ran {int(counted.count.asnumpy())} steps of {due}; '
                             'set train.sink=false, or try another runtime.jit_level')
        yield start + due, loss


class Counted(nn.Cell):
    """A training step that counts its runs on the device: `count`, which is not saved in checkpoints."""

    def __init__(self, step: nn.Cell):
        super().__init__(auto_prefix=False)
        self.step = step
        self.count = Parameter(Tensor(0, ms.int32), name='sink.count', requires_grad=False)
        self.one = Tensor(1, ms.int32)

    def construct(self, images, labels):
        return ops.depend(self.step(images, labels), ops.assign_add(self.count, self.one))


class _Steps:
    """The stream as a source of batches by step, for data sinking."""

    def __init__(self, stream: TrainStream, steps: int):
        self.stream, self.steps = stream, steps

    def __getitem__(self, step):
        return self.stream.batch(int(step))

    def __len__(self) -> int:
        return self.steps
