"""Typed configuration: dataclasses <- YAML file (<- its `base`) <- `--set section.key=value`.

Every key, its type and its default stand here. Unknown keys and wrong types are errors that name file and key. The
resolved configuration is saved with every run.
"""
from __future__ import annotations

import dataclasses
import difflib
import os
import pathlib
import typing
from dataclasses import dataclass, field
from typing import Any, Iterable, Optional, Tuple

import yaml

from tinynets.files import user_path
from tinynets.parsing import parse_yaml, read_yaml
from tinynets.shipped import RECIPES, recipe
from tinynets.text import shorten, shown

MOST_BASES = 20  # of one another


Channels = typing.Union[Tuple[float, float, float], Tuple[float]]  # of RGB, or of grey images


@dataclass(frozen=True)
class ModelConfig:
    """The network: a name of src/tinynets/arch/zoo.py; `resolution` in pixels replaces the variant's own.

    `in_channels` 1 makes a network of grey images: every image becomes luminance, as Pillow's convert('L') computes it.

    `pretrained` is a file of weights to start from: a .ckpt, or timm's .safetensors or .pth.
    """
    name: str = 'tinynet_e'
    resolution: Optional[int] = None
    dropout: float = 0.2
    drop_path: float = 0.0
    pretrained: Optional[str] = None
    in_channels: int = 3


@dataclass(frozen=True)
class DataConfig:
    """The images: a name of src/tinynets/data/classification.py, and how they become tensors.

    `dir` is the data set's folder, `workers` the threads that prepare batches, `strict` fails a run on an image that
    cannot be decoded. `check` decodes every file once at the start (the outcome is remembered). `crop_ratio`, `mean`
    and `deviation` are the evaluation's; `crop_area`, `crop_aspect` and `flip` the random crop's and the flip's.
    `holdout` takes so many training images, evenly over the classes, in place of the validation set, which is then not
    looked at; `images` trains on so many of the others only. Where an image folder has no val/, `val_share` of its
    images, evenly over the classes and by their names, become the validation set. `fast_decode` decodes of a training
    JPEG only what its crop needs, at a half, a quarter or an eighth of the size where that suffices; false decodes it
    whole, by Pillow.
    Of grey images (model.in_channels 1) `mean` and `deviation` are one number each; of three, their luminance is taken.
    `cache` memory keeps decoded images (which are then whole), auto does so where they take no more than `cache_mb`
    megabytes, of the training and of the validation set each.
    """
    name: str = 'digits'
    dir: Optional[str] = None
    batch_size: int = 128
    workers: int = 2
    strict: bool = False
    check: bool = True
    crop_ratio: float = 0.875
    mean: Channels = (0.485, 0.456, 0.406)  # ImageNet's
    deviation: Channels = (0.229, 0.224, 0.225)
    crop_area: Tuple[float, float] = (0.08, 1.0)
    crop_aspect: Tuple[float, float] = (0.75, 4 / 3)
    flip: float = 0.5
    images: Optional[int] = None
    holdout: int = 0
    val_share: float = 0.2
    fast_decode: bool = True
    cache: str = 'auto'
    cache_mb: int = 512


@dataclass(frozen=True)
class AugmentConfig:
    """What else changes training images (src/tinynets/data/augment.py, mixing.py); all off by default.

    RandAugment: `layers` operations an image (0: off), each run with `probability`, at a magnitude of 0 to 10, normal
    around `magnitude` with `magnitude_deviation`. Random erasing: `erase` is its chance, `erase_area` and
    `erase_aspect` the rectangle's, `erase_with` noise or mean what fills it. `mixup` and `cutmix` are the alphas of
    their Beta distributions (0: off), `mix_switch` is the chance of cutmix where both are on, `mix_probability` a
    batch's of being mixed.
    """
    layers: int = 0
    magnitude: float = 9.0
    magnitude_deviation: float = 0.5
    probability: float = 0.5
    erase: float = 0.0
    erase_area: Tuple[float, float] = (0.02, 1 / 3)
    erase_aspect: Tuple[float, float] = (0.3, 3.3)
    erase_with: str = 'noise'
    mixup: float = 0.0
    cutmix: float = 0.0
    mix_switch: float = 0.5
    mix_probability: float = 1.0


