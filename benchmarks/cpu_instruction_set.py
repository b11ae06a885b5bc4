"""Training-step time under oneDNN's instruction sets, alternated: `python benchmarks/cpu_instruction_set.py`.

oneDNN picks its widest instruction set, and with AVX-512 its depthwise convolutions are slow in these networks. Each
setting runs in a process of its own, since oneDNN reads it once; the processes take turns, one step each, so that a
machine whose speed drifts treats all alike. Prints medians, images/s and the ratio to the default.
"""
import argparse
import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def worker(model: str, resolution: int, batch: int) -> None:
    """Answer every line on stdin with the seconds of one training step."""
    import time

    import numpy as np
    from mindspore import Tensor, nn

    from src.model import create_model
    from src.runtime import configure
    from src.training.ema import WeightAverage
    from src.training.optim import build_optimizer
    from src.training.step import TrainStep
    configure('CPU')
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
    parser.add_argument('--worker', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        model, resolution, batch = args.worker.split(',')
        worker(model, int(resolution), int(batch))
        return
    print('| network, px, batch | instruction set | ms a step | images/s | times the default |\n|---|---|---|---|---|')
    for row in args.rows:
        workers = {name: subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), '--worker', row], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1, env={**os.environ, 'ONEDNN_MAX_CPU_ISA': name, 'PYTHONPATH': ROOT})
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
        for name, measured in times.items():
            median = statistics.median(measured)
            ratio = statistics.median(a / b for a, b in zip(times[args.sets[0]], measured))
            print(f"| {row.replace(',', ', ')} | {name} | {1000 * median:.0f} | {int(row.split(',')[2]) / median:.0f} "
                  f'| {ratio:.2f} |', flush=True)


if __name__ == '__main__':
    main()
