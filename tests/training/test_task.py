"""A second task that the package does not know: the value of a digit as one number.

It is trained, saved, resumed, evaluated and exported by the code that does so for classification.
"""
import json
import shutil
import time
from dataclasses import dataclass

import numpy as np
import pytest
from mindspore import nn

from tinynets import tasks
from tinynets.data import presets
from tinynets.data.pipeline import eval_batches
from tinynets.deploy.export import export
from tinynets.deploy.manifest import check_manifest
from tinynets.deploy.predict import load_predictor
from tinynets.model import checkpoint
from tinynets.runtime import Interrupted, configure
from tinynets.tasks.restore import check_meta
from tinynets.tasks.task import Metric
from tinynets.training.loop import train
from tinynets.training.outcome import finished_text
from tinynets.training.run import RunFolder
from tinynets.training.summary import summarise, table


class Values:
    """The embedded digits, whose targets are their values from 0 to 1: (1,) float32 each."""

    def __init__(self, digits):
        self.digits, self.labels = digits, (digits.labels[:, None] / 9).astype(np.float32)
        self.image, self.source, self.name = digits.image, digits.source, digits.name

    def __len__(self):
        return len(self.digits)


@dataclass
class Errors:
    """The result of an evaluation: the mean absolute and the mean squared error."""
    mae: float
    loss: float
    count: int
    images_per_s: float

    def summary(self):
        return {'mae': round(self.mae, 6), 'loss': round(self.loss, 6), 'count': self.count,
                'images_per_s': round(self.images_per_s, 1)}


class DigitValue:
    """See tinynets.tasks.task.Task."""
    name = 'digit_value'
    metric = Metric('mae', 'mean absolute error', best='lower')

    def __init__(self, config, progress, earlier=None, say=print):
        self.config = config
        self.train_set, self.val_set = map(Values, presets.splits(config.data, progress))
        self.images = {'names': None}

    def network(self):
        return {'name': self.config.model.name, 'num_classes': 1}

    def check(self):
        pass

    def meta(self):
        return {'scale': 9}

    def transform(self, resolution):
        return presets.train_transform(self.config.data, resolution)

    def mixing(self):
        return None

    def loss(self):
        return nn.MSELoss()

    def describe(self):
        return ['one value', f'targets from {self.train_set.labels.min():g} to {self.train_set.labels.max():g}']

    def check_teacher(self, meta, path):
        raise ValueError('no teacher')

    def check_progress(self, best, epoch, steps):
        pass

    def outputs(self):
        return 'outputs', ['value']

    @classmethod
    def value(cls, score):
        return score['mae']

    @classmethod
    def score_text(cls, score):
        return [('mean absolute error', f"{score['mae']:.4f}"), ('loss', f"{score['loss']:.4f}")]

    @classmethod
    def check_meta(cls, meta, plan):
        if meta.get('scale') != 9:
            raise ValueError(f'scale is {meta.get("scale")}')

    @classmethod
    def manifest(cls, meta):
        return {'scale': meta['scale']}

    @classmethod
    def check_manifest(cls, manifest):
        if 'scale' not in manifest:
            raise ValueError('scale is missing')

    @classmethod
    def output_shape(cls, manifest):
        return [1]

    @classmethod
    def dataset(cls, model, data, split, progress=None):
        return Values(presets.dataset(data, split, progress=progress))

    @classmethod
    def evaluate(cls, predict, dataset, transform, batch_size, workers=2, progress=None):
        begun = time.perf_counter()
        errors = np.concatenate([np.asarray(predict(images))[:len(labels)] - labels
                                 for images, labels in eval_batches(dataset, transform, batch_size, workers)])
        if progress:
            progress(len(errors), len(dataset))
        return Errors(float(np.abs(errors).mean()), float((errors ** 2).mean()), len(errors),
                      len(errors) / (time.perf_counter() - begun))


@pytest.fixture(scope='module')
def config():
    from tests.conftest import LIGHT
    from tinynets.config import load_config
    return load_config(None, [
        f'model.name={LIGHT}', 'model.task=digit_value', 'model.dropout=0', 'data.name=digits', 'data.batch_size=64',
        'data.flip=0', 'data.crop_area=[0.9, 1]', 'train.epochs=10', 'optim.name=adamw', 'optim.learning_rate=0.01',
        'train.ema_decay=0.8', 'optim.warmup_epochs=1'])


@pytest.fixture(scope='module', autouse=True)
def registered():
    """The one row that a task needs elsewhere."""
    patch = pytest.MonkeyPatch()
    patch.setitem(tasks.TASKS, 'digit_value', f'{__name__}:DigitValue')
    yield
    patch.undo()


@pytest.fixture(scope='module')
def run(config, tmp_path_factory):
    """(folder, printed lines, outcome) of a whole run."""
    configure('CPU')
    folder, said = tmp_path_factory.mktemp('task') / 'run', []
    outcome = train(config, 'CPU', str(folder), say=said.append)
    return folder, said, outcome


def test_it_learns_and_its_best_is_the_lowest(run):
    folder, said, outcome = run
    scores = [r for r in RunFolder.open(str(folder)).records() if r['kind'] == 'eval']
    assert len(scores) == 10 and outcome.best['mae'] == min(r['mae'] for r in scores)
    spread = 0.2528  # the mean absolute difference of the digits' values from their median
    assert outcome.best['mae'] < spread / 2
    assert outcome.last == {key: value for key, value in scores[-1].items() if key != 'kind'}
    assert 'one value, 1,437 training and 360 validation images' in said[0] and said[1] == 'targets from 0 to 1'
    assert any(line.startswith('epoch  10: mean absolute error 0.') for line in said)
    assert finished_text(outcome).startswith(f"best mean absolute error {outcome.best['mae']:.2f} at epoch ")


