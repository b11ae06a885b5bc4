"""Convert weights from and to timm's format: `python convert_weights.py --from tinynet_a.safetensors --out a.ckpt`.

Back, as a folder that timm loads: `python convert_weights.py --from runs/x/best.ckpt --out mine/model.safetensors`.
"""
import argparse
import os

from tinynets.files import check_file, user_path
from tinynets.runtime import configure, printable


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--from', required=True, type=user_path, metavar='FILE', dest='source',
                        help="a .safetensors or .pth (.pt, .bin, .pth.tar) with timm's names, or a .ckpt")
    parser.add_argument('--to', choices=('ckpt', 'safetensors'),
                        help='format to write (default: safetensors from a .ckpt, otherwise ckpt)')
    parser.add_argument('--out', type=user_path, metavar='FILE',
                        help='file to write (default: in the folder of the source, its name with .ckpt, or '
                             'timm/model.safetensors)')
    parser.add_argument('--model', metavar='NAME',
                        help='name of the network (default: as in config.json in the folder of the source)')
    parser.add_argument('--classes', type=user_path, metavar='FILE', help='file with the class names, one per line')
    parser.add_argument('--weights', default='auto', choices=('auto', 'ema', 'raw'),
                        help='averaged (ema) or raw weights; auto: ema if the checkpoint has them')


def main(args: argparse.Namespace) -> None:
    own = args.source.lower().endswith('.ckpt')
    to = args.to or ('safetensors' if own else 'ckpt')
    default = (f'{os.path.splitext(args.source)[0]}.ckpt' if to == 'ckpt'
               else os.path.join(os.path.dirname(args.source), 'timm', 'model.safetensors'))
    out = args.out or default
    if own != (to == 'safetensors'):
        raise ValueError(f'--from {args.source} --to {to}: a .ckpt must become safetensors, any other file a ckpt; '
                         'leave --to out')
    if not out.lower().endswith(f'.{to}'):
        raise ValueError(f'--out {out}: must end in .{to}')
    check_file(out)
    if not args.out and os.path.exists(out):
        raise ValueError(f'{out}: exists already; give --out to replace it or to write another file')
    if own and (args.model or args.classes):
        raise ValueError(f'--model and --classes: {args.source} is a .ckpt, which already holds both; leave them out')
    configure('CPU', kernels='stock')
    from tinynets.deploy.convert import read_class_names, to_checkpoint, to_safetensors
    if not os.path.isfile(args.source):
        raise FileNotFoundError(f'--from {args.source}: no such file')
    if own:
        lines = to_safetensors(args.source, out, args.weights)
    else:
        classes = read_class_names(args.classes) if args.classes else None
        lines = to_checkpoint(args.source, out, args.model, args.weights, classes)
    print('\n'.join(map(printable, lines)))
