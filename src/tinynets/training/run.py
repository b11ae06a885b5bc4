"""The run folder: resolved configuration, metrics as JSON lines, curve, last and best checkpoints.

    config.yaml     every key of the configuration
    metrics.jsonl   one record per line: {"kind": "train" | "eval", "step", "epoch", ...}
    events/         the same for TensorBoard
    curve.png       loss, learning rate, accuracy and throughput over epochs
    last.ckpt       where `--resume` continues
    best.ckpt       the best evaluation so far
    best.md         its card: network, data, recipe, accuracy, cost, hashes
"""
from __future__ import annotations

import contextlib
import functools
import json
import pathlib
from typing import Iterator, List, Optional

from tinynets.config import Config, load_config, to_yaml
from tinynets.files import check_text_path, create_text, lock, named_errors, read_text, remove_leftovers, write_text
from tinynets.output import side_product
from tinynets.tasks import DEFAULT, task_class
from tinynets.tasks.task import Metric
from tinynets.training.events import Events
from tinynets.training.plots import training_curve

FIELDS = {'train': ('step', 'epoch', 'loss', 'learning_rate', 'images_per_s'),
          'eval': ('step', 'epoch', 'loss')}  # numbers in every record of a kind; an eval also has its metric
NUMBERS = 1000  # largest number of runs with one name


class RunFolder:
    """Paths and records of one run."""

    def __init__(self, path: str):
        self._place(path)

    def _place(self, path: str) -> None:
        self.path = pathlib.Path(path)
        self.config = self.path / 'config.yaml'
        self.metrics = self.path / 'metrics.jsonl'
        self.curve = self.path / 'curve.png'
        self.last = self.path / 'last.ckpt'
        self.best = self.path / 'best.ckpt'
        self.card = self.path / 'best.md'
        self.events = Events(self.path / 'events')

    @classmethod
    def new(cls, path: str, numbered: bool = False) -> 'RunFolder':
        """Return the folder of a new run, without making it. Raises ValueError if it has a run, unless `numbered`."""
        check_text_path(path)
        run = cls(path)
        if not numbered and any(file.exists() for file in (run.config, run.metrics, run.last, run.best)):
            raise run._taken()
        return run

    @classmethod
    def open(cls, path: str) -> 'RunFolder':
        """Open the folder of an earlier run. Raises FileNotFoundError if there is none."""
        run = cls(path)
        if not run.config.is_file():
            raise FileNotFoundError(f'{path}: no run there (no config.yaml in it)')
        return run

    def start(self, config: Config, numbered: bool = False) -> None:
        """Make the folder and save the resolved configuration.

        Raises ValueError if another process was faster; `numbered`: take the folder <path>-2, -3, ... instead.
        """
        wanted = str(self.path)
        for number in range(1, NUMBERS if numbered else 2):
            self._place(wanted if number == 1 else f'{wanted}-{number}')
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                create_text(self.config, to_yaml(config))
                return
            except FileExistsError:
                continue
        raise self._taken()

    def _taken(self) -> ValueError:
        return ValueError(f'{self.path}: holds a run already; continue it with --resume {self.path}, or choose another '
                          '--run folder')

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for this process. Raises ValueError if another one trains in it."""
        with open(self.config, 'r+', encoding='utf-8') as file:
            if not lock(file):
                raise ValueError(f'{self.path}: another process trains in this folder; wait, or stop it')
            remove_leftovers(self.path)
            try:
                yield
            finally:
                self.events.close()

    def load_config(self) -> Config:
        """The configuration the run was started with."""
        return load_config(str(self.config), saved=True)

    @functools.cached_property
    def metric(self) -> Metric:
        """The metric of the run's evaluations."""
        return task_class(self.load_config().model.task if self.config.exists() else DEFAULT).metric

    def record(self, **fields) -> None:
        """Append one record."""
        with named_errors(self.metrics, str(self.path)), open(self.metrics, 'a', encoding='utf-8') as file:
            file.write(json.dumps(fields) + '\n')
        self.events.write(fields)

    def records(self) -> List[dict]:
        """Return the records; incomplete lines, left by a killed process, and other lines are skipped."""
        if not self.metrics.exists():
            return []
        found = []
        for line in read_text(self.metrics, errors='replace').split('\n'):
            with contextlib.suppress(ValueError, RecursionError):
                record = json.loads(line)
                if _is_record(record, self.metric.name):
                    found.append(record)
        return found

    def keep_records(self, up_to_step: int, scored_step: Optional[int] = None) -> None:
        """Drop the records after `up_to_step`, and the scores after `scored_step`: the resumed run repeats them.

        A run that ended between a score and the next checkpoint evaluates that step once more.
        """
        last = {'train': up_to_step, 'eval': up_to_step if scored_step is None else scored_step}
        kept = [r for r in self.records() if 0 < r['step'] <= last[r['kind']]]
        write_text(self.metrics, ''.join(json.dumps(r) + '\n' for r in kept))
        self.events.begin(kept)

    def draw(self, title: str) -> None:
        """Draw the training curve of the records so far."""
        with side_product(str(self.curve)):
            training_curve(self.records(), self.metric, title, path=str(self.curve))


def _is_record(record, metric: str) -> bool:
    """Whether a line of metrics.jsonl has the numbers that a record of its kind has."""
    keys = FIELDS.get(record.get('kind')) if isinstance(record, dict) and isinstance(record.get('kind'), str) else None
    keys = (*keys, metric) if keys and record['kind'] == 'eval' else keys
    numbers = [record.get(key) for key in keys or ()]
    return bool(numbers) and isinstance(record.get('step'), int) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 1e300 for value in numbers)


class FollowedRun(RunFolder):
    """The run folder for all workers but the first: they only read it."""

    @classmethod
    def new(cls, path: str, numbered: bool = False) -> 'FollowedRun':
        return cls(path)

    def start(self, config: Config, numbered: bool = False) -> None:
        pass

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        yield

    def record(self, **fields) -> None:
        pass

    def keep_records(self, up_to_step: int, scored_step: Optional[int] = None) -> None:
        pass

    def draw(self, title: str) -> None:
        pass
