"""The model zoo as table rows: base networks, named variants, and names for any (r, d, w) of a base.

A name is one of `list_models()` or of BASES, or either with multipliers: `efficientnet_b0@r=0.7`,
`ghostnet@d=0.5,w=0.9`, `tinynet_e@resolution=64`. After the `@` come r, d, w (multipliers of the base, replacing the
variant's own) and resolution (pixels, instead of r).
"""
from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Any, List, Optional

from tinynets.arch.spec import NetSpec, SqueezeSpec, StageSpec, TimmNames, scale
from tinynets.text import shorten

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

# MobileNetV3: Howard et al., ICCV 2019, tables 1 and 2. The expansions are computed from the tables' channels, so that
# inner channels follow the block's input at other widths, as in timm.
_MOBILENETV3 = NetSpec(
    name='', base_resolution=224, activation='hswish',
    squeeze=SqueezeSpec(of='inner', divisor=8, activation='relu', gate='hsigmoid'),
    stem=StageSpec('conv', 16, kernel=3, stride=2, width='at_least'), stages=(), head=None)
MOBILENETV3_LARGE = replace(
    _MOBILENETV3, name='mobilenetv3_large', base='mobilenetv3_large',
    stages=(
        StageSpec('depthwise_separable', 16, kernel=3, stride=1, activation='relu'),
        (StageSpec('mbconv', 24, kernel=3, stride=2, expansion=4, activation='relu'),
         StageSpec('mbconv', 24, kernel=3, expansion=3, activation='relu')),
        StageSpec('mbconv', 40, kernel=5, stride=2, repeats=3, expansion=3, se_ratio=0.25, activation='relu'),
        (StageSpec('mbconv', 80, kernel=3, stride=2, expansion=6),
         StageSpec('mbconv', 80, kernel=3, expansion=2.5),
         StageSpec('mbconv', 80, kernel=3, repeats=2, expansion=2.3)),
        StageSpec('mbconv', 112, kernel=3, repeats=2, expansion=6, se_ratio=0.25),
        StageSpec('mbconv', 160, kernel=5, stride=2, repeats=3, expansion=6, se_ratio=0.25),
    ),
    head=StageSpec('conv', 960, kernel=1), hidden=1280)
MOBILENETV3_SMALL = replace(
    _MOBILENETV3, name='mobilenetv3_small', base='mobilenetv3_small',
    stages=(
        StageSpec('depthwise_separable', 16, kernel=3, stride=2, se_ratio=0.25, activation='relu'),
        (StageSpec('mbconv', 24, kernel=3, stride=2, expansion=4.5, activation='relu'),
         StageSpec('mbconv', 24, kernel=3, expansion=3.67, activation='relu')),
        (StageSpec('mbconv', 40, kernel=5, stride=2, expansion=4, se_ratio=0.25),
         StageSpec('mbconv', 40, kernel=5, repeats=2, expansion=6, se_ratio=0.25)),
        StageSpec('mbconv', 48, kernel=5, repeats=2, expansion=3, se_ratio=0.25),
        StageSpec('mbconv', 96, kernel=5, stride=2, repeats=3, expansion=6, se_ratio=0.25),
    ),
    head=StageSpec('conv', 576, kernel=1), hidden=1024)

# GhostNet: Han et al., CVPR 2020, table 1; channels are multiples of four at other widths, as in the authors' code. A
# stage is all blocks of one width, so that depth can shrink it. The release uses PyTorch's default initial weights.
GHOSTNET = NetSpec(
    name='ghostnet', base='ghostnet', base_resolution=224, activation='relu', divisor=4, initial='fan_in',
    squeeze=SqueezeSpec(of='inner', divisor=4, activation='relu', gate='hsigmoid'),
    timm=TimmNames(stages_at_strides=True), stem=StageSpec('conv', 16, kernel=3, stride=2),
    stages=(
        StageSpec('ghost', 16, kernel=3, inner=16),
        (StageSpec('ghost', 24, kernel=3, stride=2, inner=48),
         StageSpec('ghost', 24, kernel=3, inner=72)),
        (StageSpec('ghost', 40, kernel=5, stride=2, inner=72, se_ratio=0.25),
         StageSpec('ghost', 40, kernel=5, inner=120, se_ratio=0.25)),
        (StageSpec('ghost', 80, kernel=3, stride=2, inner=240),
         StageSpec('ghost', 80, kernel=3, inner=200),
         StageSpec('ghost', 80, kernel=3, repeats=2, inner=184)),
        (StageSpec('ghost', 112, kernel=3, inner=480, se_ratio=0.25),
         StageSpec('ghost', 112, kernel=3, inner=672, se_ratio=0.25)),
        (StageSpec('ghost', 160, kernel=5, stride=2, inner=672, se_ratio=0.25),
         StageSpec('ghost', 160, kernel=5, inner=960),
         StageSpec('ghost', 160, kernel=5, inner=960, se_ratio=0.25),
         StageSpec('ghost', 160, kernel=5, inner=960),
         StageSpec('ghost', 160, kernel=5, inner=960, se_ratio=0.25)),
    ),
    head=StageSpec('conv', 960, kernel=1), hidden=1280)

