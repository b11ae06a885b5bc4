"""Costs: golden integers, the published table, and a small network counted by hand."""
from dataclasses import replace

import pytest

from tinynets.arch.complexity import layer_costs, measure
from tinynets.arch.layers import BLOCKS, INPUT
from tinynets.arch.spec import NetSpec, SqueezeSpec, StageSpec, expand
from tinynets.arch.zoo import VARIANTS, resolve

PARAMS = {  # as timm 1.0 counts the authors' networks
    'efficientnet_b0': 5_288_548, 'tinynet_a': 6_187_972, 'tinynet_b': 3_730_562, 'tinynet_c': 2_457_234,
    'tinynet_d': 2_338_446, 'tinynet_e': 2_042_972, 'resnet50': 25_557_032, 'ghostnet_100': 5_182_508,
    'mobilenetv3_large_100': 5_483_032, 'mobilenetv3_large_075': 3_993_528, 'mobilenetv3_small_100': 2_542_856,
    'mobilenetv3_small_075': 2_041_872, 'mobilenetv3_small_050': 1_593_224, 'ghostnet@w=0.5': 2_587_292,
    'ghostnet@w=1.3': 7_358_820}

# Multiply-adds of timm's networks, counted by hooks on its convolutions and dense layers: tests/golden/generate.py
MACS = {
    'efficientnet_b0': 385_814_752, 'resnet50': 4_089_184_256, 'ghostnet_100': 141_150_512,
    'mobilenetv3_large_100': 216_589_760, 'mobilenetv3_large_075': 154_560_624, 'mobilenetv3_small_100': 56_510_400,
    'mobilenetv3_small_075': 43_399_344, 'mobilenetv3_small_050': 24_188_688}

# "Model Rubik's Cube", NeurIPS 2020: millions of multiply-adds
MACS_M = {
    'efficientnet_b0': 387, 'tinynet_a': 339, 'tinynet_b': 202, 'tinynet_c': 100, 'tinynet_d': 52, 'tinynet_e': 24,
    'efficientnet_b0@r=0.7': 196, 'efficientnet_b0@r=0.46': 103, 'efficientnet_b0@d=0.45': 196,
    'efficientnet_b0@w=0.65': 205, 'efficientnet_b-1': 200, 'efficientnet_b-2': 100, 'efficientnet_b-3': 52,
    'efficientnet_b-4': 24, 'ghostnet_100': 141, 'mobilenetv3_large_075': 155, 'mobilenetv3_small_100': 56,
    'resnet50': 4089}
# Slimmable Neural Networks: ResNet-50's GFLOPs, M params
SLIM = {0.75: (2.3, 14.7), 0.5: (1.1, 6.9), 0.25: (0.278, 2.0)}

TINY = NetSpec(
    'tiny', base_resolution=9, num_classes=5, stem=StageSpec('conv', 8, stride=2),
    stages=(StageSpec('depthwise_separable', 8, se_ratio=0.25),
            StageSpec('mbconv', 16, kernel=5, stride=2, repeats=2, expansion=2, se_ratio=0.25)),
    head=StageSpec('conv', 24, kernel=1))

