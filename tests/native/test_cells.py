"""Networks on the compiled kernels compared with the framework's operators: only the speed differs."""
import dataclasses
import functools

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from tests.conftest import SMALL
from tinynets import native
from tinynets.arch.layers import Layer
from tinynets.arch.spec import NetSpec, SqueezeSpec, StageSpec, expand
from tinynets.arch.zoo import resolve
from tinynets.model import FeatureExtractor
from tinynets.model.layers import ConvNormAct
from tinynets.model.network import Network
from tinynets.model.weights import initialise
from tinynets.native import build, cells
from tinynets.native.fusion import Step
from tinynets.training.ema import WeightAverage
from tinynets.training.optim import build_optimizer
from tinynets.training.step import TrainStep

RESULT, GRADIENT = 1e-5, 1e-4  # of the largest value of a tensor
CLASSES, BATCH = 5, 6
PIXELS = 48  # 2 x 2 at stride 32: 24 values per channel. The norm of a few values may divide by an std near zero.

PLAIN = NetSpec(
    name='plain', base_resolution=PIXELS, num_classes=CLASSES, activation='hswish',
    stem=StageSpec('conv', 8, kernel=3, stride=2),
    stages=(StageSpec('mbconv', 12, kernel=3, stride=1, repeats=2, expansion=3),
            StageSpec('mbconv', 20, kernel=5, stride=2, repeats=2, expansion=2, se_ratio=0.25)),
    head=StageSpec('conv', 24, kernel=1))
SPECS = {
    'tinynet': resolve(SMALL, num_classes=CLASSES, dropout=0.1, drop_path=0.3),  # squeeze-excite, silu, drop path
    'plain': PLAIN,  # a stage without squeeze-excite, one with, residuals; the stem is followed by an expansion
    'separable': dataclasses.replace(PLAIN, name='separable', activation='relu6', stages=(  # defers the stem's norm
        StageSpec('depthwise_separable', 10, kernel=3, stride=2), StageSpec('mbconv', 10, kernel=3, expansion=4))),
    'hard': dataclasses.replace(  # as MobileNetV3: hard gates, a ReLU stage after a hard-swish stem, a hidden layer
        PLAIN, name='hard', squeeze=SqueezeSpec('inner', 8, 'relu', 'hsigmoid'), hidden=12, stages=(
            StageSpec('depthwise_separable', 8, kernel=3, stride=2, se_ratio=0.5, activation='relu'),
            StageSpec('mbconv', 16, kernel=5, repeats=2, expansion=2.5, se_ratio=0.25))),
    'ghost': dataclasses.replace(  # with and without stride, gate and shortcut of its own; halves are concatenated
        PLAIN, name='ghost', activation='relu', divisor=4, squeeze=SqueezeSpec('inner', 4, 'relu', 'hsigmoid'),
        hidden=12,
        drop_path=0.2, stages=(
            (StageSpec('ghost', 12, kernel=3, stride=2, inner=20, se_ratio=0.25), StageSpec('ghost', 12, inner=16)),
            (StageSpec('ghost', 16, kernel=5, inner=24, se_ratio=0.25), StageSpec('ghost', 16, inner=24)))),
}


@pytest.fixture(autouse=True)
def kernels_and_mode():
    """Skip without a compiler; after the test, kernels and mode are as before."""
    try:
        build.compiler()
    except build.Unavailable as reason:
        pytest.skip(str(reason))
    mode = ms.get_context('mode')
    yield
    ms.set_context(mode=mode)
    native.choose()


def fresh_network(kind, name):
    """The network of SPECS on 'stock' or 'auto' kernels."""
    native.choose(kind)
    net = Network(expand(SPECS[name]), seed=3)
    initialise(net, 3)
    assert (net.kernels is None) == (kind == 'stock')
    return net


def build_network(kind, name):
    """With norms that are not the initial ones, whose beta is 0, as is then the mean of the next layer."""
    net, rng = fresh_network(kind, name), np.random.default_rng(7)
    for p in net.get_parameters():
        if 'norm.' in p.name:
            mean = 1.0 if p.name.endswith(('gamma', 'variance')) else 0.0
            p.set_data(Tensor((mean + rng.uniform(-0.5, 0.5, p.shape)).astype(np.float32)))
    return net


def pair(name):
    return build_network('stock', name), build_network('auto', name)


def images(seed=0, count=BATCH):
    return Tensor(np.random.default_rng(seed).normal(0, 1, (count, 3, PIXELS, PIXELS)).astype(np.float32))


def labels(count=BATCH):
    return Tensor(np.arange(count).astype(np.int32) % CLASSES)


def state(cell):
    return {p.name: p.asnumpy().copy() for p in cell.get_parameters()}


def close(made, true, tolerance, what, floor=0.0):
    assert made.shape == true.shape, what
    off, allowed = np.abs(made - true).max(), max(tolerance * np.abs(true).max(), floor)
    assert off <= allowed, f'{what}: off by {off:.3g} of {np.abs(true).max():.3g}, allowed {allowed:.3g}'


