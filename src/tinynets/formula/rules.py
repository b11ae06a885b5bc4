"""Five rules that turn a budget into a network of a base: the tiny formula and the rules it is compared with.

    tiny         r and d by the fitted curves, the width solved so that the counted cost meets the budget
    giant        the inverse giant formula, phi solved
    resolution, depth, width    the base shrunk (or enlarged) in one dimension only

Each returns the largest network of its kind within the budget, by the cost counted on the plan. That cost grows in
steps, as channels are multiples of eight and repeats and pixels are whole numbers, so some of the budget is left;
`Network.distance` says how much.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, Optional, Tuple, Union

from tinynets.arch import Complexity, NetSpec, all_costs, cost_named, expand, measure, scale
from tinynets.arch.spec import MAX_RESOLUTION, stage_blocks
from tinynets.formula.budget import Budget, amount_text
from tinynets.formula.giant import giant
from tinynets.formula.tiny import Formula, Prediction, paper_width

MULTIPLIERS = (0.01, 8.0)  # range searched by the rules depth and width, and for the tiny formula's width
PHI = (-25.0, 10.0)
LARGEST_C = 4.0  # four times the base is far outside the range that the tiny formula was fitted to
NUDGE_R, NUDGE_D = 0.02, 0.02  # largest change of the tiny formula's resolution (as a share) and depth to come closer
# shares of the budget that may be left before the resolution, and then the depth, is changed
RESOLUTION_SLACK, DEPTH_SLACK = 0.005, 0.01


class Impossible(ValueError):
    """No network of a rule has such a cost; the message has the possible range."""


@dataclass(frozen=True)
class Network:
    """A rule's network for a budget; `fitted_to` is the base of the networks that the tiny formula was fitted to."""
    rule: str
    budget: Budget
    spec: NetSpec
    complexity: Complexity
    phi: Optional[float] = None
    prediction: Optional[Prediction] = None
    fitted_to: str = ''

    @property
    def borrowed(self) -> bool:
        """Whether the formula was fitted to networks of another base."""
        return bool(self.fitted_to) and self.fitted_to != self.spec.base

    @property
    def resolution(self) -> int:
        """Return the input side in pixels."""
        return expand(self.spec).resolution

    @property
    def name(self) -> str:
        """Return the network's name for create_model, train.py and summary.py."""
        return f'{self.spec.base}@resolution={self.resolution},d={self.spec.d:.8g},w={self.spec.w:.8g}'

    @property
    def costs(self) -> Dict[str, float]:
        """Return every cost of the network by name."""
        return all_costs(expand(self.spec))

    @property
    def cost(self) -> float:
        """Return the cost of the network in the budget's unit."""
        return self.costs[self.budget.cost.name]

    @property
    def distance(self) -> float:
        """Return the difference of cost and budget as a share of the budget: -0.01 is one percent below."""
        return self.cost / self.budget.amount - 1

    def summary(self) -> dict:
        """Return the numbers for a JSON file."""
        found = {'rule': self.rule, 'name': self.name, 'base': self.spec.base, 'r': round(self.spec.r, 6),
                 'd': self.spec.d, 'w': self.spec.w, 'resolution': self.resolution, **vars(self.complexity),
                 **self.costs,
                 'budget': self.budget.amount, 'budget_kind': self.budget.cost.name, 'cost': self.cost,
                 'distance': round(self.distance, 6)}
        if self.phi is not None:
            found['phi'] = self.phi
        if self.prediction is not None:
            p = self.prediction
            found.update(c=round(p.c, 6), r_formula=round(p.r, 6), d_formula=round(p.d, 6),
                         r_interval=[round(v, 6) for v in p.r_interval], d_interval=[round(v, 6) for v in p.d_interval],
                         r_deviation=round(p.r_deviation, 6), d_deviation=round(p.d_deviation, 6),
                         extrapolated=p.extrapolated, formula_base=self.fitted_to)
        return found


def design(base: NetSpec, budget: Budget, rule: str = 'tiny', formula: Optional[Formula] = None,
           width: str = 'solved') -> Network:
    """Return the network of a rule for a budget; the rule 'tiny' uses `formula` (default: the published one).

    `width`: 'solved' meets the counted budget, 'paper' is sqrt(c / (r^2 d)), which may miss it by a lot. Raises
    Impossible with the possible range, and ValueError for an unknown rule.
    """
    if rule not in RULES:
        raise ValueError(f"rule '{rule}': must be one of {', '.join(RULES)}")
    if rule == 'tiny':
        return tiny(base, budget, formula or Formula.load(), width)
    return RULES[rule](base, budget)


