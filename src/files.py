"""Files that are whole or not there: written beside their place and moved into it."""
from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import os
from typing import Iterator


@contextlib.contextmanager
def replacing(path) -> Iterator[str]:
    """Yield a temporary path in the folder of `path`, with its ending; on success it is moved to `path`, else removed."""
    folder, name = os.path.split(os.path.abspath(path))
    stem, ending = os.path.splitext(name)
    start = os.path.join(folder, f'.{stem}.{os.getpid()}')
    try:
        yield start + ending
        os.replace(start + ending, path)
    finally:
        _remove(glob.escape(start + ending))
        _remove(f'{glob.escape(start)}.*')  # whatever its ending: a writer may have a temporary file of its own


def remove_leftovers(folder) -> None:
    """Remove the temporary files that killed writers left in a folder of ours."""
    _remove(os.path.join(glob.escape(str(folder)), '.*.[0-9]*.*'))


def _remove(pattern: str) -> None:
    for path in glob.glob(pattern):
        with contextlib.suppress(OSError):
            os.remove(path)


def write_text(path, text: str) -> None:
    """Write a small text file."""
    with replacing(path) as temporary:
        with open(temporary, 'w', encoding='utf-8') as file:
            file.write(text)


def create_text(path, text: str) -> None:
    """Write a small text file that is not there yet, whole at once. Raises FileExistsError."""
    folder, name = os.path.split(os.path.abspath(path))
    stem, ending = os.path.splitext(name)
    temporary = os.path.join(folder, f'.{stem}.{os.getpid()}{ending}')
    try:
        with open(temporary, 'w', encoding='utf-8') as file:
            file.write(text)
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            with open(path, 'x', encoding='utf-8') as file:
                file.write(text)
    finally:
        _remove(glob.escape(temporary))


def lock(file) -> bool:
    """Lock an open file (or its number) until it is closed; False where another process holds it.

    NFS locks only what is open for writing. A file system without locks takes everyone for alone.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def write_json(path, value) -> None:
    """Write a value as indented JSON."""
    write_text(path, json.dumps(value, indent=1) + '\n')


def file_hash(path: str) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def check_parent(*paths) -> None:
    """Raise FileNotFoundError where the folder of an output is missing, before any work is done for it."""
    for path in paths:
        folder = os.path.dirname(os.path.abspath(path)) if path else '.'
        if not os.path.isdir(folder):
            raise FileNotFoundError(f'{path}: the folder {folder} does not exist; make it first')
