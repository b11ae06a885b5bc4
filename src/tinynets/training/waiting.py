"""The time that a training waits for its images."""
from __future__ import annotations

import time
from typing import Callable, Iterable, Iterator

TOO_MUCH = 0.2  # of the time


class Waiting:
    """Counts the seconds that the loop waits for the next batch.

    The first batch does not count, as it cannot be prepared during a step.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock, self.seconds, self._said = clock, 0.0, False
        self.started = False

    def timed(self, batches: Iterable) -> Iterator:
        """Yield the batches, and count the waiting time of each but the first."""
        begun = None
        for batch in batches:
            if begun is not None:
                self.seconds += self.clock() - begun
            self.started = True
            yield batch
            begun = self.clock()

    def watch(self) -> 'Watch':
        """Return the share of the time from now on."""
        return Watch(self)

    def complain(self, share: float | None, say: Callable[[str], None]) -> None:
        """Print advice, once per process, if the share of the time is too large."""
        if share is not None and share > TOO_MUCH and not self._said:
            self._said = True
            say(f'{100 * share:.0f} % of the epoch was spent waiting for images. Use more data.workers if processors '
                'are idle, scripts/pack_dataset.py if reading is slow or images are large (--size), or a larger '
                'data.cache_mb if the decoded images fit into memory')


class Watch:
    """A stretch of time, and how much of it was waiting."""

    def __init__(self, waiting: Waiting):
        self.waiting = waiting
        self.restart()

    def restart(self) -> None:
        """A new stretch begins."""
        self.begun, self.before = self.waiting.clock(), self.waiting.seconds

    def share(self) -> float | None:
        """The share of time spent waiting since the beginning, or None if it is not counted, as with data sinking."""
        if not self.waiting.started:
            return None
        return round((self.waiting.seconds - self.before) / max(self.waiting.clock() - self.begun, 1e-9), 3)
