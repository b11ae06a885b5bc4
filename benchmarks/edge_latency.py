"""The C++ program of ascend310_infer/ beside other engines on a CPU: `python benchmarks/edge_latency.py`.

Networks with the same random weights: ours exported by export.py and run by MindSpore Lite in the C++ program, timm's
own ONNX in ONNX Runtime and OpenVINO (in float32, and as it comes on processors with bfloat16), and timm's network in
PyTorch, eager and compiled, channels-last. The engines take turns on each layout (batch, threads of a copy, copies side
by side), some calls each after a warm-up, so that a machine whose speed drifts treats all alike; their logits of the
first image must agree. Then the whole way from JPEG files to logits, with the decoding and resizing of Pillow, OpenCV
and torchvision before ONNX Runtime.

Peers come from .venv-benchmark, made on first use, or --torch-python. Needs scripts/get_mindspore_lite.sh and the
built program (`bash ascend310_infer/build.sh`, or BUILD). Progress goes to stderr, Markdown tables to stdout. The
machine must be idle otherwise; what others used of the processors is measured and printed. Linux only.
"""
import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

import turns

PINS = ['torch==2.14.1', 'torchvision==0.29.1', 'timm==1.0.31', 'numpy<2.3', 'onnx==1.23.2', 'onnxruntime==1.32.0',
        'openvino==2026.4.1', 'opencv-python-headless==5.0.0.93', 'pillow==13.0.0']
NETWORKS = ['tinynet_a', 'tinynet_b', 'tinynet_c', 'tinynet_d', 'tinynet_e', 'efficientnet_b0']
ENGINES = ['ours', 'onnxruntime', 'openvino', 'openvino_bf16', 'torch_eager', 'torch_compiled']
KERNELS = {'ours': 'best', 'ours_avx2': 'avx2', 'ours_library': 'library'}  # of our program; the others where asked for
DECODERS = ['ours', 'pillow', 'opencv', 'torchvision']
FLOAT32 = [engine for engine in ENGINES if engine not in ('ours', 'openvino_bf16')]
BATCHES = [1, 16]
PHOTOGRAPHS, SIZE = 32, (500, 375)  # of ImageNet's usual size
TOLERANCE = {'openvino_bf16': 0.2}  # of the largest logit; else 1e-3
STAGES = ('decode', 'preprocess', 'inference', 'total')


