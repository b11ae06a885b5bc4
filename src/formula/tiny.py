"""The tiny formula: from a budget c to resolution and depth by the fitted curves, then to the width.

"Model Rubik's Cube" (NeurIPS 2020): r = f_r(c), d = f_d(c) by Gaussian-process regression on the front of measured
networks, and w = sqrt(c / (r^2 d)), since the cost grows about as r^2 d w^2. c is the cost relative to the base's.
What solves the width for the counted cost instead is in rules.py.

A formula lives in a JSON file: its points, each with its source, and the hyperparameters of both curves.
"""
from __future__ import annotations

import json
import math
import os
import pathlib
from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

import numpy as np

from src.files import write_text
from src.formula.budget import COSTS
from src.formula.gaussian import Curve, Kernel, fit
from src.parsing import read_json

PUBLISHED = pathlib.Path(__file__).parent / 'efficientnet_b0.json'
TWO_SIDED_95 = 1.959964  # standard deviations of a normal distribution
MARGIN = 0.02  # published budgets are rounded: 24M stands for a network of 24.36M


@dataclass(frozen=True)
class Point:
    """A network of the front: multipliers, its cost, the cost relative to the base's, and where it is from."""
    name: str
    r: float
    d: float
    w: float
    cost: int
    c: float
    top1: Optional[float] = None
    source: str = ''


@dataclass(frozen=True)
class Prediction:
    """r and d at a budget c, with 95 % intervals; `extrapolated` outside the points' budgets (by MARGIN)."""
    c: float
    r: float
    d: float
    r_interval: Tuple[float, float]
    d_interval: Tuple[float, float]
    r_deviation: float
    d_deviation: float
    extrapolated: bool


class Formula:
    """r(c) and d(c) of a base, and the points they were fitted to. `cost` says in which unit c was measured."""

    def __init__(self, points: Sequence[Point], r: Curve, d: Curve, base: str, base_resolution: int, num_classes: int,
                 base_cost: int, cost: str = 'macs', about: Optional[dict] = None):
        self.points, self.r, self.d = tuple(points), r, d
        self.base, self.base_resolution, self.num_classes = base, base_resolution, num_classes
        self.base_cost, self.cost, self.about = base_cost, cost, about or {}

    @classmethod
    def fitted(cls, points: Sequence[Point], seed: int = 0, **facts) -> 'Formula':
        """Fit both curves; `facts` are the constructor's. Raises ValueError with fewer than three budgets."""
        points = sorted(points, key=lambda point: point.cost)
        c = [point.c for point in points]
        return cls(points, fit(c, [point.r for point in points], seed), fit(c, [point.d for point in points], seed),
                   **facts)

    @property
    def range(self) -> Tuple[float, float]:
        """The smallest and the largest budget c of the points."""
        return min(p.c for p in self.points), max(p.c for p in self.points)

    def predict(self, c: float) -> Prediction:
        """r and d at a budget."""
        (r, d), (r_log, d_log) = zip(*((float(mean[0]), float(log[0])) for mean, log in
                                       (self.r.predict(c), self.d.predict(c))))
        low, high = self.range
        return Prediction(c, r, d, _interval(r, r_log), _interval(d, d_log), r * r_log, d * d_log,
                          not low * (1 - MARGIN) <= c <= high * (1 + MARGIN))

    def save(self, path) -> None:
        """Write the file."""
        facts = {key: getattr(self, key) for key in ('base', 'base_resolution', 'num_classes', 'cost', 'base_cost')}
        curves = {letter: getattr(self, letter).to_dict() for letter in ('r', 'd')}
        points = ',\n  '.join(json.dumps(vars(point)) for point in self.points)
        rest = json.dumps({**facts, **curves, 'about': self.about}, indent=1)
        write_text(path, f'{rest[:-2]},\n "points": [\n  {points}\n ]\n}}\n')

    @classmethod
    def load(cls, path=None) -> 'Formula':
        """Read a file, or the published formula. Raises FileNotFoundError, or ValueError that says what is wrong in it."""
        path = PUBLISHED if path is None else path
        if not os.path.isfile(path):
            raise FileNotFoundError(f'formula {path}: no such file; fit_formula.py makes one, and without --formula '
                                    'the published one of EfficientNet-B0 serves')
        try:
            tree = read_json(path)
            points = [Point(**point) for point in tree['points']]
            numbers = [value for p in points for value in (p.r, p.d, p.w, p.cost, p.c)] + [tree['base_cost']]
            if len(points) < 3 or not all(0 < value < math.inf for value in numbers) or tree['cost'] not in COSTS:
                raise ValueError('at least 3 points, positive numbers, and a known cost')
            c = [point.c for point in points]
            curves = {letter: Curve(c, [getattr(point, letter) for point in points],
                                    Kernel(*(float(tree[letter][key]) for key in ('amplitude', 'length', 'noise'))))
                      for letter in ('r', 'd')}
            return cls(points, curves['r'], curves['d'], tree['base'], int(tree['base_resolution']),
                       int(tree['num_classes']), int(tree['base_cost']), tree['cost'], tree.get('about'))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, np.linalg.LinAlgError) as error:
            reason = f'{error} is missing' if isinstance(error, KeyError) else str(error).removeprefix(f'{path}: ')
            raise ValueError(f'formula {path}: not a formula of fit_formula.py ({reason})') from None


def paper_width(c: float, r: float, d: float) -> float:
    """The paper's last step, w = sqrt(c / (r^2 d)). Stem and head do not shrink with w: small networks overshoot c."""
    return math.sqrt(c / (r * r * d))


def _interval(value: float, deviation: float) -> Tuple[float, float]:
    factor = math.exp(TWO_SIDED_95 * deviation)
    return value / factor, value * factor
