"""Training images per second of this package, torchvision and timm on a CPU: `python benchmarks/input_pipeline.py`.

A folder of JPEG files of ImageNet's usual size is made, views of the photographs that scripts/get_photographs.sh
fetches (photographs.py); every variant turns it into batches of random crops (input_worker.py says what exactly), with
the same number of workers: threads here, processes in PyTorch's loader. The
variants take turns, a pass each, so that a machine whose speed drifts treats all alike. `ours` is what a training does
by default, `ours_pillow` the same where nothing can be compiled, `ours_whole` is data.fast_decode=false. `torchvision`
are its first transforms, `torchvision_v2` the second, both on Pillow's images; `torchvision_v2_tensor` decodes by its
own decoder and crops tensors. PyTorch comes from .venv-benchmark, made on first use, or --torch-python. Progress goes
to stderr, Markdown tables to stdout. The machine must be idle otherwise; what others used of it is measured and
printed. Linux only.
"""
import argparse
import importlib.metadata
import os
import pathlib
import statistics
import sys
import tempfile

import photographs
import tables
import turns

PINS = ['torch==2.14.1', 'torchvision==0.29.1', 'timm==1.0.31', 'numpy<2.3', 'pillow==13.0.0']
OURS = ['ours', 'ours_pillow', 'ours_whole']
VARIANTS = [*OURS, 'torchvision', 'torchvision_v2', 'torchvision_v2_tensor', 'timm']
ROWS = ['224,1', '224,2', '106,1', '106,2']
BENCHMARK = 'input_pipeline'


def images(folder: pathlib.Path, count: int) -> int:
    """Make `count` JPEG files in two classes; return their mean size in bytes."""
    size = photographs.views(folder / 'a', count)
    (folder / 'b').mkdir()
    for path in sorted((folder / 'a').iterdir())[1::2]:
        path.rename(folder / 'b' / path.name)
    return size


def start(variant: str, folder: pathlib.Path, args: argparse.Namespace) -> turns.Worker:
    """Start a variant's process."""
    env = {**os.environ, 'OMP_NUM_THREADS': '1'}
    env.pop('TINYNETS_KERNELS', None)
    if variant == 'ours_pillow':
        env['TINYNETS_KERNELS'] = 'stock'
    python = sys.executable if variant in OURS else args.torch_python
    return turns.Worker([python, turns.ROOT / 'benchmarks' / 'input_worker.py', variant, folder, str(args.batch)], env)


def measure(row: str, workers: dict, args: argparse.Namespace) -> dict:
    """{'variants': {variant: images/s of each round, or 'failed'}, 'others': share of the processors}."""
    failed, cpu = {}, {}

    def one_round() -> dict:
        found = {}
        for name in [name for name in workers if name not in failed]:
            try:
                answer = workers[name].ask(row)
            except turns.Failed as reason:
                failed[name] = {'failed': str(reason)}
                continue
            cpu[name] = answer['cpu']
            if abs(answer['mean']) > 0.5 or not 0.7 < answer['std'] < 1.5:
                raise ValueError(f"{name}: mean {answer['mean']:.2f} and std {answer['std']:.2f} of the pixels are not "
                                 'those of normalised photographs')
            found[name] = answer['images'] / answer['seconds']
        return found
    one_round()  # loaders start their workers in it
    rounds, share = turns.undisturbed(args.rounds, lambda: sum(cpu.values()), one_round)
    return {'variants': {name: failed.get(name) or [r[name] for r in rounds] for name in workers}, 'others': share}


def run(args: argparse.Namespace) -> None:
    """Measure the rows that are not on file, and print the tables."""
    if set(args.variants) - set(OURS):
        args.torch_python = args.torch_python or turns.environment(PINS)
    else:
        args.torch_python = None
    setting = {**turns.machine(), 'batch': args.batch, 'images': args.images, 'rounds': args.rounds,
               'variants': args.variants, **{name: importlib.metadata.version(name) for name in ('numpy', 'pillow')},
               **(turns.versions(args.torch_python, 'torch', 'torchvision', 'timm') if args.torch_python else {})}
    done = {r['row']: r for r in turns.records(args.records, BENCHMARK, setting)}
    to_do, workers = [row for row in args.rows if row not in done], {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(args.work or folder) / f'views-{args.images}'
        try:
            if to_do:
                if not folder.is_dir():
                    images(folder, args.images)
                sizes = [path.stat().st_size for path in folder.rglob('*.jpg')]
                for name in args.variants:
                    workers[name] = start(name, folder, args)
            progress = turns.Progress(len(to_do))
            for row in to_do:
                progress.next(row)
                found = {'bytes': statistics.mean(sizes), **measure(row, workers, args)}
                done[row] = turns.record(args.records, BENCHMARK, setting, row, found)
        finally:
            for worker in workers.values():
                worker.kill()
    for heading, text in tables.sections([done[row] for row in args.rows]).items():
        print(f'## {heading}\n\n{text}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rows', nargs='+', metavar='PX,WORKERS', default=ROWS)
    parser.add_argument('--variants', nargs='+', choices=VARIANTS, default=VARIANTS)
    parser.add_argument('--images', type=int, default=768, help='files in the folder')
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--torch-python', metavar='PATH', help='an interpreter with torch, torchvision and timm')
    parser.add_argument('--records', '--json', metavar='FILE', help='add every row to it; rows there are not repeated')
    parser.add_argument('--work', metavar='FOLDER', help='where the images are kept and, on the next run, found')
    run(parser.parse_args())


if __name__ == '__main__':
    sys.path.insert(0, str(turns.ROOT / 'src'))
    from tinynets.runtime import run_entry
    run_entry(main)
