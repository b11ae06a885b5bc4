"""What works on this machine, and the commands that fix what does not."""
from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pathlib
import platform
import shutil
from dataclasses import dataclass
from typing import Callable, Dict, List

from tinynets import __version__, runtime
from tinynets.output import absent, describe
from tinynets.shipped import CLONE

PACKAGES = ('mindspore', 'numpy', 'scikit-learn', 'pymoo', 'pillow', 'onnx', 'onnxruntime', 'matplotlib')
LEAST_SHARED = 256 << 20  # bytes of /dev/shm that two decoding workers with large batches need


@dataclass(frozen=True)
class Finding:
    """One row: the subject, whether it works ('yes', 'no', '-' if it does not matter), a detail, and a remedy."""
    name: str
    works: str
    found: str
    remedy: str = ''


def examine() -> List[Finding]:
    """Return the findings of all checks; the kernels are compiled if they are not cached."""
    return [_finding(name, check) for name, check in CHECKS.items()]


def _finding(name: str, check: Callable[[], Finding]) -> Finding:
    """Return a check's finding, or the reason why the check failed, such as a package that cannot be imported."""
    try:
        return check()
    except Exception as error:  # libraries that are missing or damaged may raise anything
        return Finding(name, 'no', describe(error), '' if absent(error) else 'pip install -r requirements.txt')


def _versions() -> Finding:
    versions, missing = [f'tinynets {__version__}, Python {platform.python_version()}'], []
    for name in PACKAGES:
        try:
            versions.append(f'{name} {importlib.metadata.version(name)}')
        except importlib.metadata.PackageNotFoundError:
            versions.append(f'{name} is not installed')
            missing.append(name)
    return Finding('versions', 'no' if missing else 'yes', ', '.join(versions),
                   f'pip install {" ".join(missing)}' if missing else '')


def _cpu() -> Finding:
    from tinynets.native import build, default_threads
    return Finding('CPU', 'yes', f'{platform.machine()}, {default_threads()} threads, vectors '
                   f'{build.usable_vectors()[0]}')


def _ascend() -> Finding:
    if not os.path.exists(runtime.ASCEND_DRIVER):
        return Finding('Ascend', '-', 'no driver')
    missing = runtime.lack_of('Ascend')
    return Finding('Ascend', 'no' if missing else 'yes', missing or f"CANN in {os.environ.get('ASCEND_HOME_PATH')}",
                   runtime.without_cann() if missing else '')


def _gpu() -> Finding:
    if not os.path.exists('/dev/nvidiactl'):
        return Finding('GPU', '-', 'no driver')
    missing = runtime.lack_of('GPU')
    return Finding('GPU', 'no' if missing else 'yes', missing or 'found',
                   'source scripts/cuda.sh (docs/gpu.md)' if missing else '')


def _compiler() -> Finding:
    from tinynets.native import build
    try:
        return Finding('C++ compiler', 'yes', ' '.join(build.compiler()))
    except build.Unavailable as reason:
        return Finding('C++ compiler', 'no', str(reason), 'apt-get install g++')


def _kernels() -> Finding:
    from tinynets.native import build
    return _library('CPU kernels', build.library, "the framework's slower operators are used")


def _crops() -> Finding:
    from tinynets.data import native
    return _library('crops in C++', native.compiled, 'images are decoded by Pillow, slower')


def _library(name: str, compiled: Callable[[], str], without: str) -> Finding:
    from tinynets.native import build
    try:
        return Finding(name, 'yes', compiled())
    except (build.Unavailable, OSError) as reason:
        return Finding(name, 'no', f'{reason}; {without}', 'apt-get install g++ libjpeg-dev')


def _onnxruntime() -> Finding:
    providers = runtime.onnx_runtime().get_available_providers()
    return Finding('ONNX files', 'yes', f"run by ONNX Runtime, {', '.join(providers)}")


def _program() -> Finding:
    if CLONE is None:
        return Finding('C++ program', '-', 'is built from a clone of the repository')
    program = pathlib.Path(os.environ.get('BUILD') or CLONE / 'ascend310_infer' / 'build') / 'tinynet_infer'
    if program.is_file():
        return Finding('C++ program', 'yes', str(program))
    lacking = [tool for tool in ('cmake', 'make') if not shutil.which(tool)]
    what = f'needs {" and ".join(lacking)}' if lacking else 'not built yet'
    remedy = 'apt-get install cmake make g++ libjpeg-dev zlib1g-dev libprotozero-dev'
    return Finding('C++ program', 'no', what, remedy if lacking else 'bash ascend310_infer/build.sh')


def _lite() -> Finding:
    named = os.environ.get('MINDSPORE_LITE_HOME')
    if named:
        return Finding('MindSpore Lite', 'yes' if os.path.isdir(named) else 'no', named,
                       '' if os.path.isdir(named) else 'set MINDSPORE_LITE_HOME to the SDK, or unset it')
    if CLONE is None:
        return Finding('MindSpore Lite', '-', 'only for an Ascend')
    folder = CLONE / 'data' / 'mindspore-lite'
    return Finding('MindSpore Lite', 'yes', str(folder)) if folder.is_dir() else Finding(
        'MindSpore Lite', '-', 'only for an Ascend: bash scripts/get_mindspore_lite.sh')


def _shared_memory() -> Finding:
    try:
        about = os.statvfs('/dev/shm')
    except OSError as error:
        return Finding('shared memory', 'no', f'/dev/shm: {error.strerror}; images are decoded without workers',
                       'mount -t tmpfs tmpfs /dev/shm')
    size = about.f_bavail * about.f_frsize
    enough = size >= LEAST_SHARED
    return Finding('shared memory', 'yes' if enough else 'no', f'{size / 1e6:,.0f} MB free in /dev/shm',
                   '' if enough else 'a container takes --shm-size=1g')


def _fashion_mnist() -> Finding:
    from tinynets.data.embedded import FASHION_FOLDERS
    found = next((folder for folder in FASHION_FOLDERS if os.path.isdir(folder)), None)
    return Finding('Fashion-MNIST', 'yes' if found else '-', found or 'not fetched (the digits need no data)',
                   '' if found or CLONE is None else 'bash scripts/get_fashion_mnist.sh')


CHECKS: Dict[str, Callable[[], Finding]] = {
    'versions': _versions,
    'CPU': _cpu,
    'Ascend': _ascend,
    'GPU': _gpu,
    'C++ compiler': _compiler,
    'CPU kernels': _kernels,
    'crops in C++': _crops,
    'ONNX files': _onnxruntime,
    'C++ program': _program,
    'MindSpore Lite': _lite,
    'shared memory': _shared_memory,
    'Fashion-MNIST': _fashion_mnist,
}


def table(findings: List[Finding]) -> str:
    """Return the rows as text, with each remedy on a separate line."""
    lines = []
    for finding in findings:
        lines.append(f'{finding.name:<15} {finding.works:<4} {finding.found}')
        if finding.remedy:
            lines.append(f'{"":<20} -> {finding.remedy}')
    return '\n'.join(lines)
