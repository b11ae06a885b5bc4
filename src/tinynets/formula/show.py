"""Networks for a budget as text."""
from __future__ import annotations

from typing import Dict, Iterable, List, Tuple, Union

from tinynets.arch import COSTS
from tinynets.formula.budget import amount_in_full, amount_text
from tinynets.formula.rules import Impossible, Network

OUTSIDE = 'is outside the budgets that the formula was fitted to: an extrapolation'


def _borrowed(network: Network) -> str:
    """Return a sentence for a formula of another base: what it was fitted to, and what c is relative to."""
    assert network.prediction is not None, 'no formula made this network'
    return (f'r(c) and d(c) were fitted to networks of {network.fitted_to}; c = {network.prediction.c:.3g} is relative '
            f'to the cost of {network.spec.base}. fit_formula.py can fit a formula to networks of {network.spec.base}')


def notes(named: Iterable[Tuple[str, Network]]) -> List[str]:
    """Return lines on extrapolated networks and on those of another base's formula, each line with their names."""
    found: Dict[str, List[str]] = {}
    for name, network in named:
        if network.prediction and network.prediction.extrapolated:
            found.setdefault(f'the budget {OUTSIDE}', []).append(name)
        if network.borrowed:
            base = network.spec.base
            found.setdefault(f'r(c) and d(c) were fitted to networks of {network.fitted_to}; c is relative to the cost '
                             f'of {base}. fit_formula.py can fit a formula to networks of {base}', []).append(name)
    return [f'{", ".join(names)}: {text}' for text, names in found.items()]


def describe(network: Network) -> str:
    """Return a network as text, one fact per line."""
    summary, kind = network.summary(), network.budget.cost.name
    lines = [('network', network.name), ('rule', network.rule), ('resolution', f'{network.resolution} px')]
    lines += [(m, f'{getattr(network.spec, m):.4g}') for m in 'rdw']
    if network.prediction:
        for m in 'rd':
            low, high = summary[f'{m}_interval']
            lines.append((f'{m} fitted', f'{summary[f"{m}_formula"]:.3f}, 95 % of networks {low:.3f} to {high:.3f}'))
    if network.phi is not None:
        lines.append(('phi', f'{network.phi:g}'))
    lines += [(k, f'{amount_in_full(summary[k])} {cost.unit}') for k, cost in COSTS.items()]
    lines.append(('budget', f'{network.budget}, {100 * network.distance:+.2f} % {kind}'))
    if network.prediction and network.prediction.extrapolated:
        lines.append(('note', f'c = {network.prediction.c:.3g} {OUTSIDE}'))
    if network.borrowed:
        lines.append(('note', _borrowed(network)))
    return '\n'.join(f'{key:<12} {value}' for key, value in lines)


def side_by_side(found: Dict[str, Union[Network, Impossible]]) -> str:
    """Return a table of all rules' networks at a budget, with the reason if a rule has none."""
    rows, notes = [('rule', 'px', 'r', 'd', 'w', *COSTS, 'of the budget')], []
    for rule, network in found.items():
        if isinstance(network, Impossible):
            rows.append((rule, *['-'] * (len(rows[0]) - 1)))
            notes.append(f'{rule}: {network}')
            continue
        rows.append((rule, str(network.resolution), *(f'{getattr(network.spec, m):.3f}' for m in 'rdw'),
                     *map(amount_text, network.costs.values()), f'{100 * network.distance:+.2f} %'))
        if network.prediction and network.prediction.extrapolated:
            notes.append(f'{rule}: c = {network.prediction.c:.3g} {OUTSIDE}')
        if network.borrowed:
            notes.append(f'{rule}: {_borrowed(network)}')
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return '\n'.join(['  '.join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows] + notes)
