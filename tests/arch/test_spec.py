"""Rounding rules, scaling and the expansion into a plan; channels and depths are those of the authors' networks."""
import pytest

from tinynets.arch.spec import (
    NetSpec,
    StageSpec,
    conv_out_size,
    expand,
    round_channels,
    round_repeats,
    scale,
    scaled_resolution,
)
from tinynets.arch.zoo import resolve

# name -> output channels, blocks and first squeeze-excite channels of each stage, as timm 1.0 builds them
PUBLISHED = {
    'efficientnet_b0': ([16, 24, 40, 80, 112, 192, 320], [1, 2, 2, 3, 3, 4, 1], [8, 4, 6, 10, 20, 28, 48]),
    'tinynet_a': ([16, 24, 40, 80, 112, 192, 320], [1, 2, 2, 4, 4, 5, 1], [8, 4, 6, 10, 20, 28, 48]),
    'tinynet_b': ([16, 24, 32, 64, 88, 144, 240], [1, 2, 2, 3, 3, 4, 1], [8, 4, 6, 8, 16, 22, 36]),
    'tinynet_c': ([8, 16, 24, 40, 64, 104, 176], [1, 2, 2, 3, 3, 3, 1], [8, 2, 4, 6, 10, 16, 26]),
    'tinynet_d': ([8, 16, 24, 40, 64, 104, 176], [1, 1, 1, 2, 2, 3, 1], [8, 2, 4, 6, 10, 16, 26]),
    'tinynet_e': ([8, 16, 24, 40, 56, 96, 160], [1, 1, 1, 2, 2, 2, 1], [8, 2, 4, 6, 10, 14, 24]),
}
SIZES = {  # input side, then the side after the stem and each stage
    'efficientnet_b0': [224, 112, 112, 56, 28, 14, 14, 7, 7],
    'tinynet_a': [192, 96, 96, 48, 24, 12, 12, 6, 6],
    'tinynet_b': [188, 94, 94, 47, 24, 12, 12, 6, 6],
    'tinynet_c': [184, 92, 92, 46, 23, 12, 12, 6, 6],
    'tinynet_d': [152, 76, 76, 38, 19, 10, 10, 5, 5],
    'tinynet_e': [106, 53, 53, 27, 14, 7, 7, 4, 4],
}


@pytest.mark.parametrize('channels, want', [
    (0.3, 8), (8, 8), (11.9, 16), (12, 16), (16 * 0.51, 8), (40 * 0.54, 24), (80 * 0.54, 40), (320 * 0.54, 176),
    (9, 16),  # 8 would be more than 10 percent below
    (8.8, 8), (35.5, 32), (35.6, 40), (19.9, 24), (1280 * 1.1, 1408)])
def test_round_channels(channels, want):
    assert round_channels(channels) == want


@pytest.mark.parametrize('divisor', [4, 8, 16])
def test_round_channels_is_a_multiple_never_10_percent_below(divisor):
    for tenths in range(1, 5000):
        rounded = round_channels(tenths / 10, divisor)
        assert rounded % divisor == 0 and rounded >= max(divisor, 0.9 * tenths / 10)
        assert rounded - tenths / 10 <= divisor


@pytest.mark.parametrize('repeats, d, want', [
    (1, 0.5, 1), (3, 0.5, 2), (5, 0.5, 2), (7, 0.5, 4), (2, 1.25, 2), (2, 1.75, 4), (1, 2.5, 2), (1, 0.01, 1),
    (4, 0.6, 2), (3, 1.2, 4), (4, 1.2, 5), (3, 0.695, 2)])
def test_round_repeats_halves_to_even_and_at_least_one(repeats, d, want):
    assert round_repeats(repeats, d) == want


