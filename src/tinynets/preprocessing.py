"""The keys and ranges of preprocessing, for checkpoints, manifests and config.json.

ascend310_infer/src/manifest.cc holds the same table; tests/deploy/test_manifests.py runs both on every kind of mistake.
"""
from __future__ import annotations

import math
from typing import Any

from tinynets.text import shown

CHANNELS = {1: 'L', 3: 'RGB'}  # channels of a network's input -> Pillow's mode
RESOLUTION = 1, 4096  # pixels
CROP_RATIO = 0.1, 1.0
MEAN = -10.0, 10.0  # of pixel values from 0 to 1
STD = 1e-3, 10.0

# key -> (is allowed, what is allowed); a list holds one number per channel
PREPROCESSING = {
    'resolution': (lambda v: _whole(v) and _within(v, RESOLUTION), 'a whole number of 1 to 4096 pixels'),
    'crop_ratio': (lambda v: _within(v, CROP_RATIO), 'a number of 0.1 to 1'),
    'interpolation': (lambda v: v == 'bicubic_antialiased', 'bicubic_antialiased'),
    'channels': (lambda v: isinstance(v, str) and v in CHANNELS.values(), 'RGB or L'),
    'mean': (lambda v: _numbers(v, MEAN), '3 numbers (L: 1) of -10 to 10, for pixel values from 0 to 1'),
    'deviation': (lambda v: _numbers(v, STD), '3 numbers (L: 1) of 0.001 to 10, for pixel values from 0 to 1'),
    'layout': (lambda v: v == 'NCHW', 'NCHW'),
}


def check_preprocessing(preset: Any, in_channels: Any) -> None:
    """Raise ValueError for preprocessing with a missing key, a value that is not allowed or other channels."""
    if not isinstance(preset, dict):
        raise ValueError(f'preprocessing is {shown(preset)}, not a table')
    for key, (allowed, what) in PREPROCESSING.items():
        if key not in preset:
            raise ValueError(f'preprocessing.{key} is missing')
        if not allowed(preset[key]):
            raise ValueError(f'preprocessing.{key} is {shown(preset[key])}; it must be {what}')
    channels = channels_of(preset)
    for key in ('mean', 'deviation'):
        if len(preset[key]) != channels:
            raise ValueError(f'preprocessing.{key} has {len(preset[key])} numbers, channels {preset["channels"]} '
                             f'{"needs" if channels == 1 else "need"} {channels}')
    if not _whole(in_channels) or channels != in_channels:
        raise ValueError(f'preprocessing.channels is {preset["channels"]}, the network takes {shown(in_channels)}')


def channels_of(preset: dict) -> int:
    """The number of channels that preprocessing gives."""
    return next(number for number, name in CHANNELS.items() if name == preset['channels'])


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _within(value: Any, limits: tuple) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and (isinstance(value, int) or math.isfinite(value)) and limits[0] <= value <= limits[1]


def _numbers(values: Any, limits: tuple) -> bool:
    return isinstance(values, (list, tuple)) and len(values) in CHANNELS and all(_within(v, limits) for v in values)
