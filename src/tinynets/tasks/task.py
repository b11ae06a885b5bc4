"""The protocol of a task, by which trainer, checkpoints, records and exports use it.

To add a task, write a class with these members in a new folder, and add a row to TASKS (tasks/__init__.py).
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Dict, List, Optional, Protocol, Sequence, Tuple

import numpy as np

from tinynets.arch.spec import NetPlan
from tinynets.config import DataConfig

if TYPE_CHECKING:  # slow to import
    from mindspore import nn

Progress = Callable[[int, int], None]  # (done, total)
Predict = Callable[[np.ndarray], np.ndarray]  # images (B, C, R, R) float32 -> outputs (B, ...)
SETTLED = 100  # updates; a good run from random weights may be at chance for 40, which are many epochs of few images
Sample = Tuple[np.ndarray, Any]  # an image as a tensor (C, R, R), and its target


class Dataset(Protocol):
    """Images and their targets, by index."""
    labels: np.ndarray  # the target of each image along the first axis: class indices (N,), or any other fixed shape

    def __len__(self) -> int:
        """The number of images."""

    def image(self, index: int) -> Any:
        """Return image `index`, Pillow RGB. Raises ImageError if it cannot be read."""

    def source(self, index: int) -> Any:
        """Return image `index` in a form for random crops, which may decode only a part of it."""

    def name(self, index: int) -> str:
        """Return a name of image `index` for reports."""


@dataclass(frozen=True)
class Metric:
    """The number that evaluations are compared by.

    `name` is its key in scores and records, `title` its name for people, `unit` the text after the number, `best`
    whether 'higher' or 'lower' is better.
    """
    name: str
    title: str
    unit: str = ''
    best: str = 'higher'

    def better(self, one: float, other: float) -> bool:
        """Whether the first value is better than the second; equal ones are not."""
        return one > other if self.best == 'higher' else one < other

    def best_of(self, scores: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
        """Return the first of the best scores, {} if there is none."""
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
    """The result of an evaluation; `loss` is the mean over the images, `count` their number."""
    loss: float
    count: int
    images_per_s: float

    def summary(self) -> Dict[str, Any]:
        """Return the numbers for JSON, including `loss`, `count` and the metric."""


class Task(Protocol):
    """A task with the data of a configuration.

    The constructor takes (config, progress, earlier, say). `earlier` is the checkpoint to be resumed, or None; images
    are divided and outputs ordered as in it.
    """
    name: ClassVar[str]
    metric: ClassVar[Metric]
    train_set: Dataset
    val_set: Dataset
    images: Dict[str, Any]  # what identifies the images, kept in checkpoints; a resumed run has the same `names`

    def network(self) -> Dict[str, Any]:
        """Return the arguments that build the network, for checkpoints and manifests."""

    def check(self) -> None:
        """Raise ValueError if the data cannot be trained on."""

    def meta(self) -> Dict[str, Any]:
        """Return the meaning of the outputs for checkpoints. A resumed run must have the same."""

    def transform(self, resolution: int) -> Any:
        """Return the training transform: (image, rng) -> tensor (C, R, R); `write` puts it into an array."""

    def mixing(self) -> Optional[Callable]:
        """Return the function (images, targets, step) -> mixed batch, or None."""

    def loss(self) -> nn.Cell:
        """Return the cell (outputs float32, targets) -> the mean loss."""

    def describe(self) -> List[str]:
        """Return a few words on the outputs, then further lines for the start of a run."""

    def check_teacher(self, meta: Dict[str, Any], path: str) -> None:
        """Raise ValueError if a network of that description cannot teach this one."""

    def check_progress(self, best: Dict[str, Any], epoch: int, steps: int) -> None:
        """Raise ValueError if the best score so far shows that the network does not learn."""

    def outputs(self) -> Tuple[str, Sequence[str]]:
        """Return the kind and the names of the outputs for the card: ('classes', their names)."""

    @classmethod
    def value(cls, score: Dict[str, Any]) -> float:
        """Return the unrounded metric of a summary."""

    @classmethod
    def score_text(cls, score: Dict[str, Any]) -> List[Tuple[str, str]]:
        """Return a summary's numbers as texts with their names: ('top-1', '98.33 %')."""

    @classmethod
    def check_meta(cls, meta: Dict[str, Any], plan: NetPlan) -> None:
        """Raise ValueError if a checkpoint's description of the outputs is damaged."""

    @classmethod
    def manifest(cls, meta: Dict[str, Any]) -> Dict[str, Any]:
        """Return an exported model's description of the outputs for its manifest."""

    @classmethod
    def check_manifest(cls, manifest: Dict[str, Any]) -> None:
        """Raise ValueError if a manifest's description of the outputs is damaged."""

    @classmethod
    def output_shape(cls, manifest: Dict[str, Any]) -> List[int]:
        """Return the shape of the outputs for one image by the manifest."""

    @classmethod
    def dataset(cls, model: Any, data: DataConfig, split: str, progress: Optional[Progress] = None) -> Dataset:
        """Return a split of a data set for evaluating a model (tinynets.deploy.predict.Predictor)."""

    @classmethod
    def evaluate(cls, predict: Predict, dataset: Dataset, transform: Callable, batch_size: int, workers: int = 2,
                 progress: Optional[Progress] = None) -> Result:
        """Score outputs on a whole data set, every image once; the workers of one job share the images."""