@dataclass(frozen=True)
class OptimConfig:
    """Optimizer and schedule; the defaults are the published recipe (learning rate for batch 128 a device).

    `learning_rate` is for a total batch (of all devices and micro-batches) of `scale_batch` images and is scaled in
    proportion (Goyal et al., 2017, arXiv:1706.02677); null takes it as it is.
    `name` and `schedule` are those of src/tinynets/training/optim.py and schedule.py; `epsilon` null is the optimizer's own
    (rmsprop 1e-3, adamw 1e-8); `rms_decay` is rmsprop's, `momentum` rmsprop's and sgd's, `nesterov` sgd's.
    """
    name: str = 'rmsprop'
    learning_rate: float = 0.048
    schedule: str = 'exponential'
    warmup_epochs: float = 3.0
    warmup_start: float = 1e-6
    decay_rate: float = 0.97
    decay_epochs: float = 2.4
    final_learning_rate: float = 0.0
    weight_decay: float = 1e-5
    momentum: float = 0.9
    rms_decay: float = 0.9
    epsilon: Optional[float] = None
    nesterov: bool = False
    clip_norm: float = 0.0
    scale_batch: Optional[int] = None


@dataclass(frozen=True)
class TrainConfig:
    """The run: `ema_decay` 0 turns the weight average off; a checkpoint is saved every `save_minutes` and each epoch.

    `patience` ends a run whose top-1 has not risen for so many epochs (0: never); `chance_epochs` stops one that after
    so many has not come above guessing the most frequent class (0: never). Neither does before 100 updates.

    A step is one update by `accumulate` micro-batches of data.batch_size, run one after another. `teacher` is the
    checkpoint of a network to learn from: `distill_weight` is its share of the loss, `distill_temperature` softens both
    (src/tinynets/training/distill.py). `loss_scale` is the first of a dynamic loss scale that doubles after `loss_scale_window`
    good steps; null: 65536 where runtime.amp computes in float16, else none (src/tinynets/training/precision.py).
    """
    epochs: int = 450
    seed: int = 0
    label_smoothing: float = 0.1
    ema_decay: float = 0.9999
    eval_every: int = 1
    save_minutes: float = 10.0
    patience: int = 0
    chance_epochs: int = 0
    sink: bool = True
    accumulate: int = 1
    teacher: Optional[str] = None
    distill_weight: float = 0.5
    distill_temperature: float = 2.0
    loss_scale: Optional[float] = None
    loss_scale_window: int = 2000


@dataclass(frozen=True)
class RuntimeConfig:
    """Where it runs: device CPU, Ascend, GPU or auto; mode graph or pynative; `threads` 0: the framework's choice, and
    for the CPU kernels OMP_NUM_THREADS or all processors.

    `kernels` auto takes the CPU operators of src/tinynets/native where they can be compiled, stock the framework's own.
    `amp` is mindspore.amp's level of mixed precision in training: O0 all float32, O2 all but the norms in `amp_type`
    (float16 or bfloat16), O3 everything in float16, auto by its lists of operators. Weights and updates stay float32.
    `jit_level` is how graphs are compiled: O0 operator by operator, O1 with operators fused, O2 by the graph engine of
    an Ascend; auto is O1 on an Ascend and O0 elsewhere.
    """
    device: str = 'auto'
    device_id: int = 0
    mode: str = 'graph'
    threads: int = 0
    kernels: str = 'auto'
    amp: str = 'O0'
    amp_type: str = 'float16'
    jit_level: str = 'auto'


@dataclass(frozen=True)
class Config:
    """Everything a training run is made from."""
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)


_MOST = 10 ** 9  # larger counts are typing mistakes

PATHS = (('model', 'pretrained'), ('data', 'dir'), ('train', 'teacher'), ('study', 'formula'))  # keys that hold one

