"""The edge program's depthwise convolution against shifted sums: borders, strides, maps smaller than the kernel."""
import shutil
import subprocess

import numpy as np
import pytest

from tests.conftest import ROOT


def reference(x, weights, bias, stride):
    """Of x (height, width, channels) and weights (channels, kernel, kernel), in float64."""
    kernel, (height, width, _) = weights.shape[-1], x.shape
    padded = np.pad(x.astype(np.float64), [(kernel // 2,) * 2, (kernel // 2,) * 2, (0, 0)])
    return bias + sum(padded[r:r + height, t:t + width][::stride, ::stride] * weights[:, r, t]
                      for r in range(kernel) for t in range(kernel))


def test_depthwise_is_shifted_sums(tmp_path):
    if not shutil.which('c++'):
        pytest.skip('no c++')
    edge, program = ROOT / 'ascend310_infer', tmp_path / 'depthwise'
    sources = [ROOT / 'tests/deploy/depthwise_main.cc', *(edge / f'src/{name}.cc' for name in ('depthwise', 'elementwise'))]
    # The sanitizer sees what is read or written beyond a map, masked lanes aside.
    subprocess.run(['c++', '-std=c++17', '-O1', '-fsanitize=address', '-Wall', '-Wextra', '-Werror', '-I', edge / 'inc',
                    *sources, '-o', program], check=True)
    rng, sent, wanted = np.random.default_rng(0), b'', []
    for kernel in (3, 5):
        for stride in (1, 2):
            # every number of outputs at once, widths of which all or none are inner, channels of every remainder
            for i, width in enumerate([*range(1, 20), 23, 46, 92]):
                for height in (1, 2, 3 + i % 7):
                    channels = int(rng.integers(1, 70))
                    shapes = [(channels, kernel, kernel), (channels,), (height, width, channels)]
                    weights, bias, x = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
                    sent += np.array([kernel, stride, channels, height, width], np.int32).tobytes()
                    sent += weights.tobytes() + bias.tobytes() + x.tobytes()
                    wanted.append(reference(x, weights, bias, stride).reshape(-1))
    done = subprocess.run([program], input=sent, stdout=subprocess.PIPE)
    if done.returncode == 3:
        pytest.skip('no AVX-512')
    assert done.returncode == 0
    np.testing.assert_allclose(np.frombuffer(done.stdout, np.float32), np.concatenate(wanted), rtol=1e-5, atol=1e-5)
