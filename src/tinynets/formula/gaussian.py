"""Gaussian-process regression of a multiplier against the budget: step 4 of the method.

The paper fits r = f_r(c) and d = f_d(c) with an RBF kernel and noise ("Model Rubik's Cube", NeurIPS 2020).
Here both sides are logarithms, x = ln c and y = ln r or ln d, and the kernel has a linear part as well,

    k(x, x') = 1 + x x'  +  s^2 exp(-(x - x')^2 / (2 l^2))  +  n [x = x'],

that is, a power law as in the giant formula, with standard normal priors for its exponent and the logarithm of its
factor, plus the paper's RBF and noise. Reasons for this departure from the paper: budgets span orders of magnitude,
multipliers stay positive, and outside the points the curve continues as a power law with growing uncertainty, while an
RBF alone returns to the mean. s, l and n maximise the marginal likelihood (Rasmussen and Williams 2006, section 5.4.1).
"""
from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass
from typing import Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike

AMPLITUDE = (1e-2, 1.0)  # of s, in ln r or ln d
LENGTH = (0.3, 5.0)  # of l, in ln c: from a third of an e-fold of the budget to far more than any study spans
NOISE = (1e-3, 0.3)  # of sqrt(n), in ln r or ln d
RESTARTS = 10
MANY = 50  # with more points there are fewer restarts: the time of each grows with the cube of the points


@dataclass(frozen=True)
class Kernel:
    """The hyperparameters s, l and sqrt(n)."""
    amplitude: float
    length: float
    noise: float

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the covariances (N, M) of the curve at a (N,) and b (M,), without the noise."""
        distance = a[:, None] - b[None, :]
        return 1 + a[:, None] * b[None, :] + self.amplitude ** 2 * np.exp(-0.5 * (distance / self.length) ** 2)


class Curve:
    """One multiplier as a function of the budget c > 0, from measured points (c, value)."""

    def __init__(self, c: Sequence[float], values: Sequence[float], kernel: Kernel):
        self.x, self.y = np.log(np.asarray(c, float)), np.log(np.asarray(values, float))
        self.kernel = kernel
        covariance = kernel(self.x, self.x) + kernel.noise ** 2 * np.eye(len(self.x))
        self.cholesky = np.linalg.cholesky(covariance)
        self.weights = self._solve(self.y)

    def _solve(self, right: np.ndarray) -> np.ndarray:
        return np.linalg.solve(self.cholesky.T, np.linalg.solve(self.cholesky, right))

    def predict(self, c: ArrayLike) -> Tuple[np.ndarray, np.ndarray]:
        """Return the multiplier at budgets c (N,), and the std of its logarithm for a network found there.

        The posterior of Rasmussen and Williams 2006, equations 2.25 and 2.26, with the noise of a new observation. In
        NumPy, because importing scikit-learn takes longer than the computation.
        """
        x = np.log(np.atleast_1d(np.asarray(c, float)))
        across = self.kernel(x, self.x)
        prior = 1 + x * x + self.kernel.amplitude ** 2 + self.kernel.noise ** 2
        variance = prior - np.sum(across * self._solve(across.T).T, axis=1)
        return np.exp(across @ self.weights), np.sqrt(np.maximum(variance, 0))

    @property
    def log_likelihood(self) -> float:
        """Return the logarithm of the marginal likelihood of the points (equation 2.30)."""
        return float(-0.5 * self.y @ self.weights - np.log(np.diag(self.cholesky)).sum()
                     - 0.5 * len(self.y) * math.log(2 * math.pi))

    def left_out(self) -> np.ndarray:
        """Return the leave-one-out predictions (N,) at the points, with fixed hyperparameters (equation 5.12)."""
        inverse = self._solve(np.eye(len(self.y)))
        return np.exp(self.y - self.weights / np.diag(inverse))

    @property
    def exact(self) -> bool:
        """Whether the fit found no noise: the curve passes through every point, and its band is too narrow."""
        return self.kernel.noise < 1.01 * NOISE[0]

    def to_dict(self) -> dict:
        """Return the hyperparameters and the log likelihood, for a file."""
        return {**asdict(self.kernel), 'log_likelihood': self.log_likelihood}


def fit(c: ArrayLike, values: Sequence[float], seed: int = 0, restarts: int = RESTARTS) -> Curve:
    """Fit a curve by scikit-learn: the best marginal likelihood of `restarts` + 1 starts, fewer for many points.

    Raises ValueError with fewer than three different budgets.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel
    c = np.asarray(c, float)
    if len(set(c)) < 3:
        raise ValueError(f'{len(set(c))} different budgets: a curve needs at least 3; measure more networks')
    squared = [tuple(bound ** 2 for bound in bounds) for bounds in (AMPLITUDE, NOISE)]
    kernel = (DotProduct(1.0, 'fixed') + ConstantKernel(0.01, squared[0]) * RBF(1.0, LENGTH)
              + WhiteKernel(1e-3, squared[1]))
    restarts = restarts if len(c) <= MANY else max(1, restarts * MANY // len(c))
    model = GaussianProcessRegressor(kernel, alpha=0.0, n_restarts_optimizer=restarts, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ConvergenceWarning)  # a hyperparameter at its bound is fine
        model.fit(np.log(c)[:, None], np.log(np.asarray(values, float)))
    curve, noise = model.kernel_.k1.k2, model.kernel_.k2
    return Curve(c.tolist(), values, Kernel(math.sqrt(curve.k1.constant_value), float(curve.k2.length_scale),
                                            math.sqrt(noise.noise_level)))
