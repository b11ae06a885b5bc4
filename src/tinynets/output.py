"""Output and by-products of a command, whose failures do not end the work.

`guard()` makes writes to standard output and standard error safe, `side_product` turns a picture, card or event file
that cannot be made into one line of warning.
"""
from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from typing import Iterator, Optional, Set

from tinynets.text import LINE, shorten

GONE = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO, errno.ECONNRESET)  # the stream has no reader any more
LACKING = {  # resource -> error numbers of its lack, and words in messages of the framework, threads and SQLite
    'space': ((errno.ENOSPC, errno.EDQUOT, errno.EROFS), r'No space left|quota exceeded|Read-only file system|'
              r'database or disk is full|disk I/O error|readonly database|unable to open database'),
    'memory': ((errno.ENOMEM,), r'bad_alloc|[Oo]ut of memory|Cannot allocate memory|[Mm]emory (is )?not enough|'
                                r'([Aa]lloc|[Mm]alloc)\w* .{0,60}fail|failed to map segment'),
    'processes': ((errno.EAGAIN, errno.EMFILE, errno.ENFILE),
                  r"can't start new thread|Resource temporarily unavailable|Too many open files"),
}
ADVICE = {'memory': 'out of memory; a smaller batch, image or network needs less',
          'processes': 'the system allows no more threads, processes or open files; ulimit -u, -n and -v show the '
                       'limits'}

_warned: Set[str] = set()


class Guarded:
    """A text stream whose writes never raise OSError; `error` is the first one that occurred.

    After a permanent failure the stream is redirected to /dev/null; after another, such as a full disk, the next line
    is tried again.
    """

    def __init__(self, stream, error: Optional[OSError] = None):
        self.stream, self.error, self.told = stream, error, True

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        try:
            return self.stream.write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        """Flush the buffer, or drop it."""
        try:
            self.stream.flush()
        except OSError as error:
            self._lose(error)

    def close_safely(self) -> None:
        """Flush for the last time, to /dev/null if that fails, as the interpreter would otherwise report an error."""
        self.flush()
        if self.error:
            _lead_to_null(self.stream)
            self.flush()

    def _lose(self, error: OSError) -> None:
        if error.errno in GONE:
            _lead_to_null(self.stream)
        if self.error is None:
            self.error = error
            if not self.told:
                _to_stderr(f'warning: standard output: {error.strerror}; the work continues, its lines are lost')

    def __getattr__(self, name: str):
        return getattr(self.stream, name)


def guard(log: bool = False) -> None:
    """Make writes to standard output and error safe. `log`: warn on standard error when output is lost.

    Closed descriptors of the three are opened on /dev/null first, as otherwise the next file would get the number and
    the framework would write its messages into it.
    """
    closed = []
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            closed.append(number)
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    for number, name in ((1, 'stdout'), (2, 'stderr')):
        stream = getattr(sys, name)
        if isinstance(stream, Guarded):
            continue
        if stream is None:
            stream = open(number, 'w', encoding='utf-8', closefd=False)
        elif hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')  # characters that the terminal lacks become escapes
        made = Guarded(stream, OSError(errno.EBADF, 'closed') if number in closed else None)
        made.told = not (log and name == 'stdout')
        setattr(sys, name, made)


def lost_output() -> Optional[OSError]:
    """End the guarded streams; return standard output's error unless its reader has gone, or None."""
    failed = None
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Guarded):
            stream.close_safely()
            if stream is sys.stdout and stream.error and stream.error.errno != errno.EPIPE:
                failed = stream.error
    return failed


def unread() -> bool:
    """Whether the reader of standard output has gone, so that nothing printed will be seen."""
    return isinstance(sys.stdout, Guarded) and sys.stdout.error is not None and sys.stdout.error.errno in GONE


def _lead_to_null(stream) -> None:
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _to_stderr(line: str) -> None:
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def without_log() -> Iterator[None]:
    """Drop what libraries written in C++ log to standard error within the block, unless TINYNETS_DEBUG is set.

    For calls whose failure is raised as well: MindSpore logs up to 155 lines on a damaged MINDIR.
    """
    if os.environ.get('TINYNETS_DEBUG'):
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def side_product(what: str) -> Iterator[None]:
    """Run a block that the work does not depend on; a failure prints one warning per `what`."""
    try:
        yield
    except Exception as error:  # libraries for pictures and event files may raise anything
        if what not in _warned:
            _warned.add(what)
            reason = describe(error).removeprefix(f'{printable(what)}: ')
            _to_stderr(f'warning: {printable(what)} could not be written ({reason}); the work continues without it')


def lacking(error: Optional[BaseException]) -> str:
    """Return the resource whose lack caused an error: 'space', 'memory' or 'processes', else ''.

    The error's causes and contexts are examined as well.
    """
    seen: Set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError):
            return 'memory'
        by_text = isinstance(error, (RuntimeError, OSError, SystemError, ImportError)) or _is_of_sqlite(error)
        number = getattr(error, 'errno', None)
        what = next((what for what, (numbers, _) in LACKING.items() if number in numbers), '') or (
            lacking_by(str(error)) if by_text else '')
        if what:
            return what
        error = error.__cause__ or error.__context__
    return ''


def lacking_by(text: str) -> str:
    """Return the resource that a text, such as a log, says is lacking, as `lacking` does."""
    return next((what for what, (_, words) in LACKING.items() if re.search(words, text)), '')


def _is_of_sqlite(error: BaseException) -> bool:
    return type(error).__module__ == 'sqlite3' and type(error).__name__ == 'OperationalError'


def absent(error: BaseException) -> str:
    """Return the package that is not installed if that is the error, else ''. This package's modules do not count."""
    name = (error.name or '').partition('.')[0] if isinstance(error, ModuleNotFoundError) else ''
    return '' if name == __name__.partition('.')[0] else name


def describe(error: BaseException) -> str:
    """Return one printable line on an exception, with the middle of a long one left out."""
    if absent(error):
        return (f'the Python package {absent(error)} is not installed for {sys.executable}; run this in the '
                'environment that the scripts made (source .venv/bin/activate), or pip install -r requirements.txt')
    if isinstance(error, FileExistsError) and error.filename and os.path.islink(error.filename) and not (
            os.path.exists(error.filename)):
        return shorten(printable(f'{error.filename}: is a link to a folder that does not exist; choose another'), LINE)
    if isinstance(error, OSError) and error.strerror:
        return shorten(printable(f'{error.filename}: {error.strerror}' if error.filename else error.strerror), LINE)
    what = lacking(error) if isinstance(error, (MemoryError, RuntimeError, SystemError, ImportError)) else ''
    if what in ADVICE:
        return ADVICE[what]
    return shorten(printable(' '.join(str(error).split())), LINE) or type(error).__name__


def printable(text: str) -> str:
    """Return a text with control characters as escapes, as untrusted names could control the terminal with them.

    Line separators, marks that change the direction of writing, and surrogates, which represent bytes of a file name
    that are not UTF-8, become escapes too.
    """
    return re.sub(r'[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]',
                  lambda found: found[0].encode('unicode_escape').decode(), text)
