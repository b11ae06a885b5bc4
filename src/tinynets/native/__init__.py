"""CPU operators in C++ for the layers of these networks, and whether they are used here.

build.py compiles cc/ into a cache, operators.py describes the compiled functions to MindSpore, cells.py calls them.
Layers call `active()` when they are built; if it is None, they use the framework's own operators.
"""
from __future__ import annotations

import ctypes
import os
import pathlib
from typing import Optional

from tinynets.native import build
from tinynets.text import say_once

# The user's value: MindSpore sets the variable to 1 in C without Python's knowledge, configure() for its own threads.
_OUTSIDE_THREADS = os.environ.get('OMP_NUM_THREADS', '').partition(',')[0]

_choice = 'auto'
_threads = 0
_found: Optional[str] = None
_asked = False


def choose(kernels: str = 'auto', threads: int = 0) -> None:
    """Set the operators of networks built from now on, 'auto' or 'stock', and the kernels' threads.

    0 threads means OMP_NUM_THREADS or the processors that the process may use. Raises ValueError for another choice.
    """
    global _choice, _threads
    _from_environment()
    _choice, _threads = _checked('runtime.kernels', kernels), threads
    if _found:
        ctypes.CDLL(_found).tinynets_set_threads(threads or default_threads())


def active() -> Optional[str]:
    """Return the compiled library's path if the kernels are used: on the CPU, with a compiler, unless turned off.

    TINYNETS_KERNELS=stock in the environment turns them off as well. Compiles at the first call; if that fails, one
    line on standard error says why, and None is returned. Raises ValueError for another TINYNETS_KERNELS.
    """
    global _found, _asked
    if 'stock' in (_choice, _from_environment()):
        return None
    import mindspore as ms
    if ms.get_context('device_target') != 'CPU':
        return None
    if not _asked:
        try:
            _found = build.library()
            ctypes.CDLL(_found).tinynets_set_threads(_threads or default_threads())
        except build.Unavailable as reason:
            say_once(f"CPU kernels not available, the framework's slower operators are used: {reason}")
        _asked = True
    return _found


def default_threads() -> int:
    """Return OMP_NUM_THREADS, or the number of processors that the process may use, limited by a container's quota."""
    if _OUTSIDE_THREADS.isdigit() and int(_OUTSIDE_THREADS) > 0:
        return int(_OUTSIDE_THREADS)
    count = len(os.sched_getaffinity(0))
    try:
        quota, period = pathlib.Path('/sys/fs/cgroup/cpu.max').read_text().split()
        return max(1, min(count, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no such control group, or 'max'
        return count


def _from_environment() -> str:
    return _checked('TINYNETS_KERNELS', os.environ.get('TINYNETS_KERNELS', 'auto'))


def _checked(source: str, choice: str) -> str:
    if choice not in ('auto', 'stock'):
        raise ValueError(f"{source} '{choice}': must be auto or stock")
    return choice
