"""Classification data sets, one row each in DATASETS.

A data set has `class_names`, `labels` (N,) int32, `len()`, `image(i)`, an RGB Pillow image, and `source(i)`, the image
in the form that is fastest to crop: a Pillow image, pixels (H, W, 3) uint8 or an images.Jpeg. A data set that decodes
its images on each access has `size(i)`, (width, height). To add one, write a function (split, dir, options) -> data set
and add its row.
"""
from __future__ import annotations

import os
import sys
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple, Union

import numpy as np
from PIL import Image

from tinynets.data import embedded, images
from tinynets.data.classes import class_name, in_order, known_names
from tinynets.data.layout import check_classes, find_layout, look
from tinynets.data.packed import PackedImages
from tinynets.runtime import printable, rank
from tinynets.text import say_once

SPLITS = ('train', 'val')


class ArrayDataset:
    """Images in memory, (N, H, W) grey or (N, H, W, 3) uint8."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, class_names: Sequence[str]):
        self.pixels, self.labels, self.class_names = pixels, labels, tuple(class_names)

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> Image.Image:
        """Image `index` as RGB."""
        return Image.fromarray(self.pixels[index]).convert('RGB')

    source = image

    def name(self, index: int) -> str:
        """Return a name of image `index` for reports."""
        return f'image {index}'


class ImageFolder:
    """A folder of class folders, ImageNet's layout; classes are the sorted folder names, numbers sorted by value.

    `class_names`, if given (a checkpoint's), fixes the classes and their order: a folder of an unknown class is an
    error, a class without a folder is not. Hidden files and folders are skipped. Files that are not images, lie outside
    of class folders or cannot be decoded are left out, and `report` is called with a line on them; with `strict`, a
    file that cannot be decoded raises ValueError.
    """

    def __init__(self, folder: str, class_names: Optional[Sequence[str]] = None, strict: bool = False,
                 check: bool = True, workers: int = 2, report: Callable[[str], None] = None,
                 progress: Optional[Callable[[int, int], None]] = None):
        if not os.path.isdir(folder):
            raise FileNotFoundError(f'{folder}: no such folder; expected {folder}/<class>/<image>')
        here = look(folder)
        found = here.folders
        if not found:
            raise ValueError(f'{folder}: no class folders in it; expected {folder}/<class>/<image>')
        tell = report or _to_stderr
        classes = {name: class_name(folder, name) for name in found}
        names = tuple(class_names) if class_names is not None else in_order(classes.values())
        known = known_names(folder, list(classes.values()), names, tell)
        self.folder, self.class_names, self.strict = folder, names, strict
        self.paths: List[str] = []
        labels: List[int] = []
        whole = images.Found(junk=here.junk)
        own: Dict[str, List[str]] = {}
        for name in found:
            part = images.find(os.path.join(folder, name))
            own[name] = part.files
            self.paths += part.files
            labels += [names.index(known[classes[name]])] * len(part.files)
            whole.add(part)
            if not part.files:
                tell(f'{os.path.join(folder, name)}: a class folder without images')
        self.places = _places(folder, own, tell)
        if class_names is None:
            check_classes(folder, own)
        for line in whole.left_out(folder):
            tell(line)
        if here.loose:
            tell(f'{folder}: left out, images outside of class folders: {here.loose:,}')
        if here.lost:
            tell(f'{folder}: left out, {len(here.lost):,} links that lead nowhere, the first: {here.lost[0]}')
        self.labels = np.array(labels, np.int32)
        if check:
            examined = images.examine(self.paths, workers, progress)
            self._leave_out(examined.bad, tell)
            dark = images.dark_images(examined.highest)
            if dark:
                tell(dark)
        if not self.paths:
            raise ValueError(f'{folder}: no image that can be decoded in it (.jpg, .png and others that Pillow reads)')

    def _leave_out(self, bad: Sequence[Tuple[str, str]], report: Callable[[str], None]) -> None:
        if not bad:
            return
        if self.strict:
            raise ValueError(f'{len(bad)} of {len(self.paths)} images cannot be decoded (data.strict), the first: '
                             f'{bad[0][0]}: {bad[0][1]}')
        for path, reason in bad:
            report(f'left out: {path}: {reason}')
        report(f'{len(bad)} of {len(self.paths)} images left out; --set data.strict=true makes this an error')
        wrong = {path for path, _ in bad}
        kept = [i for i, path in enumerate(self.paths) if os.path.abspath(path) not in wrong]
        self.paths, self.labels = [self.paths[i] for i in kept], self.labels[kept]

    @property
    def names(self) -> List[str]:
        """Return the path of each image relative to the folder; it begins with the image's class."""
        start = len(os.path.join(self.folder, ''))
        return [path[start:] for path in self.paths]

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, index: int) -> Image.Image:
        """Return image `index` as RGB. Raises images.ImageError if the file has changed since the check."""
        return images.decode(self.paths[index])

    def source(self, index: int) -> Union[images.Jpeg, Image.Image]:
        """Return image `index`, a JPEG without decoding it. Raises images.ImageError."""
        return images.open_image(self.paths[index])

    def size(self, index: int) -> Tuple[int, int]:
        """Return width and height by the file's header, (0, 0) if it cannot be read."""
        return images.header_size(self.paths[index])

    def name(self, index: int) -> str:
        """Return the path of image `index`."""
        return self.paths[index]


