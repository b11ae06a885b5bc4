"""The compiled operators for MindSpore: shapes, gradients and options of each call.

An operator is an `extern "C"` function of cc/*.cc, called through ops.Custom (func_type 'aot'). Maps are channels-last,
(N, H, W, C), and everything is float32. To add one: its C++ with a line TINYNETS_OPERATOR, then here a `custom` with
the shapes of its outputs and its gradient as `bprop`, then the layer or the cell of cells.py that calls it.
"""
from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Callable, Optional, Tuple

import numpy as np
from mindspore import Tensor, ops

ACTIVATIONS = ('none', 'silu', 'relu', 'relu6', 'hswish', 'sigmoid')  # the order of cc/activation.h
GATES = ('sigmoid', 'hsigmoid')  # the order of cc/gate.cc


@dataclass(frozen=True)
class Options:
    """The options of a convolution with norm and activation, in the order of cc/norm.h."""
    stride: int = 1
    act: str = 'none'
    epsilon: float = 1e-5
    momentum: float = 0.9
    gated: bool = False
    residual: bool = False
    pooled: bool = False
    input_act: Optional[str] = None  # of an input whose norm is deferred
    frozen: bool = False  # running statistics, as in evaluation
    gate: str = 'sigmoid'  # of squeeze-and-excitation, to which `act` belongs too

    def __post_init__(self):
        if self.residual and self.pooled:
            raise ValueError('residual and pooled together: the gradient of such a mean is not implemented; choose one')

    def tensor(self) -> Tensor:
        """Return the options as the operators' input."""
        input_act = -1 if self.input_act is None else ACTIVATIONS.index(self.input_act)
        return Tensor(np.array([self.stride, ACTIVATIONS.index(self.act), self.epsilon, self.momentum, self.gated,
                                self.residual, self.pooled, input_act, self.frozen, GATES.index(self.gate)],
                               np.float32))


def custom(library: str, function: str, outputs: int, shapes: Callable, bprop: Callable | None = None,
           key: str = '') -> ops.Custom:
    """Return an operator; `shapes` maps the inputs' shapes to the output's, or to a tuple of `outputs` shapes.

    PyNative mode caches output shapes by input shapes and attributes: `key` holds whatever else they depend on.
    """
    def types(*inputs):
        if any('Float32' not in str(t) for t in inputs):
            given = ', '.join(sorted({str(t) for t in inputs}))
            raise TypeError(f'{function}: inputs are {given}, must all be float32; for other types use '
                            'runtime.kernels=stock or TINYNETS_KERNELS=stock')
        return (inputs[0],) * outputs if outputs > 1 else inputs[0]

    operator = ops.Custom(f'{library}:{function}', shapes, types, 'aot', bprop=bprop)
    operator.add_prim_attr('key', key)
    return operator


