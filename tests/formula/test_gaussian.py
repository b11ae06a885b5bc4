"""The regression against closed forms, scikit-learn and brute force."""
import numpy as np
import pytest

from tinynets.formula import gaussian
from tinynets.formula.gaussian import Curve, Kernel

C = [0.063, 0.13, 0.26, 0.52, 0.87]
R = [0.47, 0.68, 0.82, 0.84, 0.86]
KERNEL = Kernel(0.2, 1.1, 0.05)


def covariance(a, b, kernel=KERNEL):
    """Return k(a, b) number by number, by the formula in the module's docstring."""
    return np.array([[1 + p * q + kernel.amplitude ** 2 * np.exp(-(p - q) ** 2 / (2 * kernel.length ** 2)) for q in b]
                     for p in a])


def test_posterior_is_the_closed_form():
    x, y, at = np.log(C), np.log(R), np.log([0.02, 0.063, 0.3, 2.0])
    inverse = np.linalg.inv(covariance(x, x) + 0.05 ** 2 * np.eye(5))
    mean = covariance(at, x) @ inverse @ y
    variance = np.diag(covariance(at, at) + 0.05 ** 2 * np.eye(4) - covariance(at, x) @ inverse @ covariance(x, at))
    got, deviation = Curve(C, R, KERNEL).predict(np.exp(at))
    np.testing.assert_allclose(got, np.exp(mean), rtol=1e-9)
    np.testing.assert_allclose(deviation, np.sqrt(variance), rtol=1e-7)


def test_posterior_is_that_of_scikit_learn():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel
    kernel = DotProduct(1.0) + ConstantKernel(0.2 ** 2) * RBF(1.1) + WhiteKernel(0.05 ** 2)
    model = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(np.log(C)[:, None], np.log(R))
    at = np.geomspace(0.01, 3, 17)
    mean, deviation = model.predict(np.log(at)[:, None], return_std=True)
    got, got_deviation = Curve(C, R, KERNEL).predict(at)
    np.testing.assert_allclose(got, np.exp(mean), rtol=1e-9)
    np.testing.assert_allclose(got_deviation, deviation, rtol=1e-6)
    assert Curve(C, R, KERNEL).log_likelihood == pytest.approx(model.log_marginal_likelihood_value_)


def test_leaving_out_is_fitting_without():
    left_out = Curve(C, R, KERNEL).left_out()
    for i in range(5):
        others = [j for j in range(5) if j != i]
        without = Curve([C[j] for j in others], [R[j] for j in others], KERNEL)
        assert left_out[i] == pytest.approx(without.predict(C[i])[0][0])


def test_fit_has_the_best_likelihood():
    rng = np.random.default_rng(3)
    c = np.geomspace(0.05, 1, 9)
    values = np.exp(0.3 * np.log(c) + 0.1 * np.sin(3 * np.log(c)) + rng.normal(0, 0.03, 9))
    found = gaussian.fit(c, values, seed=1)
    for amplitude in np.geomspace(0.011, 0.99, 8):
        for length in np.geomspace(0.31, 4.9, 8):
            for noise in np.geomspace(0.0011, 0.29, 8):
                assert Curve(c, values, Kernel(amplitude, length, noise)).log_likelihood <= found.log_likelihood + 1e-3
    again = gaussian.fit(c, values, seed=1)
    assert again.kernel == found.kernel


def test_outside_the_points_a_power_law_goes_on_and_the_interval_widens():
    c = np.geomspace(0.1, 1, 8)
    curve = gaussian.fit(c, 0.9 * c ** 0.3)
    assert curve.predict(0.01)[0][0] == pytest.approx(0.9 * 0.01 ** 0.3, rel=0.1)
    deviations = curve.predict([0.5, 0.05, 0.01, 0.001])[1]
    assert (np.diff(deviations) > 0).all()


def test_too_few_budgets_are_refused():
    with pytest.raises(ValueError, match='2 different budgets: a curve needs at least 3'):
        gaussian.fit([0.1, 0.2, 0.2], [0.5, 0.6, 0.7])
