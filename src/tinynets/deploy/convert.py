"""Converting published weights to a checkpoint of this package and back, without changing a number.

A checkpoint becomes a folder that timm loads (`local-dir:FOLDER`) and its model hub accepts: the weights as safetensors
under timm's names, and a config.json with architecture, classes and preprocessing.
"""
from __future__ import annotations

import contextlib
import json
import os
from dataclasses import replace
from typing import Any, Dict, List, Optional, Sequence, Tuple

import mindspore as ms
import numpy as np

from tinynets.arch.zoo import names_resolution
from tinynets.config import Config, DataConfig, ModelConfig, from_dict, to_dict
from tinynets.data import presets
from tinynets.data.origin import Origin
from tinynets.files import file_hash, read_text, workplace, write_json
from tinynets.model import checkpoint
from tinynets.model.network import Network, create_model
from tinynets.model.pretrained import (
    COUNTERS,
    TRAINED,
    Weights,
    fill,
    read_description,
    read_trained,
    read_weights,
    timm_name,
    weight_names,
)
from tinynets.model.weights import torch_names
from tinynets.preprocessing import CHANNELS, PREPROCESSING
from tinynets.tasks.restore import restore_network
from tinynets.text import shown

TIMM = 'bicubic'  # timm's name of the interpolation of evaluation: Pillow's, which is antialiased
OTHERS = 'bilinear', 'lanczos', 'hamming', 'box', 'nearest', 'random'  # timm's other interpolations
INTERPOLATIONS = {'bicubic_antialiased': TIMM}  # preprocessing's name -> timm's


def to_checkpoint(source: str, out: str, model: Optional[str] = None, weights: str = 'auto',
                  classes: Optional[Sequence[str]] = None) -> List[str]:
    """Write the weights of a .safetensors or .pth file as the checkpoint `out`; return lines on its content.

    `model` is the network's name (default: that in config.json next to the file). Preprocessing is config.json's,
    except for a resolution in the name; without config.json it is the published one: bicubic, crop ratio 0.875,
    ImageNet's mean and std. Classes are named by `classes`, else by config.json, else by their indices; `eval.py` then
    takes the names of the data set's folders. Raises ValueError with the names of all arrays that do not fit, and
    FileNotFoundError; nothing is written then.
    """
    description = read_description(source)
    name = model or description.get('architecture')
    if not name:
        raise ValueError(f'{source}: no config.json next to it names the network; give --model, for example tinynet_a')
    found = read_weights(source, weights)
    if not found.torch:
        raise ValueError(f'{source}: is a checkpoint already; --to safetensors writes it as timm\'s weights')
    num_classes, in_channels = _sizes(name, found)
    data, resolution, notes = _preprocessing(description, source, in_channels)
    arguments: Dict[str, Any] = dict(
        name=name, num_classes=num_classes, in_channels=in_channels, dropout=0.0, drop_path=0.0,
        resolution=None if names_resolution(name) else resolution)
    network = create_model(**arguments)
    line = fill(network, found)
    count = network.plan.spec.num_classes
    names = _class_names(description, classes, count)
    if description.get('label_names') and not names:
        notes.append(f'config.json: label_names are not {count} different names and are left out')
    trained = Origin.of({'trained': read_trained(source)}, source).trained
    config = Config(ModelConfig(name, arguments['resolution'], dropout=0.0, in_channels=in_channels), data)
    meta = {'step': 0, 'epoch': 0, 'best': {}, 'score': {}, 'network': arguments,
            'class_names': names or [str(i) for i in range(count)], 'classes_named': bool(names), 'division': None,
            'trained': None if trained is None else trained.to_dict(),
            'preprocessing': presets.preprocessing(data, network.plan.resolution, in_channels),
            'config': to_dict(config), 'source': {'file': os.path.basename(source), 'sha256': file_hash(source)},
            'versions': {'mindspore': ms.__version__, 'numpy': np.__version__}}
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    checkpoint.save(out, {p.name: p.asnumpy() for p in network.get_parameters()}, meta)
    return [line, *notes, f'{out}: {name} at {network.plan.resolution} px, {count} classes '
                          f'{"with names" if names else "named by their indices"}']


def to_safetensors(source: str, out: str, weights: str = 'auto') -> List[str]:
    """Write a checkpoint's weights as `out` (.safetensors) with a config.json next to it; return lines on them.

    Batch norm's counters of batches, which PyTorch needs, are zeros. Raises ValueError if the folder has a config.json
    of something else, and FileNotFoundError.
    """
    from safetensors.numpy import save
    saved = checkpoint.load(source)
    network, kind = restore_network(saved, weights)
    config_path = os.path.join(os.path.dirname(out), 'config.json')
    if os.path.exists(config_path) and not os.path.exists(out):
        raise ValueError(f'{config_path}: exists already and describes something else; choose another folder for --out')
    params = {p.name: p for p in network.get_parameters()}
    arrays = {theirs: params[name].asnumpy() for theirs, name in weight_names(network, torch=True).items()}
    arrays.update({theirs.removesuffix('.running_mean') + COUNTERS: np.array(0, np.int64)
                   for theirs in list(arrays) if theirs.endswith('.running_mean')})
    os.makedirs(os.path.dirname(config_path) or '.', exist_ok=True)
    trained = Origin.of(saved.meta, source).kept()
    kept = {} if trained is None else {TRAINED: json.dumps(trained.to_dict())}
    content = save(arrays, metadata={'format': 'pt', **kept})
    with workplace(os.path.dirname(config_path), out) as folder:
        weights_file, description = os.path.join(folder, 'weights'), os.path.join(folder, 'description')
        with open(weights_file, 'wb') as file:
            file.write(content)
        write_json(description, description_of(network, saved.meta))
        with contextlib.suppress(FileNotFoundError):
            os.remove(config_path)  # a process killed here leaves weights without a description, never with another's
        os.replace(weights_file, out)
        os.replace(description, config_path)
    known = timm_name(network.plan.spec).isidentifier()  # timm's names have no multipliers and no minus
    count = sum(not name.endswith(COUNTERS) for name in arrays)
    return [f'{count} arrays, {kind} weights: {out}', f'described in {config_path}' + (
        '' if known else f'; timm has no network of these channels and repeats, {network.plan.spec.name}')]