def _map(x, weight, stride: int, grouped: bool = False) -> list:
    channels = weight[0] if grouped else weight[1]
    if len(x) != 4 or x[3] != channels or min(x) < 1:
        raise ValueError(f'maps of shape {tuple(x)}: must be (images, height, width, {channels}), channels last and '
                         'none empty; Network.enter converts (N, C, H, W)')
    return [x[0], (x[1] - 1) // stride + 1, (x[2] - 1) // stride + 1, weight[0]]


@functools.lru_cache(None)
def convolution(library: str, stride: int, pointwise: bool) -> Tuple[ops.Custom, ops.Custom]:
    """Return (training, inference) of x, gate, residual, weight, gamma, beta, running mean and variance, options.

    Training returns y, z, (mean, 1 / std), new running mean and variance, and y's mean over each image. Inference takes
    `frozen` options and returns y and that mean. Without gate or residual in the options, pass any small tensor.
    """
    key = f'{stride}{pointwise}'

    def outputs(x, gate, residual, weight, *rest):
        y, channels = _map(x, weight, stride), weight[0]
        return y, y, [2, channels], [channels], [channels], [x[0], channels]

    gradient = custom(
        library, 'convolution_backward', 5,
        lambda dy, pool, x, gate, weight, gamma, *rest: (x if pointwise else [1], gate, weight, gamma, gamma), key=key)
    input_gradient = custom(library, 'convolution_input_gradient', 1, lambda dy, pool, x, *rest: x)

    def back(dy, dpool, x, gate, residual, weight, gamma, beta, mean, variance, z, kept, options):
        dx, dgate, dweight, dgamma, dbeta = gradient(dy, dpool, x, gate, weight, gamma, beta, z, kept, options)
        if not pointwise:
            dx = input_gradient(dy, dpool, x, weight, gamma, beta, z, kept, dgamma, dbeta, options)
        dresidual = dy if residual.ndim == 4 else ops.zeros_like(residual)
        return (dx, dgate, dresidual, dweight, dgamma, dbeta, ops.zeros_like(mean), ops.zeros_like(variance),
                ops.zeros_like(options))

    def bprop_training(x, gate, residual, weight, gamma, beta, mean, variance, options, out, dout):
        return back(dout[0], dout[5], x, gate, residual, weight, gamma, beta, mean, variance, out[1], out[2], options)

    training = custom(library, 'convolution_forward', 6, outputs, bprop_training, key)

    def bprop_inference(x, gate, residual, weight, gamma, beta, mean, variance, options, out, dout):
        _, z, kept, _, _, _ = training(x, gate, residual, weight, gamma, beta, mean, variance, options)
        return back(dout[0], dout[1], x, gate, residual, weight, gamma, beta, mean, variance, z, kept, options)

    return training, custom(library, 'convolution_inference', 2,
                            lambda *shapes: (outputs(*shapes)[0], outputs(*shapes)[5]), bprop_inference, key)


@functools.lru_cache(None)
def convolution_defer_norm(library: str, stride: int, pointwise: bool) -> ops.Custom:
    """Return the convolution of training without its norm, of x, weight, running mean and variance, options.

    It returns z, (mean, 1 / std), new running mean and variance. The gradient of z is taken with fixed statistics; the
    part through the statistics is the gradient of (mean, 1 / std).
    """
    key = f'{stride}{pointwise}'
    gradient = custom(library, 'convolution_defer_norm_backward', 2,
                      lambda dz, dkept, x, weight, *rest: (x if pointwise else [1], weight), key=key)
    input_gradient = custom(library, 'convolution_defer_norm_input_gradient', 1, lambda dz, dkept, x, *rest: x)

    def bprop_pointwise(x, weight, mean, variance, options, out, dout):
        dx, dweight = gradient(dout[0], dout[1], x, weight, out[0], out[1], options)
        return dx, dweight, ops.zeros_like(mean), ops.zeros_like(variance), ops.zeros_like(options)

    def bprop(x, weight, mean, variance, options, out, dout):
        _, dweight = gradient(dout[0], dout[1], x, weight, out[0], out[1], options)
        dx = input_gradient(dout[0], dout[1], x, weight, out[0], out[1], options)
        return dx, dweight, ops.zeros_like(mean), ops.zeros_like(variance), ops.zeros_like(options)

    return custom(library, 'convolution_defer_norm_forward', 4,
                  lambda x, weight, *rest: (_map(x, weight, stride), [2, weight[0]], [weight[0]], [weight[0]]),
                  bprop_pointwise if pointwise else bprop, key)


@functools.lru_cache(None)
def depthwise(library: str, stride: int) -> Tuple[ops.Custom, ops.Custom]:
    """Return (training, inference) of x, weight, gamma, beta, running mean and variance, options, as `convolution`.

    Between x and weight are (mean, 1 / std), gamma and beta of x if its norm is deferred (convolution_defer_norm), as
    the options' `input_act` says, otherwise any small tensors.
    """
    def outputs(x, kept, in_gamma, in_beta, weight, *rest):
        y, channels = _map(x, weight, stride, grouped=True), weight[0]
        return y, y, [2, channels], [channels], [channels], [x[0], channels]

    gradient = custom(library, 'depthwise_backward', 7,
                      lambda dy, pool, x, kept, in_gamma, in_beta, weight, gamma, *rest:
                      (x, kept, in_gamma, in_beta, weight, gamma, gamma))

    def back(dy, dpool, x, kept, in_gamma, in_beta, weight, gamma, beta, mean, variance, z, own_kept, options):
        dx, dkept, din_gamma, din_beta, dweight, dgamma, dbeta = gradient(
            dy, dpool, x, kept, in_gamma, in_beta, weight, gamma, beta, z, own_kept, options)
        return (dx, dkept, din_gamma, din_beta, dweight, dgamma, dbeta, ops.zeros_like(mean), ops.zeros_like(variance),
                ops.zeros_like(options))

    def bprop_training(x, kept, in_gamma, in_beta, weight, gamma, beta, mean, variance, options, out, dout):
        return back(dout[0], dout[5], x, kept, in_gamma, in_beta, weight, gamma, beta, mean, variance, out[1], out[2],
                    options)

    training = custom(library, 'depthwise_forward', 6, outputs, bprop_training, str(stride))

    def bprop_inference(x, kept, in_gamma, in_beta, weight, gamma, beta, mean, variance, options, out, dout):
        _, z, own_kept, _, _, _ = training(x, kept, in_gamma, in_beta, weight, gamma, beta, mean, variance, options)
        return back(dout[0], dout[1], x, kept, in_gamma, in_beta, weight, gamma, beta, mean, variance, z, own_kept,
                    options)

    return training, custom(library, 'depthwise_inference', 2,
                            lambda *shapes: (outputs(*shapes)[0], outputs(*shapes)[5]), bprop_inference, str(stride))


@functools.lru_cache(None)
def gate(library: str) -> ops.Custom:
    """Return the gate of means (N, C), weight (R, C, 1, 1), bias, weight (C, R, 1, 1), bias, options.

    It returns the gate (N, C) and the sums of both layers.
    """
    gradient = custom(library, 'gate_backward', 5,
                      lambda dy, means, w1, w2, u, v, options: (means, w1, [w1[0]], w2, [w2[0]]))

    def bprop(means, w1, b1, w2, b2, options, out, dout):
        dmeans, dw1, db1, dw2, db2 = gradient(dout[0], means, w1, w2, out[1], out[2], options)
        return dmeans, dw1, db1, dw2, db2, ops.zeros_like(options)

    return custom(library, 'gate_forward', 3, lambda means, w1, *rest: (means, [means[0], w1[0]], means), bprop)


@functools.lru_cache(None)
def channels_last(library: str) -> ops.Custom:
    """(N, C, H, W) -> (N, H, W, C)."""
    back = custom(library, 'layout_channels_first', 1, lambda x: [x[0], x[3], x[1], x[2]])

    def bprop(x, out, dout):
        return (back(dout),)

    return custom(library, 'layout_channels_last', 1, lambda x: [x[0], x[2], x[3], x[1]], bprop)


@functools.lru_cache(None)
def channels_first(library: str) -> ops.Custom:
    """(N, H, W, C) -> (N, C, H, W)."""
    back = custom(library, 'layout_channels_last', 1, lambda x: [x[0], x[2], x[3], x[1]])

    def bprop(x, out, dout):
        return (back(dout),)

    return custom(library, 'layout_channels_first', 1, lambda x: [x[0], x[3], x[1], x[2]], bprop)


@functools.lru_cache(None)
def mean(library: str) -> ops.Custom:
    """Return the operator (N, H, W, C) -> means over the pixels, (N, C)."""
    gradient = custom(library, 'layout_mean_gradient', 1, lambda d, x: x)

    def bprop(x, out, dout):
        return (gradient(dout, x),)

    return custom(library, 'layout_mean', 1, lambda x: [x[0], x[3]], bprop)


@functools.lru_cache(None)
def update(library: str, kind: str) -> ops.Custom:
    """Return rmsprop, sgd, adamw or average of cc/optimizer.cc, which changes its inputs in place."""
    operator = custom(library, f'optimizer_{kind}', 1, lambda *shapes: [1])
    operator.add_prim_attr('side_effect_mem', True)  # keeps its order among reads and writes of the parameters
    return operator
