"""The data sets and transforms of a configuration."""
from __future__ import annotations

import contextlib
import dataclasses
from typing import Callable, Optional, Sequence, Tuple, Union

from tinynets.config import AugmentConfig, Channels, DataConfig
from tinynets.data.augment import RandAugment, RandomErasing
from tinynets.data.cached import cached
from tinynets.data.classes import relabel
from tinynets.data.classification import Subset, balanced_order, has_validation, load_dataset, say
from tinynets.data.division import Division, EarlierDivision, digest_of, divide
from tinynets.data.mixing import Mixing
from tinynets.data.trained import Trained
from tinynets.data.transforms import EvalTransform, TrainTransform
from tinynets.preprocessing import CHANNELS

AnyDivision = Union[Division, EarlierDivision, None]
LUMINANCE = 0.299, 0.587, 0.114  # shares of R, G and B, ITU-R BT.601, as Pillow's convert('L') has them


def whole_set(data: DataConfig, name: Optional[str] = None, folder: Optional[str] = None, **changes) -> DataConfig:
    """Return the configuration of the whole data set, whatever part of it a training or a study used.

    `name` is another data set than the configuration's, in `folder`; `changes` replace other keys. A folder without
    val/ keeps the training's `holdout`, as otherwise training images would be used for validation.
    """
    folder = folder or (None if name else data.dir)
    divided = name in (None, data.name) and not has_validation(data.name, folder)
    return dataclasses.replace(data, name=name or data.name, dir=folder, holdout=data.holdout if divided else 0,
                               images=None, **changes)


def dataset(data: DataConfig, split: str, class_names: Optional[Sequence[str]] = None,
            progress: Optional[Callable[[int, int], None]] = None, division: AnyDivision = None):
    """Return the 'train' or 'val' split of a configuration, or the part of it that `images` and `holdout` select.

    In an image folder without val/, `val_share` of the images becomes the validation set: by the `division` of a run if
    given, else as in a new training. Raises ValueError if more images are asked for than there are.
    """
    if split == 'val' and not divides(data):
        return _load(data, 'val', class_names, progress)
    return _part(data, _load(data, 'train', class_names, progress), split, division)


def splits(data: DataConfig, progress: Optional[Callable[[int, int], None]] = None, division: AnyDivision = None,
           class_names: Sequence[str] = ()) -> tuple:
    """Return (train, val) as from `dataset`, val with the training set's classes; a set that both share is read once.

    `class_names` is the order of the classes, used if the data set has the same ones. The training set's `division`
    applies to both sets; it is None if they were not divided.
    """
    whole = _load(data, 'train', None, progress)
    if whole.class_names != tuple(class_names) and sorted(whole.class_names) == sorted(class_names):
        relabel(whole, [list(class_names).index(name) for name in whole.class_names], class_names)
    if class_names and whole.class_names != tuple(class_names):
        division = None  # of other classes
    if divides(data) and division is None:
        division = _divide(data, whole)
        if division and not data.holdout:
            say(f'{data.dir}: has no validation images; a share of each class (data.val_share={data.val_share:g}) of '
                f'its {len(whole):,} images is kept for validation, chosen by their names')
    val = _part(data, whole, 'val', division) if divides(data) else _load(data, 'val', whole.class_names, progress)
    both = getattr(whole, 'places', set()) & getattr(val, 'places', set())
    if both:
        say(f'{data.dir}: by a link, {min(both)} is in the training and in the validation images, so the same images '
            'are trained and validated on; remove the link')
    return _part(data, whole, 'train', division), val


def names_of(dataset) -> Optional[Sequence[str]]:
    """Return the name of each image of a data set, with its class first, or None if images have numbers only."""
    return getattr(dataset, 'names', None)


def digest(train, val) -> Optional[str]:
    """Return a hash of the names of the training and the validation images, None if they have no names."""
    names = [names_of(part) for part in (train, val)]
    return None if None in names else f'{digest_of(names[0])}-{digest_of(names[1])}'


def trained(data: DataConfig, train, val) -> Optional[Trained]:
    """Return the names of the training images, None if they have no names.

    A run with `holdout` does not use val/, whose images have names too.
    """
    names = [names_of(part) for part in (train, val)]
    if None in names:
        return None
    other: Sequence[str] = ()
    if data.holdout and has_validation(data.name, data.dir):
        with contextlib.suppress(ValueError, OSError):  # val/ may be damaged, as it is not used
            other = names_of(_load(dataclasses.replace(data, check=False), 'val', train.class_names, None)) or ()
    return Trained.of(names[0], [*names[1], *other])


def divides(data: DataConfig) -> bool:
    """Whether the validation set is a part of the training set."""
    return data.holdout > 0 or not has_validation(data.name, data.dir)


def _load(data: DataConfig, split: str, class_names: Optional[Sequence[str]],
          progress: Optional[Callable[[int, int], None]]):
    return load_dataset(data.name, split, data.dir, class_names=class_names, strict=data.strict, check=data.check,
                        workers=data.workers, progress=progress)


