"""Typed configuration: dataclasses <- YAML file (<- its `base`) <- `--set section.key=value`.

Every key with its type, default, help, range and whether a resumed run may change it is a field here. Unknown keys and
wrong types are errors that name file and key. The resolved configuration is saved with every run.
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

from tinynets import settings
from tinynets.files import user_path
from tinynets.parsing import parse_yaml, read_yaml
from tinynets.settings import Rule, above, at_least, increasing, one_of, renamed, rules, setting, within
from tinynets.shipped import RECIPES, recipe
from tinynets.text import say_once, shorten, shown

MOST_BASES = 20  # in a chain
_MOST = 10 ** 9  # larger counts are typing mistakes


Channels = typing.Union[Tuple[float, float, float], Tuple[float]]  # for RGB or grey images


@dataclass(frozen=True)
class ModelConfig:
    """The network."""
    name: str = setting(
        'tinynet_e', 'Name of the network, as `summary.py --list` prints them, or a scaling such as `ghostnet@r=0.8`.')
    resolution: Optional[int] = setting(
        None, "Side of the input images in pixels; null takes the network's own.",
        Rule(at_least(1, at_most=4096).holds, 'at least 1 pixel, at most 4096'))
    dropout: float = setting(0.2, 'Share of the features dropped before the classifier.', at_least(0, below=1))
    drop_path: float = setting(
        0.0, 'Probability per image that a residual branch is dropped (stochastic depth); block i of n has i/n of it.',
        at_least(0, below=1))
    pretrained: Optional[str] = setting(
        None, "File of weights to start from: a .ckpt, or timm's .safetensors or .pth.")
    task: str = setting('classification', 'What the network is trained for: a name of `tinynets.tasks.TASKS`.')
    in_channels: int = setting(
        3, "Channels of the images: 3 for RGB; 1 for luminance, as Pillow's convert('L') computes it.",
        Rule(lambda v: v in (1, 3), '3, or 1 for grey images'))


@dataclass(frozen=True)
class DataConfig:
    """The images, and how they become tensors.

    For grey images (model.in_channels 1) `mean` and `std` are one number each; three numbers become their luminance.
    """
    name: str = setting(
        'digits', 'Data set: digits, fashion_mnist, image_folder or mindrecord.')
    dir: Optional[str] = setting(None, 'Folder of the data set.', resumable=True)
    batch_size: int = setting(128, 'Images per micro-batch on each device.', at_least(1, at_most=2 ** 20))
    workers: int = setting(2, 'Threads that prepare batches.', within(1, 256), resumable=True)
    strict: bool = setting(
        False, 'Whether an image that cannot be decoded ends the run instead of being left out.', resumable=True)
    check: bool = setting(
        True, 'Whether every file is decoded once at the start to find damaged ones; the result is remembered.',
        resumable=True)
    crop_ratio: float = setting(
        0.875, 'Share of each side that the central crop in evaluation keeps.', within(0.1, 1))
    mean: Channels = setting(
        (0.485, 0.456, 0.406), "Mean of each channel, subtracted from pixels of 0 to 1; the default is ImageNet's.",
        Rule(lambda v: all(-10 <= m <= 10 for m in v), 'numbers of -10 to 10: pixel values are from 0 to 1'))
    std: Channels = setting(
        (0.229, 0.224, 0.225), 'Standard deviation of each channel, by which the difference from the mean is divided.',
        Rule(lambda v: all(1e-3 <= s <= 10 for s in v),
             'positive numbers of 0.001 to 10: pixel values are from 0 to 1'), formerly='deviation')
    crop_area: Tuple[float, float] = setting(
        (0.08, 1.0), "Smallest and largest share of an image's area that the random crop of training takes.",
        Rule(increasing(at_most=1), 'two increasing numbers above 0, at most 1'))
    crop_aspect: Tuple[float, float] = setting(
        (0.75, 4 / 3), 'Smallest and largest ratio of width to height of the random crop.',
        Rule(increasing(), 'two increasing positive numbers'))
    flip: float = setting(0.5, 'Probability that a training image is mirrored left to right.', within(0, 1))
    images: Optional[int] = setting(
        None, 'Number of training images to use; null uses all.', at_least(1, at_most=_MOST))
    holdout: int = setting(
        0, 'Number of training images, spread evenly over the classes, that are set aside to evaluate on; the '
           'validation set is then not read.', at_least(0, at_most=_MOST, also=' (0: the validation set itself)'))
    val_share: float = setting(
        0.2, 'Share of the images of a folder without val/ that becomes its validation set, spread evenly over the '
             'classes and chosen by their names.', above(0, below=1))
    fast_decode: bool = setting(
        True, 'Whether only the crop of a training JPEG is decoded, at 1/2, 1/4 or 1/8 of the size if that is enough; '
              'false decodes the whole image with Pillow.')
    cache: str = setting(
        'auto', 'Whether whole decoded images are kept in memory: memory always, auto if they fit into `cache_mb`, off '
                'never.', one_of('auto', 'memory', 'off'))
    cache_mb: int = setting(
        512, 'Largest cache of decoded images in megabytes, one for the training and one for the validation set.',
        at_least(1, at_most=_MOST))


@dataclass(frozen=True)
class AugmentConfig:
    """Further changes of training images: RandAugment, random erasing, mixup and cutmix; all off by default."""
    num_ops: int = setting(
        0, 'RandAugment: operations per image.', within(0, 15, also=' (0: no RandAugment)'), formerly='layers')
    magnitude: float = setting(9.0, 'RandAugment: mean magnitude of an operation.', within(0, 10))
    magnitude_std: float = setting(
        0.5, 'RandAugment: standard deviation of the magnitude, which is clipped to 0 to 10.', at_least(0),
        formerly='magnitude_deviation')
    probability: float = setting(0.5, 'RandAugment: probability that a chosen operation is applied.', within(0, 1))
    erase: float = setting(
        0.0, 'Random erasing: probability per image.', within(0, 1, also=' (0: no erasing)'))
    erase_area: Tuple[float, float] = setting(
        (0.02, 1 / 3), "Random erasing: smallest and largest share of the image's area that is erased.",
        Rule(increasing(at_most=1), 'two increasing numbers above 0, at most 1'))
    erase_aspect: Tuple[float, float] = setting(
        (0.3, 3.3), 'Random erasing: smallest and largest aspect ratio of the rectangle.',
        Rule(increasing(), 'two increasing positive numbers'))
    erase_with: str = setting('noise', 'Random erasing: what fills the rectangle.', one_of('noise', 'mean'))
    mixup: float = setting(
        0.0, 'mixup: alpha of its Beta(alpha, alpha) distribution.',
        Rule(lambda v: v == 0 or v >= 0.01, '0 (no mixup), or at least 0.01'))
    cutmix: float = setting(
        0.0, 'cutmix: alpha of its Beta(alpha, alpha) distribution.',
        Rule(lambda v: v == 0 or v >= 0.01, '0 (no cutmix), or at least 0.01'))
    mix_switch: float = setting(0.5, 'Probability of cutmix if mixup and cutmix are both on.', within(0, 1))
    mix_probability: float = setting(1.0, 'Probability that a batch is mixed.', within(0, 1))


@dataclass(frozen=True)
class OptimConfig:
    """Optimizer and schedule; the defaults are the published recipe (learning rate for batch 128 per device)."""
    name: str = setting('rmsprop', 'Optimizer: rmsprop, sgd or adamw.')
    learning_rate: float = setting(
        0.048, 'Learning rate after the warm-up; see `scale_batch`.', above(0))
    schedule: str = setting('exponential', 'Schedule of the learning rate: exponential, cosine or constant.')
    warmup_epochs: float = setting(3.0, 'Epochs in which the learning rate rises linearly.', at_least(0))
    warmup_start: float = setting(1e-6, 'Learning rate at the first step of the warm-up.', at_least(0))
    decay_rate: float = setting(
        0.97, 'Exponential schedule: factor on the learning rate every `decay_epochs`.', above(0, at_most=1))
    decay_epochs: float = setting(2.4, 'Exponential schedule: epochs from one decay to the next.', above(0))
    final_learning_rate: float = setting(0.0, 'Cosine schedule: learning rate at the end.', at_least(0))
    weight_decay: float = setting(
        1e-5, 'Weight decay of the weights of convolutions and dense layers.', at_least(0))
    momentum: float = setting(0.9, 'Momentum of rmsprop and sgd.', at_least(0, below=1))
    rms_decay: float = setting(0.9, 'rmsprop: decay of the mean of squared gradients per step.', at_least(0, below=1))
    epsilon: Optional[float] = setting(
        None, 'Added to the denominator of an update; null: 1e-3 for rmsprop, 1e-8 for adamw.',
        above(0, also=", or null for the optimizer's own"))
    nesterov: bool = setting(False, 'sgd: whether to use Nesterov momentum.')
    clip_norm: float = setting(
        0.0, 'Largest global norm of the gradients; larger gradients are scaled down to it.',
        at_least(0, also=' (0: no clipping)'))
    scale_batch: Optional[int] = setting(
        None, 'Total batch, over all devices and micro-batches, for which `learning_rate` is given; it is scaled in '
              'proportion to the actual one (Goyal et al., 2017, arXiv:1706.02677), and not scaled if null.',
        at_least(1, at_most=_MOST, also=', or null not to scale it'))


@dataclass(frozen=True)
class TrainConfig:
    """The run. A step is one update by `accumulate` micro-batches of data.batch_size, run one after another."""
    epochs: int = setting(450, 'Epochs to train.', at_least(1, at_most=100_000))
    seed: int = setting(0, 'Seed of the weights, the order of the images and their augmentation.',
                        within(0, 2 ** 32 - 1))
    label_smoothing: float = setting(0.1, 'Share of the target spread evenly over all classes.', at_least(0, below=1))
    ema_decay: float = setting(
        0.9999, 'Decay of the moving average of the weights per step; the average is evaluated and exported.',
        at_least(0, below=1, also=' (0: no average)'))
    eval_every: int = setting(1, 'Epochs from one evaluation to the next.', at_least(1, at_most=_MOST))
    save_minutes: float = setting(
        10.0, 'Minutes from one checkpoint to the next; one is also saved at the end of each epoch.', above(0),
        resumable=True)
    patience: int = setting(
        0, 'Epochs without a better top-1 after which the run ends, but not before 100 updates.',
        at_least(0, at_most=_MOST, also=' epochs (0: no early stop)'), resumable=True)
    chance_epochs: int = setting(
        0, 'Epochs after which a run ends if it does not beat guessing the most frequent class, but not before 100 '
           'updates.',
        at_least(0, at_most=_MOST, also=' epochs (0: not checked)'), resumable=True)
    sink: bool = setting(
        True, 'Whether several steps run in one call of the compiled graph, if the device supports it.',
        resumable=True)
    accumulate: int = setting(1, 'Micro-batches per update.', within(1, 64))
    teacher: Optional[str] = setting(
        None, 'Checkpoint of a network to learn from (distillation); a resumed run needs the same file, at any path.',
        resumable=True)
    distill_weight: float = setting(
        0.5, 'Weight of the distillation loss; the loss on the labels has 1 minus this weight.', within(0, 1))
    distill_temperature: float = setting(
        2.0, 'Temperature that softens the logits of teacher and network.', above(0))
    loss_scale: Optional[float] = setting(
        None, 'Initial dynamic loss scale; null: 65536 if runtime.amp computes in float16, otherwise none.',
        within(1, 1e38, also=", or null for runtime.amp's"))  # float32's largest is 3.4e38
    loss_scale_window: int = setting(
        2000, 'Steps without an overflow after which the loss scale doubles.', within(1, 2 ** 31 - 1))


@dataclass(frozen=True)
class RuntimeConfig:
    """The device, and how networks run on it."""
    device: str = setting(
        'auto', 'Device; auto is Ascend if MindSpore finds one, otherwise CPU; a GPU must be named explicitly.',
        one_of('auto', 'CPU', 'Ascend', 'GPU'), resumable=True)
    device_id: int = setting(0, 'Number of the device on this machine.', at_least(0, at_most=4095), resumable=True)
    mode: str = setting(
        'graph', 'Whether networks are compiled (graph) or run operator by operator (pynative).',
        one_of('graph', 'pynative'), resumable=True)
    threads: int = setting(
        0, "Threads of operators on a CPU; 0: the framework's choice, for the package's operators OMP_NUM_THREADS or "
           'all processors.', at_least(0, at_most=1024, also=" (0: the framework's choice)"), resumable=True)
    kernels: str = setting(
        'auto', "CPU operators: auto uses the package's C++ operators if they can be compiled, stock the framework's.",
        one_of('auto', 'stock'), resumable=True)
    amp: str = setting(
        'O0', 'Level of mixed precision in training, as in mindspore.amp: O0 float32, O2 `amp_type` except for norms, '
              'O3 float16 for everything, auto by lists of operators; weights and updates stay float32.',
        one_of('O0', 'O2', 'O3', 'auto'))
    amp_type: str = setting('float16', 'Type of mixed precision.', one_of('float16', 'bfloat16'))
    jit_level: str = setting(
        'auto', 'How graphs are compiled: O0 operator by operator, O1 with fused operators, O2 by the graph engine of '
                'an Ascend; auto is O1 on an Ascend and O0 elsewhere.',
        one_of('auto', 'O0', 'O1', 'O2'), resumable=True)


@dataclass(frozen=True)
class Config:
    """The configuration of a training run."""
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)


PATHS = (('model', 'pretrained'), ('data', 'dir'), ('train', 'teacher'), ('study', 'formula'))  # keys that hold one


def changeable(kind: type = Config) -> typing.Set[str]:
    """Return the names (`section.key`) of the keys that a resumed run may change."""
    return settings.changeable(kind)


def load_config(path: Optional[str] = None, overrides: Iterable[str] = (), kind: type = Config,
                saved: bool = False) -> Config:
    """Return the configuration of a YAML file (or the defaults) with `section.key=value` overrides, checked.

    `kind` is Config or a subclass with more sections. A file may name another one as `base: other.yaml`, relative to
    its folder; its keys replace the keys of the base. Other paths are taken from the current folder, and come back
    absolute. A key may have its name of an earlier release; a warning says so once, unless the file was `saved` by a
    run.

    Raises FileNotFoundError for a missing file and ValueError, naming file and key, for YAML that does not parse, an
    unknown section or key, a key under both its names, a wrong type, a value out of range or files that are each
    other's base.
    """
    source = 'configuration' if path is None else str(path)
    config = _build(kind, {} if path is None else _read(recipe(path), kind, saved), source, '')
    replaced = set()
    for item in overrides:
        key, equals, text = item.partition('=')
        if not equals:
            raise ValueError(f"--set {shorten(item)}: must be section.key=value, for example --set train.epochs=10")
        try:
            value = parse_yaml(text)
        except ValueError as error:
            raise ValueError(f'--set {shorten(item)}: the value is {error}') from None
        name = renamed(kind).get(key.strip(), key.strip())
        if name != key.strip():
            _warn(key.strip(), name)
        config = _override(config, name, value)
        replaced.add(name)
    _check_ranges(config, source, replaced)
    return _placed(config)


def _placed(config: Config) -> Config:
    """Return the configuration with absolute paths, relative to the current folder, with `~` as the home folder.

    A run that is resumed from another folder then finds the same files, and so does a trial.
    """
    for section, name in PATHS:
        keys: Any = getattr(config, section, None)
        path = getattr(keys, name, None)
        if path:
            placed: Any = {section: dataclasses.replace(keys, **{name: os.path.abspath(user_path(path))})}
            config = dataclasses.replace(config, **placed)
    return config


def to_dict(config: Any) -> dict:
    """Return the configuration as plain dictionaries and lists, for YAML and JSON."""
    return {f.name: to_dict(v) if dataclasses.is_dataclass(v) else list(v) if isinstance(v, tuple) else v
            for f in dataclasses.fields(config) for v in [getattr(config, f.name)]}


def from_dict(tree: dict, source: str, kind: type = Config) -> Config:
    """Return the configuration of a dictionary, checked as by `load_config`; `source` names it in errors."""
    config = _build(kind, _present_names(tree, source, kind), source, '')
    _check_ranges(config, source)
    return config


def to_yaml(config: Config) -> str:
    """Return the configuration as YAML text with every key."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, default_flow_style=None)