def description_of(network: Network, meta: dict) -> dict:
    """Return a network's description in the form of timm's config.json."""
    plan, names, preset = network.plan, torch_names(network), meta['preprocessing']
    described = {'architecture': timm_name(plan.spec), 'num_classes': plan.spec.num_classes,
                 'num_features': plan.classifier.in_channels, 'global_pool': 'avg'}
    if plan.spec.in_channels != 3:
        described['model_args'] = {'in_chans': plan.spec.in_channels}
    if meta.get('classes_named', True):
        described['label_names'] = list(meta['class_names'])
    described['pretrained_cfg'] = {
        'custom_load': False, 'input_size': [plan.spec.in_channels, preset['resolution'], preset['resolution']],
        'fixed_input_size': False, 'interpolation': INTERPOLATIONS[preset['interpolation']],
        'crop_pct': preset['crop_ratio'], 'crop_mode': 'center',  # the only crop of this package
        'mean': list(preset['mean']), 'std': list(preset['deviation']), 'num_classes': plan.spec.num_classes,
        'pool_size': [plan.classifier.in_size, plan.classifier.in_size],
        'first_conv': names['stem.conv.weight'].removesuffix('.weight'),
        'classifier': names['classifier.dense.weight'].removesuffix('.weight')}
    return described


def read_class_names(path: str) -> List[str]:
    """Return the names in a text file, one per line. Raises ValueError for a name that is empty or repeated."""
    names = [line.strip() for line in read_text(path).removesuffix('\n').split('\n')]
    lines: dict = {}
    for number, name in enumerate(names, 1):
        if not name:
            raise ValueError(f'{path}: line {number} is empty; it must name a class')
        if name in lines:
            raise ValueError(f'{path}: {name!r} is on lines {lines[name]} and {number}; class names must differ')
        lines[name] = number
    return names


def _sizes(name: str, found: Weights) -> Tuple[int, int]:
    """Return the numbers of classes and of input channels of the file's weights, else of the network."""
    network = create_model(name)
    theirs = torch_names(network)
    classifier, stem = (found.arrays.get(theirs[key]) for key in ('classifier.dense.weight', 'stem.conv.weight'))
    spec = network.plan.spec
    classes = classifier.shape[0] if classifier is not None and classifier.ndim == 2 and classifier.shape[0] else 0
    channels = stem.shape[1] if stem is not None and stem.ndim == 4 else spec.in_channels
    if channels not in CHANNELS:
        raise ValueError(f'{found.path}: has weights for images of {channels} channels; networks here take 3, or 1')
    return classes or spec.num_classes, channels


def _class_names(description: dict, given: Optional[Sequence[str]], count: int) -> List[str]:
    names = list(given) if given is not None else description.get('label_names') or []
    if given is not None and len(names) != count:
        raise ValueError(f'--classes: {len(names)} names, the network has {count} classes')
    whole = isinstance(names, list) and len(set(map(str, names))) == count == len(names)
    return [str(name) for name in names] if whole else []


def _preprocessing(description: dict, source: str, in_channels: int
                   ) -> Tuple[DataConfig, Optional[int], List[str]]:
    """Return the data configuration of a config.json, its resolution, and remarks. Raises ValueError."""
    data = DataConfig('image_folder')
    try:
        asked = {**description, **(description.get('pretrained_cfg') or {})}
        channels, height, width = asked.get('input_size', (3, None, None))
        data = from_dict({'data': {
            'name': 'image_folder', 'crop_ratio': asked.get('crop_pct', data.crop_ratio),
            'mean': asked.get('mean', data.mean), 'std': asked.get('std', data.std)}}, 'config.json').data
        mean, std = presets.per_channel(data, in_channels)
        other = asked.get('interpolation', TIMM)
        if other not in (TIMM, *OTHERS):
            raise ValueError(f'interpolation is {shown(other)}; it must be {TIMM}, which is used here, or another of '
                             f'timm\'s: {", ".join(OTHERS)}')
    except (ValueError, TypeError) as error:
        raise ValueError(f'config.json next to {source}: {error}') from None
    square = height == width and (height is None or PREPROCESSING['resolution'][0](height))
    if isinstance(channels, bool) or channels not in (3, in_channels) or not square:
        raise ValueError(f'config.json next to {source}: input_size is {shown(channels)} x {shown(height)} x '
                         f'{shown(width)}; it must be {"1 or " * (in_channels == 1)}3 channels of equal height and '
                         'width, up to 4096 pixels')
    notes = [] if other == TIMM else [
        f'config.json asks for {other} interpolation; images are resized by {TIMM} here, so scores differ from '
        f'{other}']
    if in_channels == 1 and len(data.mean) == 3:
        notes.append(f'images become grey: mean {mean[0]:g} and std {std[0]:g}, computed from three channels')
    return replace(data, mean=mean, std=std), height, notes