def _part(data: DataConfig, whole, split: str, division: AnyDivision = None):
    """Return the part of the training set that is the given split."""
    if not divides(data) and data.images is None:
        return whole
    if names_of(whole) is None:
        return _part_by_order(data, whole, split)
    if isinstance(division, EarlierDivision):
        part = _part_by_order(data, whole, split)
        held = len(part) if split == 'val' else len(whole) - len(part)
        if data.images is None and division.train_images != len(whole) - held:
            then = 'a number of' if division.train_images is None else f'{division.train_images:,}'
            raise ValueError(f'{division.source}: an earlier release trained it on {then} images, chosen by a rule '
                             f'that depends on all images of the folder. {data.dir} would now give '
                             f'{len(whole) - held:,}, so the training images cannot be determined. {division.advice}')
        say(f'{division.source}: an earlier release divided the folder by a rule that gives the same division only if '
            'no image was replaced, added or removed since then')
        return part
    if division is None:
        division = _divide(data, whole)
    elif division.changed(names_of(whole)):
        say(f'{data.dir}: the images have changed since the training divided them: {len(whole):,} now, '
            f'{division.images:,} then. No training image is used for validation, unless it was renamed')
    part = Subset(whole, division.indices(names_of(whole), whole.labels, split, data.images is None))
    if not len(part):
        raise ValueError(f'{data.dir}: none of its {len(whole):,} images belongs to {split}; give a folder that has '
                         f'them in {split}/')
    if divides(data):
        part.division = division
    return part


def _divide(data: DataConfig, whole) -> Optional[Division]:
    """Return the division of a set by its images' names, as in a new training; None if they have no names."""
    names = names_of(whole)
    if names is None:
        return None
    return divide(names, whole.labels, len(whole.class_names), _held(data, len(whole)), data.images)


def _held(data: DataConfig, count: int) -> int:
    """Return the number of validation images among `count`. Raises ValueError if too few are left."""
    share = divides(data) and not data.holdout
    held = max(1, round(data.val_share * count)) if share else data.holdout
    if held + (data.images or 1) > count:
        asked = f'data.val_share={data.val_share:g}' if share else f'data.holdout={held}'
        raise ValueError(f'{asked} and data.images={data.images}: the training set has {count} images; ask for fewer')
    return held


def _part_by_order(data: DataConfig, whole, split: str) -> Subset:
    """Return the part of the set by a shuffled order: for data sets in memory, which never change, and old runs."""
    holdout, order = _held(data, len(whole)), balanced_order(whole.labels)
    last = len(whole) if data.images is None else holdout + data.images
    return Subset(whole, order[:holdout] if split == 'val' else order[holdout:last])


def kept(data: DataConfig, dataset):
    """Return the data set for repeated reading: kept in memory if the configuration says so."""
    return cached(dataset, data.cache, data.cache_mb)


def train_transform(data: DataConfig, resolution: int, augment: AugmentConfig = AugmentConfig(),
                    in_channels: int = 3) -> TrainTransform:
    """Return the training preset at a resolution in pixels, with the augmentation of `augment`."""
    mean, std = per_channel(data, in_channels)
    fill = tuple(min(255, max(0, round(255 * m))) for m in mean) * (3 // in_channels)
    changes = RandAugment(augment.num_ops, augment.magnitude, augment.magnitude_std, augment.probability, fill)
    erase = RandomErasing(augment.erase, augment.erase_area, augment.erase_aspect, augment.erase_with == 'noise')
    return TrainTransform(resolution, mean, std, data.crop_area, data.crop_aspect, data.flip,
                          changes if augment.num_ops else None, erase if augment.erase else None)


def mixing(augment: AugmentConfig, num_classes: int, seed: int) -> Optional[Mixing]:
    """Return mixup and cutmix as configured, or None if both are off."""
    if not (augment.mixup or augment.cutmix):
        return None
    return Mixing(num_classes, seed, augment.mixup, augment.cutmix, augment.mix_switch, augment.mix_probability)


def per_channel(data: DataConfig, in_channels: int) -> Tuple[Channels, Channels]:
    """Return the mean and std of a network's input channels.

    For grey images, three numbers become one by the weights of luminance. Raises ValueError for one number and RGB.
    """
    values = []
    for key in ('mean', 'std'):
        numbers = getattr(data, key)
        if in_channels == 3 and len(numbers) == 1:
            raise ValueError(f'data.{key}={list(numbers)}: one number is for grey images; model.in_channels=3 needs 3 '
                             'numbers')
        if in_channels == 1 and len(numbers) == 3:
            numbers = (round(sum(weight * number for weight, number in zip(LUMINANCE, numbers)), 6),)
        values.append(tuple(numbers))
    return values[0], values[1]


def preprocessing(data: DataConfig, resolution: int, in_channels: int = 3) -> dict:
    """Return the evaluation preset for checkpoints and manifests."""
    mean, std = per_channel(data, in_channels)
    return {'resolution': resolution, 'crop_ratio': data.crop_ratio, 'interpolation': 'bicubic_antialiased',
            'mean': list(mean), 'deviation': list(std), 'channels': CHANNELS[in_channels], 'layout': 'NCHW'}


def eval_transform(preprocessing: dict) -> EvalTransform:
    """Return the evaluation transform of a checkpoint's or manifest's preset."""
    return EvalTransform(preprocessing['resolution'], preprocessing['crop_ratio'], preprocessing['mean'],
                         preprocessing['deviation'])