def _places(folder: str, own: Dict[str, List[str]], tell: Callable[[str], None]) -> Set[str]:
    """Return the real folders of the files of each class; a line is printed on one that belongs to two classes."""
    classes: Dict[str, str] = {}
    for name, files in own.items():
        for place in sorted({os.path.realpath(here) for here in {os.path.dirname(path) for path in files}}):
            first = classes.setdefault(place, name)
            if first != name:
                tell(f'{folder}: by a link, {place} is in the classes {first} and {name}, so the same images have two '
                     'classes and may be both trained and validated on; remove the link')
    return set(classes)


class Subset:
    """Some images of a data set, by their indices in it, in ascending order."""

    def __init__(self, dataset, indices: np.ndarray):
        self.dataset, self.indices = dataset, np.sort(indices)
        self.class_names, self.labels = dataset.class_names, dataset.labels[self.indices]
        self.strict = getattr(dataset, 'strict', False)
        if hasattr(dataset, 'names'):
            own = dataset.names
            self.names = [own[index] for index in self.indices]
        if hasattr(dataset, 'size'):
            self.size = lambda index: dataset.size(self.indices[index])

    def __len__(self) -> int:
        return len(self.indices)

    def image(self, index: int) -> Image.Image:
        """Return image `index` of the subset as RGB."""
        return self.dataset.image(self.indices[index])

    def source(self, index: int):
        """Return image `index` of the subset in the form for a random crop."""
        return self.dataset.source(self.indices[index])

    def name(self, index: int) -> str:
        """Return the data set's name of image `index`."""
        return self.dataset.name(self.indices[index])


def balanced_order(labels: np.ndarray) -> np.ndarray:
    """Return all indices, shuffled by a fixed seed so that every stretch has the classes' shares.

    In any number of images from the start, each class has its share to within one image.
    """
    shuffled = np.random.default_rng(0).permutation(len(labels))
    own = labels[shuffled]
    place = np.empty(len(labels))
    for label in np.unique(labels):
        mine = np.flatnonzero(own == label)
        place[mine] = (np.arange(len(mine)) + 0.5) / len(mine)  # spread evenly over the order
    return shuffled[np.argsort(place, kind='stable')]


def _to_stderr(line: str) -> None:
    print(printable(line), file=sys.stderr)


def say(line: str) -> None:
    """Print a line on standard error, once per job: both splits of a folder cause the same lines."""
    if rank() == 0:
        say_once(printable(line))


def _digits(split, folder, **options):
    if folder:
        raise ValueError(f'digits is embedded and takes no folder (data.dir={folder}); for your own images set '
                         'data.name=image_folder, see configs/image_folder.yaml')
    return ArrayDataset(*embedded.digits(split))


def _fashion_mnist(split, folder, **options):
    return ArrayDataset(*embedded.fashion_mnist(split, folder))


def _image_folder(split, folder, **options):
    if not folder:
        raise ValueError('image_folder needs data.dir (--data-dir): the folder that holds train/ and val/')
    if not os.path.isdir(folder):
        raise FileNotFoundError(f'{folder}: no such folder; it must hold train/<class>/ and val/<class>/, or <class>/')
    layout = find_layout(folder)
    if layout.line:
        (options.get('report') or say)(layout.line)
    return ImageFolder(layout.split(split), **options)


def has_validation(name: str, folder: Optional[str]) -> bool:
    """Whether a data set has a validation split: an image folder or packed set may have none."""
    if not folder or not os.path.isdir(folder):
        return name != 'image_folder'
    if name == 'mindrecord':
        return not os.path.isdir(os.path.join(folder, 'train')) or os.path.isdir(os.path.join(folder, 'val'))
    return name != 'image_folder' or find_layout(folder).val is not None


def _mindrecord(split, folder, class_names=None, strict=False, **options):
    if not folder:
        raise ValueError('mindrecord needs data.dir (--data-dir): the folder that scripts/pack_dataset.py wrote')
    return PackedImages(os.path.join(folder, split), class_names, strict)


DATASETS: Dict[str, Callable] = {
    'digits': _digits,
    'fashion_mnist': _fashion_mnist,
    'image_folder': _image_folder,
    'mindrecord': _mindrecord,
}


def load_dataset(name: str, split: str, folder: Optional[str] = None, **options):
    """Return the 'train' or 'val' split of a data set.

    `options` (class_names, strict, check, workers, report, progress) are ImageFolder's; data sets in memory ignore
    them. Raises ValueError for an unknown name or broken data, FileNotFoundError with the remedy for missing files.
    """
    if name not in DATASETS:
        raise ValueError(f"data set '{name}': must be one of {', '.join(DATASETS)}")
    if split not in SPLITS:
        raise ValueError(f"split '{split}': must be one of {', '.join(SPLITS)}")
    return DATASETS[name](split, folder, **options)
