"""Cost models: the costs that a budget may limit and that formula, sampling, records and studies use.

To add one, add a row to COSTS. The options of design.py, the columns of studies and the curve's c are read from there.
"""
from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Callable, Dict, Tuple

from tinynets.arch.complexity import measure
from tinynets.arch.spec import NetPlan, NetSpec, expand


@dataclass(frozen=True)
class Cost:
    """A cost of running a network on one image: its name, its unit in words, and how a plan is counted.

    `titles` are other titles that a table's column of this cost may have.
    """
    name: str
    unit: str
    of_plan: Callable[[NetPlan], float]
    titles: Tuple[str, ...] = ()

    def of(self, spec: NetSpec) -> float:
        """Return the cost of a specification's network."""
        return self.of_plan(expand(spec))


MACS = Cost('macs', 'multiply-adds', lambda plan: measure(plan).macs,
            ('flops', 'mult_adds', 'multiply_adds', 'madds'))
COSTS: Dict[str, Cost] = {cost.name: cost for cost in (
    MACS,
    Cost('params', 'parameters', lambda plan: measure(plan).params, ('parameters', 'num_params')),
    Cost('peak_memory', 'bytes of feature maps', lambda plan: measure(plan).peak_memory),
)}


def cost_named(name: str) -> Cost:
    """Return a row of COSTS. Raises ValueError for an unknown name."""
    if name not in COSTS:
        raise ValueError(f"cost '{name}': must be one of {', '.join(COSTS)}")
    return COSTS[name]


def rounded_like(amount: float, counted: float) -> float:
    """Return an amount, rounded if `counted`, the cost of a plan, is a whole number: so are counts, unlike times."""
    return round(amount) if isinstance(counted, numbers.Integral) else float(amount)


def all_costs(plan: NetPlan) -> Dict[str, float]:
    """Return every cost of a plan, {name: amount}."""
    return {name: cost.of_plan(plan) for name, cost in COSTS.items()}