# Counted by hand: 9 px -> 5 px in the stem -> 3 px in stage 1. name, kind, macs, weights, channels out, output, live.
BY_HAND = [
    ('stem.conv', 'conv', 216 * 25, 216, 8, 200, 3 * 81 + 200),
    ('stages.0.0.depthwise.conv', 'depthwise', 72 * 25, 72, 8, 200, 200 + 200),  # its input is also the shortcut
    ('stages.0.0.se.reduce', 'conv', 16, 16, 2, 2, 8 + 2 + 200 + 200),  # with the map to gate and the shortcut
    ('stages.0.0.se.expand', 'conv', 16, 16, 8, 8, 2 + 8 + 200 + 200),
    ('stages.0.0.project.conv', 'conv', 64 * 25, 64, 8, 200, 200 + 200 + 200),
    ('stages.1.0.expand.conv', 'conv', 128 * 25, 128, 16, 400, 200 + 400),
    ('stages.1.0.depthwise.conv', 'depthwise', 400 * 9, 400, 16, 144, 400 + 144),
    ('stages.1.0.se.reduce', 'conv', 32, 32, 2, 2, 16 + 2 + 144),
    ('stages.1.0.se.expand', 'conv', 32, 32, 16, 16, 2 + 16 + 144),
    ('stages.1.0.project.conv', 'conv', 256 * 9, 256, 16, 144, 144 + 144),
    ('stages.1.1.expand.conv', 'conv', 512 * 9, 512, 32, 288, 144 + 288),
    ('stages.1.1.depthwise.conv', 'depthwise', 800 * 9, 800, 32, 288, 288 + 288 + 144),
    ('stages.1.1.se.reduce', 'conv', 128, 128, 4, 4, 32 + 4 + 288 + 144),
    ('stages.1.1.se.expand', 'conv', 128, 128, 32, 32, 4 + 32 + 288 + 144),
    ('stages.1.1.project.conv', 'conv', 512 * 9, 512, 16, 144, 288 + 144 + 144),
    ('head.conv', 'conv', 384 * 9, 384, 24, 216, 144 + 216),
    ('classifier', 'dense', 120, 120, 5, 5, 216 + 24),  # the pool: from a map to one value per channel
]
TINY_MACS = 38_248  # 5400 + 3432 + 9168 + 16672 + 3456 + 120, block after block
ACTIVATIONS = 2293  # 200 + 410 + 706 + 756 + 216 + 5
PEAK = 720 * 4  # stages.1.1.depthwise
NORMED = 8 + 8 + 8 + 16 + 16 + 16 + 32 + 32 + 16 + 24  # channels with a batch norm


@pytest.mark.parametrize('name', PARAMS)
def test_params_are_those_of_the_authors(name):
    cost = measure(expand(resolve(name)))
    assert cost.params == PARAMS[name] and cost.size_bytes == 4 * PARAMS[name]
    if name in VARIANTS:
        published = VARIANTS[name].params_m
        assert abs(PARAMS[name] / 1e6 - published) <= (0.006 if published != round(published, 1) else 0.09)


@pytest.mark.parametrize('name', MACS)
def test_macs_are_those_of_the_layers_that_timm_runs(name):
    assert measure(expand(resolve(name))).macs == MACS[name]


@pytest.mark.parametrize('w', SLIM)
def test_a_slim_resnet_has_the_published_cost(w):
    cost = measure(expand(resolve(f'resnet50@w={w}')))
    assert cost.macs / 1e9 == pytest.approx(SLIM[w][0], abs=0.05)
    assert cost.params / 1e6 == pytest.approx(SLIM[w][1], abs=0.1)


@pytest.mark.parametrize('name', MACS_M)
def test_macs_are_those_of_the_paper(name):
    macs_m = measure(expand(resolve(name))).macs / 1e6
    assert abs(macs_m - MACS_M[name]) <= max(0.01 * MACS_M[name], 0.5)


def test_the_zoo_carries_the_published_numbers():
    published = {**MACS_M, 'mobilenetv3_large_100': 219, 'mobilenetv3_small_075': 44, 'mobilenetv3_small_050': None}
    assert {name: row.macs_m for name, row in VARIANTS.items()} == {n: m for n, m in published.items() if '@' not in n}


@pytest.mark.parametrize('folded', [False, True])
def test_every_layer_as_counted_by_hand(folded):
    layers = layer_costs(expand(replace(TINY, folded=folded)))
    assert [layer.name for layer in layers] == [row[0] for row in BY_HAND]
    for layer, (name, kind, macs, weights, channels, written, live) in zip(layers, BY_HAND):
        one_a_channel = folded or '.se.' in name or kind == 'dense'
        assert (layer.kind, layer.macs, layer.activations, layer.live) == (kind, macs, written, live), name
        assert layer.params == weights + (1 if one_a_channel else 2) * channels, name
        assert layer.shape[0] == channels and layer.shape[0] * layer.shape[1] * layer.shape[2] == written, name


