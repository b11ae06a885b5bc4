"""By-products of a run may fail, equal scores are no progress, and paths are relative to the user's folder."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from tinynets import output
from tinynets.config import load_config, to_yaml
from tinynets.files import home_folder, user_path
from tinynets.model import checkpoint
from tinynets.runtime import configure
from tinynets.tasks.classification.evaluate import Result, exact_top1
from tinynets.training import loop
from tinynets.training.loop import train
from tinynets.training.run import RunFolder


def test_pictures_cards_and_events_that_fail_are_a_line_each(light_config, tmp_path, monkeypatch, capsys):
    """Folders lie where the picture and the card are to be, a file where the events are."""
    configure('CPU')
    monkeypatch.setattr(output, '_warned', set())
    run = tmp_path / 'run'
    for name in ('curve.png', 'best.md'):
        (run / name / 'inside').mkdir(parents=True)
    (run / 'events').write_text('')
    outcome = train(light_config('train.epochs=2'), 'CPU', str(run), say=lambda line: None)
    lines = capsys.readouterr().err.splitlines()
    assert outcome.last['epoch'] == 2 and checkpoint.load(str(run / 'best.ckpt')).meta['step'] in (5, 10)
    assert sorted(line.split()[1].rsplit('/', 1)[1] for line in lines if line.startswith('warning')) == [
        'best.md', 'curve.png', 'events']
    assert len(RunFolder.open(str(run)).records()) == 4


def test_events_end_at_the_first_that_cannot_be_written(tmp_path, monkeypatch, capsys):
    """A full disk; a writer that waits for another thread would hang."""
    from tensorboardX.event_file_writer import EventsWriter

    from tinynets.training.events import Events
    monkeypatch.setattr(output, '_warned', set())
    events, calls = Events(tmp_path / 'events'), []
    events.begin()

    def full(self, event):
        calls.append(event)
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(EventsWriter, 'write_event', full)
    for step in range(30):
        events.write({'kind': 'train', 'step': step, 'loss': 1.0})
    events.close()
    assert len(calls) == 1 and capsys.readouterr().err.count('\n') == 1


DRAWS = '''
import os, sys
import numpy as np
from tinynets.training.plots import confusion_matrix
confusion_matrix(np.eye(2, dtype=int), ['a_$x', 'b'], 'title', path=sys.argv[1])
import matplotlib
print(os.environ.get('MPLBACKEND'), matplotlib.rcParams['text.usetex'])
'''


def test_pictures_are_the_same_whatever_the_environment_says(tmp_path):
    """MPLBACKEND of a notebook, a matplotlibrc with LaTeX and other sizes, a home that is not writable."""
    (tmp_path / 'odd').mkdir()
    (tmp_path / 'odd' / 'matplotlibrc').write_text('text.usetex: True\nsavefig.dpi: 33\naxes.facecolor: red\n')
    pictures, said = [], []
    for name, folder, more in (('plain', tmp_path, {}), ('odd', tmp_path / 'odd', {
            'MPLBACKEND': 'module://matplotlib_inline.backend_inline', 'HOME': '/proc/nowhere',
            'MPLCONFIGDIR': '/proc/nowhere'})):
        done = subprocess.run([sys.executable, '-c', DRAWS, str(tmp_path / f'{name}.png')], cwd=folder, text=True,
                              capture_output=True, env={**os.environ, 'PYTHONPATH': str(ROOT / 'src'), **more})
        assert done.returncode == 0, done.stderr
        pictures.append((tmp_path / f'{name}.png').read_bytes())
        said.append(done.stdout.strip())
    assert pictures[0] == pictures[1] and said[1] == 'module://matplotlib_inline.backend_inline True'


def test_a_picture_that_was_asked_for_and_fails_is_an_error_after_the_table(trained, entry, tmp_path):
    (tmp_path / 'c.png').mkdir()
    (tmp_path / 'c.png' / 'inside').write_text('')
    done = entry('compare_runs.py', trained, '--out', tmp_path / 'sub' / '..' / 'd.png')
    assert done.returncode == 2  # the picture's folder is missing: an error before the work
    code = ("import sys\nfrom tinynets import cli, pictures\n"
            "def fail(path): raise RuntimeError('any error')\npictures.replacing = fail\ncli.script('compare_runs')")
    done = subprocess.run([sys.executable, '-c', code, str(trained), '--out', str(tmp_path / 'd.png')], cwd=ROOT,
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr.count('\n')) == (2, 1)
    assert 'd.png: could not be drawn (any error)' in done.stderr
    assert 'best top-1' in done.stdout and 'drawn in' not in done.stdout


def scored(monkeypatch, counts, total):
    """Evaluations with given numbers of correct images of a `total`; a stop in the one after them."""
    left = iter(counts)

    def evaluate(self):
        right = next(left, None)
        if right is None:
            raise loop.Interrupted('stop')
        return Result(100 * right / total, 100.0, 1.0, total, 1.0, np.array([[right, total - right], [0, 0]]))
    monkeypatch.setattr(loop.Trainer, 'evaluate', evaluate)


@pytest.mark.parametrize('total, counts, best', [
    (3, [1, 1, 1, 1], 1), (3_000_000, [1_000_000, 1_000_001, 1_000_001, 7], 2)])
def test_the_best_is_the_first_of_equals_and_one_image_more_is_better(total, counts, best, light_config, tmp_path,
                                                                      monkeypatch):
    """3 of 9 is more than its rounded share of 33.3333 %, which made every epoch the best."""
    configure('CPU')
    scored(monkeypatch, counts, total)
    run = tmp_path / 'run'
    outcome = train(light_config('train.epochs=4'), 'CPU', str(run), say=lambda line: None)
    assert outcome.best['epoch'] == best and checkpoint.load(str(run / 'best.ckpt')).meta['step'] == 5 * best


def test_a_run_of_an_earlier_release_keeps_its_best(light_config, tmp_path, monkeypatch):
    """Its checkpoint holds the rounded share alone."""
    configure('CPU')
    scored(monkeypatch, [1, 1, 1], 3)
    summary, run = Result.summary, tmp_path / 'run'
    monkeypatch.setattr(Result, 'summary', lambda self: {k: v for k, v in summary(self).items() if k != 'correct'})
    config = light_config('train.epochs=4')
    with pytest.raises(loop.Interrupted):
        train(config, 'CPU', str(run), say=lambda line: None)
    monkeypatch.undo()
    scored(monkeypatch, [2], 3)
    outcome = train(config, 'CPU', str(run), resume=True, say=lambda line: None)
    scores = [r for r in RunFolder.open(str(run)).records() if r['kind'] == 'eval']
    assert scores[-1]['correct'] == 2 and outcome.best['epoch'] == 4
    assert [json.loads(json.dumps(s))['top1'] for s in scores][:3] == [33.3333] * 3


@pytest.mark.parametrize('score, share', [
    ({'top1': 33.3333, 'count': 3}, 100 / 3), ({'top1': 66.6667, 'count': 360}, 100 * 240 / 360),
    ({'top1': 33.3333, 'count': 3_000_000, 'correct': 1_000_001}, 100 * 1_000_001 / 3_000_000)])
def test_shares_are_those_of_whole_images(score, share):
    assert exact_top1(score) == share


def test_a_drop_of_exactly_the_points_allowed_is_allowed():
    from tinynets.deploy.quantize import fell

    def result(right, count):
        return Result(100 * right / count, 100.0, 1.0, count, 1.0, np.diag([right, 0]))
    for count, before, points, most in ((700, 650, 1.0, 7), (300, 299, 1.0, 3), (1000, 997, 0.7, 7),
                                        (360, 359, 2.5, 9)):
        assert not fell(result(before, count), result(before - most, count), points)
        assert fell(result(before, count), result(before - most - 1, count), points)
        assert not fell(result(before, count), result(before + 1, count), 0.0)


def test_paths_of_a_configuration_are_the_users(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HOME', '/home/somebody')
    (tmp_path / 'c.yaml').write_text('data: {dir: ~/flowers}\nmodel: {pretrained: weights.pth}\n'
                                     'train: {teacher: ../best.ckpt}\n')
    config = load_config('c.yaml')
    assert config.data.dir == '/home/somebody/flowers' and config.model.pretrained == str(tmp_path / 'weights.pth')
    assert config.train.teacher == str(tmp_path.parent / 'best.ckpt')
    (tmp_path / 'again.yaml').write_text(to_yaml(config))
    monkeypatch.chdir('/')
    assert load_config(str(tmp_path / 'again.yaml')) == config
    assert load_config(None, ['data.dir=~/x', 'data.name=image_folder']).data.dir == '/home/somebody/x'
    assert load_config().data.dir is None


def test_the_home_folder_is_known_or_said_to_be_missing(monkeypatch):
    import pwd
    monkeypatch.setenv('HOME', '/h')
    assert (user_path('~'), user_path('~/a/b'), user_path('./~/a'), user_path('~a')) == ('/h', '/h/a/b', './~/a', '~a')
    for home in ('', 'relative', None):
        monkeypatch.setenv('HOME', home) if home is not None else monkeypatch.delenv('HOME')
        assert home_folder() == pwd.getpwuid(os.getuid()).pw_dir
    monkeypatch.setattr(pwd, 'getpwuid', lambda number: {}[number])
    for text in ('~', '~/a'):
        with pytest.raises(FileNotFoundError, match='no home folder is known'):
            user_path(text)
    assert user_path('/a/~') == '/a/~'


def test_starts_in_the_same_second_have_a_folder_each(light_config, tmp_path):
    config, name = light_config(), str(tmp_path / 'run')
    runs = [RunFolder.new(name, numbered=True) for _ in range(3)]
    for run in runs:
        run.start(config, numbered=True)
    assert [run.path.name for run in runs] == ['run', 'run-2', 'run-3']
    assert all(run.config.is_file() and run.config.parent == run.path == run.last.parent for run in runs)
    assert runs[1].events.folder == tmp_path / 'run-2' / 'events'
    with pytest.raises(ValueError, match='holds a run already'):
        RunFolder.new(name).start(config)
