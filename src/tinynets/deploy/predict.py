"""Running a model file of any format: checkpoint, MINDIR or ONNX.

To add a format, write a loader (path) -> (predict, description) and add its row to LOADERS.
"""
from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Callable, Dict, Optional, Sequence, Tuple

import numpy as np

from tinynets.config import DataConfig
from tinynets.data import presets
from tinynets.data.origin import Origin
from tinynets.data.transforms import EvalTransform
from tinynets.deploy.manifest import read_manifest
from tinynets.files import check_text_path
from tinynets.output import describe, lacking, without_log
from tinynets.preprocessing import channels_of
from tinynets.runtime import onnx_runtime
from tinynets.tasks import DEFAULT, task_class, task_of
from tinynets.tasks.task import Dataset

FATAL = 4  # of ONNX Runtime's log: its errors are raised as well


@dataclass(frozen=True)
class Predictor:
    """`predict`: images (B, 3, R, R) float32 -> outputs, logits (B, classes) in classification; and its description.

    `config` is the training configuration as a dictionary, `weights` 'ema' or 'raw'. If the classes are not `named`, as
    in published weights, `class_names` are their indices; other tasks have none. `origin` tells which images it
    was trained on.
    """
    predict: Callable[[np.ndarray], np.ndarray]
    network: dict
    class_names: Tuple[str, ...]
    preprocessing: dict
    config: dict
    weights: str
    named: bool = True
    origin: Origin = Origin()
    task: str = DEFAULT

    @property
    def transform(self) -> EvalTransform:
        """Return the transform RGB image -> input tensor of the model's evaluation."""
        return presets.eval_transform(self.preprocessing)

    def dataset(self, data: DataConfig, split: str, progress: Optional[Callable[[int, int], None]] = None) -> Dataset:
        """Return a split of a data set for the model's outputs. Raises ValueError if they do not fit."""
        return task_class(self.task).dataset(self, data, split, progress)

    def probabilities(self, images: Sequence) -> np.ndarray:
        """Return the softmax (N, classes), float64, of Pillow RGB images, computed one image at a time."""
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
    """Return the function with a check that raises ValueError for logits that are NaN or infinite."""
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
    from tinynets.tasks.restore import restore_network
    saved = checkpoint.load(path)
    network, kind = restore_network(saved, weights)
    return _predictor(lambda images: network(Tensor(images)).asnumpy(), saved.meta, path, kind)


def _exported(load: Callable) -> Callable[[str, str], Predictor]:
    def loader(path: str, weights: str) -> Predictor:
        manifest = read_manifest(path)
        if weights not in ('auto', manifest['weights']):
            raise ValueError(f"{path}: holds the {manifest['weights']} weights only; leave --weights out")
        predict = shaped(path, load(path), task_of(manifest).output_shape(manifest))
        side, channels = manifest['preprocessing']['resolution'], channels_of(manifest['preprocessing'])
        predict(np.zeros((1, channels, side, side), np.float32))  # tried before the images are read
        return _predictor(predict, manifest, path, manifest['weights'])
    return loader


def shaped(path: str, predict: Callable[[np.ndarray], np.ndarray],
           shape: Sequence[int]) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function with a check that raises ValueError for outputs of another shape (B, *shape) or type."""
    def checked(images: np.ndarray) -> np.ndarray:
        outputs, wanted = np.asarray(predict(images)), (len(images), *shape)
        if outputs.shape != wanted or outputs.dtype != np.float32:
            raise ValueError(f'{path}: gives outputs of shape {outputs.shape} and type {outputs.dtype}, but its '
                             f'manifest says {wanted} and float32; export it again')
        return outputs

    return checked


def _predictor(predict: Callable, meta: dict, path: str, kind: str) -> Predictor:
    """Return the predictor of a function and the description in a checkpoint or manifest."""
    return Predictor(predict, meta['network'], tuple(meta.get('class_names', ())), meta['preprocessing'],
                     meta['config'], kind, meta.get('classes_named', True), Origin.of(meta, path),
                     task_of(meta).name)


def mindir_function(path: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function images -> logits that runs a MINDIR in MindSpore, whose graph takes one image per call.

    Raises ValueError if it does not load.
    """
    import mindspore as ms
    try:
        with without_log():
            graph = ms.nn.GraphCell(ms.load(path))
    except (RuntimeError, ValueError, TypeError) as error:
        raise ValueError(f'{path}: MindSpore {ms.__version__} cannot load it ({_line(error)})') from None

    def run(images: np.ndarray) -> np.ndarray:
        try:
            return np.concatenate([graph(ms.Tensor(image[None])).asnumpy() for image in images])
        except (RuntimeError, ValueError, TypeError) as error:
            if lacking(error):
                raise
            raise ValueError(f'{path}: MindSpore {ms.__version__} cannot run it on images {images[:1].shape} '
                             f'({_line(error)})') from None
    return run


def onnx_function(path: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function images -> logits by ONNX Runtime. Raises ValueError if that is missing or refuses the file."""
    try:
        onnxruntime = onnx_runtime()
    except ImportError as error:
        if lacking(error):  # memory to load its library
            raise
        raise ValueError(f'ONNX files run by onnxruntime, which cannot be imported ({describe(error)}): '
                         'pip install onnxruntime') from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    try:
        session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'],
                                               enable_fallback=0)  # which prints what the error says
    except Exception as error:  # onnxruntime's exceptions have no public base class
        raise ValueError(f'{path}: ONNX Runtime cannot load it ({_line(error)})') from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or not outputs:
        raise ValueError(f'{path}: has {len(inputs)} inputs and {len(outputs)} outputs; an exported network has one of '
                         'each')

    def run(images: np.ndarray) -> np.ndarray:
        try:
            return session.run([outputs[0].name], {inputs[0].name: images})[0]
        except Exception as error:
            raise ValueError(f'{path}: ONNX Runtime cannot run it on images {images.shape} ({_line(error)})') from None
    return run


def _line(error: Exception) -> str:
    return ' '.join(str(error).split())[:80]


LOADERS: Dict[str, Callable[[str, str], Predictor]] = {
    '.ckpt': _checkpoint,
    '.mindir': _exported(mindir_function),
    '.onnx': _exported(onnx_function),
}
