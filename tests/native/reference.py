"""The kernels' operators in float64 NumPy, from the formulas, and a way to call the compiled ones without MindSpore."""
import ctypes

import numpy as np

SLOPES = {  # activation -> (value, slope)
    'none': (lambda u: u, np.ones_like),
    'silu': (lambda u: u / (1 + np.exp(-u)), lambda u: (1 + u * (1 - 1 / (1 + np.exp(-u)))) / (1 + np.exp(-u))),
    'relu': (lambda u: np.maximum(u, 0), lambda u: (u > 0) * 1.0),
    'relu6': (lambda u: np.clip(u, 0, 6), lambda u: ((u > 0) & (u < 6)) * 1.0),
    'hswish': (lambda u: u * np.clip(u + 3, 0, 6) / 6,
               lambda u: np.where(u <= -3, 0, np.where(u < 3, u / 3 + 0.5, 1.0))),
    'hsigmoid': (lambda u: np.clip(u + 3, 0, 6) / 6, lambda u: (np.abs(u) < 3) / 6),
    'sigmoid': (lambda u: 1 / (1 + np.exp(-u)), lambda u: np.exp(-u) / (1 + np.exp(-u)) ** 2),
}


KINKS = {'relu': (0,), 'relu6': (0, 6), 'hswish': (-3, 3), 'hsigmoid': (-3, 3)}  # where the slope jumps
EPS = 2.0 ** -24  # relative error of one rounding to float32
ROUNDINGS = 8  # of a term, roughly: product, sum, statistics, norm, activation


def clear_of_kinks(u, beta, act, margin):
    """`beta`, moved in the channels where some u + beta lies within `margin` (a number a channel) of a kink.

    There float32 and float64 may fall on different sides, and both slopes are right.
    """
    beta = np.asarray(beta, np.float64).copy()
    for _ in range(2000):
        near = np.zeros(len(beta), bool)
        for kink in KINKS.get(act, ()):
            near |= (np.abs(u + beta - kink) < margin).any((0, 1, 2))
        if not near.any():
            return beta
        beta[near] = np.float32(beta[near] + 0.00317)
    raise AssertionError('no place between the kinks')


def call(library, name, inputs, shapes):
    """Run an operator of a loaded library on float32 copies of `inputs`; return outputs of the given shapes."""
    arrays = [np.ascontiguousarray(a, np.float32) for a in inputs]
    arrays += [np.full(shape, np.nan, np.float32) for shape in shapes]
    data = (ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])
    dims = [(ctypes.c_int64 * max(a.ndim, 1))(*a.shape) for a in arrays]
    pointers = (ctypes.c_void_p * len(arrays))(*[ctypes.cast(d, ctypes.c_void_p) for d in dims])
    ranks = (ctypes.c_int * len(arrays))(*[a.ndim for a in arrays])
    assert library[name](len(arrays), data, ranks, pointers, None, None, None) == 0
    return arrays[:len(inputs)], arrays[len(inputs):]


def taps(x, kernel, stride):
    """Yield (ky, kx, the pixels of NHWC x that this tap sees)."""
    reach = (kernel - 1) // 2
    height, width = (x.shape[1] - 1) // stride + 1, (x.shape[2] - 1) // stride + 1
    padded = np.pad(x, ((0, 0), (reach, kernel), (reach, kernel), (0, 0)))
    for ky in range(kernel):
        for kx in range(kernel):
            yield ky, kx, padded[:, ky:ky + height * stride:stride, kx:kx + width * stride:stride]


def convolve(x, w, stride, depthwise):
    """NHWC x with weights (O, I, k, k) or (C, 1, k, k)."""
    total = 0
    for ky, kx, seen in taps(x, w.shape[2], stride):
        total = total + (seen * w[:, 0, ky, kx] if depthwise else seen @ w[:, :, ky, kx].T)
    return total


def convolve_gradients(dz, x, w, stride, depthwise):
    """(dx, dw) of `convolve`."""
    kernel, reach = w.shape[2], (w.shape[2] - 1) // 2
    dw = np.zeros_like(w)
    padded = np.zeros((x.shape[0], x.shape[1] + reach + kernel, x.shape[2] + reach + kernel, x.shape[3]))
    for ky, kx, seen in taps(x, kernel, stride):
        if depthwise:
            dw[:, 0, ky, kx] = (dz * seen).sum((0, 1, 2))
            share = dz * w[:, 0, ky, kx]
        else:
            dw[:, :, ky, kx] = np.einsum('nhwo,nhwi->oi', dz, seen)
            share = dz @ w[:, :, ky, kx]
        padded[:, ky:ky + dz.shape[1] * stride:stride, kx:kx + dz.shape[2] * stride:stride] += share
    return padded[:, reach:reach + x.shape[1], reach:reach + x.shape[2]], dw


