"""A training step of this package and of PyTorch with timm on a CPU: `python benchmarks/training_step.py`.

Each variant runs in a separate process; the processes take turns, one timed step each, so that a drift of the machine's
speed affects all equally; step_worker.py defines a step. PyTorch comes from .venv-benchmark, made on first use; with an
index of its CPU wheels in PIP_EXTRA_INDEX_URL, the CUDA libraries are not downloaded. Progress goes to stderr, Markdown
tables to stdout. Linux only.

The machine must be idle otherwise: another busy process slows PyTorch's spinning threads far more than this package's.
The share of the processors used by other processes is measured and printed with each row.
"""
import argparse
import contextlib
import importlib.metadata
import os
import re
import sys
import time

import tables
import turns

ROOT = turns.ROOT
PINS = ['torch==2.14.1', 'torchvision==0.29.1', 'timm==1.0.31', 'numpy<2.3']
OURS = ['ours', 'ours_stock']
VARIANTS = OURS + ['torch_eager', 'torch_channels_last', 'torch_compiled', 'torch_compiled_channels_last']
SIZES = ['tinynet_e,106', 'tinynet_e,64', 'tinynet_c,184', 'tinynet_a,192', 'efficientnet_b0,224']
BATCHES = {'training': [8, 32, 64], 'evaluation': [64]}
LEAST_REPEATS = 5
BENCHMARK = 'training_step'


def check_row(row: str) -> None:
    """Raise ValueError unless a row is MODEL,PX,BATCH."""
    if not re.fullmatch(r'[^,]+,[1-9]\d*,[1-9]\d*', row):
        raise ValueError(f"row '{row}': must be MODEL,PX,BATCH, for example tinynet_e,106,32")


def worker(variant: str, row: str, args: argparse.Namespace) -> turns.Worker:
    """Start a variant's process."""
    env = {k: v for k, v in os.environ.items() if k != 'TINYNETS_KERNELS'}
    python = sys.executable if variant in OURS else args.torch_python
    script = ROOT / 'benchmarks' / 'step_worker.py'
    return turns.Worker([python, script, variant, args.mode, row, str(args.threads)], env)


def setting(args: argparse.Namespace) -> dict:
    """Return the settings that the numbers depend on besides the row: mode, machine, versions, threads."""
    ours = set(args.variants) & set(OURS)
    return {'mode': args.mode, **turns.machine(), 'threads': args.threads, 'repeat': args.repeat,
            'seconds': args.seconds, 'variants': args.variants,
            'mindspore': importlib.metadata.version('mindspore') if ours else 'not used',
            **(turns.versions(args.torch_python, 'torch', 'timm') if args.torch_python else {})}


def measure(row: str, args: argparse.Namespace) -> dict:
    """Return 'variants', {name: 'seconds' and 'MiB', or why it 'failed'}, and the processors' share of 'others'."""
    workers, found = {}, {}
    try:
        for variant in args.variants:
            with failure_noted(found, variant):
                workers[variant] = worker(variant, row, args)
                found[variant] = {**workers[variant].about, 'seconds': []}
        counts = {f.get('parameters') for f in found.values()} - {None}
        if len(counts) > 1:
            raise ValueError(f'{row}: the variants have unlike counts of parameters, {sorted(counts)}')
        there = [v for v in workers if 'failed' not in found[v]]
        begun = time.monotonic()

        def one_round() -> dict:
            seconds = {}
            for variant in [v for v in there if 'failed' not in found[v]]:
                with failure_noted(found, variant):
                    seconds[variant] = workers[variant].ask()
            return seconds
        one_round()
        rounds = max(LEAST_REPEATS, min(args.repeat, int(args.seconds / max(time.monotonic() - begun, 1e-3))))
        rounds, share = turns.undisturbed(rounds, lambda: sum(w.cpu_seconds() for w in workers.values()), one_round, 1)
        for variant in [v for v in there if 'failed' not in found[v]]:
            found[variant]['seconds'] = [r[variant] for r in rounds]
        for variant in [v for v in workers if 'failed' not in found[v]]:
            with failure_noted(found, variant):
                found[variant]['MiB'] = workers[variant].end()
        return {'variants': found, 'others': share}
    finally:
        for process in workers.values():
            process.kill()


@contextlib.contextmanager
def failure_noted(found: dict, variant: str):
    """Record Failed as the variant's result."""
    try:
        yield
    except turns.Failed as reason:
        found[variant] = {'failed': str(reason)}


def run(args: argparse.Namespace) -> None:
    """Measure the rows without records, and print the tables."""
    for row in args.rows:
        check_row(row)
    if set(args.variants) - set(OURS):
        args.torch_python = args.torch_python or turns.environment(PINS)
    else:
        args.torch_python = None
    machine = setting(args)
    results = {r['row']: r for r in turns.records(args.records, BENCHMARK, machine)}
    progress = turns.Progress(len(set(args.rows) - set(results)))
    for row in args.rows:
        if row not in results:
            progress.next(row)
            results[row] = turns.record(args.records, BENCHMARK, machine, row, measure(row, args))
    for heading, text in tables.sections([results[row] for row in args.rows]).items():
        print(f'## {heading}\n\n{text}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--mode', choices=BATCHES, default='training')
    parser.add_argument('--rows', nargs='+', metavar='MODEL,PX,BATCH')
    parser.add_argument('--variants', nargs='+', choices=VARIANTS, default=VARIANTS)
    parser.add_argument('--repeat', type=int, default=21)
    parser.add_argument('--seconds', type=float, default=90, help='a row ends after these, but not before 5 repeats')
    parser.add_argument('--threads', type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument('--torch-python', metavar='PATH', help='an interpreter with torch and timm; default: see above')
    parser.add_argument('--records', '--json', metavar='FILE', help='add every row to it; rows there are not repeated')
    args = parser.parse_args()
    args.rows = args.rows or [f'{size},{batch}' for size in SIZES for batch in BATCHES[args.mode]]
    run(args)


if __name__ == '__main__':
    sys.path.insert(0, str(ROOT / 'src'))
    from tinynets.runtime import run_entry
    run_entry(main)