# key -> (holds, what is allowed); whatever a type cannot say
_RANGES = {
    'data.batch_size': (lambda v: 1 <= v <= 2 ** 20, 'at least 1, at most 2^20'),
    'data.workers': (lambda v: 1 <= v <= 256, '1 to 256'),
    'data.crop_ratio': (lambda v: 0.1 <= v <= 1, '0.1 to 1'),
    'data.mean': (lambda v: all(-10 <= m <= 10 for m in v), 'numbers of -10 to 10: pixel values are from 0 to 1'),
    'data.deviation': (lambda v: all(1e-3 <= s <= 10 for s in v),
                       'positive numbers of 0.001 to 10: pixel values are from 0 to 1'),
    'data.crop_area': (lambda v: 0 < v[0] <= v[1] <= 1, 'two increasing numbers above 0, at most 1'),
    'data.crop_aspect': (lambda v: 0 < v[0] <= v[1], 'two increasing positive numbers'),
    'data.flip': (lambda v: 0 <= v <= 1, '0 to 1'),
    'data.images': (lambda v: v is None or 1 <= v <= _MOST, 'at least 1, at most 10^9'),
    'data.cache': (lambda v: v in ('auto', 'memory', 'off'), 'auto, memory or off'),
    'data.cache_mb': (lambda v: 1 <= v <= _MOST, 'at least 1, at most 10^9'),
    'data.holdout': (lambda v: 0 <= v <= _MOST, 'at least 0, at most 10^9 (0: the validation set itself)'),
    'data.val_share': (lambda v: 0 < v < 1, 'above 0, below 1'),
    'augment.layers': (lambda v: 0 <= v <= 15, '0 to 15 (0: no RandAugment)'),
    'augment.magnitude': (lambda v: 0 <= v <= 10, '0 to 10'),
    'augment.magnitude_deviation': (lambda v: v >= 0, 'at least 0'),
    'augment.probability': (lambda v: 0 <= v <= 1, '0 to 1'),
    'augment.erase': (lambda v: 0 <= v <= 1, '0 to 1 (0: no erasing)'),
    'augment.erase_area': (lambda v: 0 < v[0] <= v[1] <= 1, 'two increasing numbers above 0, at most 1'),
    'augment.erase_aspect': (lambda v: 0 < v[0] <= v[1], 'two increasing positive numbers'),
    'augment.erase_with': (lambda v: v in ('noise', 'mean'), 'noise or mean'),
    'augment.mixup': (lambda v: v == 0 or v >= 0.01, '0 (no mixup), or at least 0.01'),
    'augment.cutmix': (lambda v: v == 0 or v >= 0.01, '0 (no cutmix), or at least 0.01'),
    'augment.mix_switch': (lambda v: 0 <= v <= 1, '0 to 1'),
    'augment.mix_probability': (lambda v: 0 <= v <= 1, '0 to 1'),
    'model.resolution': (lambda v: v is None or 1 <= v <= 4096, 'at least 1 pixel, at most 4096'),
    'model.in_channels': (lambda v: v in (1, 3), '3, or 1 for grey images'),
    'model.dropout': (lambda v: 0 <= v < 1, 'at least 0, below 1'),
    'model.drop_path': (lambda v: 0 <= v < 1, 'at least 0, below 1'),
    'optim.learning_rate': (lambda v: v > 0, 'above 0'),
    'optim.warmup_start': (lambda v: v >= 0, 'at least 0'),
    'optim.final_learning_rate': (lambda v: v >= 0, 'at least 0'),
    'optim.decay_rate': (lambda v: 0 < v <= 1, 'above 0, at most 1'),
    'optim.momentum': (lambda v: 0 <= v < 1, 'at least 0, below 1'),
    'optim.rms_decay': (lambda v: 0 <= v < 1, 'at least 0, below 1'),
    'optim.warmup_epochs': (lambda v: v >= 0, 'at least 0'),
    'optim.decay_epochs': (lambda v: v > 0, 'above 0'),
    'optim.epsilon': (lambda v: v is None or v > 0, "above 0, or null for the optimizer's own"),
    'optim.weight_decay': (lambda v: v >= 0, 'at least 0'),
    'optim.clip_norm': (lambda v: v >= 0, 'at least 0 (0: no clipping)'),
    'optim.scale_batch': (lambda v: v is None or 1 <= v <= _MOST,
                          'at least 1, at most 10^9, or null for the learning rate as it is'),
    'train.accumulate': (lambda v: 1 <= v <= 64, '1 to 64'),
    'train.distill_weight': (lambda v: 0 <= v <= 1, '0 to 1'),
    'train.distill_temperature': (lambda v: v > 0, 'above 0'),
    'train.loss_scale': (lambda v: v is None or 1 <= v <= 1e38, "1 to 1e38, or null for runtime.amp's"),  # float32
    'train.loss_scale_window': (lambda v: 1 <= v < 2**31, '1 to 2^31 - 1'),
    'train.epochs': (lambda v: 1 <= v <= 100_000, 'at least 1, at most 100,000'),
    'train.seed': (lambda v: 0 <= v < 2**32, '0 to 2^32 - 1'),
    'train.eval_every': (lambda v: 1 <= v <= _MOST, 'at least 1, at most 10^9'),
    'train.label_smoothing': (lambda v: 0 <= v < 1, 'at least 0, below 1'),
    'train.ema_decay': (lambda v: 0 <= v < 1, 'at least 0, below 1 (0: no average)'),
    'train.save_minutes': (lambda v: v > 0, 'above 0'),
    'train.patience': (lambda v: 0 <= v <= _MOST, 'at least 0, at most 10^9 epochs (0: no early stop)'),
    'train.chance_epochs': (lambda v: 0 <= v <= _MOST, 'at least 0, at most 10^9 epochs (0: not looked at)'),
    'runtime.device': (lambda v: v in ('auto', 'CPU', 'Ascend', 'GPU'), 'auto, CPU, Ascend or GPU'),
    'runtime.mode': (lambda v: v in ('graph', 'pynative'), 'graph or pynative'),
    'runtime.device_id': (lambda v: 0 <= v <= 4095, 'at least 0, at most 4095'),
    'runtime.kernels': (lambda v: v in ('auto', 'stock'), 'auto or stock'),
    'runtime.amp': (lambda v: v in ('O0', 'O2', 'O3', 'auto'), 'O0, O2, O3 or auto'),
    'runtime.amp_type': (lambda v: v in ('float16', 'bfloat16'), 'float16 or bfloat16'),
    'runtime.jit_level': (lambda v: v in ('auto', 'O0', 'O1', 'O2'), 'auto, O0, O1 or O2'),
    'runtime.threads': (lambda v: 0 <= v <= 1024, "at least 0, at most 1024 (0: the framework's choice)"),
}


