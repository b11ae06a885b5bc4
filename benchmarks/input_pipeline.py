"""Training images a second of this package, torchvision and timm on a CPU: `python benchmarks/input_pipeline.py`.

A folder of JPEG photographs of ImageNet's usual size is made; every variant turns it into batches of random crops
(input_worker.py says what exactly), with the same number of workers: threads here, processes in PyTorch's loader. The
variants take turns, a pass each, so that a machine whose speed drifts treats all alike. `ours` is what a training does
by default, `ours_pillow` the same where nothing can be compiled, `ours_whole` is data.fast_decode=false. `torchvision`
are its first transforms, `torchvision_v2` the second, both on Pillow's images; `torchvision_v2_tensor` decodes by its
own decoder and crops tensors. PyTorch comes from .venv-benchmark, made on first use, or --torch-python. Progress goes
to stderr, Markdown tables to stdout. The machine must be idle otherwise; what others used of it is measured and
printed. Linux only.
"""
import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import statistics
import sys
import tempfile

import turns

PINS = ['torch==2.14.1', 'torchvision==0.29.1', 'timm==1.0.31', 'numpy<2.3', 'pillow==13.0.0']
OURS = ['ours', 'ours_pillow', 'ours_whole']
VARIANTS = [*OURS, 'torchvision', 'torchvision_v2', 'torchvision_v2_tensor', 'timm']
ROWS = ['224,1', '224,2', '106,1', '106,2']
SIZE, QUALITY = (500, 375), 90


def photographs(folder: pathlib.Path, count: int) -> float:
    """Make `count` JPEG files in two classes, half of them under a second name; return their mean size in bytes."""
    import numpy as np
    from PIL import Image
    rng = np.random.default_rng(0)
    sizes = []
    for name in ('a', 'b'):
        (folder / name).mkdir(parents=True)
    for index in range(count // 2):
        small = Image.fromarray(rng.integers(0, 256, (12, 16, 3)).astype(np.uint8))
        noise = rng.normal(0, 8, (*SIZE[::-1], 3))
        pixels = np.clip(np.asarray(small.resize(SIZE, Image.BICUBIC)) + noise, 0, 255).astype(np.uint8)
        path = folder / 'a' / f'{index:04}.jpg'
        Image.fromarray(pixels).save(path, quality=QUALITY)
        os.link(path, folder / 'b' / path.name)
        sizes.append(path.stat().st_size)
    return statistics.mean(sizes)


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
    found, cpu, others = {name: [] for name in workers}, {}, None
    for turn in range(args.rounds + 1):
        for name in [name for name in workers if isinstance(found[name], list)]:
            try:
                answer = workers[name].ask(row)
            except turns.Failed as reason:
                found[name] = {'failed': str(reason)}
                continue
            cpu[name] = answer['cpu']
            if abs(answer['mean']) > 0.5:
                raise ValueError(f"{name}: the images' mean is {answer['mean']:.2f} deviations, not about 0")
            if turn:  # the first, in which loaders start their workers, is not counted
                found[name].append(answer['images'] / answer['seconds'])
        others = others or turns.Others(lambda: sum(cpu.values()))
    return {'row': row, 'variants': found, 'others': others.share()}


def tables(results: list) -> str:
    """Every variant of every row, then ours beside the fastest peer; ratios are medians of the rounds' ratios."""
    lines = ['| px, workers | variant | images/s | lowest, highest | ours is times as fast |', '|---|---|---|---|---|']
    ends = ["| px, workers | ours, images/s | fastest peer | ours is times as fast | others' CPU |",
            '|---|---|---|---|---|']
    for result in results:
        row, found = result['row'].replace(',', ', '), result['variants']
        good = {name: rates for name, rates in found.items() if isinstance(rates, list) and rates}
        ratios = {name: f"{statistics.median(a / b for a, b in zip(good['ours'], rates)):.2f}"
                  if 'ours' in good else '-' for name, rates in good.items()}
        for name, rates in found.items():
            if name in good:
                lines.append(f'| {row} | {name} | {statistics.median(rates):.0f} | {min(rates):.0f}, {max(rates):.0f} '
                             f'| {ratios[name]} |')
            else:
                lines.append(f"| {row} | {name} | failed: {rates['failed'].replace('|', '/')} | | |")
        peers = {name: statistics.median(rates) for name, rates in good.items() if name not in OURS}
        if peers and 'ours' in good:
            best = max(peers, key=peers.get)
            remark = ' (too much)' if result['others'] > turns.QUIET else ''
            ends.append(f"| {row} | {statistics.median(good['ours']):.0f} | {peers[best]:.0f}, {best} | {ratios[best]} "
                        f"| {100 * result['others']:.0f} %{remark} |")
    return '\n'.join([*lines, '', *ends])


def run(args: argparse.Namespace) -> None:
    """Measure the rows that are not on file, and print the tables."""
    if set(args.variants) - set(OURS):
        args.torch_python = args.torch_python or turns.environment(PINS)
    else:
        args.torch_python = None
    setting = {**turns.machine(), 'batch': args.batch, 'images': args.images,
               **{name: importlib.metadata.version(name) for name in ('numpy', 'pillow')},
               **(turns.versions(args.torch_python, 'torch', 'torchvision', 'timm') if args.torch_python else {})}
    done = {r['row']: r for r in turns.records(args.json, lambda r: r['setting'] == setting and
                                               set(args.variants) <= set(r['variants']))}
    to_do, workers = [row for row in args.rows if row not in done], {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            if to_do:
                size = photographs(pathlib.Path(folder) / 'images', args.images)
                setting_text = f'{args.images} JPEG images of {SIZE[0]} x {SIZE[1]}, {size / 1000:.0f} kB each'
                print(setting_text, file=sys.stderr, flush=True)
                for name in args.variants:
                    workers[name] = start(name, pathlib.Path(folder) / 'images', args)
            progress = turns.Progress(len(to_do))
            for row in to_do:
                progress.next(row)
                done[row] = {'setting': setting, **measure(row, workers, args)}
                if args.json:
                    with open(args.json, 'a') as file:
                        file.write(json.dumps(done[row]) + '\n')
        finally:
            for worker in workers.values():
                worker.kill()
    print('\n'.join(f'- {key}: {value}' for key, value in {'date': datetime.date.today(), **setting}.items()))
    print('\n' + tables([done[row] for row in args.rows]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rows', nargs='+', metavar='PX,WORKERS', default=ROWS)
    parser.add_argument('--variants', nargs='+', choices=VARIANTS, default=VARIANTS)
    parser.add_argument('--images', type=int, default=768, help='in the folder, half of them links to the others')
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--torch-python', metavar='PATH', help='an interpreter with torch, torchvision and timm')
    parser.add_argument('--json', metavar='FILE', help='all rates, one row a line; rows there are not repeated')
    run(parser.parse_args())


if __name__ == '__main__':
    sys.path.insert(0, str(turns.ROOT))
    from src.runtime import run_entry
    run_entry(main)
