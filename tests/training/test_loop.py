"""The run as a user sees it: stopping and resuming, divergence, records, errors."""
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tinynets import stopping
from tinynets.config import to_yaml
from tinynets.model import checkpoint
from tinynets.runtime import configure
from tinynets.tasks import restore
from tinynets.tasks.task import Metric
from tinynets.training import loop
from tinynets.training.loop import Trainer, train
from tinynets.training.run import RunFolder
from tinynets.training.state import State

STOP_AT = 8  # steps; an epoch of the small configuration has five

# Trains, and sends itself a signal in the middle of the second epoch; a checkpoint is due after every step.
STOPPED = f"""
import os, sys
from tests import two_blocks
from tinynets.config import load_config
from tinynets.runtime import configure, run_entry
config, path, number = load_config(sys.argv[1]), sys.argv[2], int(sys.argv[3])
configure('CPU', seed=config.train.seed)
from tinynets.training import loop
class Bar(loop.Bar):
    def update(self, done, note=''):
        super().update(done, note)
        if done == {STOP_AT} and self.total > {STOP_AT}:
            os.kill(os.getpid(), number)
loop.Bar = Bar
run_entry(lambda: loop.train(config, 'CPU', path) and None)
"""


@pytest.fixture(scope='module')
def recipe(light_config, tmp_path_factory):
    """A configuration with every source of randomness and state, as a file."""
    config = light_config('train.epochs=3', 'model.dropout=0.3', 'model.drop_path=0.3', 'data.flip=0.5',
                          'optim.name=rmsprop', 'optim.learning_rate=0.01', 'train.save_minutes=1e-9')
    path = tmp_path_factory.mktemp('recipe') / 'recipe.yaml'
    path.write_text(to_yaml(config))
    return path


@pytest.fixture(scope='module')
def uninterrupted(recipe, tmp_path_factory, entry):
    path = tmp_path_factory.mktemp('whole') / 'run'
    done = entry('train.py', '--config', recipe, '--run', path)
    assert done.returncode == 0, done.stderr
    return checkpoint.load(str(path / 'last.ckpt')), path


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_resumed_equals_uninterrupted_to_the_bit(number, recipe, uninterrupted, tmp_path, root, entry):
    run = tmp_path / 'run'
    stopped = subprocess.run([sys.executable, '-c', STOPPED, str(recipe), str(run), str(int(number))], cwd=root,
                             capture_output=True, text=True, timeout=300)
    if number == signal.SIGKILL:
        assert stopped.returncode == -signal.SIGKILL
    else:
        assert stopped.returncode == 130, stopped.stderr
        assert f'--resume {run}' in stopped.stderr and 'Traceback' not in stopped.stderr
    at = checkpoint.load(str(run / 'last.ckpt')).meta['step']
    assert 5 < at <= STOP_AT and (number == signal.SIGKILL or at == STOP_AT)

    resumed = entry('train.py', '--resume', run)
    assert resumed.returncode == 0, resumed.stderr
    assert f'resumed at step {at} of 15' in resumed.stdout
    whole, (want, whole_run) = checkpoint.load(str(run / 'last.ckpt')), uninterrupted
    assert set(whole.arrays) == set(want.arrays)
    for name, array in want.arrays.items():
        np.testing.assert_array_equal(whole.arrays[name], array, err_msg=name)
    assert any('counter' in name for name in want.arrays)
    scores = [[{k: v for k, v in json.loads(line).items() if k != 'images_per_s'}
               for line in (path / 'metrics.jsonl').read_text().splitlines() if '"eval"' in line]
              for path in (run, whole_run)]
    assert scores[0] == scores[1] and [s['epoch'] for s in scores[0]] == [1, 2, 3]
    assert not [name for name in os.listdir(run) if name.startswith('.')]


def test_a_process_that_is_ended_at_once_says_the_step_to_resume_at(light_config, tmp_path, monkeypatch):
    """From the moment that there is a folder to the last picture."""
    configure('CPU')
    said = []
    for place, name in ((RunFolder, 'keep_records'), (Trainer, 'evaluate'), (RunFolder, 'draw')):
        def watched(self, *arguments, usual=getattr(place, name)):
            said.append(stopping._stops[-1].message)
            return usual(self, *arguments)
        monkeypatch.setattr(place, name, watched)
    run = str(tmp_path / 'run')
    train(light_config('train.epochs=2'), 'CPU', run, say=lambda line: None)
    at = 'interrupted; resume it at step {} of 10 with --resume ' + run
    assert said == [f'interrupted; resume it with --resume {run}', at.format(5), at.format(10), at.format(10)]
    assert not stopping._stops


def test_a_finished_run_resumes_to_nothing(trained, entry):
    before = (trained / 'last.ckpt').read_bytes()
    done = entry('train.py', '--resume', trained)
    assert done.returncode == 0 and 'best top-1' in done.stdout
    assert (trained / 'last.ckpt').read_bytes() == before


