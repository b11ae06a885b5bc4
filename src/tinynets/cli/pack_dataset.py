"""Pack a folder of class folders into MindRecord: `python pack_dataset.py --data-dir IMAGENET --out FOLDER`.

Train on it with data.name=mindrecord and --data-dir FOLDER: the same images, labels and order, from a few files.
"""
import argparse
import os
import sys

from tinynets.files import user_path
from tinynets.runtime import printable
from tinynets.text import counted


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--data-dir', type=user_path, metavar='DIR', required=True,
                        help='folder with train/<class>/ and val/<class>/, or with <class>/')
    parser.add_argument('--out', type=user_path, metavar='DIR', required=True,
                        help='folder for the packed splits; made if missing')
    parser.add_argument('--split', help='splits to pack: train, val or train,val (default: all that exist)')
    parser.add_argument('--shards', type=int, default=4, metavar='N', help='files per split (default: 4)')
    parser.add_argument('--size', type=int, metavar='PX',
                        help='shrink images whose shorter side is longer to this size, as JPEG')
    parser.add_argument('--workers', type=int, metavar='N', default=len(os.sched_getaffinity(0)),
                        help='threads that decode (default: one per processor)')


def main(args: argparse.Namespace) -> None:
    from tinynets.data.layout import find_layout
    from tinynets.data.packing import pack
    from tinynets.training.progress import Bar, tell
    splits = (args.split or 'train,val').split(',')
    if not set(splits) <= {'train', 'val'}:
        raise ValueError(f'--split {args.split}: must be train, val or train,val')
    for option, least, most in (('shards', 1, 1000), ('size', 1, 10 ** 5), ('workers', 1, 256)):
        value = getattr(args, option)
        if value is not None and not least <= value <= most:
            raise ValueError(f'--{option} {value}: must be {least} to {most}')
    if not os.path.isdir(args.data_dir):
        raise FileNotFoundError(f'{args.data_dir}: no such folder; it must hold train/<class>/ and val/<class>/, or '
                                '<class>/')
    layout = find_layout(args.data_dir)
    if layout.line:
        tell(layout.line)
    if args.split and layout.plain and 'val' in splits:
        raise ValueError(f'--split {args.split}: {args.data_dir} has no val/; leave --split out')
    source, target = os.path.realpath(args.data_dir), os.path.realpath(args.out)
    if os.path.commonpath([source, target]) == source:
        raise ValueError(f'--out {args.out}: is in --data-dir, where it would be taken for a class or a split; choose '
                         'another folder')
    if not args.split and layout.plain:
        splits = ['train']
    elif not args.split:
        splits = [split for split in splits if getattr(layout, split)]
    if 'val' not in splits and not args.split:
        tell(f'{args.data_dir}: has no val/, so the packed set has none; a training keeps a part of it for validation')
    for split in splits:
        source, target = layout.split(split), os.path.join(args.out, split)
        if os.path.exists(os.path.join(target, 'pack.json')):
            tell(f'{target}: packed already; remove it to pack it again')
            continue
        with Bar(f'packing {split}', 1) as bar:
            count, size = pack(source, target, args.shards, args.size, args.workers,
                               lambda line: print(printable(line), file=sys.stderr), bar)
        tell(f'{target}: {counted(count, "image")}, {size / 1e6:,.0f} MB')