def test_totals_as_counted_by_hand():
    cost = measure(expand(TINY))
    assert (cost.macs, cost.activations, cost.peak_memory) == (TINY_MACS, ACTIVATIONS, PEAK)
    assert cost.params == sum(row[3] + row[4] for row in BY_HAND) + NORMED
    assert cost.size_bytes == 4 * cost.params


# 9 px -> 5 px in the stem, 3 px after its pool; inner channels 4 of a bottleneck, 8 of a ghost block.
OTHERS = NetSpec(
    'others', base_resolution=9, num_classes=5, divisor=4, squeeze=SqueezeSpec('inner', 4), hidden=6, head=None,
    stem=StageSpec('conv', 4, kernel=7, stride=2, pool=2),
    stages=((StageSpec('bottleneck', 8, inner=4), StageSpec('bottleneck', 8, inner=4)),
            (StageSpec('ghost', 12, kernel=5, stride=2, inner=16, se_ratio=0.25), StageSpec('ghost', 12, inner=8))))
BY_HAND_TOO = [  # name, macs, output channels, output elements, live
    ('stem.conv', 49 * 12 * 25, 4, 100, 243 + 100),  # 136 while it is pooled
    ('stages.0.0.reduce.conv', 16 * 9, 4, 36, 36 + 36), ('stages.0.0.spatial.conv', 9 * 16 * 9, 4, 36, 36 * 3),
    ('stages.0.0.expand.conv', 32 * 9, 8, 72, 36 + 72 + 36), ('stages.0.0.shortcut.conv', 32 * 9, 8, 72, 36 + 72 + 72),
    ('stages.0.1.reduce.conv', 32 * 9, 4, 36, 72 + 36), ('stages.0.1.spatial.conv', 9 * 16 * 9, 4, 36, 36 + 36 + 72),
    ('stages.0.1.expand.conv', 32 * 9, 8, 72, 36 + 72 + 72),
    ('stages.1.0.expand.primary.conv', 64 * 9, 8, 72, 72 + 72),
    ('stages.1.0.expand.cheap.conv', 72 * 9, 8, 72, 72 * 3),
    ('stages.1.0.depthwise.conv', 25 * 16 * 4, 16, 64, 144 + 64 + 72),
    ('stages.1.0.se.reduce', 64, 4, 4, 20 + 64 + 72), ('stages.1.0.se.expand', 64, 16, 16, 20 + 64 + 72),
    ('stages.1.0.project.primary.conv', 96 * 4, 6, 24, 64 + 24 + 72),
    ('stages.1.0.project.cheap.conv', 54 * 4, 6, 24, 24 + 24 + 72),
    ('stages.1.0.shortcut.depthwise.conv', 25 * 8 * 4, 8, 32, 72 + 32 + 48),
    ('stages.1.0.shortcut.project.conv', 96 * 4, 12, 48, 32 + 48 + 48),
    ('stages.1.1.expand.primary.conv', 48 * 4, 4, 16, 48 + 16),
    ('stages.1.1.expand.cheap.conv', 36 * 4, 4, 16, 32 + 48),
    ('stages.1.1.project.primary.conv', 48 * 4, 6, 24, 32 + 24 + 48),
    ('stages.1.1.project.cheap.conv', 54 * 4, 6, 24, 24 + 24 + 48),
    ('classifier.hidden', 72, 6, 6, 48 + 12), ('classifier', 30, 5, 5, 6 + 5)]


def test_every_layer_of_the_other_kinds_as_counted_by_hand():
    layers = layer_costs(expand(OTHERS))
    assert [(c.name, c.macs, c.shape[0], c.activations, c.live) for c in layers] == BY_HAND_TOO
    assert measure(expand(OTHERS)).peak_memory == 4 * 343


@pytest.mark.parametrize('spec', [TINY, resolve('tinynet_c'), resolve('efficientnet_b0@d=0.45'),
                                  resolve('ghostnet_100'),
                                  resolve('resnet50'), resolve('mobilenetv3_small_050')], ids=lambda s: s.name)
