"""The C++ program of ascend310_infer/ compared with other engines on a CPU: `python benchmarks/edge_latency.py`.

Networks with the same random weights: the package's, exported by export.py, in the C++ program's network
(edge_calls.cc), timm's own ONNX in ONNX Runtime and OpenVINO (in float32, and by default on processors with bfloat16),
and timm's network in PyTorch, eager and compiled, channels-last. Each engine runs in a separate process. They take
turns on each layout (batch, threads per copy, parallel copies), some calls each after a warm-up, so that a drift of the
machine's speed affects all equally. Their logits of the first image must agree.

All are timed in the same way: a call is the wall time around the engine's call on inputs in memory, images/s are the
images of all copies over the wall time from the first call to the end of the last. The package's call is made from C++
and the peers' from Python, so a peer's call of a network that computes nothing is measured as well, and both ratios are
given. That call includes the engine's own overhead, so it is the most that Python can add.

Then the time from JPEG files to logits is measured, with decoding and resizing by Pillow, OpenCV and torchvision before
ONNX Runtime, on views of photographs (photographs.py).

Peers come from .venv-benchmark, made on first use, or --torch-python. Needs scripts/get_photographs.sh
and the built program (`bash ascend310_infer/build.sh`, or BUILD). Progress goes to stderr,
Markdown tables to stdout. The machine must be idle otherwise; what others used of the processors is measured and
printed. Linux only.
"""
import argparse
import contextlib
import importlib.metadata
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import photographs
import tables
import turns

PINS = ['torch==2.14.1', 'torchvision==0.29.1', 'timm==1.0.31', 'numpy<2.3', 'onnx==1.23.2', 'onnxruntime==1.32.0',
        'openvino==2026.4.1', 'opencv-python-headless==5.0.0.93', 'pillow==13.0.0']
NETWORKS = ['tinynet_a', 'tinynet_b', 'tinynet_c', 'tinynet_d', 'tinynet_e', 'efficientnet_b0']
ENGINES = ['ours', 'onnxruntime', 'openvino', 'openvino_bf16', 'torch_eager', 'torch_compiled']
KERNELS = {'ours': 'best', 'ours_avx2': 'avx2'}  # of the C++ program; the second if asked for
DECODERS = ['ours', 'pillow', 'opencv', 'torchvision']
CALLS = {'onnxruntime': 'onnxruntime_call', 'openvino': 'openvino_call'}  # of a network that computes nothing
BATCHES = [1, 16]
PHOTOGRAPHS = 32
TOLERANCE = {'openvino_bf16': 0.2}  # of the largest logit; else 1e-3
BENCHMARK = 'edge_latency'


def program(name: str) -> str:
    """Return the path of a built C++ program. Raises ValueError if it is not built."""
    path = pathlib.Path(os.environ.get('BUILD', turns.ROOT / 'ascend310_infer' / 'build')) / name
    if not path.is_file():
        raise ValueError(f'{path}: not built; bash ascend310_infer/build.sh')
    return str(path)


