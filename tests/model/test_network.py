"""The cells: parameters against the counted ones, feature taps, dropout and drop path, initialisation."""
import dataclasses

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from tests.conftest import LIGHT, SMALL
from tinynets import native
from tinynets.arch import expand, layer_costs, measure, resolve
from tinynets.arch.spec import conv_out_size
from tinynets.model import FeatureExtractor, create_model, list_models
from tinynets.model.layers import ACTIVATIONS, Dropout, DropPath, MaxPool, Uniform, activation
from tinynets.model.network import Network
from tinynets.model.weights import load_arrays

OTHERS = ['ghostnet@d=0.4,w=0.3', 'mobilenetv3_small@d=1.6,w=0.35', 'mobilenetv3_large@d=0.3,w=0.2',
          'resnet50@d=0.3,w=0.1']


@pytest.mark.parametrize('name', [*list_models(), 'efficientnet_b0@r=0.3,d=2.1,w=0.33', 'tinynet_c@w=1.4', *OTHERS])
@pytest.mark.parametrize('classes, channels', [(1000, 3), (7, 1)])
def test_parameters_are_the_counted_ones(name, classes, channels):
    net = create_model(name, num_classes=classes, in_channels=channels)
    assert sum(p.size for p in net.trainable_params()) == measure(net.plan).params
    weights = {p.name for p in net.get_parameters() if p.name.endswith('.weight') and p.ndim == 4}
    assert weights == {f'{layer.name}.weight' for layer in layer_costs(net.plan) if layer.kind != 'dense'}


@pytest.mark.parametrize('name', [SMALL, *(f'{other},resolution=16' for other in OTHERS)])
def test_multiply_adds_are_those_of_the_convolutions_that_run(stock_kernels, name):
    net = create_model(name, num_classes=5)
    shapes, hooks = [], []
    ms.set_context(mode=ms.PYNATIVE_MODE)
    for _, cell in net.cells_and_names():
        if isinstance(cell, (nn.Conv2d, nn.Dense)):
            hooks.append(cell.register_forward_hook(lambda c, _, out: shapes.append((c, out.shape))))
    net.set_train(False)(Tensor(np.zeros((1, 3, 16, 16), np.float32)))
    macs = sum(cell.weight.size * (int(np.prod(shape[2:])) if len(shape) == 4 else 1) for cell, shape in shapes)
    assert macs == measure(net.plan).macs
    assert [(*shape[1:], 1, 1)[:3] for cell, shape in shapes if isinstance(cell, nn.Conv2d)] == [  # flat: (N, C)
        layer.shape for layer in layer_costs(net.plan) if layer.kind != 'dense']


@pytest.mark.parametrize('name, maps', [('resnet50@d=0.1,w=0.1', [(24, 16), (48, 8), (104, 4), (208, 2)]),
                                        ('ghostnet@d=0.1,w=0.5', [(12, 16), (20, 8), (56, 4), (80, 2)])])
def test_feature_taps_of_the_other_families(name, maps):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    taps = FeatureExtractor(create_model(name), (4, 8, 16, 32)).set_train(False)
    found = taps(Tensor(np.ones((1, 3, 64, 64), np.float32)))
    assert [m.shape for m in found] == [(1, channels, side, side) for channels, side in maps]


@pytest.mark.parametrize('size', [5, 8])
def test_max_pooling_is_padded_by_one(size):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    x = np.abs(np.random.default_rng(0).normal(0, 1, (2, 3, size, size))).astype(np.float32)
    got = MaxPool(2, 'relu')(Tensor(x)).asnumpy()
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    for i in range(got.shape[2]):
        for j in range(got.shape[3]):
            np.testing.assert_array_equal(got[:, :, i, j], padded[:, :, 2 * i:2 * i + 3, 2 * j:2 * j + 3].max((2, 3)))
    assert got.shape[2] == conv_out_size(size, 2)


@pytest.mark.parametrize('act', ACTIVATIONS)
def test_max_pooling_refuses_what_its_zeros_would_change(act):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    spec = dataclasses.replace(resolve('resnet50@d=0.1,w=0.1'), activation=act)
    if activation(act)(Tensor(np.linspace(-8, 8, 99, dtype=np.float32))).asnumpy().min() < 0:
        with pytest.raises(ValueError, match=f"activation '{act}': must be one without negative numbers"):
            Network(expand(spec))
    else:
        Network(expand(spec))


@pytest.mark.parametrize('mode', [ms.GRAPH_MODE, ms.PYNATIVE_MODE], ids=['graph', 'pynative'])
def test_feature_taps(mode):
    ms.set_context(mode=mode)
    net = create_model('tinynet_e')
    taps = FeatureExtractor(net, (4, 32, 8)).set_train(False)
    maps = taps(Tensor(np.ones((2, 3, 64, 96), np.float32)))
    assert [m.shape for m in maps] == [(2, 16, 16, 24), (2, 24, 8, 12), (2, 160, 2, 3)]
    assert taps.channels == (16, 24, 160)
    assert {p.name for p in taps.get_parameters()} < {p.name for p in net.get_parameters()}