def test_run_folder_holds_what_it_says(trained):
    records = [json.loads(line) for line in (trained / 'metrics.jsonl').read_text().splitlines()]
    scores = [r for r in records if r['kind'] == 'eval']
    steps = [r for r in records if r['kind'] == 'train']
    assert [s['epoch'] for s in scores] == [1, 2, 3, 4] and all(s['count'] == 360 for s in scores)
    assert [s['step'] for s in steps] == [22, 44, 66, 88]
    assert steps[-1]['loss'] < steps[0]['loss']
    best = checkpoint.load(str(trained / 'best.ckpt')).meta
    assert best['score']['top1'] == max(s['top1'] for s in scores) == best['best']['top1']
    assert (trained / 'curve.png').read_bytes().startswith(b'\x89PNG')


def test_divergence_stops_with_the_last_good_checkpoint(light_config, tmp_path):
    configure('CPU')
    config = light_config('optim.name=sgd', 'optim.learning_rate=1e30', 'optim.warmup_epochs=1', 'train.epochs=4',
                          'train.save_minutes=1e-9', 'train.ema_decay=0')
    with pytest.raises(ValueError, match='not finite|the loss is (nan|inf)') as caught:
        train(config, 'CPU', str(tmp_path / 'run'), say=lambda line: None)
    assert 'last.ckpt' in str(caught.value) and '\n' not in str(caught.value)
    assert (tmp_path / 'run' / 'curve.png').read_bytes().startswith(b'\x89PNG')
    saved = checkpoint.load(str(tmp_path / 'run' / 'last.ckpt'))
    assert all(np.isfinite(a).all() for a in saved.arrays.values())