# ResNet-50: He et al., CVPR 2016, table 1, with the stride in the 3x3 convolution ("v1.5", as torchvision and timm have
# it). Width shrinks every channel, the stem's too (Yu et al., "Slimmable Neural Networks", ICLR 2019).
RESNET50 = NetSpec(
    name='resnet50', base='resnet50', base_resolution=224, activation='relu',
    timm=TimmNames(stem=('conv1', 'bn1'), block='layer{number}.{block}', classifier='fc'),
    stem=StageSpec('conv', 64, kernel=7, stride=2, pool=2),
    stages=(
        StageSpec('bottleneck', 256, kernel=3, stride=1, repeats=3, inner=64),
        StageSpec('bottleneck', 512, kernel=3, stride=2, repeats=4, inner=128),
        StageSpec('bottleneck', 1024, kernel=3, stride=2, repeats=6, inner=256),
        StageSpec('bottleneck', 2048, kernel=3, stride=2, repeats=3, inner=512),
    ),
    head=None)

BASES = {spec.name: spec for spec in (EFFICIENTNET_B0, GHOSTNET, MOBILENETV3_LARGE, MOBILENETV3_SMALL, RESNET50)}


@dataclass(frozen=True)
class Variant:
    """A named network: multipliers of a base, with its published cost and ImageNet-1k accuracy.

    `macs_m` is in millions of multiply-adds, `top1` in percent; both as published, None if they were not.
    """
    name: str
    base: str
    r: float
    d: float
    w: float
    macs_m: Optional[float] = None
    params_m: Optional[float] = None
    top1: Optional[float] = None


