"""Classification: one label for each image."""
from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from mindspore import nn

from tinynets import workers
from tinynets.arch.spec import NetPlan
from tinynets.config import Config, DataConfig
from tinynets.data import presets
from tinynets.data.division import EarlierDivision
from tinynets.model.checkpoint import Checkpoint
from tinynets.tasks.classification.dataset import Labelled, model_dataset
from tinynets.tasks.classification.evaluate import Result, evaluate, exact_top1
from tinynets.tasks.classification.starts import kept_parts, say_overlap, starts_of
from tinynets.tasks.classification.watch import check_chance, class_balance
from tinynets.tasks.task import Dataset, Metric, Predict, Progress
from tinynets.text import shown


class Classification:
    """Images with one label each; the network gives a logit per class. See tinynets.tasks.task.Task."""
    name = 'classification'
    metric = Metric('top1', 'top-1', ' %')

    def __init__(self, config: Config, progress: Progress, earlier: Optional[Checkpoint] = None,
                 say: Callable[[str], None] = print):
        self.config, data = config, config.data
        self.mean, self.std = presets.per_channel(data, config.model.in_channels)  # raises before images are read
        with workers.first_alone():
            starts = starts_of(config, earlier, self.name)
            division, classes = kept_parts(config, starts)
            train_set, val_set = presets.splits(data, progress, division, classes)
        trained = presets.trained(data, train_set, val_set)
        for start in starts:
            say_overlap(start, val_set, say)
            before = None if start.teacher else start.origin.kept()
            trained = trained.merged(before) if trained else before
        self.images: Dict[str, Any] = {'names': presets.digest(train_set, val_set),
                                       'trained': trained.to_dict() if trained else None}
        if not isinstance(division, EarlierDivision):
            division = getattr(train_set, 'division', None)
            self.images['division'] = division.to_dict() if division else None
        self.train_set: Dataset = presets.kept(data, train_set)
        self.val_set: Dataset = presets.kept(data, val_set)
        self.class_names: Tuple[str, ...] = train_set.class_names

    def network(self) -> Dict[str, Any]:
        model = self.config.model
        return dict(name=model.name, num_classes=len(self.class_names), in_channels=model.in_channels,
                    dropout=model.dropout, drop_path=model.drop_path, resolution=model.resolution)

    def check(self) -> None:
        if len(self.class_names) < 2:
            raise ValueError(f'the training set has one class, {self.class_names[0]}; at least 2 are needed')

    def meta(self) -> Dict[str, Any]:
        return {'class_names': list(self.class_names)}

    def transform(self, resolution: int) -> Callable:
        return presets.train_transform(self.config.data, resolution, self.config.augment, self.config.model.in_channels)

    def mixing(self) -> Optional[Callable]:
        return presets.mixing(self.config.augment, len(self.class_names), self.config.train.seed)

    def loss(self) -> nn.Cell:
        return nn.CrossEntropyLoss(label_smoothing=self.config.train.label_smoothing)

    def describe(self) -> List[str]:
        lines = [f'{len(self.class_names)} classes']
        if len(self.mean) == 1:
            lines.append(f'images become grey (luminance): mean {self.mean[0]:g}, std {self.std[0]:g}')
        return [*lines, class_balance(self.train_set.labels, self.class_names)]

    def check_teacher(self, meta: Dict[str, Any], path: str) -> None:
        theirs, ours = meta['class_names'], list(self.class_names)
        if theirs != ours:
            place = next((i for i, pair in enumerate(zip(theirs, ours)) if pair[0] != pair[1]),
                         min(len(theirs), len(ours)))
            named = [shown(names[place]) if place < len(names) else 'none' for names in (theirs, ours)]
            raise ValueError(f'train.teacher={path}: has {len(theirs)} classes, the data set {len(ours)}; class '
                             f'{place} is {named[0]} in the teacher and {named[1]} in the data set. Use a teacher that '
                             'was trained on the same classes')

    def check_progress(self, best: Dict[str, Any], epoch: int, steps: int) -> None:
        check_chance(exact_top1(best), self.val_set.labels, epoch, self.config.train.chance_epochs, steps)

    def outputs(self) -> Tuple[str, Sequence[str]]:
        return 'classes', self.class_names

    @classmethod
    def value(cls, score: Dict[str, Any]) -> float:
        return exact_top1(score)

    @classmethod
    def score_text(cls, score: Dict[str, Any]) -> List[Tuple[str, str]]:
        return [('top-1', f"{score['top1']:.2f} %"), ('top-5', f"{score['top5']:.2f} %"),
                ('loss', f"{score['loss']:.4f}")]

    @classmethod
    def check_meta(cls, meta: Dict[str, Any], plan: NetPlan) -> None:
        names, count = meta.get('class_names'), plan.spec.num_classes
        if not isinstance(names, list):
            raise ValueError(f'class_names is {shown(names)}')
        if 'classes_named' in meta and not isinstance(meta['classes_named'], bool):
            raise ValueError(f'classes_named is {shown(meta["classes_named"])}')
        if len(names) != count or not all(isinstance(name, str) for name in names):
            raise ValueError(f'{count} classes are named {shown(names)}')

    @classmethod
    def manifest(cls, meta: Dict[str, Any]) -> Dict[str, Any]:
        return {'class_names': meta['class_names'], 'classes_named': meta.get('classes_named', True)}

    @classmethod
    def check_manifest(cls, manifest: Dict[str, Any]) -> None:
        names = manifest.get('class_names')
        if names is None and 'class_names' not in manifest:
            raise ValueError('class_names is missing')
        if not (isinstance(names, list) and names and all(isinstance(name, str) and name for name in names)
                and len(set(names)) == len(names)):
            raise ValueError(f'class_names is {shown(names)}; it must be a list of different names')
        if not isinstance(manifest.get('classes_named', True), bool):
            raise ValueError(f'classes_named is {shown(manifest["classes_named"])}; it must be true or false')

    @classmethod
    def output_shape(cls, manifest: Dict[str, Any]) -> List[int]:
        return [len(manifest['class_names'])]

    @classmethod
    def dataset(cls, model: Any, data: DataConfig, split: str, progress: Optional[Progress] = None) -> Dataset:
        return model_dataset(model, data, split, progress)

    @classmethod
    def evaluate(cls, predict: Predict, dataset: Labelled, transform: Callable, batch_size: int, workers: int = 2,
                 progress: Optional[Progress] = None) -> Result:
        return evaluate(predict, dataset, transform, batch_size, workers, progress)
