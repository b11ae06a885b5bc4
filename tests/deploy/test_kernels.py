"""The edge program's convolutions against shifted sums: borders, strides, remainders of tiles, what is fused."""
import shutil
import subprocess

import numpy as np
import pytest

from tests.conftest import ROOT


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A function from cases in bytes to the program's float32s."""
    if not shutil.which('c++'):
        pytest.skip('no c++')
    network, program = ROOT / 'ascend310_infer' / 'network', tmp_path_factory.mktemp('kernels') / 'kernels'
    sources = [ROOT / 'tests/deploy/kernels_main.cc', *(network / f'{name}.cc' for name in (
        'convolution', 'depthwise', 'elementwise', 'expansion', 'product'))]
    # The sanitizer sees what is read or written beyond a map, masked lanes aside.
    subprocess.run(['c++', '-std=c++17', '-O1', '-fsanitize=address', '-Wall', '-Wextra', '-Werror', '-I', network,
                    *sources, '-o', program], check=True)

    def answer(sent):
        done = subprocess.run([program], input=sent, stdout=subprocess.PIPE)
        if done.returncode == 3:
            pytest.skip('no AVX-512')
        assert done.returncode == 0
        return np.frombuffer(done.stdout, np.float32)
    return answer


def padded(x, kernel):
    return np.pad(x.astype(np.float64), [(kernel // 2,) * 2, (kernel // 2,) * 2, (0, 0)])


def convolution(x, weights, bias, stride):
    """Of x (height, width, inputs) and weights (outputs, kernel, kernel, inputs), in float64."""
    kernel, (height, width, _) = weights.shape[1], x.shape
    x = padded(x, kernel)
    return bias + sum(x[r:r + height, t:t + width][::stride, ::stride] @ weights[:, r, t].T.astype(np.float64)
                      for r in range(kernel) for t in range(kernel))


def depthwise(x, weights, bias, stride):
    """Of x (height, width, channels) and weights (channels, kernel, kernel), in float64."""
    kernel, (height, width, _) = weights.shape[-1], x.shape
    x = padded(x, kernel)
    return bias + sum(x[r:r + height, t:t + width][::stride, ::stride] * weights[:, r, t]
                      for r in range(kernel) for t in range(kernel))


def silu(x):
    return x / (1 + np.exp(-x))


def compare(run, cases):
    """`cases` of ten integers, arrays, what comes of them and the sums over its pixels, or None."""
    sent = b''.join(np.array(numbers, np.int32).tobytes() + b''.join(array.tobytes() for array in arrays)
                    for numbers, arrays, _ in cases)
    wanted = []
    for numbers, _, y in cases:
        wanted += [y.reshape(-1), *([y.sum((0, 1))] if numbers[9] else [])]
    np.testing.assert_allclose(run(sent), np.concatenate(wanted), rtol=1e-5, atol=1e-5)


def random(rng, *shapes):
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def test_convolutions_are_shifted_products(run):
    rng, cases = np.random.default_rng(0), []
    # one to three vectors of outputs with a remainder or none, and every number of rows of a tile, in lines and in all
    pointwise = [(1, 1, int(rng.integers(1, 40)), outputs, 1, pixels)
                 for outputs in (8, 16, 24, 32, 40, 48, 56, 80) for pixels in (*range(1, 19), 29, 300)]
    large = [(1, 1, 700, 20, 13, 11), (1, 1, 3, 1000, 1, 1)]  # in more than one block of pixels; many panels
    spatial = [(kernel, stride, int(rng.integers(1, 9)), int(rng.integers(1, 50)), height, width)
               for kernel in (1, 3, 5, 7) for stride in (1, 2) for height in (1, 2, 6) for width in (1, 3, 16, 31)]
    stem = [(3, 2, 3, 32, 150, 90)]
    for i, (kernel, stride, inputs, outputs, height, width) in enumerate([*pointwise, *large, *spatial, *stem]):
        weights, bias, x = random(rng, (outputs, kernel, kernel, inputs), outputs, (height, width, inputs))
        weights /= np.float32(np.sqrt(inputs) * kernel)
        y = convolution(x, weights, bias, stride)
        activated, added, arrays = i % 2, i // 2 % 2, [weights, bias, x]
        if activated:
            y = silu(y)
        if added:
            arrays += random(rng, y.shape)
            y = y + arrays[-1]
        cases.append(((0, kernel, stride, inputs, outputs, height, width, activated, added, 0), arrays, y))
    compare(run, cases)


def test_depthwise_convolutions_are_shifted_sums(run):
    rng, cases = np.random.default_rng(0), []
    for kernel in (3, 5):
        for stride in (1, 2):
            # every number of outputs at once, widths of which all or none are inner, channels of every remainder
            for i, width in enumerate([*range(1, 20), 23, 46, 92]):
                for height in (1, 2, 3 + i % 7):
                    channels = int(rng.integers(1, 70))
                    weights, bias, x = random(rng, (channels, kernel, kernel), channels, (height, width, channels))
                    y = depthwise(x, weights, bias, stride)
                    y = silu(y) if i % 2 else y
                    numbers = (1, kernel, stride, channels, channels, height, width, i % 2, 0, height % 2)
                    cases.append((numbers, [weights, bias, x], y))
    compare(run, cases)


def test_expansions_are_both_convolutions_one_after_the_other(run):
    rng, cases = np.random.default_rng(0), []
    for kernel in (3, 5):
        for stride in (1, 2):
            # maps that are held whole, and such as are made some rows at a time: of few channels and of many
            for height, width, channels in ((1, 1, 16), (5, 4, 30), (60, 90, 40), (61, 33, 100), (64, 16, 333)):
                inputs = int(rng.integers(1, 30))
                widen, first, weights, bias, x = random(rng, (channels, 1, 1, inputs), channels,
                                                        (channels, kernel, kernel), channels, (height, width, inputs))
                y = depthwise(silu(convolution(x, widen, first, 1)), weights, bias, stride)
                y = silu(y) if height % 2 else y
                numbers = (2, kernel, stride, inputs, channels, height, width, height % 2, 0, width % 2)
                cases.append((numbers, [widen, first, weights, bias, x], y))
    compare(run, cases)