def load_config(path: Optional[str] = None, overrides: Iterable[str] = (), kind: type = Config) -> Config:
    """Return the configuration of a YAML file (or the defaults) with `section.key=value` overrides, checked.

    `kind` is Config or a subclass with more sections; a section with `RANGES` of its own is checked by them too. A file
    may say `base: other.yaml`, a path from its own folder: its keys then replace those of the other file. Other paths
    are taken from the current folder, and come back whole.

    Raises FileNotFoundError for a missing file and ValueError, naming file and key, for YAML that does not parse, an
    unknown section or key, a wrong type, a value out of range or files that are each other's base.
    """
    source = 'configuration' if path is None else str(path)
    config = _build(kind, {} if path is None else _read(recipe(path), kind), source, '')
    replaced = set()
    for item in overrides:
        key, equals, text = item.partition('=')
        if not equals:
            raise ValueError(f"--set {shorten(item)}: must be section.key=value, for example --set train.epochs=10")
        try:
            value = parse_yaml(text)
        except ValueError as error:
            raise ValueError(f'--set {shorten(item)}: the value is {error}') from None
        config = _override(config, key.strip(), value)
        replaced.add(key.strip())
    _check_ranges(config, source, replaced)
    return _placed(config)


def _placed(config: Config) -> Config:
    """The configuration with whole paths: a relative one is where the user is, `~` the home folder.

    So a run that is resumed from another folder, and a trial in its own, find the same files.
    """
    for section, name in PATHS:
        keys = getattr(config, section, None)
        path = getattr(keys, name, None)
        if path:
            config = dataclasses.replace(config, **{section: dataclasses.replace(
                keys, **{name: os.path.abspath(user_path(path))})})
    return config


def to_dict(config: Any) -> dict:
    """Plain dictionaries and lists, as YAML and JSON take them."""
    return {f.name: to_dict(v) if dataclasses.is_dataclass(v) else list(v) if isinstance(v, tuple) else v
            for f in dataclasses.fields(config) for v in [getattr(config, f.name)]}


def from_dict(tree: dict, source: str, kind: type = Config) -> Config:
    """The configuration of a dictionary, checked as `load_config` checks; `source` names it in errors."""
    config = _build(kind, tree, source, '')
    _check_ranges(config, source)
    return config


