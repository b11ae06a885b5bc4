"""A deterministic NumPy rule for weights and inputs in both frameworks, by timm's names."""
import zlib

import numpy as np


def weight(name: str, shape: tuple) -> np.ndarray:
    """Return the float32 array of a parameter or statistic by its timm name and shape."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith('running_var'):
        values = rng.uniform(0.5, 1.5, shape)
    elif len(shape) > 1:
        values = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
    elif name.endswith('weight'):
        values = rng.normal(1, 0.1, shape)
    else:
        values = rng.normal(0, 0.1, shape)
    return values.astype(np.float32)


def images(resolution: int, count: int, seed: int = 0) -> np.ndarray:
    """Images (count, 3, resolution, resolution), float32, unit variance."""
    return np.random.default_rng((seed, resolution)).normal(0, 1, (count, 3, resolution, resolution)).astype(np.float32)


def signs(name: str, size: int, count: int = 4) -> np.ndarray:
    """Random signs (count, size): a wrong gradient anywhere shows in its products with them."""
    rng = np.random.default_rng(zlib.crc32(name.encode()) + 1)
    return rng.choice(np.array([-1.0, 1.0]), (count, size))
