"""Fit a tiny formula to measured networks: `python fit_formula.py RECORDS.csv --out formula.json --report report/`."""
import argparse
import os
import sys

from tinynets.files import check_parent, user_path
from tinynets.runtime import printable
from tinynets.text import counted


def arguments(parser: argparse.ArgumentParser) -> None:
    from tinynets.arch import COSTS, MACS
    from tinynets.arch.zoo import BASES
    parser.add_argument('records', type=user_path, metavar='RECORDS.csv',
                        help='table from `search.py export`, or your own (format: src/tinynets/formula/records.py)')
    parser.add_argument('--out', default='formula.json', type=user_path, metavar='FILE',
                        help='file for the formula, which design.py --formula reads (default: formula.json)')
    parser.add_argument('--report', type=user_path, metavar='DIR', help='folder for report.html and the pictures')
    parser.add_argument('--base', metavar='NAME', help=f'base network: {", ".join(BASES)}, or a name of your own')
    parser.add_argument('--base-resolution', type=int, metavar='PX',
                        help="resolution of the base in pixels (default: the base's usual one)")
    parser.add_argument('--num-classes', type=int, metavar='N', help='classes of the measured networks (default: 1000)')
    parser.add_argument('--in-channels', type=int, metavar='N',
                        help='channels of their images, 1 for grey (default: 3)')
    parser.add_argument('--base-cost', metavar='AMOUNT', help='cost of the base, which is c = 1 (default: counted)')
    parser.add_argument('--cost', default=MACS.name, choices=list(COSTS),
                        help=f'cost that c measures (default: {MACS.name})')
    parser.add_argument('--objectives', nargs='+', default=[], metavar='NAME',
                        help='what the front minimises: error, and columns of the file (default: error and the cost)')
    parser.add_argument('--keep', type=float, metavar='SHARE',
                        help='fit to this share of the networks, chosen by NSGA-III, instead of to the front')
    parser.add_argument('--seed', type=int, default=0, help='seed of the fit and of NSGA-III (default: 0)')


def main(args: argparse.Namespace) -> None:
    check_parent(args.out)
    from tinynets.formula.budget import Budget, amount_in_full, parse_amount
    from tinynets.formula.records import base_of, read
    base, known = base_of(args.records, args.base, args.base_resolution, args.num_classes, args.in_channels)
    if not known and args.base_cost is None:
        raise ValueError(f'--base {args.base}: not a network of src/tinynets/arch/zoo.py, so its cost is not '
                         'known; give --base-cost')
    whole = None if args.base_cost is None else Budget(parse_amount(args.base_cost), args.cost).amount
    table = read(args.records, base, known)
    table.require([*args.objectives, args.cost])
    for line, reason in table.problems:
        print(printable(f'{args.records}, line {line}: left out, {reason}'), file=sys.stderr)
    ignored = [f'columns that are not used: {", ".join(table.ignored)}'] if table.ignored else []
    for remark in table.remarks + ignored:
        print(printable(f'{args.records}: {remark}'), file=sys.stderr)
    from tinynets.formula.fitting import fit_records
    fit = fit_records(table.records, base, whole, args.cost, args.objectives, args.keep, args.seed)
    fit.formula.save(args.out)
    low, high = fit.formula.range
    print(f'{counted(len(fit.records), "network")}, {len(fit.front)} kept; c from {low:.3g} to {high:.3g} of '
          f'{amount_in_full(fit.formula.base_cost)} {args.cost}')
    for m, (correlation, p) in fit.spearman.items():
        error = f', leave-one-out error {fit.left_out_error(m):.3f}' if m in fit.left_out else ''
        print(f'{m}: Spearman correlation with cost {correlation:+.2f} (p {p:.2g}){error}')
    print(*fit.remarks(), sep='\n', end='\n' if fit.remarks() else '')
    print(f'formula: {args.out}')
    if args.report:
        from tinynets.formula import plots, report
        os.makedirs(args.report, exist_ok=True)
        pictures = {'The front': plots.front(fit, path=os.path.join(args.report, 'front.png')),
                    'r(c), d(c) and w(c) with 95 % bands': plots.curves(
                        fit.formula, base if known else None, path=os.path.join(args.report, 'curves.png'))}
        report.write(os.path.join(args.report, 'report.html'), fit, base if known else None,
                     f'Tiny formula of {fit.formula.base}', pictures, table.problems)
        print(f'report: {os.path.join(args.report, "report.html")}')
