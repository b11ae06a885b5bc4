"""Compiling the kernels: caches, processes that start together, machines that can't compile, other processors."""
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT, SMALL
from tests.native.reference import call
from tinynets import native
from tinynets.native import build

ACTIVE = "from tinynets import native; print(native.active())"
# A user's program: one step of training, with any operators.
TRAIN = f"""
import numpy as np, mindspore as ms
from mindspore import nn
from tinynets import native
from tinynets.model import create_model
from tinynets.runtime import configure
from tinynets.training.optim import build_optimizer
from tinynets.training.step import TrainStep
configure('CPU', mode='pynative')
net = create_model({SMALL!r}, num_classes=3).set_train()
step = TrainStep(net, nn.CrossEntropyLoss(), build_optimizer('sgd', net, [0.1]))
loss = step(ms.Tensor(np.ones((2, 3, 16, 16), np.float32)), ms.Tensor(np.array([0, 1], np.int32)))
assert np.isfinite(loss.asnumpy()), loss
print(native.active())
"""
OURS = ('TINYNETS_CACHE', 'TINYNETS_KERNELS', 'TINYNETS_VECTORS', 'CXX', 'XDG_CACHE_HOME', 'NPY_DISABLE_CPU_FEATURES')

if not any(map(shutil.which, ('g++', 'c++', 'clang++'))):
    pytest.skip('no C++ compiler', allow_module_level=True)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """None of our variables, and the choice of kernels as at the start, after the test as well."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    yield
    monkeypatch.undo()
    native.choose()


def start(code, **environment):
    clean = {k: v for k, v in os.environ.items() if k not in OURS}
    return subprocess.Popen([sys.executable, '-c', code], cwd=ROOT, env={**clean, 'GLOG_v': '4', **environment},
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(code, **environment):
    """(standard output, the lines of standard error) of a Python process that must succeed."""
    out, err = start(code, **environment).communicate(timeout=300)
    assert 'Traceback' not in err, err
    return out.strip(), err.splitlines()


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
    """A cache filled by two processes that started together, with what both said."""
    folder = tmp_path_factory.mktemp('cache') / 'new' / 'folder'
    both = [start(ACTIVE, TINYNETS_CACHE=str(folder)) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    return folder, said


def test_two_processes_compile_once(cache):
    folder, said = cache
    made = sorted(folder.glob('*.so'))
    assert len(made) == 1
    assert [out.strip() for out, _ in said] == [str(made[0])] * 2
    assert sum('compiling' in err for _, err in said) == 1, said
    assert sorted(p.name for p in folder.iterdir()) == [made[0].name, f'{made[0].name}.lock']  # no build folder


def test_compiled_library_is_found_again(cache):
    folder, _ = cache
    out, err = run(ACTIVE, TINYNETS_CACHE=str(folder))
    assert out == str(next(folder.glob('*.so'))) and not err


def test_no_compiler(tmp_path):
    for tool in ('sh', 'cat', 'grep', 'sed'):  # MindSpore calls these when it is imported
        (tmp_path / tool).symlink_to(shutil.which(tool))
    out, err = run(TRAIN, PATH=str(tmp_path), TINYNETS_CACHE=str(tmp_path / 'cache'))
    assert out == 'None'
    assert len(err) == 1 and 'no C++ compiler' in err[0] and 'g++' in err[0] and 'install' in err[0], err


def test_compiler_of_the_environment_is_not_there(tmp_path):
    out, err = run(ACTIVE, CXX=str(tmp_path / 'nowhere'), TINYNETS_CACHE=str(tmp_path))
    assert out == 'None' and len(err) == 1 and str(tmp_path / 'nowhere') in err[0], err


def impossible(tmp_path):
    """A folder that nobody can make, not even root: its parent is a file."""
    (tmp_path / 'file').write_text('')
    return str(tmp_path / 'file' / 'folder')


def test_cache_that_cannot_be_written(tmp_path):
    folder = impossible(tmp_path)
    out, err = run(TRAIN, TINYNETS_CACHE=folder)
    assert out == 'None'
    assert len(err) == 1 and folder in err[0] and 'TINYNETS_CACHE' in err[0], err


@pytest.mark.skipif(os.getuid() == 0, reason='permissions do not hold for root')
def test_read_only_cache(tmp_path):
    folder = tmp_path / 'cache'
    folder.mkdir()
    folder.chmod(0o500)
    out, err = run(ACTIVE, TINYNETS_CACHE=str(folder))
    assert out == 'None' and len(err) == 1 and str(folder) in err[0], err


def test_temporary_folder_serves_where_home_cannot(cache, tmp_path):
    """Its compiler copies the library that was compiled for another test."""
    temporary, copier = tmp_path / 'temporary', tmp_path / 'copier++'
    temporary.mkdir()
    copier.write_text(f'''#!/bin/sh
for last; do :; done
case "$*" in *' -o '*) cp {next(cache[0].glob('*.so'))} "$last";; esac''')
    copier.chmod(0o755)
    out, err = run(ACTIVE, XDG_CACHE_HOME=impossible(tmp_path), TMPDIR=str(temporary), CXX=str(copier))
    folder = temporary / f'tinynets-{os.getuid()}'
    assert [out] == [str(path) for path in folder.glob('*.so')], err
    assert folder.stat().st_mode & 0o077 == 0  # a folder where others can't put code


@pytest.mark.skipif(os.getuid() != 0, reason='only root can give a folder away')
def test_folder_of_another_user_is_not_trusted(tmp_path, monkeypatch):
    """The owner of a folder can put any code there under the library's name, which anyone can compute."""
    folder = tmp_path / 'others'
    folder.mkdir()
    (folder / build.name('baseline')).write_bytes(b'code of another user')
    os.chown(folder, 12345, 12345)
    os.chown(folder / build.name('baseline'), 12345, 12345)
    monkeypatch.setenv('TINYNETS_CACHE', str(folder))
    monkeypatch.setenv('TINYNETS_VECTORS', 'baseline')
    with pytest.raises(build.Unavailable, match='another user'):
        build.library()


