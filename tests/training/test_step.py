"""Optimizers, clipping and the weight average compared with float64 NumPy; the parameter groups."""
import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from tests.conftest import SMALL
from tinynets.model import create_model
from tinynets.training.ema import WeightAverage
from tinynets.training.optim import build_optimizer, describe_groups, parameter_groups
from tinynets.training.step import TrainStep

RATES = [0.05, 0.02, 0.1, 0.03]


class Linear(nn.Cell):
    """images (N, 3) -> logits (N, 2), with a bias that takes no decay."""

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(0)
        self.weight = Parameter(Tensor(rng.normal(0, 1, (3, 2)).astype(np.float32)), name='weight')
        self.bias = Parameter(Tensor(rng.normal(0, 1, (2,)).astype(np.float32)), name='bias')

    def construct(self, x):
        return ops.matmul(x, self.weight) + self.bias


def gradients(w, b, x, y, smoothing=0.0):
    """Loss and gradients of smoothed cross entropy, float64."""
    z = x @ w + b
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    target = np.eye(2)[y] * (1 - smoothing) + smoothing / 2
    dz = (p - target) / len(x)
    return -(target * np.log(p)).sum(1).mean(), x.T @ dz, dz.sum(0)


def rmsprop(state, p, g, lr, decay):
    g = g + decay * p
    state['s'] = 0.9 * state.get('s', 1.0) + 0.1 * g * g
    state['m'] = 0.9 * state.get('m', 0.0) + lr * g / np.sqrt(state['s'] + 1e-3)
    return p - state['m']


def sgd(state, p, g, lr, decay):
    state['m'] = 0.9 * state.get('m', 0.0) + g + decay * p
    return p - lr * state['m']


def nesterov(state, p, g, lr, decay):
    g = g + decay * p
    state['m'] = 0.9 * state.get('m', 0.0) + g
    return p - lr * (g + 0.9 * state['m'])


def adamw(state, p, g, lr, decay):
    t = state['t'] = state.get('t', 0) + 1
    state['m'] = 0.9 * state.get('m', 0.0) + 0.1 * g
    state['v'] = 0.999 * state.get('v', 0.0) + 0.001 * g * g
    scaled = lr * np.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t)
    return p * (1 - lr * decay) - scaled * state['m'] / (np.sqrt(state['v']) + 1e-3)


@pytest.mark.parametrize('mode', [ms.GRAPH_MODE, ms.PYNATIVE_MODE], ids=['graph', 'pynative'])
@pytest.mark.parametrize('clip', [0.0, 0.3])
@pytest.mark.parametrize('name, rule', [('rmsprop', rmsprop), ('sgd', sgd), ('sgd', nesterov),
                                        ('adamw', adamw)])
def test_steps_equal_the_closed_form(name, rule, clip, mode):
    ms.set_context(mode=mode)
    net = Linear()
    optimizer = build_optimizer(name, net, RATES, weight_decay=0.3, epsilon=1e-3, nesterov=rule is nesterov)
    average = WeightAverage(net, 0.25)
    step = TrainStep(net, nn.CrossEntropyLoss(label_smoothing=0.1), optimizer, average, clip_norm=clip).set_train(True)
    w, b = net.weight.asnumpy().astype(np.float64), net.bias.asnumpy().astype(np.float64)
    shadow, states = w.copy(), ({}, {})
    rng = np.random.default_rng(1)
    for t, lr in enumerate(RATES, start=1):
        x, y = rng.normal(0, 2, (8, 3)), rng.integers(0, 2, 8)
        loss, gw, gb = gradients(w, b, x, y, smoothing=0.1)
        norm = np.sqrt((gw ** 2).sum() + (gb ** 2).sum())
        factor = clip / max(norm, clip) if clip else 1.0
        w, b = rule(states[0], w, gw * factor, lr, 0.3), rule(states[1], b, gb * factor, lr, 0.0)
        d = min(0.25, (1 + t) / (10 + t))
        shadow = d * shadow + (1 - d) * w
        got = step(Tensor(x.astype(np.float32)), Tensor(y.astype(np.int32)))
        assert float(got.asnumpy()) == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(net.weight.asnumpy(), w, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(net.bias.asnumpy(), b, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(average.shadows[0].asnumpy(), shadow, rtol=2e-5, atol=1e-6)


def test_average_takes_batch_norm_statistics_and_no_counter():
    net = create_model(SMALL, num_classes=5, dropout=0.2)
    names = {p.name for p in WeightAverage(net, 0.9).shadows}
    assert 'ema.stem.norm.moving_mean' in names and not any('counter' in n for n in names)
    assert names == {f'ema.{p.name}' for p in net.get_parameters() if p.dtype == ms.float32}


def test_norms_and_biases_take_no_decay():
    net = create_model('tinynet_e')
    decayed, rest = parameter_groups(net)
    assert {p.name.rpartition('.')[2] for p in decayed} == {'weight'}
    assert {p.name.rpartition('.')[2] for p in rest} == {'gamma', 'beta', 'bias'}
    assert sum(p.size for p in decayed + rest) == 2_042_972
    assert f'{sum(p.size for p in rest):,}' in describe_groups(net, 1e-5)


def test_unknown_optimizer_is_named():
    with pytest.raises(ValueError, match="'lamb'.*rmsprop, sgd, adamw"):
        build_optimizer('lamb', Linear(), RATES)


@pytest.mark.parametrize('name, epsilon, size', [('rmsprop', 1e-3, 1), ('adamw', 1e-8, 1e-6)])
def test_without_an_epsilon_the_optimizer_has_its_own(name, epsilon, size):
    """The published recipe's and that of Adam's paper; gradients of about `size` show which."""
    ms.set_context(mode=ms.GRAPH_MODE)
    moved = []
    for options in ({}, {'epsilon': epsilon}, {'epsilon': 7 * epsilon}):
        net = Linear()
        step = TrainStep(net, nn.CrossEntropyLoss(), build_optimizer(name, net, RATES, **options)).set_train(True)
        step(Tensor(size * np.eye(3, dtype=np.float32)), Tensor(np.array([0, 1, 0], np.int32)))
        moved.append(net.weight.asnumpy())
    assert np.array_equal(moved[0], moved[1]) and not np.array_equal(moved[0], moved[2])
