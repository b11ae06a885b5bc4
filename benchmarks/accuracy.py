"""Records of a finished run's scores: `python benchmarks/accuracy.py --checkpoint runs/x/best.ckpt --records FILE`.

The scores after each epoch (its metrics.jsonl), those of every exported file and of the C++ program
(compare_exports.py), and with --quantize those before and after eight bits (quantize.py) by both methods.
"""
import argparse
import importlib.metadata
import json
import os
import pathlib
import sys
import tempfile

import turns


def epochs(checkpoint: pathlib.Path) -> list:
    """Return [(epoch, scores)] of a checkpoint's run."""
    lines = (checkpoint.parent / 'metrics.jsonl').read_text().splitlines()
    return [(str(r['epoch']), {key: r[key] for key in ('top1', 'top5', 'loss', 'count')})
            for r in map(json.loads, lines) if r['kind'] == 'eval']


def compared(model, checkpoint: pathlib.Path, data, dataset) -> list:
    """Return [(file, its row)] of compare_exports.py."""
    from tinynets.deploy.compare import compare
    rows = compare(str(checkpoint), dataset, data.batch_size, data.workers,
                   say=lambda line: print(line, file=sys.stderr))
    return [(os.path.basename(row.file), {k: v for k, v in vars(row).items() if k != 'file'}) for row in rows]


def quantized(model, checkpoint: pathlib.Path, data, dataset) -> list:
    """Return [(file, bytes, milliseconds and scores)] of the exported ONNX file and its eight-bit versions."""
    from tinynets.data.classification import balanced_order
    from tinynets.deploy.quantize import METHODS, quantize
    source = next(path for path in (checkpoint.parent / 'export').glob('*.onnx') if 'int8' not in path.name)
    train, found = model.dataset(data, 'train'), []
    with tempfile.TemporaryDirectory() as folder:
        for method in METHODS:
            images = (model.transform(train.image(i))[None] for i in balanced_order(train.labels)[:256])
            out = os.path.join(folder, f'{method}.onnx')
            both = quantize(str(source), out, images, dataset, force=True, method=method)
            names = source.name, f'{source.stem}-int8.onnx, {method}'
            found += [(name, {'bytes': v.bytes, 'ms': v.milliseconds, 'top1': v.score.top1, 'top5': v.score.top5,
                              'count': v.score.count}) for name, v in zip(names, both)][bool(found):]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--checkpoint', type=pathlib.Path, required=True, metavar='PATH')
    parser.add_argument('--records', metavar='FILE', required=True, help='add the rows to it')
    parser.add_argument('--quantize', action='store_true')
    args = parser.parse_args()
    from tinynets.config import from_dict
    from tinynets.data import presets
    from tinynets.deploy.predict import load_predictor
    from tinynets.runtime import configure
    configure()
    model = load_predictor(str(args.checkpoint))
    data = presets.whole_set(from_dict(model.config, str(args.checkpoint)).data, None, None)
    dataset = model.dataset(data, 'val')
    setting = {**turns.machine(), 'data': data.name, 'network': model.config['model']['name'],
               **{name: importlib.metadata.version(name) for name in ('mindspore', 'onnxruntime', 'numpy')}}
    found = {'epochs': epochs(args.checkpoint), 'compare_exports': compared(model, args.checkpoint, data, dataset)}
    if args.quantize:
        found['quantize'] = quantized(model, args.checkpoint, data, dataset)
    for benchmark, rows in found.items():
        for row, values in rows:
            print(benchmark, row, turns.record(args.records, benchmark, setting, row, values), sep='  ')


if __name__ == '__main__':
    sys.path.insert(0, str(turns.ROOT / 'src'))
    from tinynets.runtime import run_entry
    run_entry(main)
