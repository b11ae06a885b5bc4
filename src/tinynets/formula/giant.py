"""The giant formula of EfficientNet and its inverse (Tan and Le, ICML 2019, equation 3).

    d = 1.2^phi,  w = 1.1^phi,  r = 1.15^phi

A positive phi enlarges the base, a negative one shrinks it. The latter is the inverse giant formula, which the tiny
formula is compared with. EfficientNet-B^-1, B^-2, ... of the paper are not phi = -1, -2, ...: they cost about a half,
a quarter, ... of the base, so phi is solved for the budget (rules.py).
"""
from __future__ import annotations

from typing import Tuple

DEPTH, WIDTH, RESOLUTION = 1.2, 1.1, 1.15  # of phi = 1


def giant(phi: float) -> Tuple[float, float, float]:
    """Return (r, d, w) of a compound coefficient."""
    return RESOLUTION ** phi, DEPTH ** phi, WIDTH ** phi
