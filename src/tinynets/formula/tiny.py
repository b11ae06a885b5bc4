"""The tiny formula: from a budget c to resolution and depth by the fitted curves, then to the width.

"Model Rubik's Cube" (NeurIPS 2020): r = f_r(c), d = f_d(c) by Gaussian-process regression on the front of measured
networks, and w = sqrt(c / (r^2 d)), since the cost grows about as r^2 d w^2. c is the cost relative to the base's.
rules.py solves the width for the counted cost instead.

A formula is stored in a JSON file: its points, each with its source, and the hyperparameters of both curves.
"""
from __future__ import annotations

import json
import math
import os
import pathlib
from dataclasses import dataclass
from typing import Any, Optional, Sequence, Tuple, Union

import numpy as np

from tinynets.arch.costs import COSTS, MACS
from tinynets.arch.spec import MAX_MULTIPLIER, MAX_RESOLUTION
from tinynets.files import write_text
from tinynets.formula.gaussian import Curve, Kernel, fit
from tinynets.parsing import read_json
from tinynets.text import shown

PUBLISHED = pathlib.Path(__file__).parent / 'efficientnet_b0.json'
TWO_SIDED_95 = 1.959964  # standard deviations of a normal distribution
MOST_POINTS = 200  # of a formula: the cost of a fit grows with their cube
LEAST, MOST_COST = 1e-6, 1e18
MARGIN = 0.02  # published budgets are rounded: 24M means a network of 24.36M


@dataclass(frozen=True)
class Point:
    """A network of the front: multipliers, its cost, the cost relative to the base's, and its source."""
    name: str
    r: float
    d: float
    w: float
    cost: float
    c: float
    top1: Optional[float] = None
    source: str = ''

    def check(self) -> None:
        """Raise ValueError for values that no network has, and TypeError for wrong types."""
        if not isinstance(self.name, str) or not isinstance(self.source, str):
            raise ValueError(f'name and source must be text, not {shown(self.name)} and {shown(self.source)}')
        if not (all(LEAST <= value <= MAX_MULTIPLIER for value in (self.r, self.d, self.w))
                and 0 < self.cost < MOST_COST and LEAST <= self.c <= 1 / LEAST
                and (self.top1 is None or 0 <= self.top1 <= 100)):
            raise ValueError(f'{shown(self.name)} has numbers that no network has')


@dataclass(frozen=True)
class Prediction:
    """r and d at a budget c, with 95 % intervals; `extrapolated` if c is outside the points' budgets (by MARGIN)."""
    c: float
    r: float
    d: float
    r_interval: Tuple[float, float]
    d_interval: Tuple[float, float]
    r_deviation: float
    d_deviation: float
    extrapolated: bool


