"""Design a network for a budget: `python design.py --macs 100M [--rule tiny] [--compare] [--save config.yaml]`."""
import argparse
import dataclasses
import json
import os
import sys

from tinynets.files import check_parent, user_path, write_text
from tinynets.runtime import printable
from tinynets.shipped import RECIPES


def arguments(parser: argparse.ArgumentParser) -> None:
    from tinynets.arch import COSTS
    from tinynets.arch.zoo import BASES
    from tinynets.formula import RULES
    budget = parser.add_mutually_exclusive_group(required=True)
    for cost in COSTS.values():
        budget.add_argument(f'--{cost.name.replace("_", "-")}', metavar='AMOUNT',
                            help=f'budget in {cost.unit}, for example 100M, 2.5M or 300K')
    parser.add_argument('--base', metavar='NAME', help=f"base network: {', '.join(BASES)} (default: the formula's)")
    parser.add_argument('--base-resolution', type=int, metavar='PX',
                        help="resolution of the base in pixels (default: the formula's)")
    parser.add_argument('--num-classes', type=int, metavar='N', help="number of classes (default: the formula's)")
    parser.add_argument('--rule', default='tiny', metavar='NAME',
                        help=f'rule that chooses the network: {", ".join(RULES)} (default: tiny)')
    parser.add_argument('--formula', type=user_path, metavar='FILE',
                        help="formula made by fit_formula.py (default: that of the published networks)")
    parser.add_argument('--width', default='solved', metavar='HOW',
                        help='width: solved to meet the counted budget (default), or paper: sqrt(c / (r^2 d))')
    parser.add_argument('--compare', action='store_true', help='print the networks of all rules in one table')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    parser.add_argument('--save', type=user_path, metavar='FILE', help='write a configuration for train.py')
    parser.add_argument('--recipe', default=str(RECIPES / 'tinynet_e_digits.yaml'), type=user_path, metavar='FILE',
                        help='configuration from which --save takes data and training (default: that of the digits)')
    parser.add_argument('--plot', type=user_path, metavar='FILE', help='draw r(c), d(c) and w(c)')


def main(args: argparse.Namespace) -> None:
    from tinynets.arch import COSTS
    from tinynets.formula import Budget, Formula, Impossible, compare, design
    from tinynets.formula.budget import base_network, parse_amount
    from tinynets.formula.show import describe, side_by_side
    check_parent(args.save, args.plot)
    cost = next(cost for cost in COSTS.values() if getattr(args, cost.name) is not None)
    budget, formula = Budget(parse_amount(getattr(args, cost.name)), cost), Formula.load(args.formula)
    channels = formula.in_channels
    if args.save:
        from tinynets.config import load_config
        channels = load_config(args.recipe).model.in_channels
    base = base_network(*(getattr(formula, key) if getattr(args, key) is None else getattr(args, key)
                          for key in ('base', 'base_resolution', 'num_classes')), channels)
    found = compare(base, budget, formula, args.width) if args.compare else {}
    designs = not args.compare or args.save or args.plot
    network = design(base, budget, args.rule, formula, args.width) if designs else None
    config = saved(network, args.recipe) if args.save else ''
    if args.json:
        print(json.dumps({rule: {'impossible': str(n)} if isinstance(n, Impossible) else n.summary()
                          for rule, n in found.items()} if args.compare else network.summary()))
    else:
        print(side_by_side(found) if args.compare else describe(network))
    if args.save:
        write_text(args.save, config)
        print(f'configuration for train.py: {args.save}', file=sys.stderr)
    if args.plot:
        from tinynets.formula import plots
        plots.curves(formula, base, network if network.prediction else None, path=args.plot)
        print(f'picture: {args.plot}', file=sys.stderr)


def saved(network, recipe: str) -> str:
    """Return a recipe with the network as YAML."""
    from tinynets.config import load_config, to_yaml
    from tinynets.formula.budget import amount_in_full
    config = load_config(recipe)
    model = dataclasses.replace(config.model, name=network.name, resolution=None)
    return (f'# {network.rule} rule, {network.budget}: {amount_in_full(network.cost)} {network.budget.cost.unit} with '
            f'{network.spec.num_classes} classes. Recipe: {printable(os.path.basename(recipe))}.\n'
            f'{to_yaml(dataclasses.replace(config, model=model))}')
