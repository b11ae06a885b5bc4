"""The protocol of a task: all that trainer, checkpoints, records and exports know of what a network is trained for.

To add a task: a class with these members in a folder of its own, and a row in TASKS (tasks/__init__.py).
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, ClassVar, Dict, List, Optional, Protocol, Sequence, Tuple

import numpy as np
from mindspore import nn

from tinynets.arch.spec import NetPlan
from tinynets.config import DataConfig

Progress = Callable[[int, int], None]  # (done, total)
Predict = Callable[[np.ndarray], np.ndarray]  # images (B, C, R, R) float32 -> outputs (B, ...)
SETTLED = 100  # updates; a good run from random weights is at chance for up to 40, many epochs of a few images
Sample = Tuple[np.ndarray, Any]  # an image as a tensor (C, R, R), and its target


class Dataset(Protocol):
    """Images and their targets, by index."""
    labels: np.ndarray  # the target of each image along the first axis: class indices (N,), or any other fixed shape

    def __len__(self) -> int:
        """The number of images."""

    def image(self, index: int) -> Any:
        """Image `index`, Pillow RGB. Raises ImageError where it cannot be read."""

    def source(self, index: int) -> Any:
        """The same for a random crop, which may read only a part of the file."""

    def name(self, index: int) -> str:
        """What to call image `index` in a report."""


@dataclass(frozen=True)
class Metric:
    """The number that evaluations are compared by.

    `name` is its key in scores and records, `title` what people read, `unit` what follows the number, `best` whether
    a 'higher' or a 'lower' one is better.
    """
    name: str
    title: str
    unit: str = ''
    best: str = 'higher'

    def better(self, one: float, other: float) -> bool:
        """Whether the first value is better than the second; equal ones are not."""
        return one > other if self.best == 'higher' else one < other

    def best_of(self, scores: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
        """The first of the best scores, {} where there is none."""
        best: Dict[str, Any] = {}
        for score in scores:
            if not best or self.better(score[self.name], best[self.name]):
                best = score
        return best

    def text(self, value: float) -> str:
        """A value with two decimals and its unit."""
        return f'{value:.2f}{self.unit}'

    @property
    def label(self) -> str:
        """The title of an axis or a column."""
        return f'{self.title},{self.unit}' if self.unit else self.title


class Result(Protocol):
    """What an evaluation found; `loss` is the mean over the images, `count` their number."""
    loss: float
    count: int
    images_per_s: float

    def summary(self) -> Dict[str, Any]:
        """The numbers as JSON takes them; among them `loss`, `count` and the metric."""


class Task(Protocol):
    """A task with its data, as one configuration asks for it.

    Made of (config, progress, earlier, say): `earlier` is the checkpoint to be resumed, or None; images are divided and
    outputs ordered as they were in it.
    """
    name: ClassVar[str]
    metric: ClassVar[Metric]
    train_set: Dataset
    val_set: Dataset
    images: Dict[str, Any]  # what identifies the images, kept in checkpoints; a resumed run has the same `names`

    def network(self) -> Dict[str, Any]:
        """The arguments of `build`, as they are kept in checkpoints and manifests."""

    def check(self) -> None:
        """Raise ValueError where the data cannot be trained on."""

    def meta(self) -> Dict[str, Any]:
        """What a checkpoint keeps of the outputs' meaning. A resumed run must have the same."""

    def transform(self, resolution: int) -> Any:
        """The training transform: (image, rng) -> tensor (C, R, R); `write` puts it into an array."""

    def mixing(self) -> Optional[Callable]:
        """(images, targets, step) -> the batch mixed, or None."""

    def loss(self) -> nn.Cell:
        """(outputs float32, targets) -> the mean loss."""

    def describe(self) -> List[str]:
        """What the outputs are in a few words, then further lines for the start of a run."""

    def check_teacher(self, meta: Dict[str, Any], path: str) -> None:
        """Raise ValueError where a network of that description cannot teach this one."""

    def check_progress(self, best: Dict[str, Any], epoch: int, steps: int) -> None:
        """Raise ValueError where the best score so far shows that nothing is learnt."""

    def outputs(self) -> Tuple[str, Sequence[str]]:
        """What the outputs are called, for the card: ('classes', their names)."""

    @classmethod
    def value(cls, score: Dict[str, Any]) -> float:
        """The metric of a summary, not rounded."""

    @classmethod
    def score_text(cls, score: Dict[str, Any]) -> List[Tuple[str, str]]:
        """A summary's numbers for people, each with its name: ('top-1', '98.33 %')."""

    @classmethod
    def check_meta(cls, meta: Dict[str, Any], plan: NetPlan) -> None:
        """Raise ValueError where a checkpoint's description of the outputs is damaged."""

    @classmethod
    def manifest(cls, meta: Dict[str, Any]) -> Dict[str, Any]:
        """What the manifest of an exported model says of its outputs."""

    @classmethod
    def check_manifest(cls, manifest: Dict[str, Any]) -> None:
        """Raise ValueError where a manifest's description of the outputs is damaged."""

    @classmethod
    def output_shape(cls, manifest: Dict[str, Any]) -> List[int]:
        """The shape of the outputs for one image, as the manifest describes them."""

    @classmethod
    def dataset(cls, model: Any, data: DataConfig, split: str, progress: Optional[Progress] = None) -> Dataset:
        """A split of a data set for evaluating a model (tinynets.deploy.predict.Predictor)."""

    @classmethod
    def evaluate(cls, predict: Predict, dataset: Dataset, transform: Callable, batch_size: int, workers: int = 2,
                 progress: Optional[Progress] = None) -> Result:
        """Score outputs on a whole data set, every image once; the workers of one job share the images."""

