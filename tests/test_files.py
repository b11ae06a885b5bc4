"""Files that are whole or not there."""
import os

import pytest

from src.files import check_parent, remove_leftovers, replacing, write_text


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


def test_a_missing_folder_is_named_before_the_work(tmp_path):
    check_parent(None, str(tmp_path / 'a.json'), 'b.json')
    with pytest.raises(FileNotFoundError, match='none/a.json: the folder .*none does not exist'):
        check_parent(str(tmp_path / 'none' / 'a.json'))
