"""From a budget to a network: `python design.py --macs 100M [--rule tiny] [--compare] [--save config.yaml]`."""
import argparse
import json
import os

from src.arch.zoo import BASES
from src.files import check_parent, write_text
from src.formula import RULES, Budget, Formula, Impossible, compare, design
from src.formula.budget import COSTS, amount_text, base_network, parse_amount
from src.runtime import run_entry

RECIPE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'configs', 'tinynet_e_digits.yaml')


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    budget = parser.add_mutually_exclusive_group(required=True)
    for kind, unit in COSTS.items():
        budget.add_argument(f'--{kind.replace("_", "-")}', type=str, metavar='AMOUNT', help=f'{unit}: 100M, 2.5M, 300K')
    parser.add_argument('--base', default='efficientnet_b0', metavar='NAME', help=', '.join(BASES))
    parser.add_argument('--base-resolution', type=int, metavar='PX', help="the base's input side (default: its own)")
    parser.add_argument('--num-classes', type=int, default=1000, metavar='N')
    parser.add_argument('--rule', default='tiny', metavar='NAME', help=', '.join(RULES))
    parser.add_argument('--formula', metavar='FILE', help="of fit_formula.py (default: the published networks' one)")
    parser.add_argument('--width', default='solved', metavar='HOW',
                        help='solved: meets the counted budget (default); paper: sqrt(c / (r^2 d))')
    parser.add_argument('--compare', action='store_true', help='all rules side by side')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    parser.add_argument('--save', metavar='FILE', help='a configuration for train.py')
    parser.add_argument('--recipe', default=RECIPE, metavar='FILE',
                        help='the configuration whose data and training --save takes over (default: that of the digits)')
    parser.add_argument('--plot', metavar='FILE', help='a picture of r(c), d(c) and w(c)')
    return parser.parse_args()


def describe(network) -> str:
    """The answer for people, a fact a line."""
    summary, kind = network.summary(), network.budget.kind
    lines = [('network', network.name), ('rule', network.rule), ('resolution', f'{network.resolution} px')]
    lines += [(m, f'{getattr(network.spec, m):.4g}') for m in 'rdw']
    if network.prediction:
        for m in 'rd':
            low, high = summary[f'{m}_interval']
            lines.append((f'{m} fitted', f'{summary[f"{m}_formula"]:.3f}, 95 % of networks {low:.3f} to {high:.3f}'))
    if network.phi is not None:
        lines.append(('phi', f'{network.phi:g}'))
    lines += [(k, f'{summary[k]:,} {unit}') for k, unit in COSTS.items()]
    lines.append(('budget', f'{network.budget}, {100 * network.distance:+.2f} % {kind}'))
    if network.prediction and network.prediction.extrapolated:
        lines.append(('note', f'c = {network.prediction.c:.3g} lies outside the budgets the formula was fitted to: an '
                      'extrapolation'))
    return '\n'.join(f'{key:<12} {value}' for key, value in lines)


def side_by_side(found: dict, budget: Budget) -> str:
    """All rules at a budget, a row each."""
    rows = [('rule', 'px', 'r', 'd', 'w', *COSTS, 'of the budget')]
    for rule, network in found.items():
        rows.append((rule, str(network.resolution), *(f'{getattr(network.spec, m):.3f}' for m in 'rdw'),
                     *(amount_text(getattr(network.complexity, kind)) for kind in COSTS), f'{100 * network.distance:+.2f} %')
                    if not isinstance(network, Impossible) else (rule, *['-'] * 8))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ['  '.join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows]
    return '\n'.join(lines + [f'{rule}: {reason}' for rule, reason in found.items() if isinstance(reason, Impossible)])


def configuration(network, recipe: str) -> str:
    """A recipe with the network in it, as YAML."""
    import dataclasses

    from src.config import load_config, to_yaml
    config = load_config(recipe)
    model = dataclasses.replace(config.model, name=network.name, resolution=None)
    return (f'# {network.rule} rule, {network.budget}: {network.cost:,} {COSTS[network.budget.kind]} with '
            f'{network.spec.num_classes} classes. Recipe: {os.path.basename(recipe)}.\n{to_yaml(dataclasses.replace(config, model=model))}')


def main() -> None:
    args = parse_arguments()
    check_parent(args.save, args.plot)
    kind = next(kind for kind in COSTS if getattr(args, kind))
    budget = Budget(parse_amount(getattr(args, kind)), kind)
    base = base_network(args.base, args.base_resolution, args.num_classes)
    formula = Formula.load(args.formula) if args.formula else Formula.load()
    network = design(base, budget, args.rule, formula, args.width) if not args.compare or args.save or args.plot else None
    if args.compare:
        found = compare(base, budget, formula)
        print(json.dumps({rule: {'impossible': str(n)} if isinstance(n, Impossible) else n.summary()
                          for rule, n in found.items()}) if args.json else side_by_side(found, budget))
    else:
        print(json.dumps(network.summary()) if args.json else describe(network))
    if args.save:
        write_text(args.save, configuration(network, args.recipe))
    if args.plot:
        from src.formula import plots
        plots.save(plots.curves(formula, base, network if network.prediction else None), args.plot)


if __name__ == '__main__':
    run_entry(main)
