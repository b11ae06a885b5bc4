"""The formula's uncertainty: bands, standard deviations and extrapolation."""
import json

import numpy as np
import pytest
from scipy.stats import norm

from tests.formula.test_gaussian import covariance
from tinynets.arch import MACS
from tinynets.formula import Budget, Formula, design
from tinynets.formula.budget import base_network
from tinynets.formula.tiny import PUBLISHED, Point

B0 = base_network('efficientnet_b0')
FORMULA = Formula.load()
AT = (0.02, 0.063, 0.13, 0.4, 0.9, 2.0)


def posterior(letter, c):
    """(mean, standard deviation) of the multiplier's logarithm at c, from the file's numbers, by matrix inversion."""
    tree = json.loads(PUBLISHED.read_text())
    kernel = type('Kernel', (), tree[letter])
    x, y = (np.log([point[key] for point in tree['points']]) for key in ('c', letter))
    inverse = np.linalg.inv(covariance(x, x, kernel) + kernel.noise ** 2 * np.eye(len(x)))
    across = covariance([np.log(c)], x, kernel)[0]
    variance = covariance([np.log(c)], [np.log(c)], kernel)[0, 0] + kernel.noise ** 2 - across @ inverse @ across
    return across @ inverse @ y, variance ** 0.5


@pytest.mark.parametrize('c', AT)
def test_bands_hold_95_percent_and_deviations_are_the_multipliers(c):
    found = FORMULA.predict(c)
    for letter in 'rd':
        mean, deviation = posterior(letter, c)
        value, (low, high) = getattr(found, letter), getattr(found, f'{letter}_interval')
        assert value == pytest.approx(np.exp(mean))
        held = norm.cdf((np.log([low, high]) - mean) / deviation)
        assert held == pytest.approx([0.025, 0.975], abs=1e-5)
        # to first order the deviation of exp(x) is exp(mean) times that of x
        assert getattr(found, f'{letter}_deviation') == pytest.approx(np.exp(mean) * deviation, rel=1e-4)
    assert found.c == c and found.r_deviation != pytest.approx(found.d_deviation, rel=1e-2)


def test_a_budget_two_percent_outside_the_points_is_an_extrapolation():
    """Published budgets are rounded: 24M stands for a network of 24.36M. The points are TinyNet-A to -E."""
    low, high = 24_356_848 / 385_814_752, 336_867_712 / 385_814_752
    assert FORMULA.range == pytest.approx((low, high))
    for factor, outside in ((0.981, False), (0.979, True)):
        assert FORMULA.predict(low * factor).extrapolated is outside
    for factor, outside in ((1.019, False), (1.021, True)):
        assert FORMULA.predict(high * factor).extrapolated is outside


def test_the_summary_holds_the_prediction():
    network = design(B0, Budget(1e8))
    found, summary, p = FORMULA.predict(1e8 / MACS.of(B0)), network.summary(), network.prediction
    assert p == found
    assert summary['c'] == pytest.approx(1e8 / 385_814_752, abs=1e-6)
    for letter in 'rd':
        mean, deviation = posterior(letter, 1e8 / 385_814_752)
        z = norm.ppf(0.975)
        assert summary[f'{letter}_formula'] == pytest.approx(np.exp(mean), abs=1e-6)
        assert summary[f'{letter}_interval'] == pytest.approx(np.exp([mean - z * deviation, mean + z * deviation]),
                                                              abs=1e-5)
        assert summary[f'{letter}_deviation'] == pytest.approx(np.exp(mean) * deviation, abs=1e-5)


def test_a_fit_takes_r_and_d_each_from_its_own_numbers_whatever_the_order():
    """Exact power laws of the budget are found again, from points in any order."""
    c = [0.9, 0.05, 0.4, 0.1, 0.2, 0.6]
    points = [Point(f'{v}', 0.95 * v ** 0.15, 1.1 * v ** 0.35, 1.0, round(1e8 * v), v) for v in c]
    found = Formula.fitted(points, base='x', base_resolution=100, num_classes=10, base_cost=10 ** 8)
    assert [p.cost for p in found.points] == sorted(p.cost for p in points) and found.range == (0.05, 0.9)
    for at in (0.07, 0.3, 0.8):
        assert (found.predict(at).r, found.predict(at).d) == pytest.approx((0.95 * at ** 0.15, 1.1 * at ** 0.35),
                                                                           rel=0.01)
