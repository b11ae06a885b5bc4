"""One way to run a model file, whatever it is: checkpoint, MINDIR or ONNX.

To add a format: a loader (path) -> (predict, description), and its row in LOADERS.
"""
from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Callable, Dict, Optional, Sequence, Tuple

import numpy as np

from tinynets.config import DataConfig
from tinynets.data import presets
from tinynets.data.classes import UnknownClass, match_indices, relabel
from tinynets.data.classification import say
from tinynets.data.division import Division, digest_of, division_of
from tinynets.data.layout import kind_of
from tinynets.data.transforms import EvalTransform
from tinynets.deploy.manifest import read_manifest
from tinynets.files import check_text_path
from tinynets.runtime import onnx_runtime


@dataclass(frozen=True)
class Predictor:
    """`predict`: images (B, 3, R, R) float32 -> logits (B, classes); with what belongs to the model.

    `config` is the training configuration as a dictionary, `weights` 'ema' or 'raw'. Where the classes are not `named`,
    as in published weights, `class_names` are their indices. `division` says which images of a folder without val/ it
    was trained on, `val_digest` is a hash of the names of the images that the training was scored on.
    """
    predict: Callable[[np.ndarray], np.ndarray]
    network: dict
    class_names: Tuple[str, ...]
    preprocessing: dict
    config: dict
    weights: str
    named: bool = True
    division: presets.AnyDivision = None
    val_digest: Optional[str] = None

    @property
    def transform(self) -> EvalTransform:
        """RGB image -> input tensor, as the model was evaluated."""
        return presets.eval_transform(self.preprocessing)

    def dataset(self, data: DataConfig, split: str, progress: Optional[Callable[[int, int], None]] = None):
        """The split of a data set, in the model's classes; classes without names take those of the data set.

        Numbered folders are then matched by number, others in order. Raises ValueError where the data set has other
        classes, or another number of them.
        """
        names = self.class_names if self.named else None
        self._check_kept(data, split)
        try:
            dataset = presets.dataset(data, split, class_names=names, progress=progress, division=self.division)
        except UnknownClass as error:
            raise ValueError(f"{error}; if these are the model's classes under other names, convert the published "
                             "weights with --classes and a file of the folders' names, see docs/weights.md") from None
        if self.named and dataset.class_names != self.class_names:
            raise ValueError(f'{data.name} has classes {dataset.class_names[:3]}..., the model '
                             f'{self.class_names[:3]}...')
        self._check_moved(data, split, dataset)
        if not self.named:
            found, where = dataset.class_names, data.dir or data.name
            indices = match_indices(found, len(self.class_names), where, say)
            theirs = dict(zip(indices, found))
            relabel(dataset, indices, [theirs.get(i, name) for i, name in enumerate(self.class_names)])
        return dataset

    def _check_kept(self, data: DataConfig, split: str) -> None:
        """Raise ValueError where the model's own data set has lost its val/: all that is left was trained on."""
        then = (self.config.get('data') or {}).get('dir')
        if split != 'val' or self.division is not None or not then or not data.dir:
            return
        there, here = os.path.realpath(then), os.path.realpath(data.dir)
        inside = os.path.dirname(here) == there and kind_of(os.path.basename(here)) == 'train'
        if (here == there or inside) and not presets.has_validation(data.name, data.dir):
            raise ValueError(f'{data.dir}: has no validation images of its own, and the model was trained on all its '
                             'training images; put val/ back, or give other images with --data-dir')

    def _check_moved(self, data: DataConfig, split: str, dataset) -> None:
        """Say where val/ of the folder that the model was trained on may hold images of the training now."""
        then = (self.config.get('data') or {}).get('dir')
        if split != 'val' or not then or not data.dir or os.path.realpath(then) != os.path.realpath(data.dir):
            return
        names = presets.names_of(dataset)
        if self.division is None and self.val_digest and names is not None and self.val_digest != digest_of(names):
            say(f'{data.dir}: not the validation images that the training was scored on: {len(dataset):,} now; images '
                'that it was trained on may be among them')
        if not isinstance(self.division, Division) or names is None or not presets.has_validation(data.name, data.dir):
            return
        if self.config['data'].get('holdout'):  # it may have had val/ then
            try:
                now = presets.names_of(presets.dataset(replace(data, check=False), 'train')) or []
            except (ValueError, OSError):  # no train/ is left
                now = []
            if self.division.changed(now):
                say(f'{data.dir}: not the images that the training divided; if some of them are in val/ now, the score '
                    'is too good')
            return
        trained = len(self.division.indices(names, dataset.labels, 'train'))
        if trained:
            say(f'{data.dir}: had no val/ when the model was trained on it; {trained:,} of the {len(dataset):,} images '
                'in it now may be ones that it was trained on, by their names; if so, the score is too good')

    def probabilities(self, images: Sequence) -> np.ndarray:
        """Pillow RGB images -> softmax (N, classes), float64, one image at a time."""
        logits = np.stack([self.predict(self.transform(image)[None])[0] for image in images]).astype(np.float64)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)


