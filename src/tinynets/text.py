"""Text for messages: values and lines of any length, shortened to fit on a line."""
from __future__ import annotations

import functools
import reprlib
import sys
from typing import Any

VALUE, LINE = 100, 600  # characters


class _Repr(reprlib.Repr):
    """The repr of a value in bounded time: YAML's aliases can make lists with billions of items."""

    def __init__(self):
        super().__init__()
        self.maxlevel, self.maxlist, self.maxtuple, self.maxdict = 3, 8, 8, 8
        self.maxstring = self.maxlong = self.maxother = VALUE

    def repr_int(self, value: int, level: int) -> str:
        """Return the repr of an integer, or its number of bits: Python refuses to print thousands of digits."""
        return repr(value) if value.bit_length() < 4 * VALUE else f'a number of {value.bit_length():,} bits'


_repr = _Repr().repr


@functools.lru_cache(None)
def say_once(text: str) -> None:
    """Print a line on standard error, the same one once per process."""
    print(text, file=sys.stderr, flush=True)


def shown(value: Any) -> str:
    """Return the repr of a value, shortened to 100 characters."""
    return shorten(_repr(value))


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: 1 image, 1,200 images."""
    return f'{count:,} {noun}{"" if count == 1 else "s"}'


def shorten(text: str, limit: int = VALUE) -> str:
    """Return a text of at most `limit` characters: of a longer one the beginning, three dots and the end."""
    if len(text) <= limit:
        return text
    end = (limit - 3) // 3
    return f'{text[:limit - 3 - end]}...{text[-end:]}'
