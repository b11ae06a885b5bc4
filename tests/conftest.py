"""Shared fixtures. MindSpore is imported only by the tests that need it."""
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests import forked, two_blocks

ROOT = pathlib.Path(__file__).resolve().parent.parent
SMALL = 'tinynet_e@w=0.1,d=0.1,resolution=16'  # seven blocks: compiles in seconds
LIGHT = 'resnet50@w=0.02,d=0.1,resolution=16'  # four: compiles faster
LONGEST = ('test_edge', 'test_distributed', 'test_search', 'test_loop', 'test_recipe', 'test_notebook', 'test_ascend',
           'test_compare', 'test_build', 'test_export', 'test_parity', 'test_cli', 'test_cells', 'test_kernels',
           'test_sanitizers', 'test_grey', 'test_step', 'test_entries', 'test_task')  # test files, the longest first
# 4 x 22 steps
TRAINED = ('train.epochs=4', 'data.batch_size=64', 'optim.learning_rate=0.01', 'data.crop_area=[0.8, 1]')

os.environ.setdefault('ONEDNN_MAX_CPU_ISA', 'AVX2')  # as src/tinynets/runtime.py
os.environ.setdefault('GLOG_v', '3')
os.environ['PYTHONPATH'] = str(ROOT / 'src')  # for processes started by `python -c`
# set by pytest and by imports of packages
BY_OTHERS = {'PYTEST_CURRENT_TEST', 'PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION', 'LD_LIBRARY_PATH', 'HCCL_CONNECT_TIMEOUT',
             'CRC32C_SW_MODE', 'KMP_DUPLICATE_LIB_OK', 'KMP_INIT_AT_FORK', 'ORT_DISABLE_TELEMETRY'}
KNOWING = {'PYTHONPATH': os.pathsep.join(map(str, (ROOT / 'tests' / 'known', ROOT / 'src', ROOT)))}


def pytest_collection_modifyitems(items):
    """Begin with the longest files, so that both test processes end at about the same time."""
    order = {f'{name}.py': place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture(scope='session')
def root():
    """The repository's root folder."""
    return ROOT


@pytest.fixture
def stock_kernels():
    """Networks built in the test use the framework's own operators, cell by cell."""
    from tinynets import native
    native.choose('stock')
    yield
    native.choose()


def _environment():
    return {name: value for name, value in os.environ.items() if name not in BY_OTHERS}


@pytest.fixture(scope='session')
def entry():
    """Run a command: entry('eval.py', '--checkpoint', path) -> CompletedProcess with text output.

    It is a forked process, which saves the imports, unless subprocess is to have `options`, or the test has changed the
    environment.
    """
    usual = _environment()

    def run(script, *arguments, cwd=None, **options):
        command = [str(ROOT / script), *map(str, arguments)]
        if options or _environment() != usual:
            return subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300, cwd=cwd,
                                  **options)
        return forked.run(command, 300, cwd)
    return run


@pytest.fixture(scope='session')
def small_config():
    """A configuration that trains SMALL on the digits in seconds, with `section.key=value` overrides."""
    from tinynets.config import load_config

    def make(*overrides):
        return load_config(None, [f'model.name={SMALL}', 'data.name=digits', 'data.batch_size=256', 'data.flip=0',
                                  'optim.learning_rate=0.002', 'optim.name=adamw', 'optim.warmup_epochs=1',
                                  'train.epochs=2', 'train.ema_decay=0.9', 'runtime.device=CPU',
                                  'model.drop_path=0.1', *overrides])
    return make


@pytest.fixture(scope='session')
def light_config(small_config):
    """As small_config, with the network that compiles fastest, for tests that do not depend on the network.

    The commands run by `entry` know it; other processes need KNOWING as their environment.
    """
    return lambda *overrides: small_config(f'model.name={two_blocks.NAME}', *overrides)


@pytest.fixture(scope='session')
def once(tmp_path_factory):
    """once(name, make): the folder that `make(folder)` fills, by the first test process for all of them."""
    base = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        base = base.parent

    def get(name, make):
        folder, whole = base / name, base / f'{name}.whole'
        with open(base / f'{name}.lock', 'w') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                whole.touch()
        return folder
    return get


@pytest.fixture(scope='session')
def trained(once, tmp_path_factory, small_config):
    """The run folder of a small network, trained until it classifies about 80 % of the digits correctly."""
    def make(folder):
        from tinynets.runtime import configure
        configure('CPU')
        from tinynets.training.loop import train
        train(small_config(*TRAINED), 'CPU', str(folder / 'run'), say=lambda line: None)
    return shutil.copytree(once('trained', make) / 'run', tmp_path_factory.mktemp('trained') / 'run')  # tests lock it


@pytest.fixture
def drawn(monkeypatch):
    """The list of saved figures, in order."""
    from matplotlib.figure import Figure
    figures, save = [], Figure.savefig

    def keep(figure, *arguments, **options):
        figures.append(figure)
        return save(figure, *arguments, **options)
    monkeypatch.setattr(Figure, 'savefig', keep)
    return figures