class Formula:
    """r(c) and d(c) of a base, and the points they were fitted to. `cost` names the cost that c is measured in."""

    def __init__(self, points: Sequence[Point], r: Curve, d: Curve, base: str, base_resolution: int, num_classes: int,
                 base_cost: float, cost: str = MACS.name, about: Optional[dict] = None, in_channels: int = 3):
        self.points, self.r, self.d = tuple(points), r, d
        self.base, self.base_resolution, self.num_classes = base, base_resolution, num_classes
        self.base_cost, self.cost, self.about, self.in_channels = base_cost, cost, about or {}, in_channels

    @classmethod
    def fitted(cls, points: Sequence[Point], seed: int = 0, **facts: Any) -> 'Formula':
        """Fit both curves; `facts` go to the constructor.

        Raises ValueError for fewer than three budgets or more than 200 points.
        """
        if len(points) > MOST_POINTS:
            raise ValueError(f'{len(points):,} networks to fit to, must be at most {MOST_POINTS}; keep fewer of them')
        points = sorted(points, key=lambda point: point.cost)
        c = [point.c for point in points]
        return cls(points, fit(c, [point.r for point in points], seed), fit(c, [point.d for point in points], seed),
                   **facts)

    @property
    def range(self) -> Tuple[float, float]:
        """Return the smallest and the largest budget c of the points."""
        return min(p.c for p in self.points), max(p.c for p in self.points)

    def predict(self, c: float) -> Prediction:
        """Return r and d at a budget."""
        (r, d), (r_log, d_log) = zip(*((float(mean[0]), float(log[0])) for mean, log in
                                       (self.r.predict(c), self.d.predict(c))))
        low, high = self.range
        return Prediction(c, r, d, _interval(r, r_log), _interval(d, d_log), r * r_log, d * d_log,
                          not low * (1 - MARGIN) <= c <= high * (1 + MARGIN))

    def save(self, path: Union[str, os.PathLike]) -> None:
        """Write the file."""
        facts = {key: getattr(self, key)
                 for key in ('base', 'base_resolution', 'num_classes', 'in_channels', 'cost', 'base_cost')}
        curves = {letter: getattr(self, letter).to_dict() for letter in ('r', 'd')}
        points = ',\n  '.join(json.dumps(vars(point)) for point in self.points)
        rest = json.dumps({**facts, **curves, 'about': self.about}, indent=1)
        write_text(path, f'{rest[:-2]},\n "points": [\n  {points}\n ]\n}}\n')

    @classmethod
    def load(cls, path: Union[str, os.PathLike, None] = None) -> 'Formula':
        """Read a file, or the published formula.

        Raises FileNotFoundError, and ValueError that says what is wrong in the file.
        """
        path = PUBLISHED if path is None else path
        if not os.path.isfile(path):
            raise FileNotFoundError(f'formula {path}: no such file; fit_formula.py makes one, and without --formula '
                                    'the published one of EfficientNet-B0 is used')
        try:
            tree = read_json(path)
            if not 3 <= len(tree['points']) <= MOST_POINTS:
                raise ValueError(f'{len(tree["points"]):,} points, must be 3 to {MOST_POINTS}')
            points = [Point(**point) for point in tree['points']]
            for point in points:
                point.check()
            hyperparameters = {letter: [float(tree[letter][key]) for key in ('amplitude', 'length', 'noise')]
                               for letter in 'rd'}
            if not all(LEAST <= value <= 1 / LEAST for values in hyperparameters.values() for value in values):
                raise ValueError(f'hyperparameters must be {LEAST:g} to {1 / LEAST:g}')
            if (tree['cost'] not in COSTS or not isinstance(tree['base'], str)
                    or not isinstance(tree.get('about', {}), dict)):
                raise ValueError(f'cost must be one of {", ".join(COSTS)}, base a name and about an object')
            if not 0 < tree['base_cost'] < MOST_COST:
                raise ValueError(f'base_cost is {shown(tree["base_cost"])}, must be above 0 and below {MOST_COST:g}')
            base_cost = tree['base_cost']
            if not 1 <= tree['base_resolution'] <= MAX_RESOLUTION:
                raise ValueError(f'base_resolution is {shown(tree["base_resolution"])}, must be 1 to '
                                 f'{MAX_RESOLUTION} pixels')
            c = [point.c for point in points]
            curves = {letter: Curve(c, [getattr(point, letter) for point in points],
                                    Kernel(*hyperparameters[letter])) for letter in 'rd'}
            return cls(points, curves['r'], curves['d'], tree['base'], int(tree['base_resolution']),
                       int(tree['num_classes']), int(base_cost) if base_cost == int(base_cost) else float(base_cost),
                       tree['cost'], tree.get('about'), int(tree.get('in_channels', 3)))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, np.linalg.LinAlgError) as error:
            reason = f'{error} is missing' if isinstance(error, KeyError) else str(error).removeprefix(f'{path}: ')
            raise ValueError(f'formula {path}: not a formula of fit_formula.py ({reason})') from None


def paper_width(c: float, r: float, d: float) -> float:
    """Return the paper's width sqrt(c / (r^2 d)). Stem and head do not shrink with w, so small networks cost more."""
    return math.sqrt(c / (r * r * d))


def _interval(value: float, deviation: float) -> Tuple[float, float]:
    factor = math.exp(TWO_SIDED_95 * deviation)
    return value / factor, value * factor
