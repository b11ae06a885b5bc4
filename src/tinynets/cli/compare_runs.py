"""Draw training runs together and print their table: `python compare_runs.py runs/a runs/b [--out compare.png]`."""
import argparse

from tinynets.files import check_parent, user_path, write_json
from tinynets.runtime import printable


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('runs', nargs='+', type=user_path, metavar='RUN',
                        help='folder of a run, finished or not')
    parser.add_argument('--out', default='compare.png', type=user_path, metavar='PNG',
                        help='picture to write (default: compare.png)')
    parser.add_argument('--json', type=user_path, metavar='OUT', help='write the table as JSON')


def main(args: argparse.Namespace) -> None:
    check_parent(args.out, args.json)
    from tinynets.training.plots import runs_together
    from tinynets.training.run import RunFolder
    from tinynets.training.summary import short_names, summarise, table
    runs = {name: RunFolder.open(path) for name, path in zip(short_names(args.runs), args.runs)}
    metrics = {run.metric for run in runs.values()}
    if len(metrics) > 1:
        titles = ', '.join(sorted(metric.title for metric in metrics))
        raise ValueError(f'{", ".join(args.runs)}: scored by {titles}; compare runs of one task')
    metric = metrics.pop()
    rows = [summarise(name, run) for name, run in runs.items()]
    print('\n'.join(map(printable, table(rows, metric).split('\n'))))
    if args.json:
        write_json(args.json, rows)
    runs_together({name: run.records() for name, run in runs.items()}, metric, path=args.out)
    print(f'drawn in {args.out}')
