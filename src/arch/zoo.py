"""The model zoo as table rows: base networks, named variants, and names for any (r, d, w) of a base.

A name is one of `list_models()`, or a base with multipliers: `efficientnet_b0@r=0.7`, `efficientnet_b0@d=0.5,w=0.9`,
`tinynet_e@resolution=64`. After the `@` stand r, d, w (factors on the base, or replacing the variant's own) and
resolution (pixels, in place of r).
"""
from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import List, Optional

from src.arch.spec import NetSpec, StageSpec, scale

# EfficientNet-B0: Tan and Le, "EfficientNet", ICML 2019, table 1.
EFFICIENTNET_B0 = NetSpec(
    name='efficientnet_b0', base='efficientnet_b0', base_resolution=224, activation='silu',
    stem=StageSpec('conv', 32, kernel=3, stride=2, width='fixed'),
    stages=(
        StageSpec('depthwise_separable', 16, kernel=3, stride=1, repeats=1, expansion=1, se_ratio=0.25),
        StageSpec('mbconv', 24, kernel=3, stride=2, repeats=2, expansion=6, se_ratio=0.25),
        StageSpec('mbconv', 40, kernel=5, stride=2, repeats=2, expansion=6, se_ratio=0.25),
        StageSpec('mbconv', 80, kernel=3, stride=2, repeats=3, expansion=6, se_ratio=0.25),
        StageSpec('mbconv', 112, kernel=5, stride=1, repeats=3, expansion=6, se_ratio=0.25),
        StageSpec('mbconv', 192, kernel=5, stride=2, repeats=4, expansion=6, se_ratio=0.25),
        StageSpec('mbconv', 320, kernel=3, stride=1, repeats=1, expansion=6, se_ratio=0.25),
    ),
    head=StageSpec('conv', 1280, kernel=1, width='at_least'))

BASES = {spec.name: spec for spec in (EFFICIENTNET_B0,)}


@dataclass(frozen=True)
class Variant:
    """A named network: multipliers of a base, with the published cost and ImageNet-1k accuracy beside it.

    `macs_m` are millions of multiply-adds, `top1` percent; both as published, None where they were not.
    """
    name: str
    base: str
    r: float
    d: float
    w: float
    macs_m: Optional[float] = None
    params_m: Optional[float] = None
    top1: Optional[float] = None


# "Model Rubik's Cube", NeurIPS 2020, and the authors' release table.
VARIANTS = {row.name: row for row in (
    Variant('efficientnet_b0', 'efficientnet_b0', r=1.0, d=1.0, w=1.0, macs_m=387, params_m=5.3, top1=76.7),
    Variant('tinynet_a', 'efficientnet_b0', r=0.86, d=1.2, w=1.0, macs_m=339, params_m=6.19, top1=76.8),  # 192 px
    Variant('tinynet_b', 'efficientnet_b0', r=0.84, d=1.1, w=0.75, macs_m=202, params_m=3.73, top1=75.0),  # 188 px
    Variant('tinynet_c', 'efficientnet_b0', r=0.825, d=0.85, w=0.54, macs_m=100, params_m=2.46, top1=71.2),  # 184 px
    Variant('tinynet_d', 'efficientnet_b0', r=0.68, d=0.695, w=0.54, macs_m=52, params_m=2.34, top1=67.0),  # 152 px
    Variant('tinynet_e', 'efficientnet_b0', r=0.475, d=0.60, w=0.51, macs_m=24, params_m=2.04, top1=59.9),  # 106 px
)}


def list_models() -> List[str]:
    """Names of the named networks; every one of them also takes `@r=..,d=..,w=..,resolution=..`."""
    return list(VARIANTS)


def resolve(name: str, **changes) -> NetSpec:
    """Return the specification a name stands for, with any field of NetSpec replaced by `changes`.

    Raises ValueError for an unknown network, an unknown or malformed multiplier, or one out of range.
    """
    stem, at, tail = name.strip().partition('@')
    if stem not in VARIANTS:
        close = difflib.get_close_matches(stem, VARIANTS, n=1)
        hint = f'; did you mean {close[0]}?' if close else '.'
        raise ValueError(f"unknown model '{stem}'{hint} Known: {', '.join(VARIANTS)}")
    row = VARIANTS[stem]
    multipliers = {'r': row.r, 'd': row.d, 'w': row.w}
    multipliers.update(_parse_multipliers(name, tail) if at else {})
    named = multipliers.pop('resolution', None)
    if changes.get('resolution') is None:
        changes['resolution'] = named
    return scale(replace(BASES[row.base], name=name.strip()), **{**multipliers, **changes})


def _parse_multipliers(name: str, tail: str) -> dict:
    values: dict = {}
    for item in tail.split(','):
        key, equals, text = (part.strip() for part in item.partition('='))
        if key not in ('r', 'd', 'w', 'resolution') or not equals or key in values:
            raise ValueError(f"model '{name}': '{item}' is not one of r=, d=, w=, resolution=, each once "
                             '(for example efficientnet_b0@r=0.7,d=0.9,w=0.5)')
        try:
            values[key] = int(text) if key == 'resolution' else float(text)
        except ValueError:
            kind = 'a whole number of pixels' if key == 'resolution' else 'a number'
            raise ValueError(f"model '{name}': {key}={text} is not {kind}") from None
    if 'r' in values and 'resolution' in values:
        raise ValueError(f"model '{name}': r and resolution both set the input size; give one of them")
    return values