def close_states(made, true, tolerance):
    assert made.keys() == true.keys()
    for name in true:
        close(made[name], true[name], tolerance, name, floor_of(name, true, tolerance))


def floor_of(name, tensors, tolerance):
    """What is allowed where a tensor's true gradient is about zero, as that of a beta that is followed by a pointwise
    convolution and a norm, which takes every shift out again: the noise of its terms, which are those of gamma's."""
    return tolerance * np.abs(tensors[name.replace('.beta', '.gamma')]).max() if name.endswith('.beta') else 0.0


def outcome(net, training):
    """(logits, gradients by name, the images' gradient) of a batch; the state moves on as in training."""
    net.set_train(training)
    weights = net.trainable_params()

    def forward(x):
        logits = net(x)
        return nn.CrossEntropyLoss()(logits, labels()), logits

    (_, logits), (dx, gradients) = ops.value_and_grad(forward, 0, weights, has_aux=True)(images())
    return logits.asnumpy(), {p.name: g.asnumpy() for p, g in zip(weights, gradients)}, dx.asnumpy()


@functools.lru_cache(None)
def stock_outcomes(name):
    """[(outcome, state after it)] in training, then in evaluation, operator by operator: nothing to compile."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    net = build_network('stock', name)
    return [(outcome(net, training), state(net)) for training in (True, False)]


@pytest.mark.parametrize('name', SPECS)
def test_same_parameters(name):
    stock, fused = state(fresh_network('stock', name)), state(fresh_network('auto', name))
    assert list(stock) == list(fused)
    for key in stock:
        np.testing.assert_array_equal(stock[key], fused[key], err_msg=key)


@pytest.mark.parametrize('mode, name', [*((ms.GRAPH_MODE, name) for name in ('tinynet', 'plain', 'separable')),
                                        *((ms.PYNATIVE_MODE, name) for name in SPECS if name != 'plain')])
def test_training_and_evaluation(mode, name):
    """Logits, gradients of weights and images, statistics and random counters in training; then evaluation."""
    expected = stock_outcomes(name)
    ms.set_context(mode=mode)
    net = build_network('auto', name)
    for training, ((logits, gradients, dx), after) in zip((True, False), expected):
        made_logits, made, made_dx = outcome(net, training)
        close(made_logits, logits, RESULT, f'logits, training {training}')
        close_states(made, gradients, GRADIENT)
        close(made_dx, dx, GRADIENT, 'gradient of the images')
        assert np.abs(dx).max() > 0
        close_states(state(net), after, RESULT)


@pytest.mark.parametrize('frozen', ['stem.norm', 'depthwise.norm', 'expand.norm', 'norm'])
def test_frozen_norms_in_training(frozen):
    """Norms set to evaluation in a network that trains, as in fine-tuning: those of one kind of layer, and all."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    results = []
    for net in pair('separable'):
        net.set_train()
        for name, cell in net.cells_and_names():
            if name.endswith(frozen):
                cell.set_train(False)
        weights = net.trainable_params()
        gradients = ops.grad(lambda x: nn.CrossEntropyLoss()(net(x), labels()), None, weights)(images())
        results.append(({p.name: g.asnumpy() for p, g in zip(weights, gradients)}, state(net)))
    (gradients, after), (made, made_after) = results
    close_states(made, gradients, GRADIENT)
    close_states(made_after, after, RESULT)


