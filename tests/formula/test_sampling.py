"""Draws: seeded, inside their ranges and budget, each network once."""
import itertools

import pytest

from tinynets.arch import expand, measure, scale
from tinynets.formula import sampling
from tinynets.formula.budget import base_network
from tinynets.formula.sampling import Space, blocks, draw

BASE = base_network('efficientnet_b0', 48, 10)
SPACE = Space(r=(0.4, 1.2), d=(0.3, 1.5), w=(0.3, 1.3), budget=(0.1, 0.6))


def take(count, space=SPACE, seed=5):
    return list(itertools.islice(draw(BASE, space, seed), count))


def test_networks_are_in_the_space_and_each_once():
    found = take(60)
    whole = measure(expand(BASE)).macs
    for spec in found:
        assert 0.1 <= measure(expand(spec)).macs / whole <= 0.6
        assert 19 <= spec.resolution <= 58 and 0.3 <= spec.d <= 1.5 and 0.3 <= spec.w <= 1.3
        assert spec.num_classes == 10
    assert len({blocks(expand(spec)) for spec in found}) == 60
    costs = [measure(expand(spec)).macs / whole for spec in found]
    assert min(costs) < 0.2 and max(costs) > 0.5


def test_networks_that_differ_inside_their_blocks_are_told_apart():
    base = base_network('ghostnet', 48, 10)
    one, other = (expand(scale(base, w=w)) for w in (0.55, 0.551))
    assert [b.out_channels for b in one.blocks] == [b.out_channels for b in other.blocks]
    assert measure(one) != measure(other) and blocks(one) != blocks(other)


def test_more_draws_begin_with_the_fewer():
    assert take(30)[:10] == take(10)
    assert take(10) != take(10, seed=6)


def test_other_costs_bound_the_draw():
    space = Space(budget=(0.2, 0.4), cost='params')
    whole = measure(expand(BASE)).params
    assert all(0.2 <= measure(expand(spec)).params / whole <= 0.4 for spec in take(20, space))


@pytest.mark.parametrize('r, pixels', [(0.53, 119), (0.54, 121), (0.5, 112)])
def test_pixels_are_the_nearest_to_the_multiplier(r, pixels):
    """224 times 0.53 is 118.72, times 0.54 is 120.96."""
    space = Space(r=(r, r), d=(0.4, 1.2), w=(0.4, 1.2))
    found = list(itertools.islice(draw(base_network('efficientnet_b0'), space, 0), 5))
    assert {spec.resolution for spec in found} == {pixels} and len({(spec.d, spec.w) for spec in found}) == 5
    assert all(0.4 <= spec.d <= 1.2 and 0.4 <= spec.w <= 1.2 for spec in found)


def test_a_space_without_networks_is_an_error():
    with pytest.raises(ValueError, match='0 networks found.*Widen'):
        take(1, Space(budget=(5.0, 6.0)))
    with pytest.raises(ValueError, match='two increasing numbers'):
        Space(r=(1.0, 0.5))


def test_only_rejections_in_a_row_end_a_draw(monkeypatch):
    """A long study rejects more draws in all than end it."""
    monkeypatch.setattr(sampling, 'MAX_REJECTIONS', 25)
    assert len(take(150)) == 150
    with pytest.raises(ValueError, match='0 networks found with a cost of 5 to 6 times the base, and no other in 25 '
                       r'draws: their costs are 0\.\d+ to [12]\.?\d*\. Widen'):
        take(1, Space(budget=(5.0, 6.0)))


def test_the_smallest_resolution_is_drawn_and_none_below():
    base = base_network('efficientnet_b0', 32)
    half = dict(r=(0.5, 0.5), budget=(0.001, 1.0))
    assert next(draw(base, Space(**half, min_resolution=16), 0)).resolution == 16
    with pytest.raises(ValueError, match='0 networks found'):
        next(draw(base, Space(**half, min_resolution=17), 0))
