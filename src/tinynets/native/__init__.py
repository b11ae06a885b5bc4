"""CPU operators in C++ for the layers of these networks, and whether they serve here.

build.py compiles cc/ into a cache, operators.py describes the compiled functions to MindSpore, cells.py calls them.
Layers ask `active()` when they are built; where it is None, the framework's own operators do the same.
"""
from __future__ import annotations

import ctypes
import os
import pathlib
from typing import Optional

from tinynets.native import build
from tinynets.text import say_once

# As the user set it: MindSpore sets the variable to 1 for C behind Python's back, and configure() for its own threads.
_OUTSIDE_THREADS = os.environ.get('OMP_NUM_THREADS', '').partition(',')[0]

_choice = 'auto'
_threads = 0
_found: Optional[str] = None
_asked = False


def choose(kernels: str = 'auto', threads: int = 0) -> None:
    """Set what networks built from now on use, 'auto' or 'stock', and the kernels' threads.

    Threads 0 are OMP_NUM_THREADS or the processors the process may use. Raises ValueError for another choice.
    """
    global _choice, _threads
    _from_environment()
    _choice, _threads = _checked('runtime.kernels', kernels), threads
    if _found:
        ctypes.CDLL(_found).tinynets_set_threads(threads or default_threads())


def active() -> Optional[str]:
    """The compiled library's path where the kernels serve: on the CPU, with a compiler, unless stock ones were chosen.

    TINYNETS_KERNELS=stock in the environment is such a choice as well. Compiles at the first call. Where that can't be
    done, one line on standard error says why, and None is returned. Raises ValueError for another TINYNETS_KERNELS.
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
            say_once(f"CPU kernels not available, the framework's own operators are used, slower: {reason}")
        _asked = True
    return _found


def default_threads() -> int:
    """OMP_NUM_THREADS, or the processors the process may run on, or fewer where its container has a quota of them."""
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