def test_feature_extractor():
    """Maps are (N, C, H, W) whatever the kernels, in evaluation and in training, and gradients come through."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    results = []
    for net in pair('tinynet'):
        features = FeatureExtractor(net, (4, 8, 16))
        maps, gradients, rng = [], [], np.random.default_rng(2)
        # random weights, as a norm's output has the same sum and squares whatever came in
        weights = [Tensor(rng.normal(0, 1, m.shape).astype(np.float32)) for m in features.set_train(False)(images())]
        for training in (False, True):
            features.set_train(training)
            maps += [m.asnumpy() for m in features(images())]
            gradients.append(ops.grad(lambda x: sum((m * w).sum() for m, w in zip(features(x), weights)))(images()))
        results.append((maps, gradients, features.channels))
    (maps, gradients, channels), (made, made_gradients, made_channels) = results
    assert channels == made_channels
    assert [m.shape for m in made[:3]] == [(BATCH, c, PIXELS // s, PIXELS // s) for c, s in zip(channels, (4, 8, 16))]
    for i, (a, b) in enumerate(zip(made, maps)):
        close(a, b, RESULT, f'map {i}')
    for a, b in zip(made_gradients, gradients):
        close(a.asnumpy(), b.asnumpy(), GRADIENT, 'gradient of the images')


@pytest.mark.parametrize('name, options', [('rmsprop', {}), ('sgd', {'nesterov': True}),
                                           # an epsilon far above rounding: a beta whose true gradient is zero would
                                           # otherwise be stepped by the sign of its noise
                                           ('adamw', {'epsilon': 1e-2})])
def test_training_steps(name, options):
    """Three steps: parameters, moments and averages to 1e-4 of each tensor's largest value.

    The kernels run in a graph, which has to keep the updates in place in order; stock operators one by one.
    """
    results = []
    for kind, mode in (('stock', ms.PYNATIVE_MODE), ('auto', ms.GRAPH_MODE)):
        ms.set_context(mode=mode)
        net = build_network(kind, 'separable').set_train()
        optimizer = build_optimizer(name, net, [0.02, 0.01, 0.005], weight_decay=0.01, **options)
        average = WeightAverage(net, 0.5)
        assert (optimizer.fused is None) == (average.fused is None) == (kind == 'stock')
        step = TrainStep(net, nn.CrossEntropyLoss(), optimizer, average, clip_norm=5.0)
        losses = [float(step(images(i), labels()).asnumpy()) for i in range(3)]
        results.append((losses, state(net), state(optimizer), state(average)))
    (losses, *true), (made_losses, *made) = results
    np.testing.assert_allclose(made_losses, losses, rtol=1e-5)
    before = state(build_network('auto', 'separable'))
    for made_state, true_state in zip(made, true):
        for key in true_state:
            gamma = key.replace('.beta', '.gamma')
            close(made_state[key], true_state[key], GRADIENT, key, GRADIENT * np.abs(true_state[gamma]).max())
    for key in before:  # and all of it happened
        if key.endswith('project.norm.beta'):
            continue  # the next norm takes the shift out: the true gradient is zero
        assert (before[key] != made[0][key]).any(), key
        assert f'ema.{key}' not in made[2] or (made[2][f'ema.{key}'] != made[0][key]).any(), key


@pytest.mark.parametrize('mode', [ms.GRAPH_MODE, ms.PYNATIVE_MODE])
def test_other_types_are_refused(mode):
    ms.set_context(mode=mode)
    net = build_network('auto', 'separable').set_train(False)
    with pytest.raises(TypeError, match='Float16.*must all be float32; for other types use runtime.kernels=stock'):
        net(images().astype(ms.float16))


def test_resnet_has_the_frameworks_operators():
    native.choose('auto')
    net = Network(expand(resolve('resnet50@d=0.1,w=0.1', num_classes=CLASSES)))
    assert net.kernels is None and build_network('auto', 'ghost').kernels is not None


def test_maps_in_the_wrong_order_are_refused():
    ms.set_context(mode=ms.PYNATIVE_MODE)
    net = build_network('auto', 'separable').set_train(False)
    with pytest.raises(ValueError, match='channels last'):
        net.stem(images())


def test_any_size_and_batch():
    """Other sizes than the plan's, not square, and one image: what PyNative remembers of shapes is not mixed up."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    stock, fused = pair('plain')
    rng = np.random.default_rng(1)
    for shape in ((1, 3, 16, 16), (3, 3, 17, 9), (2, 3, 5, 30), (3, 3, 17, 9)):
        x = Tensor(rng.normal(0, 1, shape).astype(np.float32))
        for training in (False, True):
            logits = [net.set_train(training)(x).asnumpy() for net in (stock, fused)]
            close(logits[1], logits[0], RESULT, f'{shape}, training {training}')


@pytest.mark.parametrize('kernel, groups', [(1, 1), (3, 1), (3, 12)])
def test_a_gate_scales_the_input_of_any_layer(kernel, groups):
    """Only projections apply the gate as they read; other convolutions get the product."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    rng = np.random.default_rng(0)
    layer = Layer('conv', 'it', (0,), 12, 12, 7, 7, kernel, groups=groups, act='silu', norm=True)
    stock = ConvNormAct(layer).set_train(False)
    fused = cells.Conv(native.active(), stock, layer, Step((0,), (0, 1, None)))
    x, gate = rng.normal(0, 1, (2, 12, 5, 7)).astype(np.float32), rng.uniform(0, 1, (2, 12, 1, 1)).astype(np.float32)
    want = stock(Tensor(x * gate)).asnumpy()
    last = Tensor(np.ascontiguousarray(x.transpose(0, 2, 3, 1)))
    got = fused(last, Tensor(gate[:, :, 0, 0]), None).asnumpy()
    assert np.abs(got.transpose(0, 3, 1, 2) - want).max() <= RESULT * np.abs(want).max()


@pytest.mark.parametrize('groups, kernel', [(1, 1), (1, 3), (8, 3)])
def test_layers_of_two_strides_keep_their_shapes_apart_in_pynative_mode(groups, kernel):
    """The framework remembers the shapes of an operator's outputs by those of its inputs, which are the same here."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    x = Tensor(np.random.default_rng(0).normal(size=(2, 5, 5, 8)).astype(np.float32))
    layers = {}
    for stride in (1, 2, 3):
        layer = Layer('conv', 'it', (0,), 8, 8, 5, (5 - 1) // stride + 1, kernel, stride, groups, norm=True)
        layers[stride] = cells.Conv(native.active(), ConvNormAct(layer), layer, Step((0,), (0, None, None)))
    for training in (True, False):
        for stride, layer in layers.items():
            side = (5 - 1) // stride + 1
            assert layer.set_train(training)(x, None, None).shape == (2, side, side, 8)
