"""Compiling a folder of C++ into a library: once a machine, kept in a cache, safe for processes that start together.

The library's name holds a digest of the sources, the compiler and its version, the flags and the processor's vector
instructions, so a change of any of them makes a new one and a cache may be shared by unlike machines.

Environment: TINYNETS_CACHE is the cache's folder (default: XDG_CACHE_HOME or ~/.cache, then the folder for temporary
files), CXX the compiler (default: g++, c++ or clang++ on the PATH), TINYNETS_VECTORS the widest vector instructions to
use: avx512, avx2 or baseline.
"""
from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import functools
import hashlib
import os
import pathlib
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Iterator, List, Optional, Tuple

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
    """What a library is made of: a folder of sources, what it is called, more compiler flags, what it links with."""
    sources: pathlib.Path
    title: str
    flags: Tuple[str, ...] = ()
    links: Tuple[str, ...] = ()


class Unavailable(Exception):
    """The library can't be had here; the message says why and what would help."""


def library(part: Optional[Part] = None) -> str:
    """Return the path of the compiled library, of the CPU kernels by default, compiling it first if it is in no cache.

    Raises Unavailable without a compiler, without a folder to write to, or when what was compiled does not run.
    """
    if sys.platform != 'linux':
        raise Unavailable(f'they are built on Linux only, not on {sys.platform}')
    part = part or Part(SOURCES, 'CPU kernels')
    reason, folders = 'no folder to compile into; TINYNETS_CACHE=<folder> sets one', cache_folders()
    for vectors in usable_vectors():
        file = name(vectors, part)
        for folder in folders:
            if _loads(folder / file):
                return str(folder / file)
        for folder in folders:
            try:
                return str(_build_once(folder, file, vectors, part))
            except OSError as error:
                reason = f'{folder}: {error.strerror or error}; TINYNETS_CACHE=<folder> sets another cache'
            except _Failed as error:
                reason = str(error)
                break  # elsewhere it would fail as well; narrower vectors may not
    raise Unavailable(reason)


def _loads(path: pathlib.Path) -> bool:
    """Whether a library is there, in a folder that is ours, and this machine's system can load it."""
    try:
        if path.is_file() and _own(path.parent):
            ctypes.CDLL(str(path))
            return True
    except OSError:
        pass
    return False


def compiler() -> str:
    """The C++ compiler's path; raises Unavailable where there is none."""
    candidates = [os.environ['CXX']] if os.environ.get('CXX') else ['g++', 'c++', 'clang++']
    found = next((path for path in map(shutil.which, candidates) if path), None)
    if not found:
        raise Unavailable(f'no C++ compiler ({", ".join(candidates)}) on the PATH; install g++, or set CXX')
    return found


def usable_vectors() -> List[str]:
    """What this processor runs of VECTORS, widest first; elsewhere than on x86-64 the compiler's own choice."""
    if platform.machine() not in ('x86_64', 'AMD64'):
        return ['baseline']
    limit = os.environ.get('TINYNETS_VECTORS', 'avx512')
    if limit not in VECTORS:
        raise ValueError(f'TINYNETS_VECTORS={limit}: must be one of {", ".join(VECTORS)}')
    names = list(VECTORS)
    features = _features()
    return [n for n in names[names.index(limit):] if all(features.get(f, False) for f in VECTORS[n][1])]


def _features() -> dict:
    """NumPy's findings by the processor's own identification; nothing where a NumPy keeps them elsewhere."""
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
        version = subprocess.run([compiler(), '--version'], capture_output=True, text=True).stdout
    except OSError as error:
        raise Unavailable(f'{compiler()} does not run ({error.strerror}); install g++, or set CXX') from None
    digest.update(repr((compiler(), version, FLAGS, part.flags, part.links, VECTORS[vectors], platform.machine(),
                        platform.libc_ver())).encode())
    return f'tinynets-{vectors}-{digest.hexdigest()[:16]}.so'


def cache_folders() -> List[pathlib.Path]:
    """Where libraries are looked for and written to, in turn: the cache and a temporary folder, as far as there are."""
    if os.environ.get('TINYNETS_CACHE'):
        return [pathlib.Path(os.environ['TINYNETS_CACHE']).absolute()]
    places = (lambda: pathlib.Path(os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache') / 'tinynets',
              lambda: pathlib.Path(tempfile.gettempdir()) / f'tinynets-{os.getuid()}')
    folders = []
    for place in places:
        with contextlib.suppress(OSError, RuntimeError):  # a user without a home, a system without a temporary folder
            folders.append(place())
    return folders


class _Failed(Exception):
    """What was to be compiled does not compile or does not run here; the message says how."""


def _own(folder: pathlib.Path) -> bool:
    """Whether no other user can put code into a folder; root's are fine, who can do so anywhere."""
    about = folder.lstat()
    return stat.S_ISDIR(about.st_mode) and about.st_uid in (0, os.getuid()) and not about.st_mode & 0o022


def _build_once(folder: pathlib.Path, file: str, vectors: str, part: Part) -> pathlib.Path:
    """Compile into the folder unless another process did meanwhile. Raises OSError, _Failed, Unavailable."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _own(folder):
        raise OSError(None, 'belongs to another user, is a link, or others may write to it (chmod go-w)')
    path, failure = folder / file, folder / f'{file}.failed'
    with _alone(folder / f'{file}.lock'):
        if failure.is_file():
            raise _Failed(f'{failure.read_text()}; remove {failure} to try again')
        if not path.is_file():
            _announce(f'compiling the {part.title} with {os.path.basename(compiler())}, once, into {folder}')
            with tempfile.TemporaryDirectory(dir=folder, prefix='build-') as work:
                made = compile_library(pathlib.Path(work), [*FLAGS, *VECTORS[vectors][0], *part.flags], part)
                try:
                    check(made)
                except _Failed as error:
                    failure.write_text(str(error))
                    raise
                os.replace(made, path)
    return path


@functools.lru_cache(None)
def _announce(text: str) -> None:
    """Say something once a process."""
    print(text, file=sys.stderr, flush=True)


def compile_library(work: pathlib.Path, flags: List[str], part: Part) -> pathlib.Path:
    """Compile and link in the folder `work`; raises _Failed with the compiler's first error."""
    sources = sorted(part.sources.glob('*.cc'))
    objects = [work / f'{source.stem}.o' for source in sources]

    def run(command: List[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if 'error' in line] or done.stderr.splitlines() or ['']
            raise _Failed(f'{compiler()} failed: {errors[0].strip()}')

    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(lambda pair: run([compiler(), *flags, '-c', str(pair[0]), '-o', str(pair[1])]),
                      zip(sources, objects)))
    made = work / 'tinynets.so'
    run([compiler(), '-shared', '-pthread', *map(str, objects), *part.links, '-o', str(made)])
    return made


def check(path: pathlib.Path) -> None:
    """Let a process of its own load and try the library: an illegal instruction ends that one.

    Raises OSError where it can't be loaded, as from a file system without execution, and _Failed where it doesn't run.
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
        raise _Failed(f'what {compiler()} made fails its check here (exit code {done.returncode})')


@contextlib.contextmanager
def _alone(lock: pathlib.Path) -> Iterator[None]:
    """One process at a time; without the file system's help every process compiles for itself."""
    import fcntl
    with open(lock, 'w') as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
