"""Export: checkpoint -> folded network -> MINDIR, ONNX or AIR, loaded again and compared before it is published."""
from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Sequence

import mindspore as ms
import numpy as np
from mindspore import Tensor

from tinynets.arch.complexity import measure
from tinynets.deploy.fold import fold
from tinynets.deploy.manifest import FORMAT, OPSET, PROBE_SEED, manifest_path, probe, probe_image, publish
from tinynets.deploy.predict import mindir_function, onnx_function
from tinynets.files import check_text_path, file_hash, workplace
from tinynets.model import checkpoint
from tinynets.model.network import Network
from tinynets.runtime import graph_engine, on_cpu
from tinynets.tasks import DEFAULT, restore, task_of

INPUT, OUTPUT = 'images', 'logits'
TOLERANCE = 1e-4  # of the largest logit: the float32 rounding of a folded network compared with an unfolded one


@dataclass(frozen=True)
class Exported:
    """One exported file, its manifest, and its verified difference from logits that reach `largest_logit`."""
    format: str
    path: str
    manifest: str
    bytes: int
    max_difference: float
    largest_logit: float


def export(checkpoint_path: str, formats: Sequence[str], out: str, weights: str = 'auto') -> List[Exported]:
    """Export a checkpoint into the folder `out`, one file per format, each with a manifest.

    Every file but AIR, which cannot run here, is loaded again, and its logits are compared on the CPU (see `on_cpu`)
    with the unfolded checkpoint's on random images. Files are moved into place only after all have passed. Raises
    ValueError for an unknown format, AIR without an Ascend, or a difference above 1e-4 of the largest logit; existing
    files are then left as they were.
    """
    for path in (checkpoint_path, out):
        check_text_path(path)
    formats = list(dict.fromkeys(check_format(name) for name in formats))
    with workplace() as folder:
        made: Dict[str, tuple] = {}
        others = [name for name in formats if name != 'AIR']
        if others:
            made.update(on_cpu(_make, checkpoint_path, others, weights, folder))
        if 'AIR' in formats:
            made.update(_make(checkpoint_path, ['AIR'], weights, folder))
        os.makedirs(out, exist_ok=True)
        return [_publish(work, os.path.join(out, name), *rest) for work, name, *rest in map(made.__getitem__, formats)]


def _make(checkpoint_path: str, formats: Sequence[str], weights: str, folder: str) -> Dict[str, tuple]:
    """Write and compare files in a working folder; return (path, final name, manifest, scale) by format."""
    saved, digest = checkpoint.load(checkpoint_path), file_hash(checkpoint_path)
    network, kind = restore.restore_network(saved, weights)
    folded = fold(network)
    resolution = network.plan.resolution
    images = np.random.default_rng(0).normal(0, 1, (4, network.plan.spec.in_channels, resolution, resolution))
    images = images.astype(np.float32)
    reference = network(Tensor(images)).asnumpy()
    scale = float(np.abs(reference).max())
    if not np.isfinite(scale):
        raise ValueError(f'{checkpoint_path}: gives logits that are NaN or infinite; its training diverged. Export '
                         'another checkpoint')
    image = probe_image(PROBE_SEED, images.shape[1:])
    probed = probe(PROBE_SEED, network(Tensor(np.stack([image] * len(images)))).asnumpy()[0])  # compiled for this batch
    stem = re.sub(r'[^A-Za-z0-9_.=-]+', '_', saved.meta['network']['name'])
    made = {}
    for name in formats:
        ending, write, load = FORMATS[name]
        work = os.path.join(folder, f'model.{ending}')  # the framework refuses some characters in a path
        write(folded, images[:1], work)
        difference = 0.0
        if load is not None:
            logits = load(work)(images)
            difference = float(np.abs(logits - reference).max())
            if not difference <= TOLERANCE * max(scale, 1e-6):
                raise ValueError(f'{name}: the exported network differs from the checkpoint by {difference:.2e} '
                                 f'(logits up to {scale:.2e}, allowed {TOLERANCE:g} of it); nothing was written')
        manifest = {**_manifest(saved, network, kind, name, difference), 'checkpoint': digest}
        if name == 'MINDIR':
            manifest['probe'] = probed
        made[name] = work, f'{stem}.{ending}', manifest, scale
    return made