class Program:
    """Our C++ program as a worker: a process a turn, which loads, warms up and makes the calls."""

    def __init__(self, row: str, kernels: str, prepared: dict, folder: pathlib.Path):
        self.whole, self.kernels, self.prepared, self.folder = row.endswith('files'), kernels, prepared, folder

    def ask(self, line: str) -> dict:
        """As edge_worker.py answers; in place of `seconds` what the calls of all workers took, nothing between them."""
        batch, threads, workers, count = map(int, line.split(','))
        images = self.folder / ('images' if self.whole else f'inputs-{batch}.txt')
        repeat = -(-count * workers // PHOTOGRAPHS) if self.whole else count * workers
        out = self.folder / 'out.json'
        done = subprocess.run(
            [program('tinynet_infer'), '--model', self.prepared['mindir'], '--images', images, '--batch', str(batch),
             '--threads', str(threads), '--workers', str(workers), '--repeat', str(repeat), '--output', out, '--force',
             '--calls', '--logits', '--warmup', str(max(3, 20 // batch)), '--kernels', self.kernels],
            capture_output=True, text=True)
        if done.returncode:
            raise turns.Failed(done.stderr.strip()[:200])
        found = json.loads(out.read_text())
        each = {stage: found['ms_a_call'][stage]['each'] for stage in STAGES}
        if self.whole:
            return {'ms': each['total'], 'parts': list(zip(*(each[stage] for stage in STAGES[:3]))),
                    'seconds': len(each['total']) / found['images_per_s']}
        return {'ms': each['inference'], 'logits': found['results'][0]['logits'],
                'seconds': sum(each['inference']) / workers / 1000}

    def cpu_seconds(self) -> float:
        """What all of its turns used."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def kill(self) -> None:
        """Nothing lives on between turns."""


def program(name: str) -> str:
    """The path of a built C++ program. Raises ValueError where it is not built."""
    path = pathlib.Path(os.environ.get('BUILD', turns.ROOT / 'ascend310_infer' / 'build')) / name
    if not path.is_file():
        raise ValueError(f'{path}: not built; bash scripts/get_mindspore_lite.sh, then bash ascend310_infer/build.sh')
    return str(path)


def run(command: list) -> None:
    """Run a preparing command. Raises ValueError with the end of what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f'{pathlib.Path(command[0]).name}: {" ".join(done.stderr.split())[-300:]}')


def prepare(network: str, folder: pathlib.Path, torch_python: str) -> dict:
    """Files of a network with random weights, and inputs; what the workers must know of it."""
    import numpy as np
    from PIL import Image

    from src.arch.complexity import measure
    from src.config import from_dict, to_dict
    from src.data.presets import preprocessing
    from src.deploy.export import export
    from src.model import create_model
    from src.model.weights import torch_names
    from src.training import checkpoint
    net = create_model(network)
    state = {p.name: p.asnumpy() for p in net.get_parameters()}
    np.savez(folder / f'{network}.npz', **{theirs: state[name] for name, theirs in torch_names(net).items()})
    config = from_dict({'model': {'name': network}, 'data': {'name': 'digits'}}, 'the benchmark')
    preset = preprocessing(config.data, net.plan.resolution)
    checkpoint.save(str(folder / 'net.ckpt'), state, {
        'network': {'name': network, 'num_classes': 1000}, 'class_names': [str(i) for i in range(1000)], 'score': None,
        'preprocessing': preset, 'config': to_dict(config)})
    onnx = export(str(folder / 'net.ckpt'), ['ONNX'], str(folder))[0].path
    mindir = folder / f'{network}.lite.mindir'
    run([program('lite_convert'), onnx, mindir])
    run([torch_python, turns.ROOT / 'benchmarks' / 'edge_worker.py', 'export', network, folder])
    rng = np.random.default_rng(0)
    (folder / 'points').mkdir(exist_ok=True)
    (folder / 'images').mkdir(exist_ok=True)
    for i in range(max(BATCHES)):  # tiny: what a network is measured on costs next to nothing before it
        Image.fromarray(rng.integers(0, 256, (2, 2, 3)).astype(np.uint8)).save(folder / 'points' / f'{i:02}.png')
    for i in range(PHOTOGRAPHS):
        small = Image.fromarray(rng.integers(0, 256, (12, 16, 3)).astype(np.uint8))
        noise = rng.normal(0, 8, (*SIZE[::-1], 3))
        pixels = np.clip(np.asarray(small.resize(SIZE, Image.BICUBIC)) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / 'images' / f'{i:02}.jpg', quality=90)
    for batch in {batch for batch, _, _ in layouts(network, 1)}:
        names = [f'points/{i:02}.png' for i in range(batch)]
        (folder / f'inputs-{batch}.txt').write_text('\n'.join(names))
        run([program('tinynet_preprocess'), f'{mindir}.json', folder / f'inputs-{batch}.f32',
             *(folder / name for name in names)])
    return {'mindir': mindir, 'px': net.plan.resolution, 'crop': preset['crop_ratio'],
            'macs': measure(net.plan).macs}


def layouts(row: str, cores: int) -> list:
    """(batch, threads, copies) that a row of the results is measured on."""
    if row.endswith('files'):
        return [(1, 1, 1), (1, 1, cores)]
    both = [layout for batch in BATCHES for layout in ((batch, 1, 1), (batch, cores, 1), (batch, 1, cores))]
    return [*both, (4, 1, cores)]  # what a copy works on fits in its cache


def measure_row(row: str, args: argparse.Namespace) -> dict:
    """{'layouts': {layout: {engine: milliseconds, parts, images/s, medians of the rounds, or 'failed'}}, ...}."""
    network, workers = row.split(',')[0], {}
    names = DECODERS if row.endswith('files') else args.engines
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        prepared = prepare(network, folder, args.torch_python)
        found = {'macs': prepared['macs'], 'layouts': {}}
        try:
            for name in names:
                workers[name] = Program(row, KERNELS[name], prepared, folder) if name in KERNELS else turns.Worker(
                    [args.torch_python, turns.ROOT / 'benchmarks' / 'edge_worker.py', name, network, folder,
                     str(prepared['px']), str(prepared['crop'])])
            others = turns.Others(lambda: sum(w.cpu_seconds() for w in workers.values()))
            for layout in layouts(row, args.cores):
                found['layouts'][','.join(map(str, layout))] = measure_layout(layout, workers, args)
            found['others'] = others.share()
        finally:
            for worker in workers.values():
                worker.kill()
    return found


def measure_layout(layout: tuple, workers: dict, args: argparse.Namespace) -> dict:
    """The engines' turns on one layout."""
    found = {name: {'ms': [], 'parts': [], 'rounds': [], 'images': 0, 'seconds': 0.0} for name in workers}
    logits = {}
    for turn in range(args.rounds):
        for name in [name for name in workers if 'failed' not in found[name]]:
            here = found[name]
            try:
                answer = workers[name].ask(','.join(map(str, (*layout, -(-args.calls // layout[2])))))
            except turns.Failed as reason:
                found[name] = {'failed': str(reason)}
                continue
            here['ms'] += answer['ms']
            here['parts'] += answer.get('parts', [])
            here['rounds'].append(statistics.median(answer['ms']))
            here['images'] += len(answer['ms']) * layout[0]
            here['seconds'] += answer['seconds']
            logits.setdefault(name, answer.get('logits'))
    for name, values in logits.items():
        compare(name, values, logits.get('ours') or values)
    return {name: here if 'failed' in here else {
        'ms': statistics.median(here['ms']), 'calls': len(here['ms']), 'rounds': here['rounds'],
        'parts': [statistics.median(part) for part in zip(*here['parts'])],
        'images_per_s': here['images'] / here['seconds']} for name, here in found.items()}


def compare(name: str, logits, ours) -> None:
    """Raise ValueError unless an engine's logits are ours."""
    if logits is None or ours is None:
        return
    difference = max(abs(a - b) for a, b in zip(logits, ours)) / max(map(abs, ours))
    if len(logits) != len(ours) or not difference < TOLERANCE.get(name, 1e-3):
        raise ValueError(f'{name}: its logits differ from ours by {difference:.1e} of the largest: another network')


def ratio(engines: dict, peer: str) -> float:
    """Our time over a peer's: the median of the rounds' ratios of medians."""
    return statistics.median(a / b for a, b in zip(engines['ours']['rounds'], engines[peer]['rounds']))


def best(engines: dict, key: str, names: list) -> str | None:
    """Which of the engines has the least time, or the most images/s."""
    there = [name for name in names if name in engines and 'failed' not in engines[name]]
    sign = -1 if key == 'images_per_s' else 1
    return min(there, key=lambda name: sign * engines[name][key], default=None)


def latency_table(results: dict, args: argparse.Namespace) -> list:
    """Milliseconds a call of every engine, one copy."""
    head = ['network', 'batch', 'threads', *args.engines, 'fastest in float32', 'ours over it', 'share of peak']
    rows = [head, ['---'] * len(head)]
    for row, found in results.items():
        for layout, engines in found['layouts'].items():
            batch, threads, copies = map(int, layout.split(','))
            if copies > 1:
                continue
            peer = best(engines, 'ms', FLOAT32)
            times = [f"{engines[e]['ms']:.2f}" if 'ms' in engines[e] else 'failed' for e in args.engines]
            share = 2e-6 * found['macs'] * batch / engines['ours']['ms'] / (args.peak * threads)
            rows.append([row, batch, threads, *times, peer or '-',
                         f'**{ratio(engines, peer):.2f}**' if peer else '-', f'{100 * share:.0f} %'])
    return rows


def throughput_table(results: dict, args: argparse.Namespace) -> list:
    """The whole machine: each engine's best layout."""
    head = ['network', *(f'{engine}, images/s' for engine in args.engines), 'best in float32', 'ours over it']
    rows = [head, ['---'] * len(head)]
    for row, found in results.items():
        most = {}
        for engine in args.engines:
            speeds = {layout: engines[engine].get('images_per_s', 0) for layout, engines in found['layouts'].items()}
            layout = max(speeds, key=speeds.get)
            most[engine] = speeds[layout], layout
        peer = max((e for e in FLOAT32 if e in most), key=most.get, default=None)
        speeds = [f'{speed:.0f} ({layout.replace(",", "·")})' for speed, layout in most.values()]
        rows.append([row, *speeds, peer or '-', f'**{most["ours"][0] / most[peer][0]:.2f}**' if peer else '-'])
    return rows


def files_table(results: dict) -> list:
    """From files to logits: the parts on one thread, and images/s of the whole machine."""
    head = ['network', 'decoding and resizing by', 'decode, ms', 'resize, ms', 'network, ms', 'all, ms',
            'images/s, all cores', 'ours is times as fast']
    rows = [head, ['---'] * len(head)]
    for row, found in results.items():
        one, many = found['layouts'].values()
        for name, here in one.items():
            if 'failed' in here:
                rows.append([row.split(',')[0], name, f'failed: {here["failed"]}', '', '', '', '', ''])
                continue
            speed = many[name].get('images_per_s', 0)
            rows.append([row.split(',')[0], name, *(f'{part:.2f}' for part in here['parts']), f"{here['ms']:.2f}",
                         f'{speed:.0f}', f"{1 / ratio(one, name):.2f}, {many['ours']['images_per_s'] / speed:.2f}"])
    return rows


def peak() -> float:
    """GFLOP/s of a thread that does nothing but multiply and add float32 vectors in registers (peak.cc)."""
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, 'peak')
        run([os.environ.get('CXX', 'c++'), '-O3', '-march=native', turns.ROOT / 'benchmarks' / 'peak.cc', '-o', program])
        return float(subprocess.run([program], capture_output=True, text=True, check=True).stdout)


def setting(args: argparse.Namespace) -> dict:
    """What the numbers depend on."""
    peers = turns.versions(args.torch_python, *(pin.split('=')[0].split('<')[0] for pin in PINS))
    sdk = next(iter(pathlib.Path(os.environ.get('MINDSPORE_LITE_HOME', turns.ROOT / 'data' / 'mindspore-lite')).glob(
        'version.info')), None)
    return {**turns.machine(), 'used cores': args.cores, 'mindspore': importlib.metadata.version('mindspore'), **peers,
            'mindspore-lite': sdk.read_text().strip() if sdk else '2.0.0', 'rounds': args.rounds, 'calls': args.calls,
            'engines': args.engines}


def show(rows: list) -> None:
    """Print a Markdown table."""
    print()
    for row in rows:
        print('| ' + ' | '.join(map(str, row)) + ' |')


def measure(args: argparse.Namespace) -> None:
    """Measure the rows that are not on file, and print the tables."""
    args.torch_python = args.torch_python or turns.environment(PINS)
    program('tinynet_infer')
    here = setting(args)
    rows = [*args.networks, *(f'{network},files' for network in args.files)]
    on_file = turns.records(args.json, lambda r: r['setting'] == here)
    results = {r['row']: r['found'] for r in on_file if r['row'] in rows}
    args.peak = peak()
    progress = turns.Progress(len(rows) - len(results))
    for row in rows:
        if row in results:
            continue
        progress.next(row)
        results[row] = measure_row(row, args)
        if args.json:
            with open(args.json, 'a') as file:
                file.write(json.dumps({'row': row, 'setting': here, 'found': results[row]}) + '\n')
    print('\n'.join(f'- {key}: {value}' for key, value in {'date': datetime.date.today(), **here}.items()))
    print(f'- practical peak of a thread: {args.peak:.0f} GFLOP/s (vectors multiplied and added in registers)')
    worst = max(found['others'] for found in results.values())
    print(f"- others' use of the processors: {100 * worst:.0f} % at most{' (too much)' if worst > turns.QUIET else ''}")
    networks = {row: found for row, found in results.items() if not row.endswith('files')}
    if networks:
        show(latency_table(networks, args))
        show(throughput_table(networks, args))
    if files := {row: found for row, found in results.items() if row.endswith('files')}:
        show(files_table(files))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--networks', nargs='*', default=NETWORKS, metavar='NAME')
    parser.add_argument('--files', nargs='*', default=['tinynet_e', 'tinynet_a'], metavar='NAME',
                        help='networks to measure from image files to logits')
    parser.add_argument('--engines', nargs='+', choices=[*ENGINES, *(name for name in KERNELS if name != 'ours')],
                        default=ENGINES, help="default: all but our program's own other kernels")
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument('--calls', type=int, default=10,
                        help='of an engine in a round, all copies together, after its warm-up')
    parser.add_argument('--cores', type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument('--torch-python', metavar='PATH', help='an interpreter with the peers; default: see above')
    parser.add_argument('--json', metavar='FILE', help='all results, one row a line; rows there are not repeated')
    args = parser.parse_args()
    if 'ours' not in args.engines:
        raise ValueError('--engines: ours must be among them, everything is compared with it')
    measure(args)


if __name__ == '__main__':
    sys.path.insert(0, str(turns.ROOT))
    from src.runtime import run_entry
    run_entry(main)