class ConvNormAct:
    """act(norm(conv(x * gate))) + residual and its gradients.

    `frozen`: (mean, variance) to use in place of the batch's. `x_error`: how far each channel of x may be off.
    """

    def __init__(self, x, w, gamma, beta, act, stride=1, depthwise=False, gate=None, residual=None, epsilon=1e-5,
                 x_error=0.0, frozen=None):
        self.x, self.w, self.gamma, self.stride, self.depthwise, self.gate = x, w, gamma, stride, depthwise, gate
        self.seen = x if gate is None else x * gate[:, None, None]
        self.slope = SLOPES[act][1]
        self.z = convolve(self.seen, w, stride, depthwise)
        self.mean, self.variance = frozen or (self.z.mean((0, 1, 2)), self.z.var((0, 1, 2)))
        self.frozen = frozen is not None
        self.count = self.z[..., 0].size
        self.inverse = 1 / np.sqrt(self.variance + epsilon)
        self.h = (self.z - self.mean) * self.inverse
        terms = convolve(np.abs(self.seen), np.abs(w), stride, depthwise).max((0, 1, 2))
        handed_on = convolve(np.zeros_like(x) + x_error, np.abs(w), stride, depthwise).max((0, 1, 2))
        self.z_error = ROUNDINGS * EPS * terms + handed_on
        # The norm divides by the std, and a rounding of z with it: with two values that happen to be close, or a
        # single one (variance 0, 1 / sqrt(epsilon) = 316), little of z's accuracy is left in any implementation.
        self.h_error = ROUNDINGS * EPS + self.inverse * self.z_error
        self.y_error = 1.2 * np.abs(gamma) * self.h_error  # 1.2: the steepest activation's slope, rounded up
        self.beta = clear_of_kinks(gamma * self.h, beta, act, np.clip(2 * self.y_error, 2e-5, 0.05))  # use this one
        self.u = gamma * self.h + self.beta
        self.y = SLOPES[act][0](self.u) + (0 if residual is None else residual)
        self.y_error = self.y_error + ROUNDINGS * EPS * np.abs(self.y).max((0, 1, 2))  # the activation rounds too
        self.pooled = self.y.mean((1, 2))

    def running(self, mean, variance, momentum=0.9):
        if self.frozen:
            return mean, variance
        unbiased = self.variance * self.count / max(self.count - 1, 1)
        return momentum * mean + (1 - momentum) * self.mean, momentum * variance + (1 - momentum) * unbiased

    def gradients(self, dy, dpooled=None):
        """dx, dgate, dw, dgamma, dbeta."""
        pixels = self.y.shape[1] * self.y.shape[2]
        d = (dy + (0 if dpooled is None else dpooled[:, None, None] / pixels)) * self.slope(self.u)
        dbeta, dgamma = d.sum((0, 1, 2)), (d * self.h).sum((0, 1, 2))
        share = 0 if self.frozen else 1 / self.count
        dz = self.gamma * self.inverse * (d - dbeta * share - self.h * dgamma * share)
        dx, dw = convolve_gradients(dz, self.seen, self.w, self.stride, self.depthwise)
        dgate = None
        if self.gate is not None:
            dgate = (dx * self.x).sum((1, 2))
            dx = dx * self.gate[:, None, None]
        return dx, dgate, dw, dgamma, dbeta

    def gradient_errors(self, dy, dpooled=None, dy_error=0.0):
        """What rounding may do to `gradients`: the terms' magnitudes, before they cancel, times the error of each.

        These matter where the true gradient is zero or nearly so: norm takes out every component of dz along 1 and h,
        so nothing is left for one or two values a channel, or for the weight of a 1x1 depthwise kernel.
        """
        pixels = self.y.shape[1] * self.y.shape[2]
        d = np.abs(dy) + (0 if dpooled is None else np.abs(dpooled)[:, None, None] / pixels)
        error = 1.2 * d * (self.h_error * (1 + np.abs(self.gamma))) + 1.2 * dy_error
        h = np.abs(self.h)
        dbeta, dgamma = error.sum((0, 1, 2)), (error * h + d * self.h_error).sum((0, 1, 2))
        dz = np.abs(self.gamma) * self.inverse * (error + (0 if self.frozen else (dbeta + h * dgamma) / self.count))
        dx, dw = convolve_gradients(dz, np.abs(self.seen), np.abs(self.w), self.stride, self.depthwise)
        dgate = None
        if self.gate is not None:
            dgate = (dx * np.abs(self.x)).sum((1, 2))
            dx = dx * np.abs(self.gate[:, None, None])
        return dx, dgate, dw, dgamma, dbeta


def close(made, true, relative, floor=0.0, what=''):
    """Fail unless every number is within `relative` of the largest true one, or within `floor` (array or number)."""
    made = np.asarray(made, np.float64)
    assert made.shape == true.shape, f'{what}: shape {made.shape}, not {true.shape}'
    allowed = np.maximum(relative * np.abs(true).max(initial=0), floor)
    off = np.abs(made - true) - allowed
    assert np.isfinite(made).all() and (off <= 0).all(), (
        f'{what}: off by {np.nanmax(np.abs(made - true)):.3g} with a largest value of {np.abs(true).max():.3g}, '
        f'{np.isnan(made).sum()} numbers are nan')
