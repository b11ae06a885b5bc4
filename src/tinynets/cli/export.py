"""Export a checkpoint: `python export.py --checkpoint runs/x/best.ckpt --format MINDIR,ONNX`."""
import argparse
import os
import sys

from tinynets.files import user_path
from tinynets.runtime import configure


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--checkpoint', required=True, type=user_path, metavar='PATH', help='a .ckpt made by train.py')
    parser.add_argument('--format', default='MINDIR,ONNX', metavar='LIST',
                        help='formats, separated by commas: MINDIR, ONNX, AIR (deprecated); default: MINDIR,ONNX')
    parser.add_argument('--out', type=user_path, metavar='DIR',
                        help='folder to write to (default: export/ in the folder of the checkpoint)')
    parser.add_argument('--weights', default='auto', choices=('auto', 'ema', 'raw'),
                        help='averaged (ema) or raw weights; auto: ema if the checkpoint has them')
    parser.add_argument('--device', default='auto', choices=('auto', 'CPU', 'Ascend', 'GPU'),
                        help='device to run on (default: auto)')


def main(args: argparse.Namespace) -> None:
    formats = args.format.split(',')
    air = 'AIR' in (name.strip().upper() for name in formats)
    configure('CPU' if args.device == 'auto' and not air else args.device)
    from tinynets.deploy.export import export
    out = args.out or os.path.join(os.path.dirname(args.checkpoint), 'export')
    if air:
        print('AIR is deprecated; use MINDIR or ONNX for MindSpore Lite, ONNX for atc', file=sys.stderr)
    for made in export(args.checkpoint, formats, out, args.weights):
        print(f'{made.format}: {made.path} ({made.bytes:,} bytes), maximum difference of logits '
              f'{made.max_difference:.2e} (they reach {made.largest_logit:.3g}), manifest {made.manifest}')
