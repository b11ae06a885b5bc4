"""Eight bits after training: quantising activations and weights of an exported ONNX file, and scoring the result.

ONNX Runtime's static quantisation, QDQ form: unsigned activations with ranges from calibration images, signed weights
of seven bits with a range per channel, as processors without VNNI add pairs of products in 16 bits.
"""
from __future__ import annotations

import contextlib
import io
import math
import os
import statistics
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np

from tinynets.deploy.manifest import OPSET, publish, read_manifest
from tinynets.deploy.predict import Predictor, finite, load_predictor, onnx_function
from tinynets.files import temporary_files_in, workplace
from tinynets.preprocessing import channels_of
from tinynets.runtime import onnx_runtime
from tinynets.tasks.classification.dataset import Labelled
from tinynets.tasks.classification.evaluate import Result, evaluate

METHODS = ('minmax', 'percentile')  # ONNX Runtime's entropy has equal numbers of bins and levels, which makes it minmax
WARM, TIMED = 10, 101  # calls of each file, in turn


class AccuracyFell(ValueError):
    """The quantised network loses more accuracy than allowed; nothing was written."""


@dataclass(frozen=True)
class Variant:
    """A file before or after: bytes, milliseconds per image (median, batch 1), score."""
    path: str
    bytes: int
    milliseconds: float
    score: Result


def quantize(path: str, out: str, calibration: Iterable[np.ndarray], dataset: Labelled, max_drop: float = 1.0,
             force: bool = False, method: str = 'minmax', batch_size: int = 64, workers: int = 2,
             progress: Optional[Callable[[int, int], None]] = None) -> Tuple[Variant, Variant]:
    """Quantise an exported ONNX file to `out`, with a manifest next to it, and score both files on a data set.

    `calibration`: input tensors (1, 3, R, R). Raises AccuracyFell if top-1 falls by more than `max_drop` points without
    `force`, ValueError for a file that is not an ONNX file of export.py; nothing is written then.
    """
    before = load_predictor(path)
    if os.path.splitext(path)[1].lower() != '.onnx' or read_manifest(path)['kind'] != 'ONNX':
        raise ValueError(f'{path}: must be an .onnx file of export.py that is not quantised yet')
    if method not in METHODS:
        raise ValueError(f"method '{method}': must be one of {', '.join(METHODS)}")
    with workplace() as folder:
        work = os.path.join(folder, 'quantised.onnx')
        with temporary_files_in(folder):
            count = _static(path, work, folder, calibration, method)
        after = finite(work, onnx_function(work))
        scores = [evaluate(predict, dataset, before.transform, batch_size, workers, progress)
                  for predict in (before.predict, after)]
        times = side_by_side([before.predict, after], _example(before))
        if fell(scores[0], scores[1], max_drop) and not force:
            raise AccuracyFell(f'top-1 falls from {scores[0].top1:.2f} to {scores[1].top1:.2f} %, more than '
                               f'--max-drop {max_drop:g} allows; nothing was written. Try more images (--count) or '
                               'another --method, or write it regardless with --force')
        _publish(path, work, out, {'method': method, 'calibration_images': count, 'top1_before': scores[0].top1,
                                   'top1': scores[1].top1, 'images': scores[1].count})
    first, second = (Variant(name, os.path.getsize(name), ms, score)
                     for name, ms, score in zip((path, out), times, scores))
    return first, second


def fell(before: Result, after: Result, points: float) -> bool:
    """Whether top-1 fell by more than some points, by exact arithmetic: 7 images of 700 are not more than one point."""
    lost = 100 * (before.correct - after.correct)
    return points < 0 if math.isinf(points) else lost > Fraction(repr(float(points))) * before.count


def _static(path: str, out: str, folder: str, calibration: Iterable[np.ndarray], method: str) -> int:
    """Quantise; return the number of calibration images."""
    import onnx
    import onnx.version_converter
    onnx_runtime()
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.tensors, self.count = iter(calibration), 0

        def get_next(self) -> Optional[Dict[str, np.ndarray]]:
            tensor = next(self.tensors, None)
            self.count += tensor is not None
            return None if tensor is None else {name: tensor}
    name = read_manifest(path)['input']['name']
    prepared = os.path.join(folder, 'prepared.onnx')
    onnx.save(onnx.version_converter.convert_version(onnx.load(path), OPSET), prepared)
    quant_pre_process(prepared, prepared, skip_symbolic_shape=True)
    reader = Reader()
    methods = {'minmax': CalibrationMethod.MinMax, 'percentile': CalibrationMethod.Percentile}
    with contextlib.redirect_stdout(io.StringIO()):  # ONNX Runtime prints every tensor's range
        quantize_static(prepared, out, reader, quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=methods[method])
    if not reader.count:
        raise ValueError('no images to calibrate with; give a data set with training images')
    model = onnx.load(out)
    without_unused_domains(model)
    onnx.save(model, out)
    return reader.count


def without_unused_domains(model: Any) -> None:
    """Remove unused operator sets of an ONNX model: older releases of ONNX Runtime refuse unknown ones."""
    used = {node.domain for node in model.graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in used or entry.domain in ('', 'ai.onnx')]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _example(model: Predictor) -> np.ndarray:
    side, channels = model.preprocessing['resolution'], channels_of(model.preprocessing)
    return np.random.default_rng(0).normal(0, 1, (1, channels, side, side)).astype(np.float32)


def side_by_side(functions: Sequence[Callable], image: np.ndarray) -> List[float]:
    """Return the median milliseconds per call of functions that are called in turn."""
    seconds: List[List[float]] = [[] for _ in functions]
    for i in range(WARM + TIMED):
        for function, own in zip(functions, seconds):
            begun = time.perf_counter()
            function(image)
            if i >= WARM:
                own.append(time.perf_counter() - begun)
    return [1e3 * statistics.median(own) for own in seconds]


def _publish(source: str, work: str, out: str, about: dict) -> None:
    manifest = read_manifest(source)
    for key in ('max_difference', 'score'):  # of the float file
        manifest.pop(key, None)
    if isinstance(manifest.get('cost'), dict):
        manifest['cost'].pop('size_bytes', None)
    publish(work, out, {**manifest, 'kind': 'ONNX-INT8', 'quantization': about})
