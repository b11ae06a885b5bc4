"""One of several workers, started by test_distributed.py: trains, evaluates and writes its results for the test.

`python workers.py FOLDER CONFIG`: FOLDER/rank_<r>.npz holds each worker's numbers, FOLDER/run an uninterrupted run.
"""
import os
import sys
import zlib

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, 'src')]

from tests.two_blocks import NAME  # noqa: E402
from tinynets import runtime  # noqa: E402
from tinynets.config import load_config  # noqa: E402
from tinynets.model.layers import Dropout  # noqa: E402

BATCH = 8  # images per worker
STEPS = 3


def plain_network():
    """Convolutions, dropout and a bias, but no batch norm: what it learns does not depend on how a batch is divided."""
    from mindspore import Parameter, Tensor, nn, ops

    class Plain(nn.Cell):
        def __init__(self):
            super().__init__()
            rng = np.random.default_rng(0)
            self.conv = nn.Conv2d(3, 4, 3, pad_mode='pad', padding=1,
                                  weight_init=Tensor(rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32)))
            self.drop = Dropout(0.5, 'drop')
            self.weight = Parameter(Tensor(rng.normal(0, 1, (4, 5)).astype(np.float32)), name='weight')
            self.bias = Parameter(Tensor(np.zeros(5, np.float32)), name='bias')

        def construct(self, x):
            x = ops.relu(self.conv(x))
            return ops.matmul(self.drop(ops.mean(x, (2, 3))), self.weight) + self.bias
    return Plain()


def data(count):
    """Images (STEPS, count, 3, 16, 16) and labels of unequal halves: each worker's mean differs."""
    rng = np.random.default_rng(1)
    images = rng.normal(0, 1, (STEPS, count, 3, 16, 16)) + np.linspace(-1, 1, count)[:, None, None, None]
    return images.astype(np.float32), rng.integers(0, 5, (STEPS, count)).astype(np.int32)


def build_step(network, clip_norm=0.0, workers=None, name='adamw', rate=0.05):
    from mindspore import nn

    from tinynets.training.ema import WeightAverage
    from tinynets.training.optim import build_optimizer
    from tinynets.training.step import TrainStep
    optimizer = build_optimizer(name, network, [rate] * STEPS, weight_decay=0.01, momentum=0.0)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    return TrainStep(network, loss, optimizer, WeightAverage(network, 0.5), clip_norm, workers=workers).set_train(True)


def numbers(cell, prefix):
    return {prefix + p.name: p.asnumpy() for p in cell.get_parameters() if p.name != 'learning_rate'}


def run_steps(step, images, labels):
    from mindspore import Tensor
    return [float(step(Tensor(x), Tensor(y)).asnumpy()) for x, y in zip(images, labels)]


def small_network(part):
    """A real network, with batch norm, dropout and drop path; `part` of the workers."""
    from tinynets.model import create_model
    from tinynets.model.layers import Uniform
    network = create_model(NAME, num_classes=5, dropout=0.2, drop_path=0.3)
    for _, cell in network.cells_and_names():
        if isinstance(cell, Uniform):
            cell.part = part
    return network


def main(folder, path):
    config = load_config(path)
    runtime.configure('CPU', seed=config.train.seed)
    from tinynets import workers
    from tinynets.data import presets
    from tinynets.tasks.classification.evaluate import evaluate
    from tinynets.training import parallel
    from tinynets.training.loop import Trainer, train
    rank, size = runtime.rank(), runtime.size()
    images, labels = data(BATCH * size)
    mine = slice(rank * BATCH, (rank + 1) * BATCH)
    found = {'rank': rank, 'size': size}

    plain = parallel.as_part(plain_network())
    step = build_step(plain, 0.5, parallel.mean_over_workers(plain))
    found['plain_losses'] = run_steps(step, images[:, mine], labels[:, mine])
    found.update(numbers(step, 'plain.'))

    real = small_network(rank)
    step = build_step(real, 0.0, parallel.mean_over_workers(real), 'sgd', 1.0)
    found['real_losses'] = run_steps(step, images[:1, mine], labels[:1, mine])
    found.update(numbers(step, 'real.'))

    found['agreed'] = workers.agree(rank == 1, False)
    found['added'] = workers.add_up(1 / 3 + rank), workers.add_up(16777217 + rank)

    workers.check_same('images', 2 ** 32 - 1, 37)
    try:
        workers.check_same('images', 2 ** 32 - 1 - rank, 37)
    except ValueError as error:
        found['refused'] = str(error)

    trainers = []

    class Watched(Trainer):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            trainers.append(self)
    from tinynets.training import loop
    loop.Trainer = Watched
    train(config, 'CPU', os.path.join(folder, 'run'))
    state = trainers[0].state.arrays()
    found['state'] = zlib.crc32(b''.join(state[name].tobytes() for name in sorted(state)))

    odd = presets.dataset(config.data, 'val')
    odd.pixels, odd.labels = odd.pixels[:37], odd.labels[:37]  # not a multiple of the batch or the workers

    def score():
        result = evaluate(lambda x: trainers[0].parts.eval_network(Tensor(x)).asnumpy(), odd,
                          presets.eval_transform(trainers[0].parts.preprocessing), 8)
        return [result.top1, result.top5, result.loss, result.count, *result.confusion.ravel()]
    from mindspore import Tensor
    found['shared_score'] = score()
    runtime._rank, runtime._size = 0, 1
    found['whole_score'] = score()
    np.savez(os.path.join(folder, f'rank_{rank}.npz'), **found)


if __name__ == '__main__':
    main(*sys.argv[1:])
