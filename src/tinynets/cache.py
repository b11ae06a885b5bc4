"""The cache folder, ~/.cache/tinynets, which other users cannot write to."""
from __future__ import annotations

import contextlib
import os
import pathlib
import stat
import tempfile
from typing import List

MODE = 0o700


def folders() -> List[pathlib.Path]:
    """Return the cache folders in order: TINYNETS_CACHE only, or the user's cache and a temporary folder."""
    if os.environ.get('TINYNETS_CACHE'):
        return [pathlib.Path(os.environ['TINYNETS_CACHE']).absolute()]
    found = []
    for place in (_in_home, _in_temporary):
        with contextlib.suppress(OSError, RuntimeError):  # a user without a home, a system without a temporary folder
            found.append(place().absolute())
    return found


def user_folder() -> pathlib.Path:
    """Return XDG_CACHE_HOME/tinynets or ~/.cache/tinynets, or a temporary folder for a user without a home."""
    try:
        return _in_home()
    except RuntimeError:
        return _in_temporary()


def _in_home() -> pathlib.Path:
    return pathlib.Path(os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache') / 'tinynets'


def _in_temporary() -> pathlib.Path:
    return pathlib.Path(tempfile.gettempdir()) / f'tinynets-{os.getuid()}'


def make(folder: pathlib.Path) -> None:
    """Make a folder that only this user can access, whatever the umask, and the missing folders above it.

    If others may write to an existing folder of the user, their permission is removed, except for TINYNETS_CACHE.
    Raises OSError if the folder cannot be made or others could still write to it.
    """
    for missing in [part for part in (*reversed(folder.parents), folder) if not part.exists()]:
        with contextlib.suppress(FileExistsError):  # by another process, just now
            missing.mkdir()
            missing.chmod(MODE)
    about = folder.lstat()
    chosen = os.environ.get('TINYNETS_CACHE') and folder == folders()[0]
    if stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and about.st_mode & 0o022 and not chosen:
        folder.chmod(MODE)
    reason = open_to_others(folder)
    if reason:
        raise OSError(None, reason)


def open_to_others(path: pathlib.Path) -> str:
    """Return why another user could have put the path there or could replace it, '' if only this user and root can.

    For '' the path must not be a link, must belong to this user or root, and only its owner may write to it. The
    folders above must belong to them too and must not be writable by others, except with the sticky bit as /tmp has it.
    Raises OSError if the path does not exist.
    """
    about = path.lstat()
    if stat.S_ISLNK(about.st_mode):
        return f'{path} is a link'
    if about.st_uid not in (0, os.getuid()):
        return f'{path} belongs to another user'
    if about.st_mode & 0o022:
        return f'others may write to {path} (chmod go-w)'
    real = pathlib.Path(os.path.realpath(path))
    for above in dict.fromkeys((*path.parents, *real.parents)):
        about = above.lstat()
        if about.st_uid not in (0, os.getuid()):
            return f'its parent folder {above} belongs to another user'
        theirs = about.st_mode & 0o002 or about.st_mode & 0o020 and about.st_gid != os.getgid()
        if theirs and not about.st_mode & stat.S_ISVTX and not stat.S_ISLNK(about.st_mode):
            return f'others may write to its parent folder {above} (chmod go-w)'
    return ''
