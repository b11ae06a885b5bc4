"""Network specifications, (r, d, w) scaling and their expansion into a plan.

A network is data: a frozen `NetSpec` says what the base is and how it is scaled, `expand` decides every channel, stride
and size once, and the model builder, the cost counter and the exporter read the resulting `NetPlan`.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Iterator, List, Optional, Tuple, Union

from tinynets.text import shown

MAX_RESOLUTION = 4096  # larger inputs are typing mistakes
MAX_MULTIPLIER = 100  # as above
MAX_CLASSES = 1_000_000  # as above, and input channels
INITIAL = ('fan_out', 'fan_in')  # rules of initial weights


@dataclass(frozen=True)
class StageSpec:
    """One row of a base network: `repeats` blocks of one kind; the first has the stride.

    `width` says how the channels follow the width multiplier: 'scaled' rounds channels * w, 'fixed' ignores it and
    'at_least' lets them grow but not shrink. Only 'scaled' stages follow the depth multiplier.

    The channels inside a block, between its outer convolutions, are the base's `inner`, scaled by w like the block's
    own; if `inner` is 0 they are `expansion` times the block's input channels. `activation`: None is the network's.
    `pool`: the stride of a 3x3 max pooling after the block, 1 for no pooling.
    """
    block: str
    channels: int
    kernel: int = 3
    stride: int = 1
    repeats: int = 1
    expansion: float = 1
    se_ratio: float = 0.0
    width: str = 'scaled'
    inner: int = 0
    activation: Optional[str] = None
    pool: int = 1


@dataclass(frozen=True)
class SqueezeSpec:
    """How a family builds squeeze-and-excitation (Hu et al., CVPR 2018).

    The reduced channels are se_ratio (of the row) times the block's 'input' or 'inner' channels, as `of` says, rounded
    to a multiple of `divisor`. `activation` (None: the block's) follows them, and `gate` makes the factors.
    """
    of: str = 'input'
    divisor: int = 1
    activation: Optional[str] = None
    gate: str = 'sigmoid'


@dataclass(frozen=True)
class TimmNames:
    """The names of the parts of a family's networks in timm's files; those within a block are in layers.py.

    `stem` and `head` name a convolution and its norm. `block` is a format of the block's stage, its number in the stage
    (`block`) and the stage's `number` from one. `stages_at_strides`: a new stage begins at each block with a stride and
    after it.
    """
    stem: Tuple[str, str] = ('conv_stem', 'bn1')
    block: str = 'blocks.{stage}.{block}'
    head: Tuple[str, str] = ('conv_head', 'bn2')
    classifier: str = 'classifier'
    stages_at_strides: bool = False


@dataclass(frozen=True)
class NetSpec:
    """A base network and its multipliers: resolution r, depth d and width w (1, 1, 1 is the base itself).

    A stage is one row, or several if its blocks differ. `head` is a convolution before the global pool; `hidden` is the
    number of channels of a layer with bias and activation between the pool and the classifier, 0 for none. Neither
    follows d. Channels are multiples of `divisor`. `base_resolution` is the base's input side in pixels; `resolution`,
    if set, replaces int(base_resolution * r). `initial` is the rule of initial weights
    (src/tinynets/model/weights.py). `folded` networks have batch norm folded into the convolutions, which then have a
    bias: the form that is exported.
    """
    name: str
    stem: StageSpec
    stages: Tuple[Union[StageSpec, Tuple[StageSpec, ...]], ...]
    head: Optional[StageSpec]
    hidden: int = 0
    base: str = ''
    base_resolution: int = 224
    activation: str = 'silu'
    squeeze: SqueezeSpec = SqueezeSpec()
    timm: TimmNames = TimmNames()
    divisor: int = 8
    initial: str = 'fan_out'
    r: float = 1.0
    d: float = 1.0
    w: float = 1.0
    resolution: Optional[int] = None
    in_channels: int = 3
    num_classes: int = 1000
    dropout: float = 0.0
    drop_path: float = 0.0
    folded: bool = False


@dataclass(frozen=True)
class BlockPlan:
    """One block with every number fixed. Sizes are the sides of square feature maps in pixels.

    `name` is the block's place in the network and the prefix of its parameters ('stem', 'stages.1.0', 'head',
    'classifier'). `expanded_channels` is the number inside the block (a bottleneck has fewer than outside).
    `stride_from_input` is the total stride after it and its `pool`, `drop_path` the rate of its residual branch.
    """
    name: str
    kind: str
    in_channels: int
    out_channels: int
    in_size: int
    out_size: int
    kernel: int = 1
    stride: int = 1
    pool: int = 1
    expanded_channels: int = 0
    se_channels: int = 0
    se_activation: str = 'silu'
    se_gate: str = 'sigmoid'
    activation: str = 'silu'
    drop_path: float = 0.0
    dropout: float = 0.0
    stride_from_input: int = 1
    folded: bool = False

    @property
    def residual(self) -> bool:
        """Whether the input is added to the output: same channels, same size by a stride of one."""
        return self.stride == 1 and self.in_channels == self.out_channels


@dataclass(frozen=True)
class NetPlan:
    """The whole network as blocks in the order they run; `spec` is what it was expanded from."""
    spec: NetSpec
    resolution: int
    stem: BlockPlan
    stages: Tuple[Tuple[BlockPlan, ...], ...]
    head: Optional[BlockPlan]
    classifier: BlockPlan

    @property
    def blocks(self) -> Iterator[BlockPlan]:
        """Every block, stem to classifier."""
        yield self.stem
        for stage in self.stages:
            yield from stage
        if self.head is not None:
            yield self.head
        yield self.classifier


def round_channels(channels: float, divisor: int = 8) -> int:
    """Round to a multiple of `divisor`, at least one of it, never more than 10 percent down (MobileNetV2's rule)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def round_repeats(repeats: int, d: float) -> int:
    """Return the blocks of a stage at depth multiplier d: max(1, round(repeats * d)), halves to even as the authors."""
    return max(1, round(repeats * d))


def stage_blocks(stage: Union[StageSpec, Tuple[StageSpec, ...]], d: float) -> List[Tuple[StageSpec, int]]:
    """Return (row, stride) of every block of a stage at depth multiplier d.

    `round_repeats` gives their number. If the rows have more blocks, the first ones are kept, which have the stride and
    the channels; if they have fewer, the last row is repeated. Rows that are not 'scaled' keep their repeats.
    """
    rows = stage if isinstance(stage, tuple) else (stage,)
    blocks = [(row, row.stride if i == 0 else 1) for row in rows for i in range(row.repeats)]
    if rows[0].width != 'scaled':
        return blocks
    count = round_repeats(len(blocks), d)
    return blocks[:count] + [(rows[-1], 1)] * (count - len(blocks))


def conv_out_size(size: int, stride: int) -> int:
    """Return the output side of a convolution or pooling with an odd kernel and padding (kernel - 1) // 2."""
    return (size - 1) // stride + 1


def scaled_resolution(base_resolution: int, r: float) -> int:
    """Return the input side at resolution multiplier r: int(base * r); the epsilon keeps 224 * (103 / 224) at 103."""
    return int(base_resolution * r + 1e-6)


def scale(spec: NetSpec, r: float = 1.0, d: float = 1.0, w: float = 1.0, **changes: Any) -> NetSpec:
    """Return `spec` with multipliers (r, d, w) of its base, and any other field of NetSpec in `changes`.

    A `resolution` in `changes` sets r as well. Raises ValueError if a multiplier is outside 0 < m <= 100 or the
    resolution is not a whole number of 1..4096 pixels.
    """
    resolution = changes.get('resolution')
    if resolution is not None:
        if isinstance(resolution, bool) or not isinstance(resolution, int) or not 1 <= resolution <= MAX_RESOLUTION:
            raise ValueError(f'resolution={shown(resolution)}: must be a whole number of 1 to {MAX_RESOLUTION} pixels')
        r = resolution / spec.base_resolution
    for letter, value in (('r', r), ('d', d), ('w', w)):
        if not 0 < value <= MAX_MULTIPLIER:
            raise ValueError(f'multiplier {letter}={value}: must be above 0 and at most {MAX_MULTIPLIER}, '
                             f'for example {letter}=0.7')
    scaled = replace(spec, r=r, d=d, w=w, **changes)
    resolution = input_resolution(scaled)
    if not 1 <= resolution <= MAX_RESOLUTION:
        raise ValueError(f'resolution {resolution} px (base {spec.base_resolution} px, r={r:g}): '
                         f'must be 1 to {MAX_RESOLUTION}; choose another r or resolution')
    return scaled


def input_resolution(spec: NetSpec) -> int:
    """Return the input side of a specification in pixels."""
    return spec.resolution if spec.resolution is not None else scaled_resolution(spec.base_resolution, spec.r)


def expand(spec: NetSpec) -> NetPlan:
    """Return the plan of a specification.

    Raises ValueError for a number of classes or input channels below one, rates outside 0 <= rate < 1, or an unknown
    rule of initial weights.
    """
    _check(spec)
    size = resolution = input_resolution(spec)
    channels, total_stride = spec.in_channels, 1
    stages = [stage_blocks(stage, spec.d) for stage in spec.stages]
    total, done = sum(map(len, stages)), 0

    def block(name: str, row: StageSpec, stride: int, drop_path: float = 0.0) -> BlockPlan:
        nonlocal size, channels, total_stride
        total_stride *= stride * row.pool
        inner, activation = _inner(row, channels, spec), row.activation or spec.activation
        squeezed = row.se_ratio * (channels if spec.squeeze.of == 'input' else inner)
        plan = BlockPlan(
            name=name, kind=row.block, in_channels=channels, out_channels=_width(row, spec), in_size=size,
            out_size=conv_out_size(conv_out_size(size, stride), row.pool), kernel=row.kernel, stride=stride,
            pool=row.pool, expanded_channels=inner,
            se_channels=round_channels(squeezed, spec.squeeze.divisor) if row.se_ratio else 0,
            se_activation=spec.squeeze.activation or activation, se_gate=spec.squeeze.gate,
            activation=activation, drop_path=drop_path, stride_from_input=total_stride,
            folded=spec.folded)
        size, channels = plan.out_size, plan.out_channels
        return plan

    stem = block('stem', spec.stem, spec.stem.stride)
    plans = []
    for i, rows in enumerate(stages):
        blocks = []
        for j, (row, stride) in enumerate(rows):
            # the rate grows linearly with the block's index, as in the authors' training code
            blocks.append(block(f'stages.{i}.{j}', row, stride, spec.drop_path * done / total))
            done += 1
        plans.append(tuple(blocks))
    head = block('head', spec.head, spec.head.stride) if spec.head is not None else None
    classifier = BlockPlan('classifier', 'classifier', channels, spec.num_classes, size, 1,
                           expanded_channels=spec.hidden, activation=spec.activation, dropout=spec.dropout,
                           stride_from_input=total_stride)
    return NetPlan(spec, resolution, stem, tuple(plans), head, classifier)


def _width(row: StageSpec, spec: NetSpec) -> int:
    if row.width == 'fixed':
        return row.channels
    rounded = round_channels(row.channels * spec.w, spec.divisor)
    return max(row.channels, rounded) if row.width == 'at_least' else rounded


def _inner(row: StageSpec, channels: int, spec: NetSpec) -> int:
    """Return the channels inside a block whose input has `channels`."""
    if row.inner:
        return round_channels(row.inner * spec.w, spec.divisor)
    return channels if row.expansion == 1 else round_channels(channels * row.expansion, spec.divisor)


def _check(spec: NetSpec) -> None:
    for field in ('num_classes', 'in_channels'):
        value = getattr(spec, field)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_CLASSES:
            raise ValueError(f'{field}={shown(value)}: must be a whole number of at least 1, at most {MAX_CLASSES:,}')
    for field in ('dropout', 'drop_path'):
        value = getattr(spec, field)
        if not 0 <= value < 1:
            raise ValueError(f'{field}={value!r}: must be at least 0 and below 1')
    if spec.initial not in INITIAL:
        raise ValueError(f"initial='{spec.initial}': must be one of {', '.join(INITIAL)}")
