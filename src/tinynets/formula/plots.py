"""Pictures of the front and of the formula's curves, as PNG files."""
from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Optional, Sequence

import numpy as np

from tinynets.arch import MACS, NetSpec, cost_named
from tinynets.formula.budget import Budget
from tinynets.formula.fitting import Fit
from tinynets.formula.rules import Impossible, Network, tiny
from tinynets.formula.tiny import TWO_SIDED_95, Formula, paper_width
from tinynets.pictures import picture

if TYPE_CHECKING:  # slow to import
    from matplotlib.figure import Figure

BLUE, RED, GREY = '#1f5fa8', '#c0392b', '#888888'


@picture
def curves(formula: Formula, base: Optional[NetSpec] = None, marked: Optional[Network] = None,
           budgets: int = 24) -> Figure:
    """Draw r(c), d(c) and w(c) with 95 % bands, the points and the extrapolated ranges.

    With a `base`, the solved width is drawn as well as the paper's. `marked` is a network to point out.
    """
    from matplotlib.figure import Figure
    low, high = formula.range
    mark = marked.prediction.c if marked is not None and marked.prediction is not None else None
    c = np.geomspace(min(low / 2, low if mark is None else mark), max(high * 1.3, high if mark is None else mark), 200)
    figure = Figure(figsize=(12, 3.8), layout='constrained')
    axes = figure.subplots(1, 3)
    (r, r_log), (d, d_log) = formula.r.predict(c), formula.d.predict(c)
    w_log = np.sqrt(4 * r_log ** 2 + d_log ** 2) / 2  # of ln w = (ln c - 2 ln r - ln d) / 2
    paper = np.array([paper_width(*values) for values in zip(c, r, d)])
    for axis, name, value, deviation in zip(axes, ('resolution r', 'depth d', 'width w'), (r, d, paper),
                                            (r_log, d_log, w_log)):
        if name[-1] != 'w' or base is None:
            axis.plot(c, value, color=BLUE, linewidth=1.5, label='fitted')
            band = np.exp(TWO_SIDED_95 * deviation)
            axis.fill_between(c, value / band, value * band, color=BLUE, alpha=0.15, linewidth=0, label='95 % band')
        axis.scatter([p.c for p in formula.points], [getattr(p, name[-1]) for p in formula.points], color=RED, s=22,
                     zorder=3, label='measured')
        for label, edges in (('extrapolated', (c[0], low)), ('', (high, c[-1]))):
            axis.axvspan(*edges, color='black', alpha=0.05, linewidth=0, label=label or None)
        if marked is not None and mark is not None:
            axis.axvline(mark, color=GREY, linewidth=0.8)
            axis.scatter([mark], [getattr(marked.spec, name[-1])], marker='*', s=130, color='black',
                         zorder=4, label=marked.rule)
        axis.set(xscale='log', xlabel='budget c, share of the base', title=name)
        axis.grid(alpha=0.3)
    axes[2].plot(c, paper, color=GREY, linestyle='--', linewidth=1, label='paper: sqrt(c / (r² d))')
    if base is not None:
        solved = solved_widths(formula, base, np.geomspace(c[0], c[-1], budgets))
        at = np.array([pair[0] for pair in solved])
        width = np.array([pair[1] for pair in solved])
        band = np.exp(TWO_SIDED_95 * np.interp(np.log(at), np.log(c), w_log))
        axes[2].plot(at, width, color=BLUE, linewidth=1.5, label='solved for the counted cost')
        axes[2].fill_between(at, width / band, width * band, color=BLUE, alpha=0.15, linewidth=0)
    for axis, values in zip(axes, 'rdw'):
        largest = max(getattr(p, values) for p in formula.points)
        axis.set_ylim(0, 1.6 * largest)
    axes[2].legend(fontsize=8)
    axes[0].legend(fontsize=8)
    return figure


def solved_widths(formula: Formula, base: NetSpec, budgets: Iterable[float]) -> list:
    """Return (c, w) of the tiny formula's networks of a base, for the budgets c that are possible."""
    found, cost = [], cost_named(formula.cost)
    for c in budgets:
        try:
            network = tiny(base, Budget(c * cost.of(base), cost), formula)
        except Impossible:
            continue
        found.append((c, network.spec.w))
    return found


@picture
def front(fit: Fit) -> Figure:
    """Draw all measured networks and their front, with the std of top-1 if it is known."""
    from matplotlib.figure import Figure
    kind = fit.formula.cost
    figure = Figure(figsize=(7, 4.2), layout='constrained')
    axis = figure.subplots()
    chosen = set(fit.selection.indices)
    rest = [record for i, record in enumerate(fit.records) if i not in chosen]
    axis.scatter([r.costs[kind] for r in rest], [r.top1 for r in rest], color=GREY, s=18, alpha=0.7,
                 label=f'measured, {len(fit.records)} networks')
    ordered = sorted(fit.front, key=lambda record: record.costs[kind])
    axis.errorbar([r.costs[kind] for r in ordered], [r.top1 for r in ordered],
                  yerr=[r.deviation or 0 for r in ordered], color=RED, marker='o', markersize=4.5, linewidth=1,
                  elinewidth=0.8, label=f'front, {len(ordered)} kept')
    axis.set(xscale='log', xlabel=f'{cost_named(kind).unit} (log scale)', ylabel='top-1, %',
             title='Measured networks and the front')
    axis.grid(alpha=0.3)
    axis.legend(fontsize=9)
    return figure


@picture
def comparison(rows: Sequence[tuple], kind: str = MACS.name) -> Figure:
    """Draw accuracy over cost, one line per rule, from rows (rule, cost, mean top-1, std or None)."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(7, 4.2), layout='constrained')
    axis = figure.subplots()
    for rule in dict.fromkeys(row[0] for row in rows):
        own = sorted(row[1:] for row in rows if row[0] == rule)
        axis.errorbar([row[0] for row in own], [row[1] for row in own], yerr=[row[2] or 0 for row in own], marker='o',
                      markersize=4, capsize=3, linewidth=2 if rule == 'tiny' else 1, label=rule)
    axis.set(xscale='log', xlabel=f'{cost_named(kind).unit} (log scale)', ylabel='top-1, %',
             title='Rules at equal budgets')
    axis.grid(alpha=0.3)
    axis.legend(fontsize=9)
    return figure
