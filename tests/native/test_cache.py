"""The cache of compiled libraries: no library that another user could have put there is loaded, with a message."""
import os
import pathlib
import shutil
import stat

import pytest

from tinynets import cache, text
from tinynets.native import build

NOBODY = 12345
only_root = pytest.mark.skipif(os.getuid() != 0, reason='only root can give a file away')

if not any(map(shutil.which, ('g++', 'c++', 'clang++'))):
    pytest.skip('no C++ compiler', allow_module_level=True)


@pytest.fixture
def part(tmp_path, monkeypatch):
    """A library of one function that compiles in no time; loads(path) -> which text it was compiled with."""
    for variable in ('TINYNETS_CACHE', 'CXX', 'TINYNETS_VECTORS'):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'home'))
    monkeypatch.setattr(cache.tempfile, 'gettempdir', lambda: str(tmp_path / 'temporary'))
    (tmp_path / 'temporary').mkdir()
    monkeypatch.setattr(build, 'usable_vectors', lambda: ['baseline'])
    text.say_once.cache_clear()
    sources = tmp_path / 'cc'
    sources.mkdir()
    visible = 'extern "C" __attribute__((visibility("default")))'
    (sources / 'x.cc').write_text(f'{visible} int tinynets_check() {{ return 0; }}')
    return build.Part(sources, 'test library')


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize('umask', [0o000, 0o002, 0o022, 0o077, 0o777])
def test_a_cache_is_for_its_user_alone_whatever_the_umask(part, tmp_path, umask):
    before = os.umask(umask)
    try:
        path = pathlib.Path(build.library(part))
    finally:
        os.umask(before)
    assert path.parent == tmp_path / 'home' / 'tinynets'
    assert [mode(p) for p in (path, path.parent, path.parent.parent)] == [0o700] * 3
    assert build.library(part) == str(path)


def test_an_own_cache_that_an_earlier_release_left_open_is_closed(part, tmp_path, capsys):
    path = pathlib.Path(build.library(part))
    path.parent.chmod(0o775)
    capsys.readouterr()
    assert build.library(part) == str(path) and mode(path.parent) == 0o700 and not capsys.readouterr().err


@pytest.mark.parametrize('kind', ['others may write to it', 'link', pytest.param('owner', marks=only_root),
                                  pytest.param('group', marks=only_root)])
def test_a_library_that_another_user_could_have_put_there_is_not_loaded(part, kind, tmp_path, capsys):
    path = pathlib.Path(build.library(part))
    shutil.copy(path, tmp_path / 'planted.so')
    path.unlink()
    if kind == 'link':
        path.symlink_to(tmp_path / 'planted.so')
    else:
        shutil.copy(tmp_path / 'planted.so', path)
        if kind == 'owner':
            os.chown(path, NOBODY, os.getgid())
        else:
            path.chmod(0o777 if kind != 'group' else 0o770)
    planted = path.lstat().st_ino
    capsys.readouterr()
    text.say_once.cache_clear()
    assert build.library(part) == str(path)  # compiled anew in its place
    assert path.lstat().st_ino != planted and mode(path) == 0o700 and path.lstat().st_uid == os.getuid()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and str(path) in said[0] and 'not loaded' in said[0] and 'compiling' in said[1], said


@pytest.mark.parametrize('kind', ['link', 'open above', 'file', pytest.param('owner', marks=only_root),
                                  pytest.param('owner above', marks=only_root)])
def test_a_folder_that_is_refused_is_named_with_what_is_used_instead(part, kind, tmp_path, capsys):
    first, instead = tmp_path / 'home' / 'tinynets', tmp_path / 'temporary' / f'tinynets-{os.getuid()}'
    path = pathlib.Path(build.library(part))
    assert path.parent == first
    if kind == 'link':
        first.rename(tmp_path / 'elsewhere')
        first.symlink_to(tmp_path / 'elsewhere')
    elif kind == 'file':
        shutil.rmtree(first)
        first.write_text('')
    elif kind == 'open above':
        first.parent.chmod(0o777)
    else:
        os.chown(first if kind == 'owner' else first.parent, NOBODY, NOBODY)
    for _ in range(2):  # compiled there, then found there
        capsys.readouterr()
        text.say_once.cache_clear()
        assert pathlib.Path(build.library(part)).parent == instead
        said = [line for line in capsys.readouterr().err.splitlines() if 'compiling' not in line]
        if kind != 'file' or said:
            assert len(said) == 1 and str(first) in said[0] and f'{instead} is used instead' in said[0], said
    build.library(part)
    assert not capsys.readouterr().err  # said once


