"""Stopping a command on request by a signal.

SIGINT and SIGTERM, SIGHUP (the terminal was closed) and SIGUSR1 (a batch system's notice) ask a command to stop.
Outside of a `Stop` block that defers them there is nothing to save: temporary files are removed and the process ends at
once with exit code 130. A thread does that, as an exception inside the framework's code may become another error, an
abort or be lost. Inside such a block the request is noted, and the block saves and raises Interrupted.
"""
from __future__ import annotations

import _thread
import contextlib
import gc
import os
import signal
import sys
import tempfile
import threading
import time
from typing import Callable, Iterator, List, Optional

from tinynets.files import remove_workplaces

INTERRUPTED = 130  # the exit code
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
# a second one of these ends everything at once; not SIGHUP, which a terminal sends twice
IMPATIENT = (signal.SIGINT, signal.SIGTERM)
TWICE = 1.0  # seconds: a signal within them is the same request, as `timeout` signals the process and then its group
TIDYING = 3.0  # seconds at most for removing temporary files

at_end: List[Callable[[], None]] = []  # called before a stopped process ends

_listening = False
_ending = False  # whether another thread than the main one is ending the process
_stops: List['Stop'] = []  # the blocks that are open, the innermost last
_answered = _thread.allocate_lock()
_late: List['Stop'] = []  # blocks that ended by themselves after a request


class Interrupted(Exception):
    """The work stopped on request with everything saved; the message says how to resume it."""


def listen() -> None:
    """Handle signals from here on, in the main thread of a command. A SIGHUP ignored by nohup stays ignored."""
    global _listening
    if _listening:
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)
    try:
        threading.Thread(target=_watch, args=(reader,), name='stopping', daemon=True).start()
    except RuntimeError:  # no more threads: the handler itself does the work
        return
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    _listening = True


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Let signals end the process by the system's default, while the framework waits and blocks Python's threads."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in before.items() if handler not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def done() -> None:
    """Ignore signals from here on: the exit code is final, and the interpreter must not be ended during its exit."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _hold()


def _on_signal(number: int, frame) -> None:
    """Handle a signal in the main thread, when it runs Python code again; `_watch`'s thread may have been faster."""
    _hold()
    if not _listening:
        _answer(number)
    elif _stops and _stops[-1].deferring:
        _stops[-1].note()


def _hold() -> None:
    """Block the main thread while another one ends the process, as it would report missing files and children."""
    while _ending:
        time.sleep(TIDYING)


def _watch(reader: int) -> None:
    while True:
        for number in os.read(reader, 1):  # one byte per signal, its number
            if number in SIGNALS:
                _answer(number)


def _answer(number: int) -> None:
    stop = _stops[-1] if _stops else None
    if stop is None or not stop.deferring or stop.insists(number):
        end_now(stop.message if stop else 'interrupted')
    else:
        stop.note()


def end_now(message: str) -> None:
    """End this process with 130 after ending child processes, removing temporary folders and printing the message."""
    global _ending
    if threading.current_thread() is not threading.main_thread():
        _ending = True
        _thread.interrupt_main()  # whose handler then blocks it
    tidied = _thread.allocate_lock()
    tidied.acquire()
    try:
        _thread.start_new_thread(_tidy, (message, tidied))
        tidied.acquire(timeout=TIDYING)
    except RuntimeError:  # no more threads
        _tidy(message, tidied)
    os._exit(INTERRUPTED)


def _tidy(message: str, tidied: _thread.LockType) -> None:
    """Clean up and release the lock.

    The main thread may be held with Python's lock of imports or of threading, so nothing here may import or start a
    thread.
    """
    steps = [_end_children, *at_end, _remove_temporary_folders, lambda: _say(message)]
    for step in steps:
        with contextlib.suppress(Exception):
            step()
    tidied.release()


def answers() -> bool:
    """Whether the caller is the first to report a stop: two threads may notice the same signal."""
    return _answered.acquire(blocking=False)


def _say(message: str) -> None:
    if not answers():
        return
    if sys.stderr is not None and sys.stderr.isatty():
        message = f'\r\x1b[?25h\x1b[K{message}'  # a progress bar hides the cursor
    print(message, file=sys.stderr, flush=True)
    sys.stdout.flush()


def _end_children() -> None:
    for task in os.listdir('/proc/self/task'):
        with open(f'/proc/self/task/{task}/children', 'rb') as file:  # text would import its encoding
            for child in file.read().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGTERM)


def _remove_temporary_folders() -> None:
    remove_workplaces()
    for thing in gc.get_objects():
        if type(thing) is tempfile.TemporaryDirectory:
            thing.cleanup()


def check() -> None:
    """Raise Interrupted if a stop was requested in a block that ended by itself."""
    if _late:
        raise Interrupted('interrupted')


class Stop:
    """A block that handles a request to stop itself: it checks `requested` between two steps of its work.

    After `defer()` a request is only noted; before, it ends the process at once with `message`, as there is nothing to
    save. In a program that is not a command of this package, the block installs signal handlers and always defers.
    """

    def __init__(self, message: str = 'interrupted', deferring: bool = True):
        self.message, self.deferring = message, deferring or not _listening
        self.requested_at: Optional[float] = None
        self.before: dict = {}

    @property
    def requested(self) -> bool:
        """Whether a stop was requested."""
        return self.requested_at is not None

    def defer(self) -> None:
        """Defer requests from now on, as there is something to save."""
        self.deferring = True

    def note(self) -> None:
        """Note that a stop is requested."""
        if self.requested_at is None:
            self.requested_at = time.monotonic()

    def insists(self, number: int) -> bool:
        """Whether a signal is a second request, which must not wait."""
        return number in IMPATIENT and self.requested and time.monotonic() - self.requested_at > TWICE

    def __enter__(self) -> 'Stop':
        _stops.append(self)
        if not _listening:
            try:
                self.before = {s: signal.signal(s, self._request) for s in SIGNALS
                               if s != signal.SIGHUP or signal.getsignal(s) is not signal.SIG_IGN}
            except ValueError:  # not in the main thread, where no handler can be set
                self.before = {}
        return self

    def __exit__(self, kind, *_) -> None:
        _stops.remove(self)
        if _listening and kind is None and self.requested:
            _late.append(self)
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame) -> None:
        if self.insists(number):
            raise KeyboardInterrupt
        self.note()
