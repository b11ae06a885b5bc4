"""Run a study: train and score many networks.

    python search.py [run|status|export] --config configs/study/digits.yaml
"""
import argparse
import dataclasses
import json
import os
import sys
from typing import Optional

from tinynets.commands import spoken
from tinynets.files import check_parent, in_place, user_path
from tinynets.text import counted

OUT = 'records.csv'


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('command', nargs='?', default='run', choices=('run', 'status', 'export'),
                        help='run or resume the study (default), print its status, or export its results')
    parser.add_argument('--config', required=True, type=user_path, metavar='FILE',
                        help='configuration of the study, see configs/study/')
    parser.add_argument('--set', metavar='KEY=VALUE', action='append', default=[], dest='overrides',
                        help='replace one key of it, for example study.trials=60; may be repeated')
    parser.add_argument('--data-dir', type=user_path, metavar='DIR', help='folder of the data set')
    parser.add_argument('--study', type=user_path, metavar='DIR',
                        help='folder of the study (default: runs/study/<configuration>)')
    parser.add_argument('--dry-run', action='store_true',
                        help='print the networks and what they cost; train nothing')
    parser.add_argument('--out', type=user_path, metavar='FILE',
                        help=f'export: table for fit_formula.py (default: {OUT}), next to which records.seeds.csv has '
                             'every training')
    parser.add_argument('--plot', type=user_path, metavar='FILE', help='export: draw the networks of the rules')
    parser.add_argument('--json', action='store_true', help='status: print one JSON object')


def log(argv: list) -> bool:
    """Whether what is printed is a log only: the results are files (runtime.run_entry)."""
    return 'status' not in argv


def check_options(args: argparse.Namespace) -> None:
    """Raise ValueError for an option of another of the three commands, which would have no effect."""
    for option, command in (('dry_run', 'run'), ('out', 'export'), ('plot', 'export'), ('json', 'status')):
        if getattr(args, option) and args.command != command:
            raise ValueError(f'--{option.replace("_", "-")}: is for `search.py {command}` and has no effect with '
                             f'{args.command}; leave it out')


def main(args: argparse.Namespace) -> Optional[int]:
    check_options(args)
    folder = args.study or os.path.join('runs', 'study', os.path.splitext(os.path.basename(args.config))[0])
    if args.command == 'status':
        from tinynets.study.show import status
        print(json.dumps(status(folder)[0]) if args.json else status(folder)[1])
    elif args.command == 'export':
        from tinynets.study import export
        from tinynets.study.store import Store
        args.out = args.out or OUT
        check_parent(args.out, args.plot)
        store, seeds = Store(folder), export.trainings_path(args.out)
        rows, unfinished = export.networks(store)
        if not rows:
            raise ValueError(f'{folder}: none of its {unfinished} trials is done, so there is nothing to export; '
                             f'python search.py status --config {args.config} --study {folder} says why')
        if args.plot:
            export.of_rules(rows, store.config()['study.cost'])  # before anything is written
        alone = in_place(args.out)  # a device or pipe, next to which there is no place for a second table
        tables = [(args.out, rows, export.columns()), (seeds, export.trainings(store), export.columns(True))]
        export.write_tables(*tables[:1 if alone else 2])
        second = f'no file of each training, as {args.out} is not a file' if alone else (
            f'every training in {seeds}')
        left = f'; {counted(unfinished, "trial")} not done' if unfinished else ''
        print(f'{counted(len(rows), "network")} in {args.out}, {second}{left}',
              file=sys.stderr if alone else sys.stdout)
        base = store.facts()['base']
        others = [f'{row["name"]} ({row["base"]})' for row in rows if row['base'] != base]
        if others:
            print(f'of other bases: {", ".join(others)}; fit_formula.py --base {base} leaves them out', file=sys.stderr)
        if args.plot:
            export.draw_rules(args.plot, rows, store.config()['study.cost'])
    else:
        from tinynets.study.config import load_study
        from tinynets.study.run import estimate, plan, run
        config = load_study(args.config, args.overrides)
        if args.data_dir:  # made absolute, as trials run in another folder
            data = dataclasses.replace(config.data, dir=os.path.abspath(args.data_dir))
            config = dataclasses.replace(config, data=data)
        planned = plan(config)
        if args.dry_run:
            from tinynets.study.show import networks_table
            print(networks_table(planned), estimate(planned), sep='\n')
            return None
        found = run(planned, folder)
        results = (f'{counted(found["done"], "trial")} done ({found["flagged"]} flagged), {found["failed"]} failed; '
                   f'results in {folder}')
        if not found['done']:
            print(f'{results}; ' + spoken(f'python search.py status --config {args.config} --study {folder} says why'))
            return 1
        print(f'{results}\n' + spoken(
              f'next: python search.py export --config {args.config} --study {folder} --out records.csv; '
              'python fit_formula.py records.csv --report report'))
    return None
