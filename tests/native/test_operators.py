"""The compiled operators compared with float64 NumPy (reference.py): shapes, numbers of threads, threads and forks.

Tolerances: 1e-5 of the largest value for results, 1e-4 for gradients; where a value is nearly zero because large terms
cancel, what rounding those terms may do (ConvNormAct.y_error and gradient_errors).
"""
import os
import re
import select
import signal
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native.reference import EPS, ROUNDINGS, SLOPES, ConvNormAct, call, clear_of_kinks, close
from tinynets.native import build
from tinynets.native.operators import ACTIVATIONS, GATES

RESULT, GRADIENT = 1e-5, 1e-4
NOTHING = np.zeros(1)
examples = settings(deadline=None, derandomize=True, max_examples=50, database=None,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

# 23 and 37 pixels: more than one block, stretch or band of rows (128, 512 and 128 pixels)
sides = st.one_of(st.integers(1, 9), st.sampled_from([16, 23, 37]))
channels = st.integers(1, 70)
seeds = st.integers(0, 2 ** 32 - 1)
threads = st.integers(1, 4)
activations = st.sampled_from(ACTIVATIONS)


@pytest.fixture(autouse=True)
def all_threads(library):
    """Leave the library as it was found."""
    yield
    library.tinynets_set_threads(0)


def options(stride=1, act='none', gated=False, residual=False, pooled=False, input_act=None, frozen=False,
            gate='sigmoid'):
    """The numbers of src/tinynets/native/operators.py, Options, written out."""
    return np.array([stride, ACTIVATIONS.index(act), 1e-5, 0.9, gated, residual, pooled,
                     -1 if input_act is None else ACTIVATIONS.index(input_act), frozen, GATES.index(gate)])


class Draw:
    """Normal numbers as float32 rounds them, in float64, so that both sides start from the same."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def __call__(self, *shape, mean=0.0, deviation=1.0):
        return self.rng.normal(mean, deviation, shape).astype(np.float32).astype(np.float64)

    def norm(self, c):
        """gamma, beta, running mean, running variance."""
        return (self(c, mean=1, deviation=0.3), self(c), self(c), np.abs(self(c)) + 0.5)


def out_shape(x, w, stride):
    return (x[0], (x[1] - 1) // stride + 1, (x[2] - 1) // stride + 1, w[0])


def check_forward(reference, out, mean, variance, pooled):
    """y, z, kept, new running mean and variance, pooled of a forward operator."""
    close(out[0], reference.y, RESULT, reference.y_error, 'y')
    check_statistics(reference, out[1:5], mean, variance)
    if pooled:
        close(out[5], reference.pooled, RESULT, reference.y_error, 'pooled')


def check_statistics(reference, out, mean, variance):
    """z, kept, new running mean and variance."""
    close(out[0], reference.z, RESULT, reference.z_error, 'z')
    close(out[1][0], reference.mean, RESULT, reference.z_error, 'mean')
    # d (v + e)^-1/2 = -(v + e)^-3/2 dv / 2 with dv = 2 std dz + dz^2
    spread = 2 * np.sqrt(reference.variance) * reference.z_error + reference.z_error ** 2
    close(out[1][1], reference.inverse, RESULT, reference.inverse ** 3 * spread / 2, 'inverse deviation')
    new_mean, new_variance = reference.running(mean, variance)
    close(out[2], new_mean, RESULT, reference.z_error, 'running mean')
    close(out[3], new_variance, RESULT, spread, 'running variance')


def check_gradients(made, true, errors, names):
    for value, right, error, name in zip(made, true, errors, names):
        close(value, right, GRADIENT, error, f'gradient of {name}')


@examples
@given(n=st.integers(1, 4), h=sides, w=sides, cin=channels, cout=channels, act=activations, gated=st.booleans(),
       residual=st.booleans(), pooled=st.booleans(), frozen=st.booleans(), count=threads, seed=seeds)
def test_pointwise(library, n, h, w, cin, cout, act, gated, residual, pooled, frozen, count, seed):
    library.tinynets_set_threads(count)
    draw = Draw(seed)
    x, weight = draw(n, h, w, cin), draw(cout, cin, 1, 1)
    gate = np.abs(draw(n, cin)) if gated else None
    added = draw(n, h, w, cout) if residual else None
    check_convolution(library, draw, x, weight, act, 1, gate, added, pooled, frozen)


@examples
@given(n=st.integers(1, 5), h=st.integers(1, 13), w=st.one_of(st.integers(1, 13), st.just(40)), cin=st.integers(1, 20),
       cout=st.integers(1, 40), kernel=st.sampled_from([1, 3, 5, 7]), stride=st.integers(1, 3), act=activations,
       residual=st.booleans(), pooled=st.booleans(), frozen=st.booleans(), count=threads, seed=seeds)
def test_dense(library, n, h, w, cin, cout, kernel, stride, act, residual, pooled, frozen, count, seed):
    library.tinynets_set_threads(count)
    draw = Draw(seed)
    x, weight = draw(n, h, w, cin), draw(cout, cin, kernel, kernel)
    added = draw(*out_shape(x.shape, weight.shape, stride)) if residual else None
    check_convolution(library, draw, x, weight, act, stride, None, added, pooled, frozen)


def check_convolution(library, draw, x, weight, act, stride, gate, added, pooled, frozen):
    """convolution_forward, _backward, _input_gradient and _inference on one problem."""
    n, cout, pointwise = x.shape[0], weight.shape[0], weight.shape[2] == stride == 1
    gamma, beta, mean, variance = draw.norm(cout)
    ref = ConvNormAct(x, weight, gamma, beta, act, stride, gate=gate, residual=added,
                      frozen=(mean, variance) if frozen else None)
    beta = ref.beta
    gates, residuals = NOTHING if gate is None else gate, NOTHING if added is None else added
    told = options(stride, act, gate is not None, added is not None, pooled, frozen=frozen)
    inputs = [x, gates, residuals, weight, gamma, beta, mean, variance, told]
    vectors = [(cout,)] * 2
    _, out = call(library, 'convolution_forward', inputs, [ref.y.shape, ref.y.shape, (2, cout), *vectors, (n, cout)])
    check_forward(ref, out, mean, variance, pooled)

    dy, dpooled = draw(*ref.y.shape), draw(n, cout) if pooled else None
    pool = NOTHING if dpooled is None else dpooled
    _, made = call(library, 'convolution_backward', [dy, pool, x, gates, weight, gamma, beta, out[1], out[2], told],
                   [x.shape if pointwise else (1,), gates.shape, weight.shape, *vectors])
    if not pointwise:
        _, (dx,) = call(library, 'convolution_input_gradient',
                        [dy, pool, x, weight, gamma, beta, out[1], out[2], made[3], made[4], told], [x.shape])
        made[0] = dx
    true, errors = ref.gradients(dy, dpooled), ref.gradient_errors(dy, dpooled)
    used = [i for i in range(5) if true[i] is not None]
    names = ('x', 'gate', 'weight', 'gamma', 'beta')
    check_gradients(*([values[i] for i in used] for values in (made, true, errors, names)))

    _, (y, means) = call(library, 'convolution_inference', inputs, [ref.y.shape, (n, cout)])
    check_inference(ref, gamma, beta, mean, variance, act, added, y, means if pooled else None)


def check_inference(ref, gamma, beta, mean, variance, act, added, y, means):
    scale = gamma / np.sqrt(variance + 1e-5)
    true = SLOPES[act][0](scale * (ref.z - mean) + beta) + (0 if added is None else added)
    error = 1.2 * np.abs(scale) * ref.z_error  # the running variance need not be that of z, which may be much larger
    close(y, true, RESULT, error, 'y of inference')
    if means is not None:
        error = error + EPS * ROUNDINGS * np.abs(true).mean((1, 2))
        close(means, true.mean((1, 2)), RESULT, error, 'pooled of inference')


@examples
@given(n=st.integers(1, 4), h=sides, w=sides, c=channels, kernel=st.sampled_from([1, 3, 5]), stride=st.integers(1, 3),
       act=activations, pooled=st.booleans(), frozen=st.booleans(), count=threads, seed=seeds)
def test_depthwise(library, n, h, w, c, kernel, stride, act, pooled, frozen, count, seed):
    library.tinynets_set_threads(count)
    draw = Draw(seed)
    check_depthwise(library, draw, draw(n, h, w, c), draw(c, 1, kernel, kernel), act, stride, pooled, frozen)


def check_depthwise(library, draw, x, weight, act, stride, pooled, frozen):
    """depthwise_forward, _backward and _inference on one problem."""
    n, c = x.shape[0], x.shape[3]
    gamma, beta, mean, variance = draw.norm(c)
    ref = ConvNormAct(x, weight, gamma, beta, act, stride, depthwise=True,
                      frozen=(mean, variance) if frozen else None)
    beta, told = ref.beta, options(stride, act, pooled=pooled, frozen=frozen)
    inputs = [x, NOTHING, NOTHING, NOTHING, weight, gamma, beta, mean, variance, told]
    _, out = call(library, 'depthwise_forward', inputs, [ref.y.shape, ref.y.shape, (2, c), (c,), (c,), (n, c)])
    check_forward(ref, out, mean, variance, pooled)

    dy, dpooled = draw(*ref.y.shape), draw(n, c) if pooled else None
    pool = NOTHING if dpooled is None else dpooled
    _, made = call(library, 'depthwise_backward',
                   [dy, pool, *inputs[:4], weight, gamma, beta, out[1], out[2], told],
                   [x.shape, (1,), (1,), (1,), weight.shape, (c,), (c,)])
    dx, _, *rest = ref.gradients(dy, dpooled)
    dx_error, _, *rest_errors = ref.gradient_errors(dy, dpooled)
    check_gradients([made[0], *made[4:]], [dx, *rest], [dx_error, *rest_errors], ('x', 'weight', 'gamma', 'beta'))

    _, (y, means) = call(library, 'depthwise_inference', inputs, [ref.y.shape, (n, c)])
    check_inference(ref, gamma, beta, mean, variance, act, None, y, means if pooled else None)


@examples
@given(n=st.integers(1, 4), h=st.one_of(st.integers(1, 9), st.just(23)), w=st.one_of(st.integers(1, 9), st.just(23)),
       cin=st.integers(1, 20), c=channels,
       first=st.sampled_from([(1, 1), (1, 2), (3, 1), (3, 2), (5, 3)]),
       kernel=st.sampled_from([1, 3, 5]), stride=st.integers(1, 3), act=activations, act2=activations,
       pooled=st.booleans(), frozen=st.booleans(), count=threads, seed=seeds)
def test_convolution_handed_to_depthwise(library, n, h, w, cin, c, first, kernel, stride, act, act2, pooled, frozen,
                                         count, seed):
    """The whole chain conv, norm, act, depthwise, norm, act with the first norm done by the second convolution.

    `frozen`: the second norm uses its running statistics, as a layer set to evaluation in a network that trains.
    """
    library.tinynets_set_threads(count)
    draw = Draw(seed)
    x, w1, w2 = draw(n, h, w, cin), draw(c, cin, first[0], first[0]), draw(c, 1, kernel, kernel)
    (gamma1, beta1, mean1, variance1), (gamma2, beta2, mean2, variance2) = draw.norm(c), draw.norm(c)
    a = ConvNormAct(x, w1, gamma1, beta1, act, first[1])
    b = ConvNormAct(a.y, w2, gamma2, beta2, act2, stride, depthwise=True, x_error=a.y_error,
                    frozen=(mean2, variance2) if frozen else None)
    told1, told2 = options(first[1]), options(stride, act2, pooled=pooled, input_act=act, frozen=frozen)
    _, (z, kept, *running) = call(library, 'convolution_defer_norm_forward', [x, w1, mean1, variance1, told1],
                                  [a.z.shape, (2, c), (c,), (c,)])
    check_statistics(a, [z, kept, *running], mean1, variance1)
    inputs = [z, kept, gamma1, a.beta, w2, gamma2, b.beta, mean2, variance2, told2]
    _, out = call(library, 'depthwise_forward', inputs, [b.z.shape, b.z.shape, (2, c), (c,), (c,), (n, c)])
    check_forward(b, out, mean2, variance2, pooled)
    if frozen:  # where inference takes an input before its norm
        _, (y, means) = call(library, 'depthwise_inference', inputs, [b.z.shape, (n, c)])
        close(y, b.y, RESULT, b.y_error, 'y of inference')
        if pooled:
            close(means, b.pooled, RESULT, b.y_error, 'pooled of inference')

    dy, dpooled = draw(*b.y.shape), draw(n, c) if pooled else None
    pool = NOTHING if dpooled is None else dpooled
    _, (dz, dkept, dgamma1, dbeta1, dw2, dgamma2, dbeta2) = call(
        library, 'depthwise_backward',
        [dy, pool, z, kept, gamma1, a.beta, w2, gamma2, b.beta, out[1], out[2], told2],
        [z.shape, (2, c), (c,), (c,), w2.shape, (c,), (c,)])
    pointwise = first == (1, 1)
    handed = [dz, dkept, x, w1, z, kept, told1]
    _, (dx, dw1) = call(library, 'convolution_defer_norm_backward', handed, [x.shape if pointwise else (1,), w1.shape])
    if not pointwise:
        _, (dx,) = call(library, 'convolution_defer_norm_input_gradient', handed, [x.shape])
    middle, _, *true2 = b.gradients(dy, dpooled)
    middle_error, _, *errors2 = b.gradient_errors(dy, dpooled)
    tdx, _, *true1 = a.gradients(middle)
    dx_error, _, *errors1 = a.gradient_errors(middle, dy_error=middle_error)
    check_gradients([dx, dw1, dgamma1, dbeta1, dw2, dgamma2, dbeta2], [tdx, *true1, *true2],
                    [dx_error, *errors1, *errors2],
                    ('x', 'first weight', 'first gamma', 'first beta', 'weight', 'gamma', 'beta'))


@examples
@given(n=st.integers(1, 40), c=st.integers(1, 200), reduced=st.integers(1, 70), act=activations,
       gate=st.sampled_from(GATES), count=threads, seed=seeds)
def test_gate(library, n, c, reduced, act, gate, count, seed):
    library.tinynets_set_threads(count)
    check_gate(library, Draw(seed), n, c, reduced, act, gate)


def check_gate(library, draw, n, c, reduced, act, gate):
    """gate_forward and _backward on one problem."""
    means, b1, b2 = draw(n, c), draw(reduced), draw(c)
    w1, w2 = draw(reduced, c, 1, 1, deviation=c ** -0.5), draw(c, reduced, 1, 1, deviation=reduced ** -0.5)
    b1 = clear_of_kinks((means @ w1[..., 0, 0].T)[:, None, None], b1, act, 2e-5)
    (value, slope), (factor, factor_slope) = SLOPES[act], SLOPES[gate]
    first, second, one = w1[..., 0, 0], w2[..., 0, 0], ROUNDINGS * EPS
    u = means @ first.T + b1
    b2 = clear_of_kinks((value(u) @ second.T)[:, None, None], b2, gate, 2e-5)
    v = value(u) @ second.T + b2
    # a single sum may cancel: what rounding its terms may do
    u_error = one * (np.abs(means) @ np.abs(first).T + np.abs(b1))
    v_error = one * (np.abs(value(u)) @ np.abs(second).T + np.abs(b2)) + 1.2 * u_error @ np.abs(second).T
    _, out = call(library, 'gate_forward', [means, w1, b1, w2, b2, options(act=act, gate=gate)],
                  [(n, c), (n, reduced), (n, c)])
    close(out[0], factor(v), RESULT, v_error, 'gate')
    close(out[1], u, RESULT, u_error, 'u')
    close(out[2], v, RESULT, v_error, 'v')

    dy = draw(n, c)
    dv = dy * factor_slope(v)
    da = dv @ second
    du = da * slope(u)
    dw1, dw2 = (du.T @ means)[..., None, None], (dv.T @ value(u))[..., None, None]
    dv_error = np.abs(dy) * (one + v_error)
    da_terms, da_error = np.abs(dv) @ np.abs(second), dv_error @ np.abs(second)
    du_error = 1.2 * da_error + one * 1.2 * da_terms + da_terms * u_error
    errors = (du_error @ np.abs(first), (du_error.T @ np.abs(means))[..., None, None], du_error.sum(0),
              (dv_error.T @ np.abs(value(u)) + np.abs(dv).T @ (1.2 * u_error))[..., None, None], dv_error.sum(0))
    _, made = call(library, 'gate_backward', [dy, means, w1, w2, out[1], out[2], options(act=act, gate=gate)],
                   [(n, c), w1.shape, (reduced,), w2.shape, (c,)])
    check_gradients(made, (du @ first, dw1, du.sum(0), dw2, dv.sum(0)), errors,
                    ('means', 'first weight', 'first bias', 'second weight', 'second bias'))


@pytest.mark.parametrize('images', [17, 40, 150, 300])
@pytest.mark.parametrize('count', [1, 3])
def test_many_images(library, images, count):
    """More images than chunks of the weight gradient (16), rows of a task (16), and values of a float sum (128)."""
    library.tinynets_set_threads(count)
    draw = Draw(images)
    check_convolution(library, draw, draw(images, 1, 2, 9), draw(11, 9, 1, 1), 'silu', 1, np.abs(draw(images, 9)), None,
                      True, False)
    check_convolution(library, draw, draw(images, 2, 3, 3), draw(10, 3, 3, 3), 'relu', 2, None, None, True, False)
    check_depthwise(library, draw, draw(images, 3, 2, 9), draw(9, 1, 3, 3), 'silu', 1, True, False)
    check_gate(library, draw, images, 19, 5, 'silu', 'sigmoid')


@examples
@given(n=st.integers(1, 4), h=sides, w=sides, c=channels, count=threads, seed=seeds)
def test_layout(library, n, h, w, c, count, seed):
    """Transposing is exact; means and their gradient."""
    library.tinynets_set_threads(count)
    draw = Draw(seed)
    x = draw(n, c, h, w)
    _, (last,) = call(library, 'layout_channels_last', [x], [(n, h, w, c)])
    assert np.array_equal(last, x.transpose(0, 2, 3, 1))
    _, (back,) = call(library, 'layout_channels_first', [last], [x.shape])
    assert np.array_equal(back, x)
    _, (means,) = call(library, 'layout_mean', [last], [(n, c)])
    close(means, x.mean((2, 3)), RESULT, EPS * ROUNDINGS * np.abs(x).mean((2, 3)), 'mean')
    d = draw(n, c)
    _, (dx,) = call(library, 'layout_mean_gradient', [d, last], [last.shape])
    close(dx, np.broadcast_to(d[:, None, None] / (h * w), last.shape), RESULT, what='gradient of the mean')


def updates(draw, sizes):
    """(operator, inputs, index of the first tensor, true results in place) for every optimizer."""
    n, lr, corrected, decays = len(sizes), 0.05, 0.031, np.array([0.01 * (i % 3) for i in range(len(sizes))])
    p, g = [draw(s) for s in sizes], [draw(s) for s in sizes]
    m, v = [draw(s) for s in sizes], [np.abs(draw(s)) for s in sizes]
    new = [], [], []
    for i in range(n):
        d = g[i] + decays[i] * p[i]
        s = 0.9 * v[i] + 0.1 * d * d
        moment = 0.8 * m[i] + lr * d / np.sqrt(s + 1e-3)
        for values, value in zip(new, (p[i] - moment, s, moment)):
            values.append(value)
    yield 'rmsprop', [[lr], [0.9, 0.8, 1e-3], decays, *p, *v, *m, *g], 3, new[0] + new[1] + new[2]
    for nesterov in (0, 1):
        moments = [0.9 * m[i] + g[i] + decays[i] * p[i] for i in range(n)]
        steps = [g[i] + decays[i] * p[i] + 0.9 * moments[i] if nesterov else moments[i] for i in range(n)]
        yield 'sgd', [[lr], [0.9, nesterov], decays, *p, *m, *g], 3, [a - lr * b for a, b in zip(p, steps)] + moments
    first = [0.9 * a + 0.1 * b for a, b in zip(m, g)]
    second = [0.99 * a + 0.01 * b * b for a, b in zip(v, g)]
    stepped = [p[i] * (1 - lr * decays[i]) - corrected * first[i] / (np.sqrt(second[i]) + 1e-8) for i in range(n)]
    yield 'adamw', [[lr, corrected], [0.9, 0.99, 1e-8], decays, *p, *m, *v, *g], 3, stepped + first + second
    yield 'average', [[0.13], *p, *g], 1, [a + 0.13 * (b - a) for a, b in zip(p, g)]


@examples
# 16384 is a piece, four pieces a task; a whole one, one number more, and more than a task
@given(sizes=st.lists(st.one_of(st.integers(1, 300), st.sampled_from([16384, 16385, 70000])), min_size=1, max_size=9),
       count=threads, seed=seeds)
def test_optimizers(library, sizes, count, seed):
    """Every optimizer over many tensors at once, in place; gradients and constants stay as they are."""
    library.tinynets_set_threads(count)
    for name, inputs, start, true in updates(Draw(seed), sizes):
        inputs = [np.asarray(a, np.float64) for a in inputs]
        after, (done,) = call(library, f'optimizer_{name}', inputs, [(1,)])
        assert done[0] == 1
        largest = max(np.abs(a).max() for a in inputs[start:])  # a tensor of one number may be nearly cancelled
        for i, value in enumerate(true):
            close(after[start + i], value, RESULT, ROUNDINGS * EPS * largest, f'{name}, tensor {i}')
        for i in [*range(start), *range(start + len(true), len(inputs))]:
            assert np.array_equal(after[i], inputs[i].astype(np.float32))


@pytest.mark.parametrize('mean', [0.0, 1000.0, -30000.0])
def test_large_mean(library, mean):
    """Statistics of a channel with std 1 around a large mean: the variance to 1e-5, at 30,000 stds to 2e-4.

    The values are given, so their rounding costs nothing: an identity weight passes them on. Means of blocks are kept
    in float32, 2^-24 |mean| off, and differ by a tenth of an std: the variance loses a tenth of that. The result
    u = z scale + shift can't be better than the rounding of numbers as large as the mean.
    """
    tolerance = max(RESULT, 0.1 * EPS * abs(mean))
    draw = Draw(5)
    x = draw(3, 23, 21, 19, mean=mean)
    ones, zeros = np.ones(19), np.zeros(19)
    depthwise = np.ones((19, 1, 1, 1))
    maps = [x.shape, x.shape, (2, 19), (19,), (19,), (3, 19)]
    norm = [ones, zeros, zeros, zeros, options()]
    dense = [x, NOTHING, NOTHING, np.eye(19)[..., None, None], *norm]
    made = {'dense': call(library, 'convolution_forward', dense, maps)[1],
            'depthwise': call(library, 'depthwise_forward', [x, *[NOTHING] * 3, depthwise, *norm], maps)[1]}
    true_mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    count = x[..., 0].size
    for what, (y, z, kept, new_mean, new_variance, _) in made.items():
        assert np.array_equal(z, x.astype(np.float32)), what
        close(kept[0], true_mean, 2 * EPS, 1e-6, f'{what}: mean')
        close(kept[1], 1 / np.sqrt(variance + 1e-5), tolerance, what=f'{what}: inverse deviation')
        close(new_mean, 0.1 * true_mean, 1e-6, 1e-6, f'{what}: running mean')  # 1 - 0.9 in float32 is 2.4e-7 off
        close(new_variance, 0.1 * variance * count / (count - 1), tolerance, what=f'{what}: running variance')
        close(y, (x - true_mean) / np.sqrt(variance + 1e-5), tolerance, 4 * EPS * abs(mean), f'{what}: y')


def test_not_a_number_is_not_hidden(library):
    """A NaN in the input propagates to the statistics and the result."""
    x = Draw(0)(2, 5, 5, 9)
    x[1, 2, 3, 4] = np.nan
    vector, maps = np.ones(9), [x.shape, x.shape, (2, 9), (9,), (9,), (2, 9)]
    for act in ACTIVATIONS:
        inputs = [x, *[NOTHING] * 3, np.ones((9, 1, 3, 3)), *[vector] * 4, options(act=act)]
        _, out = call(library, 'depthwise_forward', inputs, maps)
        for i in range(5):
            assert np.isnan(out[i][..., 4]).any() and np.isfinite(np.delete(out[i], 4, -1)).all(), (act, i)
    for act in ACTIVATIONS:
        for gate in GATES:
            inputs = [[[1, 1], [np.nan, 1]], np.ones((3, 2, 1, 1)), np.zeros(3), np.ones((2, 3, 1, 1)), np.zeros(2)]
            inputs = [*map(np.array, inputs), options(act=act, gate=gate)]
            _, (made, _, _) = call(library, 'gate_forward', inputs, [(2, 2), (2, 3), (2, 2)])
            assert np.isnan(made[1]).all() and np.isfinite(made[0]).all(), (act, gate)


AROUND = np.float32([kink + off for kink in (-3, 0, 3, 6) for off in (-0.001, 0, 0.001)])


@pytest.mark.parametrize('act', ACTIVATIONS)
def test_the_slope_at_a_kink(act, library):
    """Of norms that change nothing, with a gradient of one: what reaches beta is the slope. At 0 a ReLU has none."""
    u, count, one, nothing = AROUND, len(AROUND), np.ones(len(AROUND)), np.zeros(len(AROUND))
    inputs = [one.reshape(1, 1, 1, -1), NOTHING, nothing.reshape(1, 1, 1, -1), NOTHING, np.zeros((count, count, 1, 1)),
              one, nothing, u.reshape(1, 1, 1, -1), [nothing, one], options(act=act, frozen=True)]
    shapes = [(1, 1, 1, count), (1,), (count, count, 1, 1), (count,), (count,)]
    _, (_, _, _, _, dbeta) = call(library, 'convolution_backward', inputs, shapes)
    np.testing.assert_allclose(dbeta, SLOPES[act][1](u.astype(np.float64)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('gate', GATES)
@pytest.mark.parametrize('act', ACTIVATIONS)
def test_the_slopes_of_a_gate_at_its_kinks(act, gate, library):
    u, count, one = AROUND, len(AROUND), np.ones((1, len(AROUND)))
    inputs = [one, one, np.eye(count)[..., None, None], np.eye(count)[..., None, None], u[None], u[None],
              options(act=act, gate=gate)]
    shapes = [(1, count), (count, count, 1, 1), (count,), (count, count, 1, 1), (count,)]
    _, (_, _, db1, _, db2) = call(library, 'gate_backward', inputs, shapes)
    slopes = [SLOPES[name][1](u.astype(np.float64)) for name in (act, gate)]
    np.testing.assert_allclose(db2, slopes[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(db1, slopes[0] * slopes[1], rtol=1e-5, atol=1e-6)


def everything(library, seed=0):
    """The outputs of every operator on maps of several blocks and odd channels, as bytes by name."""
    draw, results = Draw(seed), {}

    def run(name, inputs, shapes):
        after, out = call(library, name, inputs, shapes)
        results[f'{len(results)} {name}'] = b''.join(a.tobytes() for a in [*after, *out])
        return out

    for n, side, cin, c in ((3, 23, 21, 75), (5, 1, 70, 33), (1, 9, 130, 200)):
        vectors = [(c,), (c,)]
        x = draw(n, side, side, cin)
        gate, gamma_beta_running = draw(n, cin), draw.norm(c)
        gamma, beta = gamma_beta_running[:2]
        for kernel, stride in ((1, 1), (3, 2)):
            w = draw(c, cin, kernel, kernel)
            y = out_shape(x.shape, w.shape, stride)
            told = options(stride, 'silu', kernel == 1, True, True)
            inputs = [x, gate, draw(*y), w, *gamma_beta_running, told]
            out = run('convolution_forward', inputs, [y, y, (2, c), *vectors, (n, c)])
            run('convolution_inference', inputs, [y, (n, c)])
            dy, pool = draw(*y), draw(n, c)
            back = run('convolution_backward', [dy, pool, x, gate, w, gamma, beta, out[1], out[2], told],
                       [x.shape if kernel == 1 else (1,), gate.shape, w.shape, *vectors])
            run('convolution_input_gradient', [dy, pool, x, w, gamma, beta, out[1], out[2], back[3], back[4], told],
                [x.shape])
            told = options(stride)
            z, kept, *_ = run('convolution_defer_norm_forward', [x, w, *gamma_beta_running[2:], told],
                              [y, (2, c), *vectors])
            w2 = draw(c, 1, 5, 5)
            after = out_shape(y, w2.shape, stride)
            finishing = options(stride, 'hswish', pooled=True, input_act='relu6')
            deep = run('depthwise_forward', [z, kept, gamma, beta, w2, *gamma_beta_running, finishing],
                       [after, after, (2, c), *vectors, (n, c)])
            dz, dkept, *_ = run('depthwise_backward', [draw(*after), pool, z, kept, gamma, beta, w2, gamma, beta,
                                                       deep[1], deep[2], finishing],
                                [y, (2, c), *vectors, w2.shape, *vectors])
            run('convolution_defer_norm_backward', [dz, dkept, x, w, z, kept, told],
                [x.shape if kernel == 1 else (1,), w.shape])
            run('convolution_defer_norm_input_gradient', [dz, dkept, x, w, z, kept, told], [x.shape])
            alone = options(stride, 'silu', pooled=True)
            inputs = [z, NOTHING, NOTHING, NOTHING, w2, *gamma_beta_running, alone]
            deep = run('depthwise_forward', inputs, [after, after, (2, c), *vectors, (n, c)])
            run('depthwise_inference', inputs, [after, (n, c)])
            run('depthwise_backward', [draw(*after), pool, *inputs[:4], w2, gamma, beta, deep[1], deep[2], alone],
                [y, (1,), (1,), (1,), w2.shape, *vectors])
        (last,) = run('layout_channels_last', [draw(n, cin, side, side)], [x.shape])
        run('layout_channels_first', [last], [(n, cin, side, side)])
        run('layout_mean', [x], [(n, cin)])
        run('layout_mean_gradient', [gate, x], [x.shape])
    means, w1, w2 = draw(37, 130), draw(75, 130, 1, 1), draw(130, 75, 1, 1)
    _, u, v = run('gate_forward', [means, w1, draw(75), w2, draw(130), options(act='silu')],
                  [(37, 130), (37, 75), (37, 130)])
    run('gate_backward', [draw(37, 130), means, w1, w2, u, v, options(act='silu')],
        [(37, 130), w1.shape, (75,), w2.shape, (130,)])
    for name, inputs, *_ in updates(draw, [5, 70000, 1, 16384, 33, 40000]):
        run(f'optimizer_{name}', inputs, [(1,)])
    return results


def differing(a, b):
    return [name for name in a if a[name] != b[name]]


def test_everything_is_everything(library):
    """The three tests below cover every operator of the library."""
    sources = '\n'.join(path.read_text() for path in build.SOURCES.glob('*.cc'))
    defined = set(re.findall(r'^TINYNETS_OPERATOR\((\w+)', sources, re.M))
    assert defined == {name.split()[1] for name in everything(library)}


def test_same_bits_for_any_threads(library):
    library.tinynets_set_threads(1)
    one = everything(library)
    for count in (2, 3, 5):
        library.tinynets_set_threads(count)
        assert library.tinynets_threads() == count
        assert differing(one, everything(library)) == [], f'{count} threads'


def test_same_bits_from_several_threads_at_once(library):
    """ctypes releases Python's lock during a call, so operators overlap."""
    library.tinynets_set_threads(3)
    seeds_ = (1, 2, 3, 1)
    alone = {seed: everything(library, seed) for seed in set(seeds_)}
    found, start = {}, threading.Barrier(len(seeds_))

    def work(i, seed):
        start.wait()
        found[i] = differing(alone[seed], everything(library, seed))

    workers = [threading.Thread(target=work, args=pair) for pair in enumerate(seeds_)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert found == {i: [] for i in range(len(seeds_))}


@pytest.mark.parametrize('busy', [False, True])
def test_same_bits_in_a_forked_child(library, busy):
    """A child has none of its parent's helper threads; `busy`: another thread is inside an operator at the fork."""
    library.tinynets_set_threads(3)
    before = everything(library)
    stop = threading.Event()

    def keep_busy():
        while not stop.is_set():
            everything(library, 9)

    other = threading.Thread(target=keep_busy)
    if busy:
        other.start()
    try:
        for _ in range(3 if busy else 1):
            assert in_child(lambda: b'same' if not differing(before, everything(library)) else b'different') == b'same'
    finally:
        stop.set()
        if busy:
            other.join()
    assert differing(before, everything(library)) == []  # and the parent goes on


def in_child(compute, seconds=60):
    """What `compute` returns in a forked child, b'' if it crashed; a child that hangs is ended and fails."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, compute())
        finally:
            os._exit(0)
    os.close(writing)
    try:
        if not select.select([reading], [], [], seconds)[0]:
            os.kill(child, signal.SIGKILL)
            pytest.fail(f'the child was not done after {seconds} s')
        return os.read(reading, 100)
    finally:
        os.close(reading)
        os.waitpid(child, 0)