def to_yaml(config: Config) -> str:
    """The configuration as YAML text, every key written out."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, default_flow_style=None)


def _read(path: pathlib.Path, kind: type, above: Tuple[pathlib.Path, ...] = ()) -> dict:
    """The sections of a YAML file over those of its base, each file checked under its own name."""
    if not path.is_file():
        asked = f' (the base of {above[-1]})' if above else ''
        raise FileNotFoundError(f'configuration {path}{asked}: no such file; the recipes are in {RECIPES}')
    if len(above) == MOST_BASES:
        raise ValueError(f'{path}: the last of {MOST_BASES} bases of one another; write fewer files')
    if path.resolve() in [file.resolve() for file in above]:
        raise ValueError(f'{above[-1]}: base {path.name} has this file among its own bases')
    tree = read_yaml(path)
    base = tree.pop('base', None) if isinstance(tree, dict) else None
    tree = {} if tree is None else tree
    _build(kind, tree, str(path), '')
    tree = {section: keys or {} for section, keys in tree.items()}
    if base is None:
        return tree
    if not isinstance(base, str):
        raise ValueError(f'{path}: base={shown(base)} must be the path of another YAML file')
    below = _read(path.parent / user_path(base), kind, (*above, path))
    return {section: {**below.get(section, {}), **tree.get(section, {})} for section in {**below, **tree}}


_TRUTH = {'yes': True, 'on': True, 'no': False, 'off': False}  # YAML 1.1's other words for true and false


def _override(config: Config, key: str, value: Any) -> Config:
    section, _, name = key.partition('.')
    tree = {section: {name: value}} if name else {section: value}
    _build(type(config), tree, '--set', '')  # reports unknown names and wrong types
    if not name:
        raise ValueError(f'--set {shorten(key)}: names a section; give section.key=value')
    old = getattr(config, section)
    converted = getattr(_build(type(old), {name: value}, '--set', section + '.'), name)
    return dataclasses.replace(config, **{section: dataclasses.replace(old, **{name: converted})})


def _build(kind: type, tree: Any, source: str, prefix: str) -> Any:
    if not isinstance(tree, dict):
        raise ValueError(f'{source}: {prefix.rstrip(".") or "the file"} must hold key: value pairs, not {shown(tree)}')
    types = typing.get_type_hints(kind)
    values = {}
    for key, value in tree.items():
        if key not in types:
            key = shorten(str(key))
            close = difflib.get_close_matches(key, types, n=1)
            hint = f'; did you mean {prefix}{close[0]}?' if close else '.'
            raise ValueError(f"{source}: unknown key '{prefix}{key}'{hint} Known here: {', '.join(types)}")
        if dataclasses.is_dataclass(types[key]):
            values[key] = _build(types[key], value if value is not None else {}, source, f'{prefix}{key}.')
        else:
            values[key] = _convert(types[key], value, source, prefix + key)
    return kind(**values)


def _convert(kind: Any, value: Any, source: str, key: str) -> Any:
    arguments = typing.get_args(kind)
    if type(None) in arguments:
        return None if value is None else _convert(arguments[0], value, source, key)
    if typing.get_origin(kind) is typing.Union:  # lists of several lengths: the one that fits, else the first
        length = len(value) if isinstance(value, (list, tuple)) else 0
        kind = next((k for k in arguments if len(typing.get_args(k)) == length), arguments[0])
        arguments = typing.get_args(kind)
    if typing.get_origin(kind) is tuple and arguments[-1] is Ellipsis:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f'{source}: {key}={shown(value)} must be a list')
        return tuple(_convert(arguments[0], v, source, key) for v in value)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, (list, tuple)) or len(value) != len(arguments):
            raise ValueError(f'{source}: {key}={shown(value)} must be a list of {len(arguments)} numbers')
        return tuple(_convert(a, v, source, key) for a, v in zip(arguments, value))
    if kind is float and isinstance(value, str):  # YAML 1.1 reads 1e-5 as text
        try:
            value = float(value)
        except ValueError:
            pass
    if kind is bool and isinstance(value, str):
        value = _TRUTH.get(value.lower(), value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 1e300 else float('inf')
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        names = {str: 'text', int: 'a whole number', float: 'a number', bool: 'true or false'}
        raise ValueError(f'{source}: {key}={shown(value)} must be {names[kind]}')
    if kind is float and not abs(value) < float('inf'):
        raise ValueError(f'{source}: {key}={shown(value)} must be a finite number')
    return value


def _check_ranges(config: Config, source: str, replaced: Iterable[str] = ()) -> None:
    ranges = dict(_RANGES)
    for section in dataclasses.fields(config):
        for name, rule in getattr(getattr(config, section.name), 'RANGES', {}).items():
            ranges[f'{section.name}.{name}'] = rule
    for key, (holds, allowed) in ranges.items():
        section, name = key.split('.')
        value = getattr(getattr(config, section), name)
        if not holds(value):
            raise ValueError(f"{'--set' if key in replaced else source}: {key}={shown(value)} must be {allowed}")
