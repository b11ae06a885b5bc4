"""Costs: golden integers, the published table, and a small network counted by hand."""
from dataclasses import replace

import pytest

from src.arch.complexity import layer_costs, measure
from src.arch.spec import NetSpec, StageSpec, expand
from src.arch.zoo import VARIANTS, resolve

PARAMS = {  # as timm 1.0 counts the authors' networks
    'efficientnet_b0': 5_288_548, 'tinynet_a': 6_187_972, 'tinynet_b': 3_730_562, 'tinynet_c': 2_457_234,
    'tinynet_d': 2_338_446, 'tinynet_e': 2_042_972}

# "Model Rubik's Cube", NeurIPS 2020: millions of multiply-adds
MACS_M = {
    'efficientnet_b0': 387, 'tinynet_a': 339, 'tinynet_b': 202, 'tinynet_c': 100, 'tinynet_d': 52, 'tinynet_e': 24,
    'efficientnet_b0@r=0.7': 196, 'efficientnet_b0@r=0.46': 103, 'efficientnet_b0@d=0.45': 196,
    'efficientnet_b0@w=0.65': 205}

TINY = NetSpec(
    'tiny', base_resolution=9, num_classes=5, stem=StageSpec('conv', 8, stride=2),
    stages=(StageSpec('depthwise_separable', 8, se_ratio=0.25),
            StageSpec('mbconv', 16, kernel=5, stride=2, repeats=2, expansion=2, se_ratio=0.25)),
    head=StageSpec('conv', 24, kernel=1))

# Counted by hand: 9 px -> 5 px in the stem -> 3 px in stage 1. name, kind, macs, weights, channels out, output, live.
BY_HAND = [
    ('stem.conv', 'conv', 216 * 25, 216, 8, 200, 3 * 81 + 200),
    ('stages.0.0.depthwise.conv', 'depthwise', 72 * 25, 72, 8, 200, 200 + 200),  # its input is the shortcut
    ('stages.0.0.se.reduce', 'conv', 16, 16, 2, 2, 8 + 2 + 200 + 200),  # the map to gate and the shortcut wait
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
    ('classifier', 'dense', 120, 120, 5, 5, 216 + 24),  # the pool: a map in, a value a channel out
]
MACS = 38_248  # 5400 + 3432 + 9168 + 16672 + 3456 + 120, block after block
ACTIVATIONS = 2293  # 200 + 410 + 706 + 756 + 216 + 5
PEAK = 720 * 4  # stages.1.1.depthwise
NORMED = 8 + 8 + 8 + 16 + 16 + 16 + 32 + 32 + 16 + 24  # channels with a batch norm


@pytest.mark.parametrize('name', PARAMS)
def test_params_are_those_of_the_authors(name):
    cost = measure(expand(resolve(name)))
    assert cost.params == PARAMS[name] and cost.size_bytes == 4 * PARAMS[name]
    decimals = 1 if name == 'efficientnet_b0' else 2
    assert round(PARAMS[name] / 1e6, decimals) == VARIANTS[name].params_m


@pytest.mark.parametrize('name', MACS_M)
def test_macs_are_those_of_the_paper(name):
    macs_m = measure(expand(resolve(name))).macs / 1e6
    assert abs(macs_m - MACS_M[name]) <= max(0.01 * MACS_M[name], 0.5)


def test_the_zoo_carries_the_published_numbers():
    assert {name: row.macs_m for name, row in VARIANTS.items()} == {n: m for n, m in MACS_M.items() if '@' not in n}


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
    assert (cost.macs, cost.activations, cost.peak_memory) == (MACS, ACTIVATIONS, PEAK)
    assert cost.params == sum(row[3] + row[4] for row in BY_HAND) + NORMED
    assert cost.size_bytes == 4 * cost.params


@pytest.mark.parametrize('spec', [TINY, resolve('tinynet_c'), resolve('efficientnet_b0@d=0.45')], ids=lambda s: s.name)
def test_folding_saves_one_number_a_normed_channel_and_nothing_else(spec):
    plain, folded = (measure(expand(replace(spec, folded=f))) for f in (False, True))
    normed = sum(layer.shape[0] for layer in layer_costs(expand(spec))
                 if layer.kind != 'dense' and '.se.' not in layer.name)
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


@pytest.mark.parametrize('classes, channels', [(1, 1), (37, 4)])
def test_classes_and_input_channels_change_the_ends_alone(classes, channels):
    plain = measure(expand(resolve('tinynet_e')))
    other = measure(expand(resolve('tinynet_e', num_classes=classes, in_channels=channels)))
    assert other.params - plain.params == (classes - 1000) * 1281 + (channels - 3) * 9 * 32
    assert other.macs - plain.macs == (classes - 1000) * 1280 + (channels - 3) * 9 * 32 * 53 ** 2
