"""Step 1 of the method: networks (r, d, w) drawn at random within a range of budgets.

"Model Rubik's Cube" (NeurIPS 2020) draws r, d and w uniformly and keeps networks that cost 0.03 to 1.05 times the base.
The cost is counted on the plan; no network is built.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Iterator, Tuple

import numpy as np

from tinynets.arch import MACS, NetPlan, NetSpec, cost_named, expand, scale
from tinynets.text import counted

MAX_REJECTIONS = 20_000  # in a row: then hardly any network of the ranges is within the budget


@dataclass(frozen=True)
class Space:
    """Ranges of r, d and w, from which networks are drawn uniformly, and of the cost relative to the base, `budget`.

    Inputs smaller than `min_resolution` pixels are rejected as well.
    """
    r: Tuple[float, float] = (0.35, 1.3)
    d: Tuple[float, float] = (0.35, 1.6)
    w: Tuple[float, float] = (0.35, 1.4)
    budget: Tuple[float, float] = (0.03, 1.05)
    cost: str = MACS.name
    min_resolution: int = 8

    def __post_init__(self) -> None:
        for name in ('r', 'd', 'w', 'budget'):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f'{name}=[{low:g}, {high:g}]: must be two increasing numbers above 0')
        cost_named(self.cost)


def draw(base: NetSpec, space: Space, seed: int) -> Iterator[NetSpec]:
    """Yield networks of the space without end, each once; the order depends on the seed only.

    d and w have three decimals, r is a whole number of pixels. Networks that round to the same blocks and resolution
    are the same. Raises ValueError if the space has hardly any (further) network.
    """
    rng = np.random.default_rng(seed)
    cost = cost_named(space.cost)
    whole = cost.of(base)
    allowed = np.array(space.budget) * whole
    seen, rejected, spent = set(), 0, [math.inf, 0.0]
    while True:
        r, d, w = (float(rng.uniform(*limits)) for limits in (space.r, space.d, space.w))
        resolution = round(base.base_resolution * r)
        if resolution >= space.min_resolution:
            spec = scale(base, d=round(d, 3), w=round(w, 3), resolution=resolution)
            plan = expand(spec)
            key, amount = blocks(plan), cost.of_plan(plan)
            spent = [min(spent[0], amount), max(spent[1], amount)]
            if key not in seen and allowed[0] <= amount <= allowed[1]:
                seen.add(key)
                rejected = 0
                yield spec
                continue
        rejected += 1
        if rejected >= MAX_REJECTIONS:
            drawn = f': their costs are {spent[0] / whole:.3g} to {spent[1] / whole:.3g}' if spent[1] else ''
            raise ValueError(f'{counted(len(seen), "network")} found with a cost of {space.budget[0]:g} to '
                             f'{space.budget[1]:g} times the base, and no other in {rejected:,} draws{drawn}. Widen r, '
                             'd, w or budget')


def blocks(plan: NetPlan) -> tuple:
    """Return what distinguishes two networks: input size and every block's place, channels and size."""
    return plan.resolution, tuple((b.name, b.expanded_channels, b.out_channels, b.out_size) for b in plan.blocks)
