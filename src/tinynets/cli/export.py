"""Export a checkpoint: `python export.py --checkpoint runs/x/best.ckpt --format MINDIR,ONNX`."""
import argparse
import os
import sys

from tinynets.files import user_path
from tinynets.runtime import configure


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--checkpoint', required=True, type=user_path, metavar='PATH', help='a .ckpt of train.py')
    parser.add_argument('--format', default='MINDIR,ONNX', metavar='LIST',
                        help='MINDIR, ONNX, AIR (deprecated), separated by commas')
    parser.add_argument('--out', type=user_path, metavar='DIR',
                        help='folder of the files (default: export/ beside the checkpoint)')
    parser.add_argument('--weights', default='auto', choices=('auto', 'ema', 'raw'),
                        help='auto: ema where there is one')
    parser.add_argument('--device', default='auto', choices=('auto', 'CPU', 'Ascend', 'GPU'))


def main(args: argparse.Namespace) -> None:
    formats = [name.strip().upper() for name in args.format.split(',')]
    configure('CPU' if args.device == 'auto' and 'AIR' not in formats else args.device)
    from tinynets.deploy.export import export
    out = args.out or os.path.join(os.path.dirname(args.checkpoint), 'export')
    if 'AIR' in formats:
        print('AIR is deprecated: MindSpore Lite reads MINDIR and ONNX, and atc ONNX', file=sys.stderr)
    for made in export(args.checkpoint, formats, out, args.weights):
        print(f'{made.format}: {made.path} ({made.bytes:,} bytes), maximum difference of logits '
              f'{made.max_difference:.2e} (they reach {made.largest_logit:.3g}), manifest {made.manifest}')