def run(command: list) -> None:
    """Run a preparing command. Raises ValueError with the end of its output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f'{pathlib.Path(command[0]).name}: {" ".join(done.stderr.split())[-300:]}')


def prepare(network: str, folder: pathlib.Path, torch_python: str) -> dict:
    """Make missing files of a network with random weights, and inputs; return what the workers need to know of it."""
    done = folder / 'prepared.json'
    if not done.is_file():
        prepared = prepare_ours(network, folder)
        run([torch_python, turns.ROOT / 'benchmarks' / 'edge_worker.py', 'export', network, folder])
        photographs.views(folder / 'images', PHOTOGRAPHS)
        done.write_text(json.dumps(prepared))
    return json.loads(done.read_text())


def prepare_ours(network: str, folder: pathlib.Path) -> dict:
    """Make the files for the C++ program, the weights for the peers, and the inputs, as `prepare`."""
    import numpy as np
    from PIL import Image

    from tinynets.arch.complexity import measure
    from tinynets.config import from_dict, to_dict
    from tinynets.data.presets import preprocessing
    from tinynets.deploy.export import export
    from tinynets.model import checkpoint, create_model
    from tinynets.model.weights import torch_names
    net = create_model(network)
    state = {p.name: p.asnumpy() for p in net.get_parameters()}
    np.savez(folder / f'{network}.npz', **{theirs: state[name] for name, theirs in torch_names(net).items()})
    config = from_dict({'model': {'name': network}, 'data': {'name': 'digits'}}, 'the benchmark')
    preset = preprocessing(config.data, net.plan.resolution)
    checkpoint.save(str(folder / 'net.ckpt'), state, {
        'network': {'name': network, 'num_classes': 1000}, 'class_names': [str(i) for i in range(1000)], 'score': None,
        'preprocessing': preset, 'config': to_dict(config)})
    mindir = export(str(folder / 'net.ckpt'), ['MINDIR'], str(folder))[0].path
    rng = np.random.default_rng(0)
    (folder / 'points').mkdir(exist_ok=True)
    for i in range(max(BATCHES)):
        Image.fromarray(rng.integers(0, 256, (2, 2, 3)).astype(np.uint8)).save(folder / 'points' / f'{i:02}.png')
    for batch in {batch for batch, _, _ in layouts(network, 1)}:
        names = [f'points/{i:02}.png' for i in range(batch)]
        run([program('tinynet_preprocess'), f'{mindir}.json', folder / f'inputs-{batch}.f32',
             *(folder / name for name in names)])
    return {'mindir': mindir, 'px': net.plan.resolution, 'crop': preset['crop_ratio'],
            'macs': measure(net.plan).macs}


def layouts(row: str, cores: int) -> list:
    """Return the layouts (batch, threads, copies) of a row."""
    if row.endswith('files'):
        return [(1, 1, 1), (1, 1, cores)]
    both = [layout for batch in BATCHES for layout in ((batch, 1, 1), (batch, cores, 1), (batch, 1, cores))]
    return [*both, (4, 1, cores)]  # a copy's data fits into its cache


def start(name: str, row: str, prepared: dict, folder: pathlib.Path, args: argparse.Namespace) -> turns.Worker:
    """Start an engine's process."""
    network, _, files = row.partition(',')
    if name in KERNELS:
        command = [program('tinynet_calls'), prepared['mindir'], KERNELS[name], folder, *([files] if files else [])]
        return turns.Worker(command)
    return turns.Worker([args.torch_python, turns.ROOT / 'benchmarks' / 'edge_worker.py', name, network, folder,
                         str(prepared['px']), str(prepared['crop'])])


def measure_row(row: str, args: argparse.Namespace) -> dict:
    """Return {'layouts': {layout: {engine: its rounds, or why it 'failed'}}, 'call': {engine: its rounds}, ...}."""
    network, workers = row.split(',')[0], {}
    files = row.endswith('files')
    names = DECODERS if files else [*args.engines, *(CALLS[e] for e in args.engines if e in CALLS)]
    folder = args.work / network
    folder.mkdir(parents=True, exist_ok=True)
    prepared = prepare(network, folder, args.torch_python)
    found = {'macs': prepared['macs'], 'peak': args.peak, 'layouts': {}}
    try:
        for name in names:
            workers[name] = start(name, row, prepared, folder, args)
        engines = {name: worker for name, worker in workers.items() if name not in CALLS.values()}
        shares = []
        for layout in layouts(row, args.cores):
            found['layouts'][','.join(map(str, layout))] = measure_layout(layout, engines, shares, args)
        if not files:
            calls = {name: worker for name, worker in workers.items() if name in CALLS.values()}
            found['call'] = measure_layout((1, 1, 1), calls, shares, args)
        found['others'] = max(shares)
    finally:
        for worker in workers.values():
            worker.kill()
    return found