def test_features_go_on_to_the_logits():
    ms.set_context(mode=ms.GRAPH_MODE)
    net = create_model(SMALL, num_classes=5).set_train(False)
    x = Tensor(np.random.default_rng(0).normal(0, 1, (2, 3, 16, 16)).astype(np.float32))
    last, = FeatureExtractor(net, (32,)).set_train(False)(x)
    np.testing.assert_array_equal(net.classifier(net.head(net.enter(last))).asnumpy(), net(x).asnumpy())


@pytest.mark.parametrize('strides', [(3,), (64,), ()])
def test_unknown_feature_stride(strides):
    with pytest.raises(ValueError, match=r'\[2, 4, 8, 16, 32\]'):
        FeatureExtractor(create_model(SMALL), strides)


@pytest.mark.parametrize('library', ['auto', 'stock'])
def test_moving_statistics_take_a_tenth_of_each_batch(library):
    """The same as PyTorch's momentum of 0.1, with the unbiased variance."""
    ms.set_context(mode=ms.GRAPH_MODE)
    native.choose(library)
    net = create_model(SMALL, num_classes=5).set_train()
    native.choose()
    x = np.random.default_rng(0).normal(1, 2, (4, 3, 16, 16)).astype(np.float32)
    net(Tensor(x))
    padded, weight = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1))), net.stem.conv.weight.asnumpy()
    maps = sum(np.einsum('nihw,oi->ohwn', padded[:, :, i:i + 16:2, j:j + 16:2], weight[:, :, i, j])
               for i in range(3) for j in range(3)).reshape(len(weight), -1)
    norm = net.stem.norm
    np.testing.assert_allclose(norm.moving_mean.asnumpy(), 0.1 * maps.mean(1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance.asnumpy(), 0.9 + 0.1 * maps.var(1, ddof=1), rtol=1e-4)


def reference_uniform(start, calls, count):
    """Return the hash of layers.Uniform in unsigned arithmetic."""
    draws = []
    for call in range(1, calls + 1):
        x = (np.arange(count) + (start + call) * 2654435769) % 2**32
        for shift, factor in ((16, 2146121005), (15, 2221713035), (16, 1)):
            x = (x ^ (x >> shift)) * factor % 2**32
        draws.append((x & 0xFFFFFF) / 2**24)
    return np.array(draws)


@pytest.mark.parametrize('mode', [ms.GRAPH_MODE, ms.PYNATIVE_MODE], ids=['graph', 'pynative'])
def test_uniform_is_the_hash_of_its_counter(mode):
    ms.set_context(mode=mode)
    uniform = Uniform('x', seed=3)
    start = int(uniform.counter.asnumpy()[0])
    draws = np.array([uniform(1000).asnumpy() for _ in range(3)])
    np.testing.assert_array_equal(draws, reference_uniform(start, 3, 1000).astype(np.float32))
    assert int(uniform.counter.asnumpy()[0]) == start + 3


def test_uniform_numbers_are_uniform_and_independent():
    draws = reference_uniform(12345, 40, 5000)
    counts, _ = np.histogram(draws, bins=20, range=(0, 1))
    expected = draws.size / 20
    assert ((counts - expected) ** 2 / expected).sum() < 43.8  # chi-square, 19 degrees of freedom, p = 0.001
    for shifted in (np.roll(draws, 1, axis=0), np.roll(draws, 1, axis=1)):
        assert abs(np.corrcoef(draws.ravel(), shifted.ravel())[0, 1]) < 0.01


@pytest.mark.parametrize('mode', [ms.GRAPH_MODE, ms.PYNATIVE_MODE], ids=['graph', 'pynative'])
def test_dropout_and_drop_path(mode):
    ms.set_context(mode=mode)
    x = Tensor(np.ones((256, 100), np.float32))
    drop = Dropout(0.2, 'd').set_train(True)
    first, second = drop(x).asnumpy(), drop(x).asnumpy()
    assert set(np.unique(first)) == {np.float32(0), np.float32(1.25)}
    assert abs((first == 0).mean() - 0.2) < 0.01 and (first != second).any()
    np.testing.assert_array_equal(drop.set_train(False)(x).asnumpy(), x.asnumpy())
    path = DropPath(0.25, 'p').set_train(True)
    y = path(Tensor(np.ones((2000, 2, 3, 3), np.float32))).asnumpy()
    assert abs((y[:, 0, 0, 0] == 0).mean() - 0.25) < 0.03
    assert (y == y[:, :1, :1, :1]).all() and y.max() == np.float32(1 / 0.75)


def test_drop_path_rates_grow_linearly_and_no_rate_means_no_parameter():
    plan = expand(resolve('efficientnet_b0', drop_path=0.16))
    blocks = [b for stage in plan.stages for b in stage]
    np.testing.assert_allclose([b.drop_path for b in blocks], 0.16 * np.arange(16) / 16)
    cells = {name: cell.rate for name, cell in create_model('efficientnet_b0', drop_path=0.16).cells_and_names()
             if isinstance(cell, DropPath)}
    assert cells == {f'{b.name}.drop_path': b.drop_path for b in blocks if b.residual and b.drop_path}
    assert not any('counter' in p.name for p in create_model(SMALL).get_parameters())


@pytest.mark.parametrize('kind', ['dropout', 'drop_path'])
def test_what_is_dropped_depends_on_the_seed(kind):
    """The seed goes down to every layer that draws: one with a stream of its own would drop the same in each run."""
    def draws(seed):
        network = create_model(LIGHT, num_classes=5, seed=seed, **{kind: 0.5})
        layers = {name: cell for name, cell in network.cells_and_names() if isinstance(cell, Uniform)}
        return {name: cell(64).asnumpy() for name, cell in layers.items()}
    first, again, other = draws(1), draws(1), draws(2)
    assert first.keys() == other.keys() and first
    for name, numbers in first.items():
        np.testing.assert_array_equal(numbers, again[name])
        assert not np.array_equal(numbers, other[name]), name
    different = {numbers.tobytes() for numbers in first.values()}
    assert len(different) == len(first)  # each layer its own


def test_initialisation_depends_on_the_seed_alone():
    a, b, c = (create_model(SMALL, num_classes=5, seed=s) for s in (1, 1, 2))
    for p, q, r in zip(a.get_parameters(), b.get_parameters(), c.get_parameters()):
        np.testing.assert_array_equal(p.asnumpy(), q.asnumpy())
        if p.ndim > 1:
            assert (p.asnumpy() != r.asnumpy()).any()
    wide = create_model('efficientnet_b0')
    weights = {p.name: p.asnumpy() for p in wide.get_parameters()}
    assert weights['head.conv.weight'].std() == pytest.approx(np.sqrt(2 / 1280), rel=0.01)
    assert weights['stages.5.1.depthwise.conv.weight'].std() == pytest.approx(np.sqrt(2 / 25), rel=0.02)
    assert np.abs(weights['classifier.dense.weight']).max() == pytest.approx(1 / np.sqrt(1280), rel=0.001)


def test_ghostnet_starts_with_pytorchs_own_rule_as_its_authors_left_it():
    net = create_model('ghostnet', num_classes=10)
    weights = {p.name: p.asnumpy() for p in net.get_parameters()}
    for place, fan_in in [('stem.conv', 27), ('stages.5.1.project.primary.conv', 960),
                          ('stages.5.1.expand.cheap.conv', 9),
                          ('stages.5.0.depthwise.conv', 25), ('stages.5.2.se.reduce', 960), ('classifier.hidden', 960),
                          ('classifier.dense', 1280)]:
        weight = weights[f'{place}.weight']
        assert np.abs(weight).max() == pytest.approx(1 / np.sqrt(fan_in), rel=0.02), place
        assert np.abs(weight).max() <= np.float32(1 / np.sqrt(fan_in))
        assert weight.std() == pytest.approx(1 / np.sqrt(3 * fan_in), rel=0.06), place
    for place, fan_in in [('stages.5.2.se.expand', 240), ('classifier.hidden', 960)]:
        assert weights[f'{place}.bias'].std() == pytest.approx(1 / np.sqrt(3 * fan_in), rel=0.06), place


@pytest.mark.parametrize('name, most', [('ghostnet', 0.1), ('mobilenetv3_small', 0.01), ('tinynet_e', 0.01)])
def test_fresh_networks_give_small_logits_in_evaluation(name, most):
    """With the initial statistics of batch norm, so that the first evaluation's loss has a normal size."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    images = Tensor(np.random.default_rng(0).normal(0, 1, (2, 3, 64, 64)).astype(np.float32))
    logits = create_model(name, num_classes=10).set_train(False)(images).asnumpy()
    assert 0 < np.abs(logits).max() < most


def test_an_unknown_rule_of_fresh_weights_is_refused():
    with pytest.raises(ValueError, match="initial='xavier': must be one of fan_out, fan_in"):
        expand(dataclasses.replace(resolve('ghostnet'), initial='xavier'))


def test_strict_loading_is_all_or_nothing():
    net = create_model(SMALL, num_classes=5)
    arrays = {p.name: p.asnumpy() + 1 for p in net.get_parameters()}
    before = net.stem.conv.weight.asnumpy()
    for broken, words in (({**arrays, 'more': np.zeros(1)}, 'not in the network: more'),
                          ({k: v for k, v in arrays.items() if k != 'stem.norm.beta'}, 'missing: stem.norm.beta'),
                          ({**arrays, 'stem.norm.beta': np.zeros(3)}, r'stem.norm.beta is \(3,\)')):
        with pytest.raises(ValueError, match=words):
            load_arrays(net, broken)
        np.testing.assert_array_equal(net.stem.conv.weight.asnumpy(), before)
    load_arrays(net, arrays)
    np.testing.assert_array_equal(net.stem.conv.weight.asnumpy(), before + 1)