def compare(base: NetSpec, budget: Budget, formula: Optional[Formula] = None,
            width: str = 'solved') -> Dict[str, Union[Network, Impossible]]:
    """Return every rule's Network, or its Impossible, at one budget."""
    found: Dict[str, Union[Network, Impossible]] = {}
    for rule in RULES:
        try:
            found[rule] = design(base, budget, rule, formula, width)
        except Impossible as reason:
            found[rule] = reason
    return found


def tiny(base: NetSpec, budget: Budget, formula: Formula, width: str = 'solved') -> Network:
    """Return the tiny formula's network. A budget in another unit is met by the c whose network costs that much.

    c is relative to the cost of `base`, even if the formula was fitted to another base, as in the paper.
    """
    if width not in ('solved', 'paper'):
        raise ValueError(f"width '{width}': must be solved or paper")
    cost = cost_named(formula.cost)
    whole = cost.of(base)

    def network(c: float, limit: Budget, exact: bool = True) -> Optional[NetSpec]:
        """Return the network of c within the limit, or None; not `exact`: close enough for a search."""
        predicted = formula.predict(c)
        pixels, d = round(_pixels(base.base_resolution * predicted.r)), _within(predicted.d)
        if width == 'paper':
            return scale(base, r=_pixels(base.base_resolution * predicted.r, whole=False) / base.base_resolution, d=d,
                         w=_within(paper_width(c, predicted.r, predicted.d)))
        if exact:
            return _solved(base, pixels, d, limit)
        return _widest(lambda w: scale(base, resolution=pixels, d=d, w=w), limit, exact)

    def at(c: float) -> Optional[NetSpec]:
        return network(c, Budget(c * whole, cost), exact=False)

    def possible(c: float) -> NetSpec:
        spec = at(c)
        assert spec is not None, 'c is below the lowest'
        return spec

    def impossible() -> Impossible:
        low, high = (whole * c if budget.cost.name == formula.cost else budget.cost.of(possible(c))
                     for c in (lowest, LARGEST_C))
        return _impossible('the tiny formula', base, budget, low, high)

    lowest = _smallest(lambda c: at(c) is not None, 1e-6, LARGEST_C)
    if budget.cost.name == formula.cost:
        c = budget.amount / whole
        if not lowest <= c <= LARGEST_C:
            raise impossible()
        spec = network(c, budget)
    else:
        def fits(c: float) -> bool:
            return budget.allows(possible(c))
        if not fits(lowest) or fits(LARGEST_C):
            raise impossible()
        c = _largest(fits, lowest, LARGEST_C, 1e-4)
        spec = network(c, budget)
    spec = spec or possible(c)
    return Network('tiny', budget, spec, measure(expand(spec)), prediction=formula.predict(c), fitted_to=formula.base)


def inverse_giant(base: NetSpec, budget: Budget) -> Network:
    """Return the giant formula's network with phi solved for the budget; d and w have four decimals."""
    def spec(phi: float) -> NetSpec:
        r, d, w = giant(phi)
        return scale(base, r=_pixels(base.base_resolution * r, whole=False) / base.base_resolution, d=_within(d),
                     w=_within(w))
    phi = _solve(spec, PHI, budget, 'the giant formula', base)
    found = spec(phi)
    return Network('giant', budget, found, measure(expand(found)), phi=phi)


def by_resolution(base: NetSpec, budget: Budget) -> Network:
    """Return the base at another input size."""
    def fits(pixels: int) -> bool:
        return budget.allows(scale(base, resolution=pixels))
    bounds = (1, min(MAX_RESOLUTION, round(base.base_resolution * MULTIPLIERS[1])))
    if not fits(bounds[0]) or fits(bounds[1]):
        raise _impossible('resolution alone', base, budget,
                          *(budget.cost.of(scale(base, resolution=pixels)) for pixels in bounds))
    low, high = bounds
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    found = scale(base, resolution=low)
    return Network('resolution', budget, found, measure(expand(found)))


def by_depth(base: NetSpec, budget: Budget) -> Network:
    """Return the base with other numbers of repeats."""
    d = _solve(lambda value: scale(base, d=value), MULTIPLIERS, budget, 'depth alone', base)
    found = scale(base, d=d)
    return Network('depth', budget, found, measure(expand(found)))


def by_width(base: NetSpec, budget: Budget) -> Network:
    """Return the base with other numbers of channels."""
    w = _solve(lambda value: scale(base, w=value), MULTIPLIERS, budget, 'width alone', base)
    found = scale(base, w=w)
    return Network('width', budget, found, measure(expand(found)))