def measure_layout(layout: tuple, workers: dict, shares: list, args: argparse.Namespace) -> dict:
    """Return {engine: {'ms': median of each round, 'images_per_s': of each round, ...}} of one layout.

    Adds the shares of the processors used by other processes to `shares`.
    """
    line = ','.join(map(str, (*layout, -(-args.calls // layout[2]), args.seconds)))
    failed, logits = {}, {}

    def one_round() -> dict:
        found = {}
        for name in [name for name in workers if name not in failed]:
            try:
                answer = workers[name].ask(line)
            except turns.Failed as reason:
                failed[name] = {'failed': str(reason)}
                continue
            found[name] = {'ms': statistics.median(answer['ms']),
                           'images_per_s': len(answer['ms']) * layout[0] / answer['seconds']}
            if 'parts' in answer:
                found[name]['parts'] = [statistics.median(part) for part in zip(*answer['parts'])]
            logits.setdefault(name, answer.get('logits'))
        return found
    one_round()  # engines are made in it
    rounds, share = turns.undisturbed(args.rounds, lambda: sum(w.cpu_seconds() for w in workers.values()), one_round)
    shares.append(share)
    for name, values in logits.items():
        compare(name, values, logits.get('ours'))
    return {name: failed.get(name) or {key: [r[name][key] for r in rounds] for key in rounds[0][name]}
            for name in workers}


def compare(name: str, logits, ours) -> None:
    """Raise ValueError unless an engine's logits agree with this package's."""
    if logits is None or ours is None:
        return
    difference = max(abs(a - b) for a, b in zip(logits, ours)) / max(map(abs, ours))
    if len(logits) != len(ours) or not difference < TOLERANCE.get(name, 1e-3):
        raise ValueError(f'{name}: its logits differ from ours by {difference:.1e} of the largest: another network')


def peak() -> float:
    """Return the GFLOP/s of a thread that only multiplies and adds float32 vectors in registers (peak.cc)."""
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, 'peak')
        source = turns.ROOT / 'benchmarks' / 'peak.cc'
        run([os.environ.get('CXX', 'c++'), '-O3', '-march=native', source, '-o', program])
        return float(subprocess.run([program], capture_output=True, text=True, check=True).stdout)


def setting(args: argparse.Namespace) -> dict:
    """Return the settings that the numbers depend on."""
    peers = turns.versions(args.torch_python, *(pin.split('=')[0].split('<')[0] for pin in PINS))
    return {**turns.machine(), 'used cores': args.cores, 'mindspore': importlib.metadata.version('mindspore'), **peers,
            'rounds': args.rounds, 'calls': args.calls,
            'seconds': args.seconds, 'engines': args.engines}


def measure(args: argparse.Namespace) -> None:
    """Measure the rows without records, and print the tables."""
    args.torch_python = args.torch_python or turns.environment(PINS)
    build = pathlib.Path(program('tinynet_infer')).parent
    run(['cmake', '--build', build, '--target', 'tinynet_calls'])
    photographs.originals()
    here = setting(args)
    rows = [*args.networks, *(f'{network},files' for network in args.files)]
    on_file = {r['row']: r for r in turns.records(args.records, BENCHMARK, here)}
    results = {row: on_file[row] for row in rows if row in on_file}
    args.peak = peak()
    progress = turns.Progress(len(rows) - len(results))
    for row in rows:
        if row not in results:
            progress.next(row)
            results[row] = turns.record(args.records, BENCHMARK, here, row, measure_row(row, args))
    print('\n\n'.join(f'## {heading}\n\n{text}' for heading, text in tables.sections(list(results.values())).items()))
    print(f'\nPractical peak of a thread: {args.peak:.0f} GFLOP/s (vectors multiplied and added in registers)')


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
    parser.add_argument('--seconds', type=float, default=1.0,
                        help='after which a turn ends with fewer calls, at least two')
    parser.add_argument('--cores', type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument('--torch-python', metavar='PATH', help='an interpreter with the peers; default: see above')
    parser.add_argument('--records', '--json', metavar='FILE', help='add every row to it; rows there are not repeated')
    parser.add_argument('--work', metavar='FOLDER', type=pathlib.Path,
                        help='where exported networks are kept and, on the next run, found (default: nowhere)')
    args = parser.parse_args()
    if 'ours' not in args.engines:
        raise ValueError('--engines: ours must be among them, everything is compared with it')
    with contextlib.nullcontext(args.work) if args.work else tempfile.TemporaryDirectory() as folder:
        args.work = pathlib.Path(folder).resolve()
        measure(args)


if __name__ == '__main__':
    sys.path.insert(0, str(turns.ROOT / 'src'))
    from tinynets.runtime import run_entry
    run_entry(main)
