"""Atomic writing of files."""
import errno
import fcntl
import os
import time

import pytest

from tinynets.files import check_parent, create_text, lock, remove_leftovers, replacing, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / 'a.txt'
    write_text(path, 'old')
    with pytest.raises(RuntimeError):
        with replacing(path) as temporary:
            open(temporary, 'w').write('half')
            raise RuntimeError
    assert path.read_text() == 'old' and os.listdir(tmp_path) == ['a.txt']
    write_text(path, 'new')
    assert path.read_text() == 'new' and os.listdir(tmp_path) == ['a.txt']


def test_leftovers_of_killed_writers_are_removed_and_nothing_else(tmp_path):
    for name in ('.last.123.ckpt', '.curve.7.png', '.hidden', 'last.ckpt', '.gitignore', 'a.123.txt'):
        (tmp_path / name).write_text('x')
    remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ['.gitignore', '.hidden', 'a.123.txt', 'last.ckpt']


def without_locks(monkeypatch, number=errno.ENOLCK):
    def flock(file, operation):
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr(fcntl, 'flock', flock)


def test_where_nothing_locks_only_what_is_a_day_old_is_a_leftover(tmp_path, monkeypatch):
    without_locks(monkeypatch)
    for name, hours in (('.tinynets-new', 23), ('.tinynets-old', 25)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - 3600 * hours,) * 2)
    write_text(tmp_path / 'a.txt', 'x')
    assert sorted(os.listdir(tmp_path)) == ['.tinynets-new', 'a.txt']


@pytest.mark.parametrize('links', [True, False])
def test_a_file_is_created_once(links, tmp_path, monkeypatch):
    if not links:
        def link(source, target):
            raise FileExistsError(target) if os.path.exists(target) else PermissionError(errno.EPERM, 'no links here')
        monkeypatch.setattr(os, 'link', link)
    path = tmp_path / 'a.yaml'
    create_text(path, 'first')
    with pytest.raises(FileExistsError):
        create_text(path, 'second')
    assert path.read_text() == 'first' and os.listdir(tmp_path) == ['a.yaml']


def test_a_lock_is_refused_only_where_another_holds_it(tmp_path, monkeypatch):
    (tmp_path / 'a').write_text('')
    with open(tmp_path / 'a') as first, open(tmp_path / 'a') as second:
        assert lock(first) and not lock(second)
    for number in (errno.ENOLCK, errno.EBADF, errno.EOPNOTSUPP):  # file systems without locks
        without_locks(monkeypatch, number)
        with open(tmp_path / 'a') as file:
            assert lock(file)


def test_a_missing_folder_is_named_before_the_work(tmp_path):
    check_parent(None, str(tmp_path / 'a.json'), 'b.json')
    with pytest.raises(FileNotFoundError, match='none/a.json: the folder .*none does not exist'):
        check_parent(str(tmp_path / 'none' / 'a.json'))