RULES: Dict[str, Callable[..., Network]] = {
    'tiny': tiny,
    'giant': inverse_giant,
    'resolution': by_resolution,
    'depth': by_depth,
    'width': by_width,
}


def _solved(base: NetSpec, resolution: int, d: float, budget: Budget) -> Optional[NetSpec]:
    """Return the widest network at a resolution and depth within the budget, None if even the narrowest costs more.

    If more than RESOLUTION_SLACK of the budget would be left, the resolution is changed too, as little as possible and
    at most by NUDGE_R; if that leaves more than DEPTH_SLACK, the depth is changed as well, at most by NUDGE_D.
    """
    reach = max(1, round(NUDGE_R * resolution))  # pixels
    pixels = [p for p in sorted(range(resolution - reach, resolution + reach + 1), key=lambda p: abs(p - resolution))
              if 1 <= p <= MAX_RESOLUTION]
    best, best_cost = None, 0.0
    for depth in (d, d - NUDGE_D, d + NUDGE_D):
        if best_cost >= (1 - DEPTH_SLACK) * budget.amount or depth <= 0 or (depth != d and _same_depth(base, depth, d)):
            continue
        for p in pixels:
            found = _widest(lambda w: scale(base, resolution=p, d=_short(depth), w=w), budget)
            if found is not None and budget.cost.of(found) > best_cost:
                best, best_cost = found, budget.cost.of(found)
            if best_cost >= (1 - RESOLUTION_SLACK) * budget.amount:
                break
    return best


def _same_depth(base: NetSpec, one: float, other: float) -> bool:
    return all(stage_blocks(stage, one) == stage_blocks(stage, other) for stage in base.stages)


def _widest(spec: Callable[[float], NetSpec], budget: Budget, exact: bool = True) -> Optional[NetSpec]:
    """Return the widest network within the budget, with the shortest such width; not `exact`: nearly the widest."""
    def fits(w: float) -> bool:
        return budget.allows(spec(w))
    if not fits(MULTIPLIERS[0]):
        return None
    if not exact:
        return spec(_largest(fits, *MULTIPLIERS, precision=1e-3))
    return spec(_plateau(spec, _largest(fits, *MULTIPLIERS), MULTIPLIERS[0]))


def _solve(spec: Callable[[float], NetSpec], bounds: Tuple[float, float], budget: Budget, what: str,
           base: NetSpec) -> float:
    """Return the largest multiplier within the budget, as the shortest number that gives the same network."""
    def fits(value: float) -> bool:
        return budget.allows(spec(value))
    if not fits(bounds[0]) or fits(bounds[1]):
        raise _impossible(what, base, budget, *(budget.cost.of(spec(bound)) for bound in bounds))
    return _plateau(spec, _largest(fits, *bounds), bounds[0])


def _largest(fits: Callable[[float], bool], low: float, high: float, precision: float = 1e-7) -> float:
    """Return the largest number that fits, to a relative `precision`; `low` fits, and `fits` is monotonic."""
    if fits(high):
        return high
    while high - low > precision * max(abs(low), abs(high)):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _smallest(fits: Callable[[float], bool], low: float, high: float) -> float:
    """Return the smallest number that fits, to a percent; `high` fits."""
    while high > 1.01 * low:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _plateau(spec: Callable[[float], NetSpec], value: float, low: float) -> float:
    """Return the shortest decimal number that gives the same network as `value`, which is the largest one."""
    same = measure(expand(spec(value)))
    below = low
    if measure(expand(spec(low))) != same:
        high = value
        while high - below > 1e-7 * max(abs(below), abs(high)):
            middle = (below + high) / 2
            below, high = (below, middle) if measure(expand(spec(middle))) == same else (middle, high)
        below = high
    for digits in range(8):
        short = round((below + value) / 2, digits)
        if below <= short <= value:
            return short
    return value


def _short(value: float) -> float:
    """Return a multiplier rounded as in names."""
    return round(value, 4)


def _within(multiplier: float) -> float:
    """Return a depth or width that can be built, to four decimals."""
    return _short(min(max(multiplier, MULTIPLIERS[0]), MULTIPLIERS[1]))


def _pixels(side: float, whole: bool = True) -> float:
    """Return an input side that can be built."""
    return min(max(round(side) if whole else side, 1), MAX_RESOLUTION)


def _impossible(what: str, base: NetSpec, budget: Budget, low: float, high: float) -> Impossible:
    low, high = low * 1.0005, high * 0.9995  # so that what is printed, in four digits, is possible
    return Impossible(f'{budget} by {what}: the possible range of {base.name} is {amount_text(low)} to '
                      f'{amount_text(high)} {budget.cost.unit}; choose a budget in between, or another rule or base')
