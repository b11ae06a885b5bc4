"""A run's records: means, rates, speeds and scores, of steps and scores chosen by the test."""
import pathlib
import types

import numpy as np
import pytest

from tinynets.model import checkpoint
from tinynets.output import lacking
from tinynets.runtime import configure
from tinynets.tasks.classification.evaluate import Result
from tinynets.training import loop, meter
from tinynets.training.run import RunFolder


class Clock:
    """A clock that only steps and evaluations advance."""
    now = 1000.0

    def __call__(self):
        return self.now


def result(right, count=3):
    """A score of `right` images among `count`; of three images the share is a repeating decimal."""
    return Result(100 * right / count, 100.0, 1.5, count, 10.0, np.diag([right, 0]) + [[0, count - right], [0, 0]])


@pytest.fixture
def played(light_config, tmp_path, monkeypatch):
    """played(scores, override, ...) -> (outcome, records) of a run of five steps per epoch whose step s has the loss
    1 / s and takes two seconds, whose evaluations take a hundred."""
    def play(scores, *overrides):
        clock, left = Clock(), iter(scores)

        def losses(parts, start, waiting):
            for step in range(start + 1, parts.total_steps + 1):
                clock.now += 2
                yield step, 1 / step

        def evaluate(trainer):
            clock.now += 100
            return result(next(left))
        configure('CPU')
        for module in (loop, meter):
            monkeypatch.setattr(module, 'time', types.SimpleNamespace(monotonic=clock))
        monkeypatch.setattr(loop, 'losses', losses)
        monkeypatch.setattr(loop.Trainer, 'evaluate', evaluate)
        outcome = loop.train(light_config(*overrides), 'CPU', str(tmp_path / 'run'), say=lambda line: None)
        return outcome, RunFolder.open(str(tmp_path / 'run')).records()
    return play


def rate(update):
    """The learning rate of an update: an epoch of warm-up from 1e-6 to 0.002, then 3 % less every 2.4 epochs."""
    done = update - 1
    return 1e-6 + (0.002 - 1e-6) * done / 5 if done < 5 else 0.002 * 0.97 ** int(done / 12)


def test_training_records_are_the_steps_since_the_last(played):
    outcome, records = played([1, 2], 'train.epochs=3', 'train.eval_every=2')
    train = [r for r in records if r['kind'] == 'train']
    assert [(r['step'], r['epoch']) for r in train] == [(5, 1), (10, 2), (15, 3)]
    for r in train:
        steps = np.arange(r['step'] - 4, r['step'] + 1)
        assert r['loss'] == pytest.approx((1 / steps).mean(), abs=1e-6)
        assert r['learning_rate'] == pytest.approx(rate(r['step']))
        assert r['images_per_s'] == 5 * 256 / 10  # independent of an evaluation before it
    assert outcome.seconds == pytest.approx(15 * 2 + 2 * 100)


def test_scores_are_recorded_every_so_many_epochs_and_at_the_end(played):
    outcome, records = played([1, 2], 'train.epochs=3', 'train.eval_every=2')
    scores = [r for r in records if r['kind'] == 'eval']
    assert [(r['epoch'], r['step'], r['top1'], r['count']) for r in scores] == [(2, 10, 33.3333, 3),
                                                                                (3, 15, 66.6667, 3)]
    assert outcome.best['epoch'] == outcome.last['epoch'] == 3


def test_the_first_of_equal_scores_is_the_best(played):
    outcome, records = played([1, 2, 2, 1], 'train.epochs=4')
    assert (outcome.best['epoch'], outcome.last['epoch']) == (2, 4)
    saved = checkpoint.load(str(outcome.run.best)).meta
    assert saved['best']['epoch'] == saved['score']['epoch'] == 2 and saved['step'] == 10
    card = outcome.run.card.read_text()
    assert '| trained | 2 of 4 epochs, 10 of 20 steps |' in card and '| top-1 | 66.67 % |' in card


def test_patience_counts_from_the_first_of_equal_scores(played, monkeypatch):
    monkeypatch.setattr('tinynets.training.patience.SETTLED', 1)
    outcome, records = played([1, 2, 2, 2, 2, 2], 'train.epochs=9', 'train.patience=2')
    assert [r['epoch'] for r in records if r['kind'] == 'eval'] == [1, 2, 3, 4] and outcome.best['epoch'] == 2


def test_a_record_that_finds_no_room_names_its_file(tmp_path):
    run = RunFolder(str(tmp_path))
    run.metrics = pathlib.Path('/dev/full')
    with pytest.raises(OSError) as raised:
        run.record(kind='train', step=1)
    assert raised.value.filename == '/dev/full' and lacking(raised.value) == 'space'


def test_a_run_that_was_above_chance_once_is_not_stopped(played, monkeypatch):
    monkeypatch.setattr('tinynets.training.patience.SETTLED', 1)
    outcome, _ = played([2, 0, 0], 'train.epochs=3', 'train.chance_epochs=2')
    assert (outcome.best['epoch'], outcome.last['epoch']) == (1, 3)
