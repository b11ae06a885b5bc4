"""CPU operators in C++ for the layers of these networks, and whether they serve here.

build.py compiles cc/ into a cache, operators.py describes the compiled functions to MindSpore, cells.py calls them. Layers
ask `active()` when they are built; where it is None, the framework's own operators do the same.
"""
from __future__ import annotations

import ctypes
import logging
import os
from typing import Optional

from src.kernels import build

_wanted = True
_threads = 0
_found: Optional[str] = None
_asked = False


def choose(kernels: str = 'auto', threads: int = 0) -> None:
    """Set what networks built from now on use, 'auto' or 'stock', and the kernels' threads.

    Threads 0 are OMP_NUM_THREADS or all processors the process may use. TINYNETS_KERNELS=stock in the environment means
    stock for every command. Raises ValueError for another choice.
    """
    global _wanted, _threads
    asked = {'runtime.kernels': kernels, 'TINYNETS_KERNELS': os.environ.get('TINYNETS_KERNELS', 'auto')}
    for source, choice in asked.items():
        if choice not in ('auto', 'stock'):
            raise ValueError(f"{source} '{choice}': must be auto or stock")
    # read here, not in C++: MindSpore sets the variable to 1 behind Python's back
    outside = os.environ.get('OMP_NUM_THREADS', '')
    _wanted, _threads = 'stock' not in asked.values(), threads or (int(outside) if outside.isdigit() else 0)
    if _found:
        ctypes.CDLL(_found).tinynets_set_threads(_threads)


def active() -> Optional[str]:
    """The compiled library's path where the kernels serve: on the CPU, unless stock ones were chosen, with a compiler.

    Compiles at the first call. Without a compiler one line of the log says so, and None is returned.
    """
    global _found, _asked
    if not _wanted:
        return None
    import mindspore as ms
    if ms.get_context('device_target') != 'CPU':
        return None
    if not _asked:
        try:
            _found = build.library()
            ctypes.CDLL(_found).tinynets_set_threads(_threads)
        except build.Unavailable as reason:
            logging.getLogger('tinynets').warning("CPU kernels not available, the framework's own operators serve, "
                                                  'slower: %s', reason)
        _asked = True
    return _found