@pytest.mark.parametrize('stride', [1, 2, 3])
@pytest.mark.parametrize('kernel', [1, 3, 5, 7])
def test_conv_out_size_counts_the_kernel_positions(kernel, stride):
    for size in range(1, 40):
        padded = size + 2 * ((kernel - 1) // 2)
        assert conv_out_size(size, stride) == len(range(0, padded - kernel + 1, stride))


def test_a_ratio_of_pixels_gives_the_pixels_back():
    assert [scaled_resolution(base, n / base) for base in (224, 240, 300) for n in range(1, 4097)] == [
        *range(1, 4097)] * 3
    assert scaled_resolution(224, 0.86) == 192  # 192.64: cut, not rounded


@pytest.mark.parametrize('name', PUBLISHED)
def test_plan_of_a_variant(name):
    channels, repeats, squeezed = PUBLISHED[name]
    plan = expand(resolve(name))
    assert [stage[-1].out_channels for stage in plan.stages] == channels
    assert [len(stage) for stage in plan.stages] == repeats
    assert [stage[0].se_channels for stage in plan.stages] == squeezed
    assert (plan.stem.out_channels, plan.head.out_channels, plan.classifier.in_channels) == (32, 1280, 1280)
    assert [plan.resolution, plan.stem.out_size] + [stage[-1].out_size for stage in plan.stages] == SIZES[name]


@pytest.mark.parametrize('name', ['tinynet_a', 'tinynet_e', 'efficientnet_b0@r=0.46,d=1.7,w=1.3'])
def test_blocks_of_a_plan_fit_together(name):
    plan = expand(resolve(name, num_classes=7, in_channels=4))
    blocks = list(plan.blocks)
    assert (blocks[0].in_channels, blocks[0].in_size, blocks[-1].out_channels) == (4, plan.resolution, 7)
    for before, after in zip(blocks, blocks[1:]):
        assert (after.in_channels, after.in_size) == (before.out_channels, before.out_size)
    for i, stage in enumerate(plan.stages):
        assert [b.name for b in stage] == [f'stages.{i}.{j}' for j in range(len(stage))]
        assert all(b.stride == 1 and b.residual for b in stage[1:])
        assert all(b.expanded_channels == b.in_channels * (1 if i == 0 else 6) for b in stage)
    assert not any(stage[0].residual for stage in plan.stages)
    assert [plan.stem.stride_from_input] + [s[-1].stride_from_input for s in plan.stages] == [
        2, 2, 4, 8, 16, 16, 32, 32]


def test_drop_path_grows_linearly_with_the_block():
    blocks = [b for stage in expand(resolve('efficientnet_b0', drop_path=0.32)).stages for b in stage]
    assert len(blocks) == 16
    assert [b.drop_path for b in blocks] == pytest.approx([0.02 * i for i in range(16)])


def test_widths_fixed_and_at_least_and_a_network_without_head():
    spec = NetSpec('x', StageSpec('conv', 20, stride=2, width='fixed'),
                   (StageSpec('mbconv', 24, repeats=3), StageSpec('mbconv', 48, repeats=2, width='at_least')),
                   head=None)
    small, large = (expand(scale(spec, d=d, w=w)) for d, w in ((0.4, 0.5), (2, 1.5)))
    assert [[b.out_channels for b in stage] for stage in small.stages] == [[16], [48, 48]]
    assert [[b.out_channels for b in stage] for stage in large.stages] == [[40] * 6, [72, 72]]
    assert [small.stem.out_channels, large.stem.out_channels] == [20, 20]
    assert small.head is None and [b.name for b in small.blocks][-2:] == ['stages.1.1', 'classifier']
    assert small.classifier.in_channels == 48


def test_squeeze_excite_never_has_zero_channels():
    spec = NetSpec('x', StageSpec('conv', 2, width='fixed'), (StageSpec('mbconv', 8, se_ratio=0.25),), head=None)
    assert expand(spec).stages[0][0].se_channels == 1


INNER = {  # channels inside the blocks of each stage, and their squeeze-excite channels, as timm 1.0 builds them
    'mobilenetv3_large_100': (
        [[16], [64, 72], [72, 120, 120], [240, 200, 184, 184], [480, 672], [672, 960, 960]],
        [[0], [0, 0], [24, 32, 32], [0] * 4, [120, 168], [168, 240, 240]]),
    'mobilenetv3_small_050': (
        [[16], [40, 56], [64, 144, 144], [72, 72], [144, 288, 288]],
        [[8], [0, 0], [16, 40, 40], [24, 24], [40, 72, 72]]),
    'ghostnet_100': (
        [[16], [48, 72], [72, 120], [240, 200, 184, 184], [480, 672], [672] + [960] * 4],
        [[0], [0, 0], [20, 32], [0] * 4, [120, 168], [168, 0, 240, 0, 240]]),
    'resnet50@w=0.5': ([[32] * 3, [64] * 4, [128] * 6, [256] * 3], [[0] * 3, [0] * 4, [0] * 6, [0] * 3]),
}


@pytest.mark.parametrize('name', INNER)
def test_channels_inside_the_blocks(name):
    inner, squeezed = INNER[name]
    plan = expand(resolve(name))
    assert [[b.expanded_channels for b in stage] for stage in plan.stages] == inner
    assert [[b.se_channels for b in stage] for stage in plan.stages] == squeezed


def test_activations_are_the_rows_or_the_networks():
    plan = expand(resolve('mobilenetv3_small_100'))
    activations = [plan.stem.activation] + [stage[0].activation for stage in plan.stages]
    assert activations == ['hswish'] + ['relu'] * 2 + ['hswish'] * 3
    assert {(b.se_activation, b.se_gate) for b in plan.blocks if b.se_channels} == {('relu', 'hsigmoid')}
    assert (plan.head.out_channels, plan.classifier.expanded_channels, plan.classifier.in_channels) == (576, 1024, 576)


@pytest.mark.parametrize('d, inner', [
    (0.1, [240]), (0.6, [240, 200]), (0.75, [240, 200, 184]), (1, [240, 200, 184, 184]), (1.5, [240, 200] + [184] * 4)])
def test_depth_drops_the_last_blocks_of_a_stage_or_repeats_its_last_row(d, inner):
    stage = expand(resolve(f'mobilenetv3_large_100@d={d}')).stages[3]
    assert [b.expanded_channels for b in stage] == inner and [b.stride for b in stage] == [2] + [1] * (len(inner) - 1)


def test_the_pool_of_a_stem_is_part_of_its_stride():
    plan = expand(resolve('resnet50'))
    assert (plan.stem.in_size, plan.stem.out_size, plan.stem.stride, plan.stem.stride_from_input) == (224, 56, 2, 4)
    assert [stage[-1].out_size for stage in plan.stages] == [56, 28, 14, 7]
    assert plan.head is None and plan.classifier.in_channels == 2048


@pytest.mark.parametrize('letter', 'rdw')
@pytest.mark.parametrize('value', [0, -0.5, float('nan'), float('inf')])
def test_a_multiplier_that_is_not_positive_is_named(letter, value):
    with pytest.raises(ValueError, match=f'multiplier {letter}={value}: must be above 0 and at most 100'):
        scale(resolve('efficientnet_b0'), **{letter: value})


@pytest.mark.parametrize('r, pixels', [(0.004, 0), (18.3, 4099)])
def test_a_resolution_out_of_range_is_named(r, pixels):
    with pytest.raises(ValueError, match=f'resolution {pixels} px .*must be 1 to 4096'):
        scale(resolve('efficientnet_b0'), r=r)


@pytest.mark.parametrize('field', ['num_classes', 'in_channels'])
@pytest.mark.parametrize('value', [0, -1, 10.0, True])
def test_a_count_out_of_range_is_named(field, value):
    with pytest.raises(ValueError, match=f'^{field}={value}: must be a whole number of at least 1'):
        expand(resolve('tinynet_e', **{field: value}))


@pytest.mark.parametrize('field', ['dropout', 'drop_path'])
@pytest.mark.parametrize('value', [1.0, -0.1, 1.5, float('nan')])
def test_a_rate_out_of_range_is_named(field, value):
    with pytest.raises(ValueError, match=f'^{field}={value}: must be at least 0 and below 1'):
        expand(resolve('tinynet_e', **{field: value}))


def test_an_input_of_one_pixel_stays_one_pixel():
    plan = expand(resolve('efficientnet_b0@resolution=1'))
    assert {b.out_size for b in plan.blocks} == {1}
