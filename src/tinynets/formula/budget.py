"""Budgets: the most that a network may cost, and its unit."""
from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Optional

from tinynets.arch import MACS, Cost, NetSpec, cost_named, scale
from tinynets.arch.zoo import BASES

PREFIXES = {'': 1, 'K': 10 ** 3, 'M': 10 ** 6, 'G': 10 ** 9}


@dataclass(frozen=True)
class Budget:
    """The most that a network may cost: an `amount` of a `cost`, a row of src/tinynets/arch/costs.py or its name."""
    amount: float
    cost: Cost = MACS

    def __post_init__(self) -> None:
        if isinstance(self.cost, str):
            object.__setattr__(self, 'cost', cost_named(self.cost))
        if not 0 < self.amount < float('inf'):
            raise ValueError(f'budget {self.amount:g} {self.cost.unit}: must be above 0, for example 100M')

    def __str__(self) -> str:
        return f'{amount_text(self.amount)} {self.cost.unit}'

    def allows(self, spec: NetSpec) -> bool:
        """Whether a network is within the budget."""
        return self.cost.of(spec) <= self.amount


def base_network(name: str, resolution: Optional[int] = None, num_classes: int = 1000, in_channels: int = 3) -> NetSpec:
    """Return a base of src/tinynets/arch/zoo.py with an input side in pixels, number of classes and image channels.

    Raises ValueError for an unknown name.
    """
    if name not in BASES:
        raise ValueError(f"base '{name}': must be one of {', '.join(BASES)}")
    base = BASES[name]
    return scale(base, num_classes=num_classes, in_channels=in_channels,
                 base_resolution=base.base_resolution if resolution is None else resolution)


def parse_amount(text: str) -> float:
    """Return the number of a text such as 100M, 2.5M, 300K, 1.2G or 52000000; K, M and G are powers of a thousand.

    Raises ValueError for any other text.
    """
    match = re.fullmatch(r'\s*(\d+(?:\.\d*)?(?:e\d+)?|\.\d+)\s*([kKmMgG]?)\s*', text)
    if not match:
        raise ValueError(f"'{text}' is not an amount; write a number with K, M or G, for example 100M, 2.5M or 300K")
    return times(float(match[1]), PREFIXES[match[2].upper()])


def times(number: float, factor: int) -> float:
    """Return a decimal number times a power of ten without binary rounding: 4.1 x 10^6 is 4,100,000."""
    return float(Decimal(repr(number)) * factor)


def amount_text(amount: float) -> str:
    """Return an amount with four digits, such as 99.54M."""
    for prefix in ('G', 'M', 'K'):
        if amount >= PREFIXES[prefix]:
            return f'{amount / PREFIXES[prefix]:.4g}{prefix}'
    return f'{amount:.4g}'


def amount_in_full(amount: float) -> str:
    """Return an amount with all digits before the point, such as 99,540,000; below 1,000 with four digits, as 0.4125.

    Whole numbers have no digits after the point.
    """
    return f'{amount:,.0f}' if amount >= 1000 or amount == round(amount) else f'{amount:.4g}'
