"""Training-step time under oneDNN's instruction sets, alternated: `python benchmarks/cpu_instruction_set.py`.

oneDNN picks its widest instruction set, and with AVX-512 its depthwise convolutions are slow in these networks. Each
setting runs in a separate process, as oneDNN reads it once. The processes take turns, one step each, so that a drift of
the machine's speed affects all equally. Prints medians, images/s and the ratio to the default.
"""
import argparse
import importlib.metadata
import os
import subprocess
import sys

import tables
import turns

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BENCHMARK = 'cpu_instruction_set'


def worker(model: str, resolution: int, batch: int) -> None:
    """Answer every line on stdin with the seconds of one training step."""
    import time

    import numpy as np
    from mindspore import Tensor, nn

    from tinynets.model import create_model
    from tinynets.runtime import configure
    from tinynets.training.ema import WeightAverage
    from tinynets.training.optim import build_optimizer
    from tinynets.training.step import TrainStep
    configure('CPU', kernels='stock')  # the package's own operators do not use oneDNN
    net = create_model(model, num_classes=10)
    step = TrainStep(net, nn.CrossEntropyLoss(), build_optimizer('rmsprop', net, [1e-3] * 1000, 1e-5),
                     WeightAverage(net, 0.999)).set_train(True)
    rng = np.random.default_rng(0)
    images = Tensor(rng.normal(0, 1, (batch, 3, resolution, resolution)).astype(np.float32))
    labels = Tensor(rng.integers(0, 10, batch).astype(np.int32))
    for _ in range(3):
        step(images, labels).asnumpy()
    print('ready', flush=True)
    for _ in sys.stdin:
        begun = time.perf_counter()
        step(images, labels).asnumpy()
        print(time.perf_counter() - begun, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--repeat', type=int, default=21)
    parser.add_argument('--rows', nargs='+', default=['tinynet_e,32,128', 'tinynet_e,48,128', 'tinynet_e,106,32',
                                                      'tinynet_c,184,8'], metavar='MODEL,PX,BATCH')
    parser.add_argument('--sets', nargs='+', default=['DEFAULT', 'AVX512_CORE', 'AVX2'])
    parser.add_argument('--records', metavar='FILE', help='add every row to it; rows there are not repeated')
    parser.add_argument('--worker', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        model, resolution, batch = args.worker.split(',')
        worker(model, int(resolution), int(batch))
        return
    setting = {**turns.machine(), 'sets': args.sets, 'repeat': args.repeat,
               'mindspore': importlib.metadata.version('mindspore')}
    results = {r['row']: r for r in turns.records(args.records, BENCHMARK, setting)}
    for row in args.rows:
        if row in results:
            continue
        workers = {name: subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), '--worker', row], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1,
            env={**os.environ, 'ONEDNN_MAX_CPU_ISA': name, 'PYTHONPATH': os.path.join(ROOT, 'src')})
            for name in args.sets}
        for process in workers.values():
            process.stdout.readline()
        times = {name: [] for name in workers}
        for _ in range(args.repeat):
            for name, process in workers.items():
                process.stdin.write('go\n')
                process.stdin.flush()
                times[name].append(float(process.stdout.readline()))
        for process in workers.values():
            process.stdin.close()
            process.wait()
        results[row] = turns.record(args.records, BENCHMARK, setting, row, {'variants': times})
    for heading, text in tables.sections([results[row] for row in args.rows]).items():
        print(f'## {heading}\n\n{text}')


if __name__ == '__main__':
    main()