def load_predictor(path: str, weights: str = 'auto') -> Predictor:
    """Load a model file by its ending: .ckpt, .mindir or .onnx (the last two with their manifest).

    `weights` chooses a checkpoint's average ('ema') or last ('raw') weights. Raises ValueError or FileNotFoundError.
    """
    ending = os.path.splitext(path)[1].lower()
    if ending not in LOADERS:
        raise ValueError(f'{path}: the ending must be one of {", ".join(LOADERS)}')
    check_text_path(path)
    model = LOADERS[ending](path, weights)
    return replace(model, predict=finite(path, model.predict))


def finite(path: str, predict: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The function, which raises ValueError where it gives a logit that is NaN or infinite."""
    def checked(images: np.ndarray) -> np.ndarray:
        logits = predict(images)
        if not np.isfinite(logits).all():
            raise ValueError(f'{path}: gives logits that are NaN or infinite; the file is damaged, or its training '
                             'diverged')
        return logits

    return checked


def _checkpoint(path: str, weights: str) -> Predictor:
    from mindspore import Tensor

    from tinynets.model import checkpoint
    saved = checkpoint.load(path)
    network, kind = checkpoint.restore_network(saved, weights)
    meta = saved.meta
    return Predictor(lambda images: network(Tensor(images)).asnumpy(), meta['network'], tuple(meta['class_names']),
                     meta['preprocessing'], meta['config'], kind, meta.get('classes_named', True),
                     division_of(meta, path), _val_digest(meta))


def _exported(load: Callable) -> Callable[[str, str], Predictor]:
    def loader(path: str, weights: str) -> Predictor:
        manifest = read_manifest(path)
        if weights not in ('auto', manifest['weights']):
            raise ValueError(f"{path}: holds the {manifest['weights']} weights only; leave --weights out")
        return Predictor(load(path), manifest['network'], tuple(manifest['class_names']), manifest['preprocessing'],
                         manifest['config'], manifest['weights'], manifest.get('classes_named', True),
                         division_of(manifest, path), _val_digest(manifest))
    return loader


def _val_digest(meta: dict) -> Optional[str]:
    """The second half of a run's "names": that of the validation images."""
    names = meta.get('names')
    return names.partition('-')[2] or None if isinstance(names, str) else None


def mindir_function(path: str) -> Callable[[np.ndarray], np.ndarray]:
    """images -> logits by MindSpore from a MINDIR, whose graph takes one image per call.

    Raises ValueError if it does not load.
    """
    import mindspore as ms
    try:
        graph = ms.nn.GraphCell(ms.load(path))
    except (RuntimeError, ValueError, TypeError) as error:
        raise ValueError(f'{path}: MindSpore {ms.__version__} cannot load it '
                         f'({" ".join(str(error).split())[:80]})') from None
    return lambda images: np.concatenate([graph(ms.Tensor(image[None])).asnumpy() for image in images])


def onnx_function(path: str) -> Callable[[np.ndarray], np.ndarray]:
    """images -> logits by ONNX Runtime. Raises ValueError where it is not installed or the file does not load."""
    try:
        onnxruntime = onnx_runtime()
    except ImportError:
        raise ValueError('ONNX files run by onnxruntime, which is not installed: pip install onnxruntime') from None
    try:
        session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    except Exception as error:  # onnxruntime's exceptions have no public base class
        raise ValueError(f'{path}: ONNX Runtime cannot load it ({" ".join(str(error).split())[:80]})') from None
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


LOADERS: Dict[str, Callable[[str, str], Predictor]] = {
    '.ckpt': _checkpoint,
    '.mindir': _exported(mindir_function),
    '.onnx': _exported(onnx_function),
}
