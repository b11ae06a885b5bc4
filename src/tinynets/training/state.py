"""The state of a run: its step, its checkpoints, and what must be unchanged to resume it."""
from __future__ import annotations

import json
import os
import zlib
from typing import Any, Dict

import mindspore as ms
import numpy as np

from tinynets import runtime, workers
from tinynets.config import changeable, from_dict, to_dict
from tinynets.model import checkpoint
from tinynets.model.weights import load_arrays
from tinynets.tasks import DEFAULT, restore
from tinynets.text import shown
from tinynets.training.build import Parts


class State:
    """The state of a run: `step`, `best` and last `score`, and the arrays in its parts."""

    def __init__(self, parts: Parts):
        self.parts = parts
        self.step = 0
        self.best: Dict[str, Any] = {}
        self.score: Dict[str, Any] = {}
        self._check_workers()

    def arrays(self) -> Dict[str, np.ndarray]:
        """Return every array of the run's state by name; the schedule is a function of the step."""
        step = self.parts.step
        arrays = {p.name: p.asnumpy() for p in step.get_parameters() if p.name != 'learning_rate'}
        return arrays if step.average is None else step.average.split(arrays)

    def evaluated_arrays(self) -> Dict[str, np.ndarray]:
        """Return the parameters to evaluate: averaged ones, or the raw ones if no average is kept."""
        return checkpoint.network_arrays(self.arrays(), self.parts.eval_network,
                                         'ema' if self.parts.step.average is not None else 'raw')

    def save(self, path: Any) -> None:
        """Write a checkpoint of the current state; all workers wait until it is written."""
        if runtime.rank() == 0:
            checkpoint.save(str(path), self.arrays(), self.meta())
        workers.wait_for_all()

    def resume(self, saved: checkpoint.Checkpoint) -> None:
        """Continue from a checkpoint. Raises ValueError if data or configuration have changed."""
        parts = self.parts
        restore.check_meta(saved)
        config = to_dict(from_dict(saved.meta['config'], saved.path))  # with keys of later releases than the file's
        then, now = self.identity({**saved.meta, 'config': config}), self.identity(self.meta())
        changed = next((key for key in now if then.get(key) != now[key]), None)
        if changed:
            raise ValueError(f'{saved.path}: {changed} was {shown(then.get(changed))} and is {shown(now[changed])} '
                             'now; a run resumes only as it was started. Undo the change, or start a new run')
        if saved.meta.get('names') not in (None, parts.task.images['names']):
            raise ValueError(f'{saved.path}: the training and validation images are not those that the run was started '
                             'with: some were added, removed, renamed or damaged. Put them back, or start a new run')
        arrays = dict(saved.arrays)
        arrays['learning_rate'] = np.asarray(parts.rates, np.float32)
        load_arrays(parts.step, arrays if parts.step.average is None else parts.step.average.join(arrays))
        missing = next((key for key in ('step', 'best', 'score') if key not in saved.meta), None)
        if missing or saved.meta['step'] > parts.total_steps:
            raise ValueError(f'{saved.path}: {missing or "step"} is {shown(saved.meta.get(missing or "step"))}, which '
                             f'no run of {parts.total_steps} steps has')
        self.step, self.best, self.score = saved.meta['step'], saved.meta['best'], saved.meta['score'] or {}

    def meta(self) -> Dict[str, Any]:
        """Return the checkpoint's data other than the arrays."""
        parts, task = self.parts, self.parts.task
        return {'step': self.step, 'epoch': self.step / parts.steps_per_epoch, 'best': self.best, 'score': self.score,
                'steps_per_epoch': parts.steps_per_epoch, 'train_images': len(task.train_set),
                'workers': runtime.size(), **task.images, **({} if task.name == DEFAULT else {'task': task.name}),
                'network': task.network(), **task.meta(), 'preprocessing': parts.preprocessing,
                'teacher': parts.teacher, 'config': to_dict(parts.config),
                'versions': {'mindspore': ms.__version__, 'numpy': np.__version__}}

    def identity(self, meta: Dict[str, Any]) -> Dict[str, Any]:
        """Return what must be unchanged to resume a run; the data's place and how they are read may change."""
        config = {f'{section}.{key}': value for section, keys in meta['config'].items() for key, value in keys.items()}
        config['model.pretrained'] = os.path.basename(config['model.pretrained'] or '')  # earlier releases: as given
        return {**{key: value for key, value in config.items() if key not in changeable()},
                'workers': meta.get('workers', 1),
                **{key: meta.get(key) for key in (*self.parts.task.meta(), 'train_images', 'steps_per_epoch',
                                                  'teacher')}}

    def check_start(self) -> None:
        """Raise ValueError if workers would start from different steps or weights, for example of copies of a run."""
        weights = 0
        for parameter in self.parts.network.get_parameters():
            weights = zlib.crc32(parameter.asnumpy().tobytes(), weights)
        workers.check_same('the step to start at, and a check sum of the weights', self.step, weights)

    def _check_workers(self) -> None:
        """Raise ValueError if the workers have different data or configurations."""
        task = self.parts.task
        labels = [task.train_set.labels, task.val_set.labels]
        workers.check_same('training and validation images, and a check sum of their targets', *map(len, labels),
                           zlib.crc32(np.concatenate(labels).tobytes()))
        identity = json.dumps([self.identity(self.meta()), task.images], sort_keys=True)
        workers.check_same('a check sum of the configuration', zlib.crc32(identity.encode()))
