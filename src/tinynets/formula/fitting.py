"""Steps 3 and 4 of the method together: from measured networks to the front and the formula fitted to it."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from tinynets.arch import MACS, NetSpec, cost_named
from tinynets.arch.costs import rounded_like
from tinynets.formula.pareto import Selection, select
from tinynets.formula.records import Record
from tinynets.formula.tiny import Formula, Point
from tinynets.text import counted

LEAST = 4  # networks on the front: fewer say little about a curve


@dataclass(frozen=True)
class Fit:
    """A formula and what it was made from.

    `spearman[m]` is the (correlation, p-value) of multiplier m with the cost over the front, as the paper reports it.
    `left_out[m]` is the leave-one-out prediction at each point of the formula.
    """
    formula: Formula
    records: Sequence[Record]
    selection: Selection
    objectives: Tuple[str, ...]
    spearman: Dict[str, Tuple[float, ...]]
    left_out: Dict[str, np.ndarray]

    @property
    def front(self) -> List[Record]:
        """Return the networks that the curves were fitted to."""
        return [self.records[i] for i in self.selection.indices]

    def remarks(self) -> List[str]:
        """Return a line for each multiplier whose band is too narrow to be trusted."""
        return [f'{m}: the fit found no noise in {len(self.front)} points, so the curve goes through each; measured '
                f'networks scatter, so trust the leave-one-out error of {self.left_out_error(m):.3f} and not the band'
                for m in 'rd' if getattr(self.formula, m).exact]

    def left_out_error(self, multiplier: str) -> float:
        """Return the mean absolute leave-one-out error."""
        right = np.array([getattr(point, multiplier) for point in self.formula.points])
        return float(np.abs(self.left_out[multiplier] - right).mean())


def fit_records(records: Sequence[Record], base: NetSpec, base_cost: Optional[float] = None, kind: str = MACS.name,
                objectives: Sequence[str] = (), keep: Optional[float] = None, seed: int = 0) -> Fit:
    """Select the front by `objectives` (default: error and `kind`) and fit r(c) and d(c), c the cost of `kind`.

    `keep`: take this share of all networks by NSGA-III instead of the first front only. `base_cost`: the cost of c = 1
    (default: counted). Raises ValueError for unknown objectives and for too few networks.
    """
    from scipy.stats import spearmanr
    objectives, cost = tuple(objectives) or ('error', kind), cost_named(kind)
    if len(set(objectives)) < 2:
        raise ValueError(f'objectives {", ".join(objectives)}: at least two, for example error and {kind}')
    for name in {*objectives, kind} - {'error'}:
        missing = [record for record in records if name not in record.costs]
        if missing:
            known = sorted(set.intersection(*(set(record.costs) for record in records)))
            raise ValueError(f"objective '{name}': {missing[0].name} has no such number; all have error, "
                             f'{", ".join(known)}')
    if not records:
        raise ValueError('no network that can be used; see src/tinynets/formula/records.py for the columns')
    if keep is not None and not 0 < keep <= 1:
        raise ValueError(f'keep={keep:g}: must be a share of the networks, above 0 and at most 1')
    values = np.array([[record.objective(name) for name in objectives] for record in records])
    selection = select(values, None if keep is None else max(1, round(keep * len(records))), seed)
    front = [records[i] for i in selection.indices]
    if len(front) < LEAST:
        more = f', or keep more of them: --keep {LEAST / len(records):.2g}' if len(records) >= LEAST else ''
        raise ValueError(f'{len(front)} of {counted(len(records), "network")} kept: a formula is fitted to at least '
                         f'{LEAST}. Measure more{more}')
    base_spent = cost.of(base)
    whole = base_cost if base_cost is not None else base_spent
    points = [Point(r.name, round(r.r, 6), r.d, r.w, rounded_like(r.costs[kind], base_spent), r.costs[kind] / whole,
                    round(r.top1, 4), r.source) for r in front]
    formula = Formula.fitted(points, seed, base=base.base or base.name, base_resolution=base.base_resolution,
                             num_classes=base.num_classes, in_channels=base.in_channels,
                             base_cost=rounded_like(whole, base_spent), cost=kind)
    spent = [record.costs[kind] for record in front]
    spearman = {m: tuple(float(v) for v in spearmanr([getattr(r, m) for r in front], spent)) for m in 'rdw'
                if len({getattr(r, m) for r in front}) > 1}
    left_out = {'r': formula.r.left_out(), 'd': formula.d.left_out()}
    fitted = Fit(formula, records, selection, objectives, spearman, left_out)
    formula.about.update(
        networks=len(records), objectives=list(objectives), keep=keep, fronts=selection.fronts, cut=selection.cut,
        seed=seed, spearman={m: round(v[0], 4) for m, v in spearman.items()},
        left_out_error={m: round(fitted.left_out_error(m), 4) for m in 'rd'})
    return fitted
