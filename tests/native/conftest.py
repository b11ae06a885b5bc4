"""Fixtures of the kernels' tests: the compiled library, loaded without MindSpore."""
import ctypes

import pytest

from tinynets.native import build


@pytest.fixture(scope='session')
def library():
    """The compiled operators for this processor. Only a machine without any C++ compiler does without these tests."""
    try:
        build.compiler()
    except build.Unavailable as reason:
        pytest.skip(str(reason))
    return ctypes.CDLL(build.library())
