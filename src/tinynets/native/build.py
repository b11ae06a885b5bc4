"""Compiling a folder of C++ into a cached library: once per machine, safe for processes that start together.

The library's name holds a digest of the sources, the compiler and its version, the flags and the processor's vector
instructions, so a change of any of them makes a new library, and different machines may share a cache.

Environment: TINYNETS_CACHE is the cache's folder (default: XDG_CACHE_HOME or ~/.cache, then the folder for temporary
files), CXX the compiler, with options or a launcher as in `ccache g++` (default: g++, c++ or clang++ on the PATH),
TINYNETS_VECTORS the widest vector instructions to use: avx512, avx2 or baseline.
"""
from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import errno
import hashlib
import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import Iterator, List, Optional, Tuple

from tinynets import cache
from tinynets.files import workplace
from tinynets.output import lacking_by
from tinynets.text import say_once, shorten

SOURCES = pathlib.Path(__file__).parent / 'cc'
FLAGS = ['-std=c++17', '-O3', '-fno-math-errno', '-fPIC', '-fvisibility=hidden', '-pthread', '-Wno-psabi']
VECTORS = {  # x86-64's, widest first: flags, and NumPy's names of what the processor must have
    'avx512': (['-mavx512f', '-mavx512dq', '-mavx512bw', '-mavx512vl', '-mavx2', '-mfma', '-mprefer-vector-width=512'],
               ['AVX512F', 'AVX512DQ', 'AVX512BW', 'AVX512VL', 'AVX2', 'FMA3']),
    'avx2': (['-mavx2', '-mfma'], ['AVX2', 'FMA3']),
    'baseline': ([], []),
}


@dataclass(frozen=True)
class Part:
    """The parts of a library: a folder of sources, a title, more compiler flags, and libraries to link with."""
    sources: pathlib.Path
    title: str
    flags: Tuple[str, ...] = ()
    links: Tuple[str, ...] = ()


class Unavailable(Exception):
    """The library cannot be built or loaded here; the message says why and what would help."""


def library(part: Optional[Part] = None) -> str:
    """Return the path of the compiled library (default: the CPU kernels), compiled first if it is not cached.

    Raises Unavailable without a compiler, without a writable folder, or if the compiled library does not run.
    """
    if sys.platform != 'linux':
        raise Unavailable(f'they are built on Linux only, not on {sys.platform}')
    part = part or Part(SOURCES, 'CPU kernels')
    reason, folders = 'no folder to compile into; TINYNETS_CACHE=<folder> sets one', cache.folders()
    for vectors in usable_vectors():
        file = name(vectors, part)
        try:
            for find in (_found, _build_once):
                refused = []
                for folder in folders:
                    try:
                        path = find(folder, file, vectors, part)
                    except OSError as error:
                        refused.append(f'cache {folder}: {error.strerror or error}')
                        continue
                    if path:
                        for line in refused:
                            say_once(f'{line}; {folder} is used instead')
                        return str(path)
            if refused:
                reason = f'{refused[-1]}; TINYNETS_CACHE=<folder> sets another cache'
        except _Failed as error:
            reason = str(error)  # another folder would not help; narrower vectors may
    raise Unavailable(reason)


def _found(folder: pathlib.Path, file: str, *_) -> Optional[pathlib.Path]:
    """Return the library in a cache, None if it is missing or does not load.

    Raises OSError for one that other users could write to.
    """
    path = folder / file
    if not path.is_file():
        return None
    cache.make(folder)
    refused = cache.open_to_others(path)
    if refused:
        say_once(f'not loaded: {refused}; it is compiled again')
        return None
    try:
        ctypes.CDLL(str(path))
    except OSError:  # from another system, or on a file system mounted without execution
        return None
    return path


def compiler() -> List[str]:
    """Return the C++ compiler's path and the rest of CXX (`ccache g++`, `g++ -m64`). Raises Unavailable for none."""
    named = os.environ.get('CXX', '').strip()
    try:
        candidates = [[named], shlex.split(named)] if named else [['g++'], ['c++'], ['clang++']]
    except ValueError as error:
        raise Unavailable(f'CXX={shorten(named)}: {error}') from None
    for program, *options in filter(None, candidates):
        path = shutil.which(program)
        if path:
            return [path, *options]
    raise Unavailable(f'no C++ compiler ({shorten(named) or "g++, c++, clang++"}) on the PATH; install g++, or set CXX')