def test_a_sticky_folder_above_is_fine(tmp_path):
    (tmp_path / 'temporary' / 'cache').mkdir(parents=True)
    (tmp_path / 'temporary').chmod(0o1777)
    assert not cache.open_to_others(tmp_path / 'temporary' / 'cache')
    (tmp_path / 'temporary').chmod(0o777)
    assert 'its parent folder' in cache.open_to_others(tmp_path / 'temporary' / 'cache')


def test_a_folder_above_may_be_open_to_the_users_own_group_only(tmp_path):
    (tmp_path / 'above' / 'cache').mkdir(parents=True)
    (tmp_path / 'above').chmod(0o770)
    os.chown(tmp_path / 'above', -1, os.getgid())
    assert not cache.open_to_others(tmp_path / 'above' / 'cache')
    if os.getuid() == 0:
        os.chown(tmp_path / 'above', -1, NOBODY)
        reason = cache.open_to_others(tmp_path / 'above' / 'cache')
        assert f'others may write to its parent folder {tmp_path / "above"}' in reason


def test_a_chosen_cache_that_others_may_write_to_is_refused(part, tmp_path, monkeypatch):
    """TINYNETS_CACHE may be shared on purpose: its mode is not changed."""
    shared = tmp_path / 'shared'
    shared.mkdir()
    shared.chmod(0o775)
    monkeypatch.setenv('TINYNETS_CACHE', str(shared))
    with pytest.raises(build.Unavailable, match='shared.*others may write.*chmod go-w.*TINYNETS_CACHE'):
        build.library(part)
    assert mode(shared) == 0o775


def test_a_compiler_with_arguments(part, tmp_path, monkeypatch):
    launcher = tmp_path / 'ccache'
    launcher.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/called\nexec "$@"\n')
    launcher.chmod(0o755)
    compiler = shutil.which('g++') or shutil.which('c++') or shutil.which('clang++')
    names = set()
    for value in (f'{launcher} {compiler}', f'  {compiler} -m64 ', compiler):
        monkeypatch.setenv('CXX', value)
        assert build.compiler() == value.split()
        names.add(build.library(part))
    assert len(names) == 3 and compiler in (tmp_path / 'called').read_text()
    (tmp_path / 'with space').symlink_to(compiler)
    monkeypatch.setenv('CXX', str(tmp_path / 'with space'))
    assert build.compiler() == [str(tmp_path / 'with space')]
    for value in ('ccache "g++', 'nowhere g++'):
        monkeypatch.setenv('CXX', value)
        with pytest.raises(build.Unavailable, match=value):
            build.compiler()


def test_crops_without_their_library_are_said_once(monkeypatch, capsys, tmp_path):
    from tinynets.data import native
    monkeypatch.delenv('TINYNETS_KERNELS', raising=False)
    for make, word in ((lambda: [str(tmp_path / 'broken')], 'libjpeg-dev'), (lambda: (_ for _ in ()).throw(
            build.Unavailable('no C++ compiler; install g++')), 'install g++')):
        (tmp_path / 'broken').write_text('#!/bin/sh\nexit 1\n')
        (tmp_path / 'broken').chmod(0o755)
        monkeypatch.setattr(build, 'compiler', make)
        native.library.cache_clear()
        text.say_once.cache_clear()
        assert native.library() is None and native.library() is None
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1 and 'slower' in said[0] and word in said[0], said
    native.library.cache_clear()


def test_the_image_check_uses_the_same_folder(tmp_path, monkeypatch):
    from tinynets.data import images
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'home'))
    before = os.umask(0o002)
    try:
        images._write_cache(images._cache_file([str(tmp_path / 'a.png')]), {})
    finally:
        os.umask(before)
    assert mode(tmp_path / 'home' / 'tinynets') == 0o700 and len(list((tmp_path / 'home' / 'tinynets').iterdir())) == 1


def test_a_user_without_a_home(tmp_path, monkeypatch):
    def home():
        raise RuntimeError('Could not determine home directory.')
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    monkeypatch.setattr(pathlib.Path, 'home', home)
    monkeypatch.setattr(cache.tempfile, 'gettempdir', lambda: str(tmp_path))
    assert cache.user_folder() == tmp_path / f'tinynets-{os.getuid()}'
