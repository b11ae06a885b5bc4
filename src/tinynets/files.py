"""Atomic writing of files: in a hidden folder next to their place, then moved into it."""
from __future__ import annotations

import codecs
import contextlib
import fcntl
import fnmatch
import glob
import hashlib
import json
import os
import pwd
import shutil
import tempfile
import time
from typing import Iterator, Mapping, Optional, Sequence, Set

from tinynets.commands import MODELS

PREFIX = '.tinynets-'  # of the hidden folders in which files are written
_workplaces: Set[str] = set()  # of this process
MAX_TEXT = 1 << 28  # bytes: the records of the longest trainings are a tenth of it
ABANDONED = 86400.0  # seconds after which a hidden folder is removed if locks cannot tell whether its writer lives
_MARKS = ((codecs.BOM_UTF32_LE, 'UTF-32'), (codecs.BOM_UTF32_BE, 'UTF-32'), (codecs.BOM_UTF16_LE, 'UTF-16'),
          (codecs.BOM_UTF16_BE, 'UTF-16'))  # UTF-32 first: its mark begins with one of UTF-16


@contextlib.contextmanager
def workplace(folder=None, target=None) -> Iterator[str]:
    """Yield a new hidden folder in `folder` (default: the one for temporary files), removed at the end.

    Its name cannot be guessed and no other user can enter it. Folders left by killed processes are removed too. If
    writing raises an OSError without a file name, as on a full disk, the error names `target` (default: `folder`).
    """
    folder = os.path.abspath(tempfile.gettempdir() if folder is None else folder)
    with named_errors(folder if target is None else target, folder):
        remove_abandoned(folder)
        work, held = None, None
        while held is None:
            work = tempfile.mkdtemp(prefix=PREFIX, dir=folder)
            with contextlib.suppress(FileNotFoundError):  # another process took it for a leftover before it was locked
                held = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
                if not (lock(held) and os.path.isdir(work)):
                    os.close(held)
                    held = None
        _workplaces.add(work)
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
            _workplaces.discard(work)
            os.close(held)


@contextlib.contextmanager
def temporary_files_in(folder: str) -> Iterator[None]:
    """Make libraries use a workplace for temporary files, so that a killed process's are removed later."""
    before = tempfile.tempdir
    tempfile.tempdir = folder
    try:
        yield
    finally:
        tempfile.tempdir = before


def remove_workplaces() -> None:
    """Remove this process's workplaces, before the process is ended."""
    for work in list(_workplaces):
        shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def replacing(path) -> Iterator[str]:
    """Yield a temporary path, of the same name in a hidden folder next to `path`; on success it is moved to `path`.

    Devices and pipes are written in place. An OSError of the writing names `path`.
    """
    folder, name = os.path.split(os.path.abspath(path))
    if in_place(path):
        with named_errors(path, folder):
            yield str(path)
        return
    with workplace(folder, path) as work:
        yield os.path.join(work, name)
        os.replace(os.path.join(work, name), path)


def in_place(path) -> bool:
    """Whether a path is a device, a pipe, or a process's open file, which must not be replaced."""
    if os.path.dirname(os.path.abspath(path)) in ('/dev', '/dev/fd', '/proc/self/fd'):
        return True
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


@contextlib.contextmanager
def named_errors(path, folder: str) -> Iterator[None]:
    """Make errors of writing name the file `path`, if they name none (a full disk) or a hidden folder in `folder`."""
    try:
        yield
    except OSError as error:
        names = [str(name) for name in (error.filename, error.filename2) if name]  # of a copy the source and the target
        if error.errno is None or names and not any(name.startswith(os.path.join(folder, PREFIX)) for name in names):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def remove_leftovers(folder) -> None:
    """Remove files of killed writers in a run's folder, including `.<name>.<process>.<ending>` of earlier releases."""
    remove_abandoned(str(folder))
    for path in glob.glob(os.path.join(glob.escape(str(folder)), '.*.[0-9]*.*')):
        with contextlib.suppress(OSError):
            os.remove(path)


