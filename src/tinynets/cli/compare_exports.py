"""Score the exported files of a checkpoint on a whole validation set, in one table.

    python compare_exports.py --checkpoint runs/x/best.ckpt
"""
import argparse
import sys

from tinynets.files import check_outputs, user_path, write_json
from tinynets.runtime import configure, printable


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--checkpoint', required=True, type=user_path, metavar='PATH',
                        help='a .ckpt with an export/ folder next to it')
    parser.add_argument('--data', metavar='NAME', help='name of the data set (default: the one used for training)')
    parser.add_argument('--data-dir', type=user_path, metavar='DIR', help='folder of the data set')
    parser.add_argument('--no-program', action='store_true', help='do not run the C++ program')
    parser.add_argument('--json', type=user_path, metavar='OUT', help='write the table as JSON')


def main(args: argparse.Namespace) -> None:
    if not args.checkpoint.lower().endswith('.ckpt'):
        raise ValueError(f'--checkpoint {args.checkpoint}: must be a .ckpt; its exported files are found in export/ '
                         'next to it')
    check_outputs({'--json': args.json}, [args.checkpoint])
    configure('CPU')  # comparisons need full float32; see tinynets.runtime.on_cpu
    from tinynets.config import from_dict
    from tinynets.data import presets
    from tinynets.deploy.compare import compare, table
    from tinynets.deploy.predict import load_predictor
    model = load_predictor(args.checkpoint)
    data = presets.whole_set(from_dict(model.config, args.checkpoint).data, args.data, args.data_dir)
    dataset = model.dataset(data, 'val')
    rows = compare(args.checkpoint, dataset, data.batch_size, data.workers, not args.no_program,
                   lambda line: print(printable(line), file=sys.stderr))
    print(table(rows))
    if args.json:
        write_json(args.json, [vars(row) for row in rows])