def test_its_records_card_and_curve_speak_of_its_metric(run, drawn):
    folder, _, outcome = run
    opened = RunFolder.open(str(folder))
    assert f"| mean absolute error | {outcome.best['mae']:.4f} |" in opened.card.read_text()
    assert '| outputs | 1: value |' in opened.card.read_text()
    opened.draw('a title')
    assert drawn[0].axes[1].get_ylabel() == 'mean absolute error'
    assert drawn[0].axes[1].get_title() == f"best {outcome.best['mae']:.2f} at epoch {outcome.best['epoch']}"
    rows = [dict(summarise('this', opened)), {**summarise('worse', opened), 'run': 'worse', 'mae': 0.9}]
    lines = table(rows[::-1], opened.metric).splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ['this', 'worse'] and 'best mean absolute error' in lines[0]


def test_a_resumed_run_ends_in_the_same_bits(run, config, tmp_path):
    configure('CPU')
    whole, resumed = run[0], tmp_path / 'resumed'

    def stop(line):
        if line.startswith('epoch   2'):
            raise Interrupted('stopped')
    with pytest.raises(Interrupted):
        train(config, 'CPU', str(resumed), say=stop)
    train(config, 'CPU', str(resumed), resume=True, say=lambda line: None)
    want, got = (checkpoint.load(str(folder / 'last.ckpt')) for folder in (whole, resumed))
    assert want.meta['task'] == 'digit_value' and set(want.arrays) == set(got.arrays)
    for name, array in want.arrays.items():
        np.testing.assert_array_equal(got.arrays[name], array, err_msg=name)
    assert [got.meta[key]['mae'] for key in ('best', 'score')] == [want.meta[key]['mae'] for key in ('best', 'score')]


def test_eval_and_the_exported_files_score_what_the_training_did(run, config, entry, tmp_path):
    configure('CPU')
    folder, _, outcome = run
    made = export(str(folder / 'best.ckpt'), ['MINDIR', 'ONNX'], str(tmp_path))
    for path in (str(folder / 'best.ckpt'), *(item.path for item in made)):
        model = load_predictor(path)
        assert (model.task, model.class_names) == ('digit_value', ())
        data = model.dataset(config.data, 'val')
        result = tasks.task_class(model.task).evaluate(model.predict, data, model.transform, 64)
        assert result.count == 360 and result.mae == pytest.approx(outcome.best['mae'], abs=1e-5)
    manifest = json.loads((tmp_path / made[0].manifest).read_text())
    assert manifest['task'] == 'digit_value' and manifest['scale'] == 9 and 'class_names' not in manifest
    assert manifest['output']['shape'] == [1, 1]


@pytest.mark.parametrize('change, message', [
    ({'task': 'poetry'}, "task 'poetry': must be one of classification, digit_value"),
    ({'task': None}, 'task None: must be one of'), ({'scale': 8}, 'scale is 8'),
    ({'best': {'epoch': 1}}, 'best.mae is None')])
def test_a_damaged_description_is_named(run, change, message):
    saved = checkpoint.load(str(run[0] / 'best.ckpt'))
    saved.meta.update(change)
    with pytest.raises(checkpoint.CheckpointError, match='damaged') as caught:
        check_meta(saved)
    assert message in str(caught.value)


def test_a_manifest_without_what_the_task_needs_is_refused(run, tmp_path):
    configure('CPU')
    made, = export(str(run[0] / 'best.ckpt'), ['ONNX'], str(tmp_path))
    manifest = json.loads((tmp_path / made.manifest).read_text())
    check_manifest(manifest)
    for change, message in (({'task': 'classification'}, 'class_names is missing'), ({'task': 5}, 'task 5: must be'),
                            ({'output': {'name': 'logits', 'shape': [None, 2]}}, 'output.shape')):
        with pytest.raises(ValueError, match=message):
            check_manifest({**manifest, **change})
    with pytest.raises(ValueError, match='scale is missing'):
        check_manifest({key: value for key, value in manifest.items() if key != 'scale'})


def test_a_checkpoint_of_another_task_is_no_teacher_and_keeps_no_classes(run, trained, small_config, tmp_path):
    configure('CPU')
    weights = shutil.copy(run[0] / 'best.ckpt', tmp_path / 'value.ckpt')
    with pytest.raises(ValueError, match='was trained for digit_value, this run is classification'):
        train(small_config(f'train.teacher={weights}'), 'CPU', str(tmp_path / 'run'), say=lambda line: None)


def test_a_metric_says_which_way_is_better():
    higher, lower = Metric('a', 'a', ' %'), Metric('b', 'b', best='lower')
    assert higher.better(2, 1) and not higher.better(1, 2) and not higher.better(1, 1)
    assert lower.better(1, 2) and not lower.better(2, 1) and not lower.better(1, 1)
    scores = [{'b': 2.0, 'n': 0}, {'b': 1.0, 'n': 1}, {'b': 1.0, 'n': 2}]
    assert lower.best_of(scores) is scores[1] and lower.best_of([]) == {}
    assert Metric('b', 'b').best_of(scores) is scores[0]
    assert (higher.text(1.234), lower.text(1.234), higher.label, lower.label) == ('1.23 %', '1.23', 'a, %', 'b')
