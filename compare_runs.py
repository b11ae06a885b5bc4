"""Draw training runs together and print their table: `python compare_runs.py runs/a runs/b [--out compare.png]`."""
import src.early  # noqa: F401
import argparse

from src.files import check_parent, user_path, write_json
from src.runtime import printable, run_entry


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('runs', nargs='+', type=user_path, metavar='RUN',
                        help='run folders of train.py, finished or not')
    parser.add_argument('--out', default='compare.png', type=user_path, metavar='PNG',
                        help='the picture (default compare.png)')
    parser.add_argument('--json', type=user_path, metavar='OUT', help='write the rows as JSON')
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    check_parent(args.out, args.json)
    from src.training.plots import runs_together
    from src.training.summary import short_names, summarise, table
    from src.training.run import RunFolder
    runs = {name: RunFolder.open(path) for name, path in zip(short_names(args.runs), args.runs)}
    rows = [summarise(name, run) for name, run in runs.items()]
    print('\n'.join(map(printable, table(rows).split('\n'))))
    if args.json:
        write_json(args.json, rows)
    runs_together({name: run.records() for name, run in runs.items()}, path=args.out)
    print(f'drawn in {args.out}')


if __name__ == '__main__':
    run_entry(main)
