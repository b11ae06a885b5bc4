"""Classify a few images: gather them, name their likeliest classes."""
from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import numpy as np
from PIL import Image

from src.data import images
from src.data.classification import load_dataset
from src.deploy.predict import Predictor


@dataclass(frozen=True)
class Sample:
    """An RGB image, what to call it, and its true class where that is known."""
    name: str
    image: Image.Image
    label: Optional[str] = None


@dataclass(frozen=True)
class Classified:
    """The likeliest classes of one image with their probabilities; `right` is None where the truth is unknown."""
    name: str
    classes: Tuple[Tuple[str, float], ...]
    right: Optional[bool]
    caption: str


def collect(paths: Optional[Sequence[str]], data: Optional[str] = None, data_dir: Optional[str] = None,
            count: int = 24) -> Tuple[List[Sample], int]:
    """Samples from files and folders, or `count` evenly spaced ones of a data set's validation split.

    Returns them with the number of files that could not be decoded; those are named on stderr and left out. Raises
    FileNotFoundError for a path that is not there, ValueError where nothing is left.
    """
    samples, bad = [], 0
    if data:
        dataset = load_dataset(data, 'val', data_dir)
        for i in np.unique(np.linspace(0, len(dataset) - 1, max(1, count)).astype(int)):
            samples.append(Sample(dataset.name(i), dataset.image(i), dataset.class_names[dataset.labels[i]]))
        return samples, 0
    for path in _files(paths or ()):
        try:
            samples.append(Sample(path, images.decode(path)))
        except images.ImageError as error:
            print(f'left out: {error}', file=sys.stderr)
            bad += 1
    if not samples:
        raise ValueError(f'no image that can be decoded in {", ".join(paths or ())}')
    return samples, bad


def classify(model: Predictor, samples: Sequence[Sample], topk: int = 1) -> List[Classified]:
    """Name the `topk` likeliest classes of every sample. Raises ValueError for topk outside 1..classes."""
    if not 1 <= topk <= len(model.class_names):
        raise ValueError(f'topk={topk}: must be 1 to {len(model.class_names)}, the number of classes')
    results = []
    for sample, row in zip(samples, model.probabilities([s.image for s in samples])):
        order = np.argsort(-row, kind='stable')[:topk]
        best = model.class_names[order[0]]
        right = None if sample.label is None else best == sample.label
        caption = f'{best} ({100 * row[order[0]]:.0f} %)' + ('' if right is not False else f'\n(is {sample.label})')
        results.append(Classified(sample.name, tuple((model.class_names[i], float(row[i])) for i in order), right,
                                  caption))
    return results


def _files(paths: Sequence[str]) -> List[str]:
    found = []
    for path in paths:
        if os.path.isdir(path):
            found += images.find_images(path)
        elif os.path.isfile(path):
            found.append(path)
        else:
            raise FileNotFoundError(f'{path}: no such image or folder')
    return found
