"""Sorting compared with brute force, including ties and duplicates; what a selection keeps and leaves out."""
import numpy as np
import pytest

from tinynets.formula import pareto


def brute_force(points):
    """Return the fronts by definition: repeatedly, the points that no remaining one dominates."""
    left, fronts = set(range(len(points))), []
    while left:
        front = {i for i in left if not any(all(points[j] <= points[i]) and any(points[j] < points[i]) for j in left)}
        fronts.append(sorted(front))
        left -= front
    return fronts


@pytest.mark.parametrize('seed', range(40))
def test_fronts_are_those_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, rng.integers(2, 12), (rng.integers(1, 40), rng.integers(2, 5))).astype(float)
    points = np.vstack([points, points[: len(points) // 3]])  # duplicates
    assert [list(front) for front in pareto.sort(points)] == brute_force(points)


@pytest.mark.parametrize('seed', range(20))
def test_a_selection_takes_whole_fronts_and_tells_what_it_cuts(seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 9, (30, int(rng.integers(2, 4)))).astype(float) * 1e6
    fronts = brute_force(points)
    assert list(pareto.select(points).indices) == fronts[0]
    sizes = np.cumsum([len(front) for front in fronts]).tolist()
    for count in (1, 4, 11, 29, 30, 50, *sizes):
        kept = pareto.select(points, count, seed)
        assert kept.fronts == 1 + sum(size < min(count, 30) for size in sizes)  # no more than it needs
        assert len(set(kept.indices)) == len(kept.indices) == min(count, 30)
        inside = [i for front in fronts[:kept.fronts - 1] for i in front]
        assert set(inside) <= set(kept.indices) <= {i for front in fronts[:kept.fronts] for i in front}
        assert kept.cut == sum(map(len, fronts[:kept.fronts])) - min(count, 30)
        assert list(pareto.select(points, count, seed).indices) == list(kept.indices)


def test_a_cut_front_keeps_what_is_nearest_to_each_direction():
    angle = np.linspace(0, np.pi / 2, 41)
    plain = np.column_stack([1 - np.sin(angle), 1 - np.cos(angle)])  # one convex front from (1, 0) to (0, 1)
    directions = np.column_stack([np.arange(9), 8 - np.arange(9)])
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    nearest = {int(np.argmin([np.linalg.norm(p - (p @ u) * u) for p in plain])) for u in directions}
    kept = pareto.select(plain * [100, 1e9], 9)
    assert kept.cut == 32 and kept.fronts == 1
    assert set(kept.indices) == nearest and {0, 40} <= nearest and len(nearest) == 9


def test_reference_directions_are_the_fewest_that_suffice():
    for objectives, count in [(2, 5), (3, 7), (4, 30)]:
        found = pareto.reference_directions(objectives, count)
        assert len(found) >= count and np.allclose(found.sum(axis=1), 1)
    assert len(pareto.reference_directions(2, 5)) == 5 and len(pareto.reference_directions(3, 7)) == 10


@pytest.mark.parametrize('points, words', [([[1.0, np.nan]], 'network 0 are not finite'), ([1.0, 2.0], 'must be'),
                                           ([], 'must be'), ([[1.0]], 'at least 2 objectives')])
def test_what_cannot_be_sorted_is_refused(points, words):
    with pytest.raises(ValueError, match=words):
        pareto.sort(np.array(points))
