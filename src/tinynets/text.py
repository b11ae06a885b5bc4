"""Text for messages: values and lines of any length, cut to what fits on a line."""
from __future__ import annotations

import functools
import reprlib
import sys
from typing import Any

VALUE, LINE = 100, 600  # characters


class _Repr(reprlib.Repr):
    """The repr of a value, whose cost does not grow with the value: YAML's aliases make lists of billions."""

    def __init__(self):
        super().__init__()
        self.maxlevel, self.maxlist, self.maxtuple, self.maxdict = 3, 8, 8, 8
        self.maxstring = self.maxlong = self.maxother = VALUE

    def repr_int(self, value: int, level: int) -> str:
        """Python refuses to write out whole numbers of thousands of digits."""
        return repr(value) if value.bit_length() < 4 * VALUE else f'a number of {value.bit_length():,} bits'


_repr = _Repr().repr


@functools.lru_cache(None)
def say_once(text: str) -> None:
    """Print a line on standard error, the same one once per process."""
    print(text, file=sys.stderr, flush=True)


def shown(value: Any) -> str:
    """The repr of a value, up to 100 characters of it."""
    return shorten(_repr(value))


def shorten(text: str, limit: int = VALUE) -> str:
    """A text up to `limit` characters; of a longer one the beginning and the end, around three dots."""
    if len(text) <= limit:
        return text
    end = (limit - 3) // 3
    return f'{text[:limit - 3 - end]}...{text[-end:]}'