def depthwise_result(path):
    """One operator's numbers; 37 channels use vectors of every width."""
    rng = np.random.default_rng(0)
    x, w, vector = rng.normal(0, 1, (2, 9, 9, 37)), rng.normal(0, 1, (37, 1, 3, 3)), rng.uniform(0.5, 1, 37)
    nothing, options = np.zeros(1), np.array([1, 1, 1e-5, 0.9, 0, 0, 1, -1, 0])
    _, out = call(ctypes.CDLL(path), 'depthwise_forward', [x, nothing, nothing, nothing, w, *[vector] * 4, options],
                  [x.shape, x.shape, (2, 37), (37,), (37,), (2, 37)])
    return out


@pytest.mark.parametrize('vectors', ['avx2', 'baseline'])
def test_narrower_vectors_agree(vectors, cache, monkeypatch):
    """By TINYNETS_VECTORS; another TINYNETS_CACHE is not needed, the name tells them apart."""
    folder, _ = cache
    monkeypatch.setenv('TINYNETS_CACHE', str(folder))
    widest = build.library()
    if vectors not in build.usable_vectors():
        pytest.skip(f'this processor has no {vectors}')
    monkeypatch.setenv('TINYNETS_VECTORS', vectors)
    path = build.library()
    assert pathlib.Path(path).name.startswith(f'tinynets-{vectors}-')
    for made, expected in zip(depthwise_result(path), depthwise_result(widest)):
        np.testing.assert_allclose(made, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_processor_without_avx2(monkeypatch):
    """As NumPy sees it; it refuses to switch off what it was compiled for, so nothing more than SSE3."""
    code = 'from tinynets.native import build; print(build.usable_vectors())'
    names = 'AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL'.split()
    features = [name for name in names if build._features().get(name)]
    out, _ = run(code, NPY_DISABLE_CPU_FEATURES=' '.join(features))
    assert out == "['baseline']"


def test_unknown_vectors(monkeypatch):
    monkeypatch.setenv('TINYNETS_VECTORS', 'mmx')
    with pytest.raises(ValueError, match='mmx.*avx512, avx2, baseline'):
        build.usable_vectors()


def test_compiler_that_fails(tmp_path):
    broken = tmp_path / 'broken++'
    broken.write_text('#!/bin/sh\necho "x.cc:1:1: error: nope" >&2\nexit 1\n')
    broken.chmod(0o755)
    out, err = run(ACTIVE, CXX=str(broken), TINYNETS_CACHE=str(tmp_path / 'cache'))
    assert out == 'None'
    assert len([line for line in err if 'compiling' not in line]) == 1 and 'error: nope' in err[-1], err
    assert not list((tmp_path / 'cache').glob('*.so')) and not list((tmp_path / 'cache').glob('.tinynets-*'))


def test_a_compilers_temporary_files_lie_in_the_folder_that_is_removed(tmp_path):
    """With a full TMPDIR the kernels are compiled as well, and nothing of a killed compiler remains."""
    fake = tmp_path / 'compiler'
    fake.write_text(f'#!/bin/sh\nif [ "$1" != --version ]; then echo "$TMPDIR" >> {tmp_path}/seen; fi\nexit 1\n')
    fake.chmod(0o755)
    run(ACTIVE, CXX=str(fake), TINYNETS_CACHE=str(tmp_path / 'cache'), TMPDIR=str(tmp_path))
    seen = set((tmp_path / 'seen').read_text().split())
    assert seen and all(os.path.dirname(folder) == str(tmp_path / 'cache') for folder in seen)
    assert not any(os.path.exists(folder) for folder in seen)


def test_where_a_cache_is_full_the_next_one_serves(monkeypatch, tmp_path, capsys):
    full, free = tmp_path / 'full', tmp_path / 'free'
    (full / '.tinynets-killed').mkdir(parents=True)
    monkeypatch.setattr(build.cache, 'folders', lambda: [full, free])
    broken = tmp_path / 'full++'
    broken.write_text(f'''#!/bin/sh
case "$*" in
*{full}*) echo "{full}/x.s: fatal error: No space left on device" >&2; exit 1;;
esac
case "$*" in *' -o '*) for last; do :; done; echo x > "$last";; esac''')
    broken.chmod(0o755)
    monkeypatch.setenv('CXX', str(broken))
    monkeypatch.setattr(build, 'check', lambda path: None)
    assert os.path.dirname(build.library()) == str(free)
    said = [line for line in capsys.readouterr().err.splitlines() if 'compiling' not in line]
    assert len(said) == 1 and said[0].endswith(f'No space left on device; {free} is used instead'), said
    assert not [name for name in os.listdir(full) if name.startswith('.')]


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """A compiler that takes no time, for what happens around it."""
    def compile_library(work, flags, part):
        made = work / 'tinynets.so'
        made.write_text(' '.join(flags))
        return made

    monkeypatch.setattr(build, 'compile_library', compile_library)
    everything = {name: True for _, names in build.VECTORS.values() for name in names}
    monkeypatch.setattr(build, '_features', lambda: everything)
    monkeypatch.setenv('TINYNETS_CACHE', str(tmp_path))
    return tmp_path


def test_vectors_that_do_not_run(quick, monkeypatch):
    """A virtual machine may announce instructions that it cannot run: the next narrower vectors are used."""
    def check(path):
        if 'avx512' in path.read_text():
            raise build._Failed('illegal instruction')

    monkeypatch.setattr(build, 'check', check)
    assert pathlib.Path(build.library()).name.startswith('tinynets-avx2-')
    assert not list(quick.glob('tinynets-avx512-*.so'))


def test_what_does_not_run_is_not_compiled_again(quick, monkeypatch):
    """Nor by the next process: a marker says so, and the error says how to try again."""
    checked = []

    def check(path):
        checked.append(path.read_text())
        raise build._Failed('illegal instruction')

    monkeypatch.setattr(build, 'check', check)
    for _ in range(2):
        with pytest.raises(build.Unavailable, match=r'illegal instruction; remove .*\.failed to try again|illegal'):
            build.library()
    assert len(checked) == len(build.VECTORS)
    monkeypatch.setattr(build, 'check', lambda path: None)
    for marker in quick.glob('tinynets-avx2-*.failed'):
        marker.unlink()
    assert pathlib.Path(build.library()).name.startswith('tinynets-avx2-')


def test_nothing_runs(quick, monkeypatch):
    def check(path):
        raise build._Failed('illegal instruction')

    monkeypatch.setattr(build, 'check', check)
    with pytest.raises(build.Unavailable, match='illegal instruction'):
        build.library()
    assert not list(quick.glob('*.so'))


def test_check_ends_a_library_that_crashes(tmp_path):
    """The real check, in a process of its own: a library that crashes and one that computes wrongly."""
    for body, code in (('__builtin_trap();', r'-4\b|-5\b'), ('return 1;', r'\b1\b')):
        source = tmp_path / 'x.cc'
        source.write_text(f'extern "C" int tinynets_check() {{ {body} return 0; }}')
        made = tmp_path / 'x.so'
        subprocess.run([*build.compiler(), '-shared', '-fPIC', str(source), '-o', str(made)], check=True)
        with pytest.raises(build._Failed, match=f'exit code ({code})'):
            build.check(made)


def test_name_follows_all_that_matters(monkeypatch, tmp_path):
    names = [build.name('baseline'), build.name('avx2')]
    with monkeypatch.context() as patch:
        patch.setattr(build, 'FLAGS', [*build.FLAGS, '-DX'])
        names.append(build.name('baseline'))
    for version in ('one 1.0', 'one 1.1'):  # under one path: an upgrade
        script = tmp_path / 'c++'
        script.write_text(f'#!/bin/sh\necho "{version}"\n')
        script.chmod(0o755)
        with monkeypatch.context() as patch:
            patch.setattr(build, 'compiler', lambda: [str(script)])
            names.append(build.name('baseline'))
    sources = shutil.copytree(build.SOURCES, tmp_path / 'cc')
    monkeypatch.setattr(build, 'SOURCES', sources)
    assert build.name('baseline') == names[0]  # the same sources elsewhere
    for name in ('vec.h', 'gate.cc'):
        with open(sources / name, 'a') as file:
            file.write('\n')
        names.append(build.name('baseline'))
    assert len(set(names)) == len(names) == 7


def test_stock_by_choice(monkeypatch):
    import mindspore as ms
    assert ms.get_context('device_target') == 'CPU'
    assert native.active()
    native.choose('stock')
    assert native.active() is None
    native.choose('auto')
    assert native.active()
    monkeypatch.setenv('TINYNETS_KERNELS', 'stock')
    native.choose('auto')
    assert native.active() is None


def test_stock_by_environment(tmp_path):
    """For every command; nothing is compiled."""
    out, err = run(TRAIN, TINYNETS_KERNELS='stock', TINYNETS_CACHE=str(tmp_path))
    assert out == 'None' and not err and not list(tmp_path.iterdir())


def test_unknown_choice(monkeypatch):
    with pytest.raises(ValueError, match="runtime.kernels 'fast': must be auto or stock"):
        native.choose('fast')
    for other in ('', 'Stock', 'auto,stock'):
        monkeypatch.setenv('TINYNETS_KERNELS', other)
        with pytest.raises(ValueError, match=f"TINYNETS_KERNELS '{other}': must be auto or stock"):
            native.active()
    monkeypatch.setenv('TINYNETS_KERNELS', 'none')
    with pytest.raises(ValueError, match="TINYNETS_KERNELS 'none': must be auto or stock"):
        native.choose('auto')