def check_format(name: str) -> str:
    """Return the format's name in capitals. Raises ValueError for an unknown one, and for AIR without an Ascend."""
    given, name = name, name.strip().upper()
    if name not in FORMATS:
        raise ValueError(f"format '{given}': must be one of {', '.join(FORMATS)}")
    if name == 'AIR' and ms.get_context('device_target') != 'Ascend':
        raise ValueError('AIR, which is deprecated, is written only on a machine with an Ascend; use --format MINDIR, '
                         'which the C++ program runs')
    return name


def _manifest(saved: checkpoint.Checkpoint, network: Network, kind: str, name: str, difference: float) -> dict:
    plan, task = network.plan, task_of(saved.meta)
    batch, outputs = None if name == 'ONNX' else 1, task.manifest(saved.meta)
    return {
        'format': FORMAT, 'kind': name, 'network': saved.meta['network'],
        'scaling': {'base': plan.spec.base, 'r': plan.spec.r, 'd': plan.spec.d, 'w': plan.spec.w},
        **({} if task.name == DEFAULT else {'task': task.name}), **outputs,
        'preprocessing': saved.meta['preprocessing'],
        **{key: saved.meta[key] for key in ('division', 'names', 'trained', 'train_images') if key in saved.meta},
        'input': {'name': INPUT, 'shape': [batch, plan.spec.in_channels, plan.resolution, plan.resolution],
                  'dtype': 'float32'},
        'output': {'name': OUTPUT, 'shape': [batch, *task.output_shape(outputs)], 'dtype': 'float32'},
        'cost': vars(measure(plan)), 'weights': kind, 'score': saved.meta.get('score'), 'config': saved.meta['config'],
        'max_difference': difference, 'versions': {'mindspore': ms.__version__},
    }


def _publish(work: str, path: str, manifest: dict, scale: float) -> Exported:
    """Move a verified file and its manifest into place together."""
    publish(work, path, manifest)
    return Exported(manifest['kind'], path, manifest_path(path), os.path.getsize(path), manifest['max_difference'],
                    scale)


def _write_mindir(network: Network, images: np.ndarray, path: str) -> None:
    ms.export(network, Tensor(images), file_name=path, file_format='MINDIR')


def _write_air(network: Network, images: np.ndarray, path: str) -> None:
    with graph_engine():
        ms.export(network, Tensor(images), file_name=path, file_format='AIR')


def _write_onnx(network: Network, images: np.ndarray, path: str) -> None:
    """Write ONNX by mindspore.onnx, checked, in opset 13; the output's batch, which is fixed, is made variable.

    Means over a map become GlobalAveragePool, for which engines have faster code than for ReduceMean.
    """
    import mindspore.onnx
    import onnx
    import onnx.version_converter
    mindspore.onnx.export(network, Tensor(images), file_name=path, input_names=[INPUT], output_names=[OUTPUT],
                          dynamic_axes={INPUT: {0: 'batch'}})
    model = onnx.version_converter.convert_version(onnx.load(path), OPSET)
    for value in (*model.graph.input, *model.graph.output):
        if value.name in (INPUT, OUTPUT):
            value.type.tensor_type.shape.dim[0].dim_param = 'batch'
    _pool_globally(model.graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _pool_globally(graph: Any) -> None:
    """Replace every ReduceMean over height and width by GlobalAveragePool, flattened if the axes are removed."""
    from onnx import helper
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type != 'ReduceMean' or list(options.get('axes', ())) != [2, 3]:
            graph.node.append(node)
        elif options.get('keepdims', 1):
            graph.node.append(helper.make_node('GlobalAveragePool', node.input, node.output, node.name))
        else:
            pooled = f'{node.output[0]}/pooled'
            graph.node.append(helper.make_node('GlobalAveragePool', node.input, [pooled], f'{node.name}/pool'))
            graph.node.append(helper.make_node('Flatten', [pooled], node.output, node.name, axis=1))


# name -> (file ending, writer, loader for the check; None if the file runs only on other machines)
FORMATS: Dict[str, tuple] = {
    'MINDIR': ('mindir', _write_mindir, mindir_function),
    'ONNX': ('onnx', _write_onnx, onnx_function),
    'AIR': ('air', _write_air, None),
}