def _present_names(tree: Any, source: str, kind: type = Config, warn: bool = False) -> Any:
    """Return the sections of a file with every key under its present name, not of an earlier release.

    Raises ValueError, naming `source`, for a key that is given under both. `warn`: say once that a name is old.
    """
    for old, new in renamed(kind).items():
        section, name, present = *old.split('.'), new.partition('.')[2]
        keys = tree.get(section) if isinstance(tree, dict) else None
        if not isinstance(keys, dict) or name not in keys:
            continue
        if present in keys:
            raise ValueError(f'{source}: {old} is the earlier name of {new}; give only {new}')
        if warn:
            _warn(old, new)
        tree = {**tree, section: {present if key == name else key: value for key, value in keys.items()}}
    return tree


def _warn(old: str, new: str) -> None:
    say_once(f'warning: `{old}` is now `{new}`; the earlier name still works')


def _read(path: pathlib.Path, kind: type, saved: bool, above: Tuple[pathlib.Path, ...] = ()) -> dict:
    """Return the sections of a YAML file merged into its base's; an error names the file that it is in."""
    if not path.is_file():
        asked = f' (the base of {above[-1]})' if above else ''
        raise FileNotFoundError(f'configuration {path}{asked}: no such file; the recipes are in {RECIPES}')
    if len(above) == MOST_BASES:
        raise ValueError(f'{path}: more than {MOST_BASES} files in a chain of bases; use fewer')
    if path.resolve() in [file.resolve() for file in above]:
        raise ValueError(f'{above[-1]}: base={path.name} leads back to this file; remove one of the bases')
    tree = read_yaml(path)
    base = tree.pop('base', None) if isinstance(tree, dict) else None
    tree = _present_names({} if tree is None else tree, str(path), kind, warn=not saved)
    _build(kind, tree, str(path), '')
    tree = {section: keys or {} for section, keys in tree.items()}
    if base is None:
        return tree
    if not isinstance(base, str):
        raise ValueError(f'{path}: base={shown(base)} must be the path of another YAML file')
    below = _read(path.parent / user_path(base), kind, saved, (*above, path))
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
            if f'{prefix}{key}' == 'study':
                hint = ', which only search.py reads.'
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
    for key, rule in rules(type(config)).items():
        section, name = key.split('.')
        value = getattr(getattr(config, section), name)
        if not rule.holds(value):
            raise ValueError(f"{'--set' if key in replaced else source}: {key}={shown(value)} must be {rule.allowed}")