def remove_abandoned(folder: str, pattern: str = PREFIX + '*') -> None:
    """Remove a folder's hidden folders that match a pattern and whose writers are gone."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for work in [entry.path for entry in entries if fnmatch.fnmatchcase(entry.name, pattern)]:
            with contextlib.suppress(OSError):
                held = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    about, free = os.fstat(held), _locked(held)
                    old = time.time() - about.st_mtime > ABANDONED
                    if about.st_uid == os.getuid() and (free or free is None and old):
                        shutil.rmtree(work, ignore_errors=True)
                finally:
                    os.close(held)


def decode_text(data: bytes, errors: str = 'strict') -> str:
    """Return UTF-8 bytes as text without a byte-order mark, with all line ends as newlines.

    `errors` 'replace' decodes bytes that are not UTF-8 to U+FFFD. Raises ValueError for UTF-16, UTF-32 and, if `errors`
    is 'strict', for bytes that are not UTF-8.
    """
    coding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if coding is None and errors == 'strict' and b'\0' in data[:4]:
        coding = 'UTF-16 or no text'
    if coding:
        raise ValueError(f'is {coding}; save it as UTF-8')
    try:
        text = data.decode('utf-8-sig', errors)
    except UnicodeDecodeError as error:
        line = data.count(b'\n', 0, error.start) + 1
        raise ValueError(f'not in UTF-8, byte {error.start:,} (line {line}); save it as UTF-8') from None
    return text.replace('\r\n', '\n').replace('\r', '\n')


def read_text(path, errors: str = 'strict', limit: int = MAX_TEXT) -> str:
    """Return the text of a file, decoded as by `decode_text`. Raises OSError, and ValueError that names the file."""
    with open(path, 'rb') as file:
        data = file.read(limit + 1)
    try:
        if len(data) > limit:
            raise ValueError(f'larger than {limit:,} bytes')
        return decode_text(data, errors)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def write_text(path, text: str) -> None:
    """Write a small text file."""
    with replacing(path) as temporary:
        with open(temporary, 'w', encoding='utf-8') as file:
            file.write(text)


def create_text(path, text: str) -> None:
    """Write a new small text file atomically. Raises FileExistsError."""
    folder, name = os.path.split(os.path.abspath(path))
    with workplace(folder, path) as work:
        temporary = os.path.join(work, name)
        with open(temporary, 'x', encoding='utf-8') as file:
            file.write(text)
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            with open(path, 'x', encoding='utf-8') as file:
                file.write(text)


def file_mode() -> int:
    """Return the permissions of a new file: read and write for all, less the umask."""
    before = os.umask(0o077)
    os.umask(before)
    return 0o666 & ~before


def lock(file) -> bool:
    """Lock an open file (or its number) until it is closed; return False if another process holds the lock.

    NFS locks only files that are open for writing. On a file system without locks the result is always True.
    """
    return _locked(file) is not False


def _locked(file) -> Optional[bool]:
    """Lock an open file; return None if the file system has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def write_json(path, value) -> None:
    """Write a value as indented JSON."""
    write_text(path, json.dumps(value, indent=1) + '\n')


def file_hash(path: str) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def user_path(text: str) -> str:
    """Return a user's path with a leading `~` replaced by the home folder: shells do not do so after `=` or in files.

    Raises FileNotFoundError without a home folder, as otherwise a folder called ~ would be made.
    """
    if text != '~' and not text.startswith('~/'):
        return text
    home = home_folder()
    if home is None:
        raise FileNotFoundError(f'{text}: no home folder is known here (HOME is not set); write the whole path')
    return os.path.join(home, text[2:]) if text[2:] else home


def home_folder() -> Optional[str]:
    """Return the user's home folder by HOME or the system's list of users, None if neither has one."""
    home = os.environ.get('HOME', '')
    if not os.path.isabs(home):
        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            return None
    return home if os.path.isabs(home) else None


def check_text_path(path) -> None:
    """Raise ValueError for a path whose bytes are not UTF-8: MindSpore, ONNX Runtime and JSON take text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f'{path}: the path is not in UTF-8, as the libraries need it; rename the folder or the file, '
                         'or run in a terminal of UTF-8') from None


def check_file(path: str) -> None:
    """Raise ValueError if an output exists and is no file: a device or a pipe cannot be replaced by one."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f'{path}: is a folder, a pipe or a device; choose another name')


def check_parent(*paths) -> None:
    """Raise OSError if the folder of an output is missing, if the output is a folder, or if its name is too long.

    To be called before the work for that output.
    """
    for path in paths:
        folder = os.path.dirname(os.path.abspath(path)) if path else '.'
        if not os.path.isdir(folder):
            raise FileNotFoundError(f'{path}: the folder {folder} does not exist; make it first')
        if path and os.path.isdir(path):
            raise IsADirectoryError(f'{path}: is a folder; name a file in it')
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path or '.')  # an OSError for a name that is too long


def check_outputs(outputs: Mapping[str, Optional[str]], inputs: Sequence[str]) -> None:
    """Check the outputs {option: path or None} of a command as `check_parent`; none may replace an input or a network.

    Raises ValueError, and the errors of `check_parent`.
    """
    given = {option: path for option, path in outputs.items() if path}
    check_parent(*given.values())
    taken = {os.path.realpath(path): 'a file that the command reads' for path in inputs}
    for option, path in given.items():
        place = os.path.realpath(path)
        if place in taken or path.lower().endswith(MODELS):
            raise ValueError(f'{option} {path}: is {taken.get(place, "the name of a file with a network")}; choose '
                             'another file')
        if not in_place(path):
            taken[place] = f'the file of {option} too'