VARIANTS = {row.name: row for row in (
    # "Model Rubik's Cube", NeurIPS 2020, and the authors' release table
    Variant('efficientnet_b0', 'efficientnet_b0', r=1.0, d=1.0, w=1.0, macs_m=387, params_m=5.3, top1=76.7),
    Variant('tinynet_a', 'efficientnet_b0', r=0.86, d=1.2, w=1.0, macs_m=339, params_m=6.19, top1=76.8),  # 192 px
    Variant('tinynet_b', 'efficientnet_b0', r=0.84, d=1.1, w=0.75, macs_m=202, params_m=3.73, top1=75.0),  # 188 px
    Variant('tinynet_c', 'efficientnet_b0', r=0.825, d=0.85, w=0.54, macs_m=100, params_m=2.46, top1=71.2),  # 184 px
    Variant('tinynet_d', 'efficientnet_b0', r=0.68, d=0.695, w=0.54, macs_m=52, params_m=2.34, top1=67.0),  # 152 px
    Variant('tinynet_e', 'efficientnet_b0', r=0.475, d=0.60, w=0.51, macs_m=24, params_m=2.04, top1=59.9),  # 106 px
    # The same paper's EfficientNet-B^-1 to B^-4, by the inverse giant formula r = 1.15^phi, d = 1.2^phi, w = 1.1^phi
    # (src/tinynets/formula/giant.py). The paper gives their budgets, not phi; phi was solved for the counted cost, to
    # two decimals.
    Variant('efficientnet_b-1', 'efficientnet_b0', r=0.8468, d=0.8050, w=0.8928, macs_m=200),  # phi -1.19, 189 px
    Variant('efficientnet_b-2', 'efficientnet_b0', r=0.7002, d=0.6282, w=0.7842, macs_m=100),  # phi -2.55, 156 px
    Variant('efficientnet_b-3', 'efficientnet_b0', r=0.5766, d=0.4876, w=0.6869, macs_m=52),  # phi -3.94, 129 px
    # phi -5.85, 98 px
    Variant('efficientnet_b-4', 'efficientnet_b0', r=0.4415, d=0.3442, w=0.5726, macs_m=24, top1=56.7),
    # GhostNet, CVPR 2020, table 7
    Variant('ghostnet_100', 'ghostnet', r=1.0, d=1.0, w=1.0, macs_m=141, params_m=5.2, top1=73.9),
    # MobileNetV3, ICCV 2019, table 3; small_050 from "Model Rubik's Cube"
    Variant('mobilenetv3_large_100', 'mobilenetv3_large', r=1.0, d=1.0, w=1.0, macs_m=219, params_m=5.4, top1=75.2),
    Variant('mobilenetv3_large_075', 'mobilenetv3_large', r=1.0, d=1.0, w=0.75, macs_m=155, params_m=4.0, top1=73.3),
    Variant('mobilenetv3_small_100', 'mobilenetv3_small', r=1.0, d=1.0, w=1.0, macs_m=56, params_m=2.5, top1=67.4),
    Variant('mobilenetv3_small_075', 'mobilenetv3_small', r=1.0, d=1.0, w=0.75, macs_m=44, params_m=2.0, top1=65.4),
    Variant('mobilenetv3_small_050', 'mobilenetv3_small', r=1.0, d=1.0, w=0.5, params_m=1.59, top1=58.0),
    # torchvision's weights IMAGENET1K_V1 (the paper's own count is 3.8 G, with the stride in the 1x1 convolution)
    Variant('resnet50', 'resnet50', r=1.0, d=1.0, w=1.0, macs_m=4089, params_m=25.6, top1=76.1),
)}


def list_models() -> List[str]:
    """Return the names of the named networks; each also takes `@r=..,d=..,w=..,resolution=..`."""
    return list(VARIANTS)


def resolve(name: str, **changes: Any) -> NetSpec:
    """Return the specification of a name, with any field of NetSpec replaced by `changes`.

    Raises ValueError for an unknown network, an unknown or malformed multiplier, or one out of range.
    """
    stem, at, tail = name.strip().partition('@')
    stem, known = shorten(stem), {**{base: Variant(base, base, r=1.0, d=1.0, w=1.0) for base in BASES}, **VARIANTS}
    if stem not in known:
        close = difflib.get_close_matches(stem, known, n=1)
        hint = f'; did you mean {close[0]}?' if close else '.'
        raise ValueError(f"unknown model '{stem}'{hint} Known: {', '.join(VARIANTS)}")
    row = known[stem]
    multipliers = {'r': row.r, 'd': row.d, 'w': row.w}
    multipliers.update(_parse_multipliers(name, tail) if at else {})
    named = multipliers.pop('resolution', None)
    if changes.get('resolution') is None:
        changes['resolution'] = named
    return scale(replace(BASES[row.base], name=name.strip()), **{**multipliers, **changes})


def names_resolution(name: str) -> bool:
    """Whether a name for `resolve` sets the resolution itself, as `x@resolution=64` and `x@r=0.7` do."""
    tail = name.partition('@')[2]
    return bool(tail) and not {'r', 'resolution'}.isdisjoint(_parse_multipliers(name, tail))


def _parse_multipliers(name: str, tail: str) -> dict:
    values: dict = {}
    name = shorten(name)
    for item in tail.split(','):
        key, equals, text = (part.strip() for part in item.partition('='))
        if key not in ('r', 'd', 'w', 'resolution') or not equals or key in values:
            raise ValueError(f"model '{name}': '{shorten(item)}' is not one of r=, d=, w=, resolution=, each once "
                             '(for example efficientnet_b0@r=0.7,d=0.9,w=0.5)')
        try:
            values[key] = int(text) if key == 'resolution' else float(text)
        except ValueError:
            kind = 'a whole number of pixels' if key == 'resolution' else 'a number'
            raise ValueError(f"model '{name}': {key}={shorten(text)} is not {kind}") from None
    if 'r' in values and 'resolution' in values:
        raise ValueError(f"model '{name}': r and resolution both set the input size; give one of them")
    return values
