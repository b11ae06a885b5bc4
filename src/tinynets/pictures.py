"""Drawing without a display, by Matplotlib's Agg and its default settings.

MPLBACKEND, which notebooks set for commands run in them, and matplotlibrc are ignored. Matplotlib is imported when a
picture is drawn.
"""
from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
import warnings
from typing import Callable, Iterator

from tinynets.files import replacing
from tinynets.output import describe


class Undrawn(ValueError):
    """A picture cannot be drawn or written; the message names the file and the reason."""


@contextlib.contextmanager
def _defaults() -> Iterator[None]:
    """Use Matplotlib's default settings within the block."""
    before = os.environ.get('MPLBACKEND')
    os.environ['MPLBACKEND'] = 'agg'  # read by the first import, which refuses a backend that is not installed
    try:
        import matplotlib
    finally:
        if before is None:
            del os.environ['MPLBACKEND']
        else:
            os.environ['MPLBACKEND'] = before
    logging.getLogger('matplotlib').setLevel(logging.ERROR)  # no line on a folder that cannot keep its list of fonts
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def picture(draw: Callable) -> Callable:
    """Return a function (..., path=...) that writes a PNG, made of a function (...) that returns a Matplotlib figure.

    It returns the picture's bytes and writes the file atomically. Raises Undrawn for any failure.
    """
    @functools.wraps(draw)
    def write(*arguments, path: str, **options) -> bytes:
        buffer = io.BytesIO()
        try:
            with _defaults(), warnings.catch_warnings():
                # a name in a script the font lacks is drawn as boxes
                warnings.filterwarnings('ignore', message='Glyph')
                figure = draw(*arguments, **options)
                figure.savefig(buffer, dpi=120, format='png')
            with replacing(path) as temporary, open(temporary, 'wb') as file:
                file.write(buffer.getvalue())
        except OSError as error:
            raise Undrawn(f'{path}: {error.strerror or describe(error)}') from error
        except Exception as error:  # Matplotlib may raise anything
            raise Undrawn(f'{path}: could not be drawn ({describe(error)})') from error
        return buffer.getvalue()
    return write
