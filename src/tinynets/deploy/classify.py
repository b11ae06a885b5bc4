"""Classifying a few images: finding them and naming their most likely classes."""
from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from PIL import Image

from tinynets.data import images
from tinynets.deploy import program
from tinynets.deploy.predict import Predictor
from tinynets.tasks.classification.dataset import Labelled


@dataclass(frozen=True)
class Sample:
    """An RGB image, its name, and the name and the index of its true class if they are known."""
    name: str
    image: Image.Image
    label: Optional[str] = None
    index: Optional[int] = None


@dataclass(frozen=True)
class Classified:
    """The most likely classes of an image with their probabilities; `right` is None if the true class is unknown."""
    name: str
    image: Image.Image
    classes: Tuple[Tuple[str, float], ...]
    right: Optional[bool]
    caption: str


def find_files(paths: Sequence[str], say: Callable[[str], None] = lambda line: None) -> List[str]:
    """Return the image files among files and in folders. Raises FileNotFoundError for a missing path.

    `say` is called with lines on files that are left out of a folder.
    """
    found = []
    for path in paths:
        if os.path.isdir(path):
            inside = images.find(path)
            found += inside.files
            for line in inside.left_out(path):
                say(line)
        elif os.path.isfile(path):
            found.append(path)
        else:
            raise FileNotFoundError(f'{path}: no such image or folder')
    if not found:
        raise ValueError(f'{", ".join(paths)}: no images in it (.jpg, .png and others that Pillow reads)')
    return found


def samples_of_files(files: Iterable[str], left_out: Callable[[str], None],
                     highest: Optional[Dict[str, int]] = None) -> Iterator[Sample]:
    """Decode files one by one; `left_out` is called with a line on each that cannot be decoded.

    `highest` is filled for images.dark_images: the highest value in eight bits of each image with 16-bit samples.
    """
    for path in files:
        try:
            yield Sample(path, _decoded(path, highest))
        except images.ImageError as error:
            left_out(str(error))


def _decoded(path: str, highest: Optional[Dict[str, int]]) -> Image.Image:
    image, value = images.decode_wide(path)
    if value is not None and highest is not None:
        highest[path] = value
    return image


def evenly(number: int, count: int) -> List[int]:
    """Return up to `count` evenly spaced indices below `number`, with the first and the last."""
    return np.unique(np.linspace(0, number - 1, min(count, number)).astype(int)).tolist()


def samples_of_dataset(dataset: Labelled, count: int = 24) -> Iterator[Sample]:
    """Yield `count` evenly spaced images of a data set with the model's classes. Raises ValueError if count < 1."""
    if count < 1:
        raise ValueError(f'count={count}: must be at least 1')
    for i in evenly(len(dataset), count):
        label = int(dataset.labels[i])
        yield Sample(dataset.name(i), dataset.image(i), dataset.class_names[label], label)


def classify(model: Predictor, samples: Iterable[Sample], topk: int = 1) -> Iterator[Classified]:
    """Yield the `topk` most likely classes of every sample. Raises ValueError for topk outside 1..classes."""
    if not 1 <= topk <= len(model.class_names):
        raise ValueError(f'topk={topk}: must be 1 to {len(model.class_names)}, the number of classes')
    for sample in samples:
        row = model.probabilities([sample.image])[0]
        order = np.argsort(-row, kind='stable')[:topk]
        best = model.class_names[order[0]]
        right = None if sample.index is None else bool(order[0] == sample.index)
        caption = f'{best} ({100 * row[order[0]]:.0f} %)' + ('' if right is not False else f'\n(is {sample.label})')
        yield Classified(sample.name, sample.image, tuple((model.class_names[i], float(row[i])) for i in order), right,
                         caption)


def classify_by_program(path: str, files: Sequence[str], topk: int, left_out: Callable[[str], None],
                        highest: Optional[Dict[str, int]] = None) -> Iterator[Classified]:
    """Classify image files with a model file by the C++ program; `left_out` is called with a line on unusable ones.

    `highest` is filled as by samples_of_files. Raises OSError if the program is missing or fails.
    """
    for result in program.run(path, files, '--topk', str(topk))['results']:
        if 'failure' in result:
            left_out(f"{result['image']}: {result['failure']}")
            continue
        classes = tuple((row['name'], row['probability']) for row in result['classes'])
        yield Classified(result['image'], _decoded(result['image'], highest), classes, None,
                         f'{classes[0][0]} ({100 * classes[0][1]:.0f} %)')