def usable_vectors() -> List[str]:
    """Return the VECTORS that this processor supports, widest first; the compiler's choice if it is not x86-64."""
    if platform.machine() not in ('x86_64', 'AMD64'):
        return ['baseline']
    limit = os.environ.get('TINYNETS_VECTORS', 'avx512')
    if limit not in VECTORS:
        raise ValueError(f'TINYNETS_VECTORS={limit}: must be one of {", ".join(VECTORS)}')
    names = list(VECTORS)
    features = _features()
    return [n for n in names[names.index(limit):] if all(features.get(f, False) for f in VECTORS[n][1])]


def _features() -> dict:
    """Return NumPy's table of processor features, empty if this NumPy release has it elsewhere."""
    try:
        from numpy.core._multiarray_umath import __cpu_features__
        return __cpu_features__
    except ImportError:
        return {}


def name(vectors: str, part: Optional[Part] = None) -> str:
    """The library's file name."""
    part = part or Part(SOURCES, 'CPU kernels')
    digest = hashlib.sha256()
    for path in sorted(part.sources.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    try:
        version = subprocess.run([*compiler(), '--version'], capture_output=True, text=True, errors='replace').stdout
    except OSError as error:
        raise Unavailable(f'{shlex.join(compiler())} does not run ({error.strerror}); install g++, or set '
                          'CXX') from None
    digest.update(repr((compiler(), version, FLAGS, part.flags, part.links, VECTORS[vectors], platform.machine(),
                        platform.libc_ver())).encode())
    return f'tinynets-{vectors}-{digest.hexdigest()[:16]}.so'


class _Failed(Exception):
    """The sources do not compile or the library does not run here; the message says how."""


def _build_once(folder: pathlib.Path, file: str, vectors: str, part: Part) -> pathlib.Path:
    """Compile into the folder unless another process did meanwhile. Raises OSError, _Failed, Unavailable."""
    cache.make(folder)
    path, failure = folder / file, folder / f'{file}.failed'
    with _alone(folder / f'{file}.lock'):
        if failure.is_file():
            raise _Failed(f'{failure.read_text()}; remove {failure} to try again')
        if not path.is_file() or cache.open_to_others(path):
            say_once(f'compiling the {part.title} with {os.path.basename(compiler()[0])}, once per machine, into '
                     f'{folder}')
            with workplace(folder) as work:
                made = compile_library(pathlib.Path(work), [*FLAGS, *VECTORS[vectors][0], *part.flags], part)
                try:
                    check(made)
                except _Failed as error:
                    failure.write_text(str(error))
                    raise
                made.chmod(cache.MODE)
                os.replace(made, path)
    return path


def compile_library(work: pathlib.Path, flags: List[str], part: Part) -> pathlib.Path:
    """Compile and link in the folder `work`; raises _Failed with the compiler's first error, OSError on a full disk."""
    sources = sorted(part.sources.glob('*.cc'))
    objects = [work / f'{source.stem}.o' for source in sources]

    def run(command: List[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, errors='replace',
                              env={**os.environ, 'TMPDIR': str(work)})  # independent of a full or missing TMPDIR
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if 'error' in line] or done.stderr.splitlines() or ['']
            if lacking_by(done.stderr) == 'space':  # another folder may have space
                raise OSError(errno.ENOSPC, shorten(errors[0].strip(), 200))
            raise _Failed(f'{shlex.join(compiler())} failed: {shorten(errors[0].strip(), 200)}')

    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(lambda pair: run([*compiler(), *flags, '-c', str(pair[0]), '-o', str(pair[1])]),
                      zip(sources, objects)))
    made = work / 'tinynets.so'
    run([*compiler(), '-shared', '-pthread', *map(str, objects), *part.links, '-o', str(made)])
    return made


def check(path: pathlib.Path) -> None:
    """Load and try the library in a separate process, which an illegal instruction would end.

    Raises OSError if it cannot be loaded, for example from a file system without execution, _Failed if it does not run.
    """
    code = f"""
import ctypes, sys
try:
    library = ctypes.CDLL({str(path)!r})
except OSError as error:
    sys.exit(str(error))
print('loaded', flush=True)
sys.exit(library.tinynets_check())"""
    done = subprocess.run([sys.executable, '-S', '-c', code], capture_output=True, text=True)
    if 'loaded' not in done.stdout:
        raise OSError(None, f'a library there cannot be loaded ({" ".join(done.stderr.split())[:200]})')
    if done.returncode:
        raise _Failed(f'what {shlex.join(compiler())} made fails its check here (exit code {done.returncode})')


@contextlib.contextmanager
def _alone(lock: pathlib.Path) -> Iterator[None]:
    """Let one process at a time run the block; on file systems without locks every process compiles for itself."""
    import fcntl
    with open(lock, 'w') as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