def test_saved_after_minutes_and_epochs_drawn_after_ten_seconds_and_at_the_end(light_config, tmp_path, monkeypatch):
    """An epoch has five steps. By this clock a step of the second epoch takes one second, any other step 25."""
    configure('CPU')
    clock, saved, save, drawn = [0.0], [], State.save, []

    class Bar(loop.Bar):
        def update(self, done, note=''):
            if self.total == 15:  # not in an evaluation
                clock[0] += 1 if 5 < done <= 10 and 'loss' in note else 25 * ('loss' in note)

    def keep(state, path):
        save(state, path)
        saved.extend([state.step] * (path.name == 'last.ckpt'))
    monkeypatch.setattr(loop, 'time', SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(loop, 'Bar', Bar)
    monkeypatch.setattr(State, 'save', keep)
    monkeypatch.setattr(RunFolder, 'draw', lambda run, title: drawn.append((len(run.records()), clock[0])))
    train(light_config('train.save_minutes=1', 'train.epochs=3'), 'CPU', str(tmp_path / 'run'), say=lambda line: None)
    assert saved == [3, 5, 5, 10, 10, 13, 15, 15]  # an epoch before and after its evaluation
    assert [time for _, time in drawn] == [125, 255]
    assert drawn[-1][0] == len(RunFolder.open(str(tmp_path / 'run')).records())


def test_a_run_is_never_overwritten(trained, small_config, tmp_path):
    with pytest.raises(ValueError, match='--resume'):
        train(small_config(), 'CPU', str(trained), say=lambda line: None)
    with pytest.raises(FileNotFoundError, match='no run there'):
        train(small_config(), 'CPU', str(tmp_path / 'none'), resume=True, say=lambda line: None)


def test_sinking_runs_the_same_steps(light_config, tmp_path, monkeypatch):
    """Data sinking is replaced by a function that feeds the step from the data set; this needs no Ascend."""
    configure('CPU')
    from tinynets.training import build, feed
    sizes = []

    def data_sink(step, dataset, sink_size, jit_config):
        batches = dataset.create_tuple_iterator(num_epochs=1)
        sizes.append(sink_size)
        return lambda: [step(*next(batches)) for _ in range(sink_size)][-1]

    config = light_config('train.epochs=2', 'data.batch_size=128')
    train(config, 'CPU', str(tmp_path / 'plain'), say=lambda line: None)
    monkeypatch.setattr(build, 'sinks_data', lambda device: True)
    monkeypatch.setattr(feed.ms, 'data_sink', data_sink)
    train(config, 'CPU', str(tmp_path / 'sunk'), say=lambda line: None)
    plain, sunk = (checkpoint.load(str(tmp_path / name / 'last.ckpt')) for name in ('plain', 'sunk'))
    assert sizes == [11] and sunk.meta['step'] == plain.meta['step'] == 22
    for name, array in plain.arrays.items():
        np.testing.assert_array_equal(sunk.arrays[name], array, err_msg=name)


def test_a_broken_validation_image_costs_no_epoch_and_resume_scores_it(light_config, tmp_path):
    """The epoch is saved before it is scored; what could not be scored then is scored when the run goes on."""
    configure('CPU')
    for split in ('train', 'val'):
        for name, colour in (('red', 'red'), ('blue', 'blue')):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(4):
                Image.new('RGB', (16, 16), colour).save(tmp_path / split / name / f'{i}.png')
    broken = tmp_path / 'val' / 'red' / '0.png'
    good = broken.read_bytes()
    broken.write_bytes(good[:40])
    config = light_config('data.name=image_folder', f'data.dir={tmp_path}', 'data.check=false', 'data.batch_size=4',
                          'train.epochs=1')
    run = tmp_path / 'run'
    with pytest.raises(ValueError, match='0.png'):
        train(config, 'CPU', str(run), say=lambda line: None)
    assert checkpoint.load(str(run / 'last.ckpt')).meta['step'] == 2
    broken.write_bytes(good)
    outcome = train(config, 'CPU', str(run), resume=True, say=lambda line: None)
    assert outcome.best['epoch'] == 1 and outcome.best['count'] == 8


def test_a_run_goes_on_only_as_it_was_started(tmp_path, light_config, monkeypatch):
    configure('CPU')
    monkeypatch.setattr(Metric, 'better', lambda *_: False)  # the first epoch is the best
    train(light_config('train.epochs=4'), 'CPU', str(tmp_path / 'run'), say=lambda line: None)
    for change, words in (('optim.learning_rate=0.1', 'optim.learning_rate was 0.002 and is 0.1'),
                          ('data.batch_size=100', 'data.batch_size was 256'),
                          ('model.resolution=20', 'model.resolution was None and is 20')):
        with pytest.raises(ValueError, match=words):
            train(light_config('train.epochs=4', change), 'CPU', str(tmp_path / 'run'), True, lambda line: None)
    (tmp_path / 'run' / 'last.ckpt').unlink()
    score = checkpoint.load(str(tmp_path / 'run' / 'best.ckpt')).meta['best']
    lines = []
    train(light_config('train.epochs=4'), 'CPU', str(tmp_path / 'run'), True, lines.append)
    assert any('from best.ckpt' in line for line in lines)
    assert checkpoint.load(str(tmp_path / 'run' / 'last.ckpt')).meta['step'] == 20
    assert checkpoint.load(str(tmp_path / 'run' / 'best.ckpt')).meta['best'] == score


def test_one_process_a_run_folder(trained, entry):
    with RunFolder.open(str(trained)).locked():
        done = entry('train.py', '--resume', trained)
    assert done.returncode == 2 and 'another process trains in this folder' in done.stderr


def test_two_runs_that_start_at_once_do_not_share_a_folder(small_config, tmp_path):
    """Both found the folder empty; the second to begin is refused, and the first one's configuration stays."""
    first, second = RunFolder.new(str(tmp_path / 'run')), RunFolder.new(str(tmp_path / 'run'))
    first.start(small_config('train.seed=1'))
    with first.locked():
        with pytest.raises(ValueError, match='holds a run already'):
            second.start(small_config('train.seed=2'))
        assert second.load_config().train.seed == 1
        with pytest.raises(ValueError, match='another process trains'), second.locked():
            pass


def test_a_run_folder_on_nfs_can_be_locked(trained, monkeypatch):
    """NFS refuses an exclusive lock of a file that is open for reading only."""
    seen = []
    monkeypatch.setattr(fcntl, 'flock', lambda file, operation: seen.append(file.writable()))
    config = (trained / 'config.yaml').read_bytes()
    with RunFolder.open(str(trained)).locked():
        pass
    assert seen == [True] and (trained / 'config.yaml').read_bytes() == config


def test_a_score_without_its_checkpoint_stands_once(trained, tmp_path):
    """A kill after an evaluation was recorded and before it was saved: the resumed run evaluates the step again."""
    run = RunFolder.open(shutil.copytree(trained, tmp_path / 'run'))
    with run.locked():
        run.keep_records(44, scored_step=22)
    assert [(r['kind'], r['step']) for r in run.records()] == [('train', 22), ('eval', 22), ('train', 44)]
    with run.locked():
        run.keep_records(0, scored_step=0)
    assert run.records() == []


def test_a_run_starts_from_weights_and_goes_on_without_them(small_config, trained, tmp_path, monkeypatch):
    configure('CPU')
    monkeypatch.setattr(Trainer, 'train', lambda self, run, stop: self)  # built, not one step done
    weights, path, said = tmp_path / 'weights.ckpt', tmp_path / 'run', []
    shutil.copy(trained / 'best.ckpt', weights)
    config = small_config(f'model.pretrained={weights}')
    first = train(config, 'CPU', str(path), say=said.append)
    assert f'arrays of weights from {weights}' in said[0]
    averaged, _ = restore.restore_network(checkpoint.load(str(weights)), 'ema')
    state = first.state.arrays()
    for param in (p for p in averaged.get_parameters() if 'counter' not in p.name):  # counters are the new run's
        np.testing.assert_array_equal(state[param.name], param.asnumpy())
        np.testing.assert_array_equal(state[f'ema.{param.name}'], param.asnumpy())
    first.state.save(path / 'last.ckpt')
    weights.unlink()
    said.clear()
    again = train(config, 'CPU', str(path), resume=True, say=said.append).state.arrays()
    assert set(again) == set(state) and not any('arrays of weights' in line for line in said)
    for name, array in state.items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)
    (path / 'last.ckpt').unlink()
    for resume, folder in ((True, path), (False, tmp_path / 'other')):  # without a checkpoint it starts anew
        with pytest.raises(FileNotFoundError, match='weights.ckpt'):
            train(config, 'CPU', str(folder), resume)
    assert not (tmp_path / 'other').exists()
