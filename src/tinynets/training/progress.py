"""Progress: a bar with ETA on a terminal, a plain line every half minute elsewhere."""
from __future__ import annotations

import math
import sys
import time
from typing import Optional

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tinynets import runtime


class Bar:
    """Shows the steps `start`..`total` of some work, with a `note` (loss, learning rate, images/s).

    Of several workers only the first one prints.
    """

    def __init__(self, title: str, total: int, start: int = 0, every_seconds: float = 30.0):
        self.title, self.total, self.start = title, total, start
        self.every = every_seconds if runtime.rank() == 0 else math.inf
        self.begun = self.printed = time.monotonic()
        self.live: Optional[Progress] = None
        if sys.stderr.isatty() and runtime.rank() == 0:
            self.live = Progress(TextColumn('{task.description}'), BarColumn(bar_width=12), MofNCompleteColumn(),
                                 TimeRemainingColumn(), TextColumn('{task.fields[note]}'),
                                 console=Console(stderr=True), transient=True,
                                 redirect_stdout=sys.stdout.isatty())
            self.task = self.live.add_task(title, total=total, completed=start, note='')

    def __enter__(self) -> 'Bar':
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_) -> None:
        if self.live:
            self.live.stop()

    def update(self, done: int, note: str = '') -> None:
        """Show that `done` of the total are done."""
        if self.live:
            self.live.update(self.task, completed=done, note=note)
            return
        now = time.monotonic()
        if now - self.printed >= self.every and done > self.start:
            self.printed = now
            left = (now - self.begun) / (done - self.start) * (self.total - done)
            print(f'{self.title} {done}/{self.total}, {duration(left)} left  {note}', file=sys.stderr, flush=True)

    def __call__(self, done: int, total: int) -> None:
        """As a callback of (done, total)."""
        if total != self.total:
            self.total = total
            if self.live:
                self.live.update(self.task, total=total)
        self.update(done)


def tell(text: str) -> None:
    """Print text at once, in order with the progress. Of several workers only the first one prints."""
    if runtime.rank() == 0:
        print('\n'.join(map(runtime.printable, text.split('\n'))), flush=True)


def duration(seconds: float) -> str:
    """Return a duration as text: '42 s', '3 min 05 s' or '2 h 07 min'."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f'{seconds} s'
    minutes, rest = divmod(seconds, 60)
    return f'{minutes} min {rest:02d} s' if minutes < 60 else f'{minutes // 60} h {minutes % 60:02d} min'
