"""Data sets and transforms as a configuration asks for them."""
from __future__ import annotations

import dataclasses
from typing import Callable, Optional, Sequence

from src.config import AugmentConfig, DataConfig
from src.data.augment import RandAugment, RandomErasing
from src.data.cached import cached
from src.data.classification import Subset, balanced_order, has_validation, load_dataset
from src.data.mixing import Mixing
from src.data.transforms import EvalTransform, TrainTransform


def whole_set(data: DataConfig, name: Optional[str] = None, folder: Optional[str] = None, **changes) -> DataConfig:
    """The configuration of a whole data set, whatever part of it a training or a study looked at.

    `name` is another data set than the configuration's, which lies in `folder`; `changes` replace other keys. A folder
    without val/ keeps the `holdout` of its training, or that training's images would be validated on.
    """
    folder = folder or (None if name else data.dir)
    divided = name in (None, data.name) and not has_validation(data.name, folder)
    return dataclasses.replace(data, name=name or data.name, dir=folder, holdout=data.holdout if divided else 0,
                               images=None, **changes)


def dataset(data: DataConfig, split: str, class_names: Optional[Sequence[str]] = None,
            progress: Optional[Callable[[int, int], None]] = None):
    """The 'train' or 'val' split that a configuration names, or the part of it that `images` and `holdout` leave.

    An image folder without val/ gives `val_share` of its images to it, the same ones at every call. Raises ValueError
    where more images are asked for than there are.
    """
    if split == 'val' and not _divides(data):
        return _load(data, 'val', class_names, progress)
    return _part(data, _load(data, 'train', class_names, progress), split)


def splits(data: DataConfig, progress: Optional[Callable[[int, int], None]] = None) -> tuple:
    """(train, val) as `dataset` gives them, val in the training set's classes; what both are part of is read once."""
    whole = _load(data, 'train', None, progress)
    val = _part(data, whole, 'val') if _divides(data) else _load(data, 'val', whole.class_names, progress)
    return _part(data, whole, 'train'), val


def _divides(data: DataConfig) -> bool:
    """Whether the validation set is a part of the training set."""
    return data.holdout > 0 or not has_validation(data.name, data.dir)


def _load(data: DataConfig, split: str, class_names: Optional[Sequence[str]],
          progress: Optional[Callable[[int, int], None]]):
    return load_dataset(data.name, split, data.dir, class_names=class_names, strict=data.strict, check=data.check,
                        workers=data.workers, progress=progress)


def _part(data: DataConfig, whole, split: str):
    """The part of the training set that a split is."""
    share = _divides(data) and not data.holdout
    holdout = max(1, round(data.val_share * len(whole))) if share else data.holdout
    if not holdout and data.images is None:
        return whole
    if holdout + (data.images or 1) > len(whole):
        asked = f'data.val_share={data.val_share:g}' if share else f'data.holdout={holdout}'
        raise ValueError(f'{asked} and data.images={data.images}: the training set has {len(whole)} images')
    order = balanced_order(whole.labels)
    last = len(whole) if data.images is None else holdout + data.images
    return Subset(whole, order[:holdout] if split == 'val' else order[holdout:last])


def kept(data: DataConfig, dataset):
    """The data set as a training reads it again and again: in memory where the configuration says so."""
    return cached(dataset, data.cache, data.cache_mb)


def train_transform(data: DataConfig, resolution: int, augment: AugmentConfig = AugmentConfig()) -> TrainTransform:
    """The training preset at a resolution in pixels, with the changes that `augment` turns on."""
    fill = tuple(min(255, max(0, round(255 * m))) for m in data.mean)
    changes = RandAugment(augment.layers, augment.magnitude, augment.magnitude_deviation, augment.probability, fill)
    erase = RandomErasing(augment.erase, augment.erase_area, augment.erase_aspect, augment.erase_with == 'noise')
    return TrainTransform(resolution, data.mean, data.deviation, data.crop_area, data.crop_aspect, data.flip,
                          changes if augment.layers else None, erase if augment.erase else None)


def mixing(augment: AugmentConfig, num_classes: int, seed: int) -> Optional[Mixing]:
    """Mixup and cutmix as configured, or None where both are off."""
    if not (augment.mixup or augment.cutmix):
        return None
    return Mixing(num_classes, seed, augment.mixup, augment.cutmix, augment.mix_switch, augment.mix_probability)


def preprocessing(data: DataConfig, resolution: int) -> dict:
    """The evaluation preset as it travels in checkpoints and manifests."""
    return {'resolution': resolution, 'crop_ratio': data.crop_ratio, 'interpolation': 'bicubic_antialiased',
            'mean': list(data.mean), 'deviation': list(data.deviation), 'channels': 'RGB', 'layout': 'NCHW'}


def eval_transform(preprocessing: dict) -> EvalTransform:
    """The evaluation preset of a checkpoint or manifest."""
    return EvalTransform(preprocessing['resolution'], preprocessing['crop_ratio'], preprocessing['mean'],
                         preprocessing['deviation'])
