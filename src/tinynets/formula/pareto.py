"""Step 3 of the method: the front of the measured networks, by the sorting and niching of NSGA-III.

Non-dominated sorting and reference directions (Deb and Jain, IEEE TEVC 18, 2014) are pymoo's. There is no genetic
algorithm: networks are only selected, and a front stays whole unless a number is asked for.
"""
from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import List, Optional

import numpy as np


@dataclass(frozen=True)
class Selection:
    """The `indices` (K,) of the kept networks in order, the number of `fronts` they are from, `cut` from the last."""
    indices: np.ndarray
    fronts: int
    cut: int = 0


def sort(objectives: np.ndarray) -> List[np.ndarray]:
    """Return the fronts, best first, as indices into objectives (N, M), which are minimised.

    One network dominates another when it is no worse in every objective and better in one; networks with the same
    objectives therefore share a front. Raises ValueError for numbers that are not finite.
    """
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
    objectives = _checked(objectives)
    return [np.sort(np.asarray(front)) for front in NonDominatedSorting().do(objectives)]


def select(objectives: np.ndarray, count: Optional[int] = None, seed: int = 0) -> Selection:
    """Select the first front, or `count` networks: whole fronts first, then the best spread ones of the last.

    The spread is measured by NSGA-III's niches around at least `count` evenly spaced reference directions; `seed`
    breaks ties. `cut` of the result is the number of networks of the last front that were left out. Raises ValueError
    for a count below one.
    """
    objectives = _checked(objectives)
    fronts = sort(objectives)
    if count is None:
        return Selection(fronts[0], 1)
    if count < 1:
        raise ValueError(f'{count} networks to keep: must be at least 1')
    sizes = np.cumsum([len(front) for front in fronts])
    used = min(int(np.searchsorted(sizes, min(count, len(objectives)))) + 1, len(fronts))
    whole = np.concatenate(fronts[:used])
    if len(whole) <= count:
        return Selection(np.sort(whole), used)
    return Selection(np.sort(_niched(objectives, count, seed)), used, len(whole) - count)


def reference_directions(objectives: int, count: int) -> np.ndarray:
    """Return at least `count` evenly spaced directions, (directions, objectives) (Das and Dennis 1998)."""
    from pymoo.util.ref_dirs import get_reference_directions
    steps = 1
    while math.comb(steps + objectives - 1, objectives - 1) < count:
        steps += 1
    return get_reference_directions('das-dennis', objectives, n_partitions=steps)


def _niched(objectives: np.ndarray, count: int, seed: int) -> np.ndarray:
    from pymoo.algorithms.moo.nsga3 import ReferenceDirectionSurvival
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem
    span = np.ptp(objectives, axis=0)
    # to [0, 1]: pymoo's normalisation has absolute thresholds
    scaled = (objectives - objectives.min(axis=0)) / np.where(span > 0, span, 1)
    population = Population.new('F', scaled, 'index', np.arange(len(scaled)))
    survival = ReferenceDirectionSurvival(reference_directions(scaled.shape[1], count))
    with warnings.catch_warnings():  # pymoo turns warnings off for good
        kept = survival.do(Problem(n_var=1, n_obj=scaled.shape[1]), population, n_survive=count,
                           random_state=np.random.default_rng(seed))
    return kept.get('index').astype(int)


def _checked(objectives: np.ndarray) -> np.ndarray:
    objectives = np.asarray(objectives, float)
    if objectives.ndim != 2 or not objectives.size or objectives.shape[1] < 2:
        raise ValueError(f'objectives of shape {objectives.shape}: must be (networks, at least 2 objectives)')
    if not np.isfinite(objectives).all():
        raise ValueError(f'objectives of network {int(np.argmin(np.isfinite(objectives).all(axis=1)))} are not finite')
    return objectives