def test_folding_saves_one_number_a_normed_channel_and_nothing_else(spec):
    plain, folded = (measure(expand(replace(spec, folded=f))) for f in (False, True))
    normed = sum(layer.shape[0] for layer in layer_costs(expand(spec))
                 if layer.kind != 'dense' and '.se.' not in layer.name and layer.name != 'classifier.hidden')
    assert plain.params - folded.params == normed
    assert (plain.macs, plain.activations, plain.peak_memory) == (folded.macs, folded.activations, folded.peak_memory)
    if spec is TINY:
        assert normed == NORMED


def test_a_pool_over_a_large_map_counts_for_the_memory():
    spec = NetSpec('pool', StageSpec('conv', 8, width='fixed'), (), head=None, base_resolution=10, in_channels=1,
                   num_classes=2000)
    stem, dense = layer_costs(expand(spec))
    assert (stem.live, dense.live) == (100 + 800, 8 + 2000)  # the dense layer's own, as it is the larger
    assert layer_costs(expand(replace(spec, num_classes=2)))[1].live == 800 + 8


def test_a_max_pool_reads_a_map_and_writes_another():
    """10 px of one channel, 8 channels of 10 px, pooled to 5 px: the pooling has more alive than the convolution."""
    spec = NetSpec('pooled', StageSpec('conv', 8, width='fixed', pool=2), (), head=None, base_resolution=10,
                   in_channels=1, num_classes=2)
    assert layer_costs(expand(spec))[0].live == 800 + 200 and measure(expand(spec)).peak_memory == 4 * 1000
    resnet = layer_costs(expand(resolve('resnet50')))[0]
    assert resnet.live == 64 * 112 ** 2 + 64 * 56 ** 2 > 3 * 224 ** 2 + 64 * 112 ** 2


@pytest.mark.parametrize('classes, channels', [(1, 1), (37, 4)])
def test_classes_and_input_channels_change_the_ends_alone(classes, channels):
    plain = measure(expand(resolve('tinynet_e')))
    other = measure(expand(resolve('tinynet_e', num_classes=classes, in_channels=channels)))
    assert other.params - plain.params == (classes - 1000) * 1281 + (channels - 3) * 9 * 32
    assert other.macs - plain.macs == (classes - 1000) * 1280 + (channels - 3) * 9 * 32 * 53 ** 2


@pytest.mark.parametrize('kind', ['act', 'max_pool', 'mean'])
def test_a_block_may_begin_or_end_with_a_layer_without_weights(kind, monkeypatch):
    """Its maps count with the convolution's, or, in a block without weights, in the peak alone."""
    def around(block, add):
        x = add.simple(kind, 'before', INPUT)
        x = add.conv('project', x, block.out_channels, 1, block.stride)
        add.simple(kind, 'after', x)

    def alone(block, add):
        add.simple(kind, 'alone', INPUT, channels=64)
    monkeypatch.setitem(BLOCKS, f'around {kind}', around)
    monkeypatch.setitem(BLOCKS, f'alone {kind}', alone)
    stem = 8 * 25
    spec = replace(TINY, stages=(StageSpec(f'around {kind}', 16),))
    layer, = [cost for cost in layer_costs(expand(spec)) if cost.name.startswith('stages')]
    before, after = (stem, 2 * stem) if kind == 'act' else (2 * stem, 4 * stem)  # an activation works in place
    assert (layer.name, layer.macs) == ('stages.0.0.project.conv', 128 * 25)
    assert layer.live == max(before, stem + 2 * stem, after)
    spec = replace(TINY, stages=(StageSpec(f'alone {kind}', 8),))
    assert [cost.kind for cost in layer_costs(expand(spec))] == ['conv', 'conv', 'dense']
    assert measure(expand(spec)).peak_memory == 4 * (4 * stem if kind == 'act' else stem + 64 * 25)  # the head: 4
