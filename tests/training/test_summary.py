"""Tables and lines on runs: each number in its place, times as text."""
import json

import pytest

from tinynets.config import load_config, to_yaml
from tinynets.tasks.classification.task import Classification
from tinynets.training import progress
from tinynets.training.progress import duration
from tinynets.training.run import RunFolder
from tinynets.training.summary import short_names, summarise, table


def run(folder, speeds, scores, **config):
    """A run folder with these records: images/s of training, top-1 by epoch."""
    folder.mkdir(parents=True)
    (folder / 'config.yaml').write_text(to_yaml(load_config(None, [f'{key}={value}' for key, value in config.items()])))
    records = [{'kind': 'train', 'step': i + 1, 'epoch': (i + 1) / 2, 'loss': 1.0, 'learning_rate': 0.1,
                'images_per_s': s} for i, s in enumerate(speeds)]
    records += [{'kind': 'eval', 'step': 2 * e, 'epoch': e, 'top1': t, 'loss': 1.0} for e, t in scores.items()]
    (folder / 'metrics.jsonl').write_text(''.join(json.dumps(r) + '\n' for r in records))
    return RunFolder.open(str(folder))


def test_a_run_is_summarised_by_its_best_its_last_and_its_median_speed(tmp_path):
    found = summarise('x', run(tmp_path / 'x', [100, 10, 70], {1: 50.0, 2: 80.5, 3: 75.25}, **{'train.epochs': 9}))
    assert (found['top1'], found['best_epoch'], found['last_top1']) == (80.5, 2, 75.25)
    assert (found['images_per_s'], found['at'], found['epochs'], found['model']) == (70, 3, 9, 'tinynet_e')
    fresh = summarise('y', run(tmp_path / 'y', [5], {}))
    assert (fresh['top1'], fresh['best_epoch'], fresh['last_top1'], fresh['at']) == (None, None, None, 0.5)
    (tmp_path / 'y' / 'metrics.jsonl').write_text('')
    with pytest.raises(ValueError, match='no records'):
        summarise('y', RunFolder.open(str(tmp_path / 'y')))


def test_the_table_has_the_best_first_and_what_differs(tmp_path):
    rows = [summarise('low', run(tmp_path / 'low', [11], {1: 40.0, 2: 41.0}, **{'train.seed': 5})),
            summarise('none', run(tmp_path / 'none', [33], {}, **{'train.seed': 5})),
            summarise('high', run(tmp_path / 'high', [22], {1: 90.0, 2: 88.0}, **{'train.seed': 6}))]
    lines = table(rows, Classification.metric).splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ['high', 'low', 'none']
    assert lines[1].split()[2:] == ['2', 'of', '450', '90.00', '1', '88.00', '22']
    assert lines[3].split()[2:] == ['0.5', 'of', '450', '-', '-', '-', '33']
    assert lines[5:] == ['different in:', '  train.seed: 5 (low), 5 (none), 6 (high)']


def test_runs_are_called_by_what_tells_them_apart():
    assert short_names(['runs/a', 'runs/b']) == ['a', 'b']
    assert short_names(['x/run', 'y/run', 'z']) == ['x/run', 'y/run', short_names(['q/z', 'z'])[1]]
    with pytest.raises(ValueError, match='twice'):
        short_names(['runs/a', 'runs/../runs/a'])


def test_the_time_left_is_of_this_process_own_steps(monkeypatch, capsys):
    """Resumed at step 40 of 100: ten steps in a minute leave five minutes for fifty more."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    bar = progress.Bar('training', 100, 40)
    now[0] += 60
    bar.update(50, 'loss 1.0')
    bar.update(51)  # not again before half a minute is over
    assert capsys.readouterr().err == 'training 50/100, 5 min 00 s left  loss 1.0\n'


def test_lines_come_every_half_minute_and_none_before_the_first_step(monkeypatch, capsys):
    now = [1000.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    bar = progress.Bar('checking images', 1)
    now[0] += 90
    bar.update(0)
    assert capsys.readouterr().err == ''
    bar(3, 12)  # a total that is known later: thirty seconds per image
    assert capsys.readouterr().err == 'checking images 3/12, 4 min 30 s left  \n'
    now[0] += 29.9
    bar(4, 12)
    assert capsys.readouterr().err == ''
    now[0] += 0.1
    bar(6, 12)  # two minutes for six
    assert capsys.readouterr().err == 'checking images 6/12, 2 min 00 s left  \n'


def test_the_other_workers_say_nothing(monkeypatch, capsys):
    now = [1000.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    monkeypatch.setattr(progress.runtime, 'rank', lambda: 1)
    monkeypatch.setattr(progress.sys.stderr, 'isatty', lambda: True, raising=False)
    bar = progress.Bar('training', 10)
    now[0] += 1e9
    bar.update(5)
    progress.tell('a line')
    assert bar.live is None and capsys.readouterr() == ('', '')


def test_a_terminal_has_a_bar_of_the_steps_and_the_note(monkeypatch):
    monkeypatch.setattr(progress.sys.stderr, 'isatty', lambda: True, raising=False)
    with progress.Bar('training', 100, 40) as bar:
        task, = bar.live.tasks
        assert (task.description, task.completed, task.total, task.fields['note']) == ('training', 40, 100, '')
        assert bar.live.live.is_started and bar.live.live.transient and bar.live.console.stderr
        bar.update(50, 'loss 1.0')
        assert (task.completed, task.fields['note']) == (50, 'loss 1.0')
        bar(60, 120)
        assert (task.completed, task.total) == (60, 120)
    assert not bar.live.live.is_started


@pytest.mark.parametrize('seconds, text', [
    (0, '0 s'), (-3, '0 s'), (59.4, '59 s'), (59.6, '1 min 00 s'), (185, '3 min 05 s'), (3599, '59 min 59 s'),
    (3600, '1 h 00 min'), (2 * 3600 + 7 * 60 + 5, '2 h 07 min'), (100 * 3600 + 59 * 60, '100 h 59 min')])
def test_times_in_words(seconds, text):
    assert duration(seconds) == text
