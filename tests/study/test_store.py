"""The record store: each trial runs once, studies grow, and the export's numbers are right."""
import contextlib
import csv
import json
import multiprocessing
import os
import signal
import sqlite3
import time

import pytest

from tinynets.study.config import StudyConfig, StudySection, check_same, flat
from tinynets.study.export import columns, networks, trainings, trainings_path, write_tables
from tinynets.study.run import counts, seconds_of
from tinynets.study.show import status
from tinynets.study.store import MOST_DEATHS, Store

FACTS = {'base': 'efficientnet_b0', 'base_resolution': 32, 'num_classes': 10, 'images': 1000, 'chance': 10.0}


def rows(names, seeds=1):
    return [{'name': name, 'label': 'drawn', 'seed': seed, 'r': 0.5, 'd': 0.6, 'w': 0.7, 'resolution': 16,
             'macs': 1000 * (i + 1), 'params': 10, 'peak_memory': 7}
            for i, name in enumerate(names) for seed in range(seeds)]


@pytest.fixture
def store(tmp_path):
    def make(names='abcdefgh', seeds=1, **study):
        made = Store(str(tmp_path / 'study'))
        made.start(flat(StudyConfig(study=StudySection(trials=len(names), seeds=seeds, **study))), FACTS,
                   rows(names, seeds), check_same)
        return made
    return make


def work(folder, results):
    """A worker: takes trials until there is none."""
    store = Store(folder)
    while True:
        with store.taken() as trial:
            if trial is None:
                return
            time.sleep(0.002)
            store.finish(trial['id'], 1.0, top1=50.0)
            results.put(trial['id'])


def test_workers_side_by_side_take_each_trial_once(store):
    made, context = store(seeds=6), multiprocessing.get_context('fork')
    results = context.Queue()
    crew = [context.Process(target=work, args=(str(made.folder), results)) for _ in range(4)]
    for process in crew:
        process.start()
    taken = [results.get(timeout=60) for _ in range(48)]
    for process in crew:
        process.join()
    assert sorted(taken) == list(range(1, 49)) and results.empty()
    assert counts(made.trials())['done'] == 48


def hold(folder, results):
    with Store(folder).taken() as trial:
        results.put(trial['id'])
        time.sleep(600)


def test_a_trial_whose_process_was_killed_is_free_again_and_a_living_one_is_not(store):
    made, context = store('ab'), multiprocessing.get_context('fork')
    results = context.Queue()
    process = context.Process(target=hold, args=(str(made.folder), results))
    process.start()
    assert results.get(timeout=30) == 1
    with made.taken() as trial:
        assert trial['id'] == 2  # the first one has its process
        made.finish(2, 1.0, top1=60.0)
    with made.taken() as trial:
        assert trial is None and made.alive(1)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not made.alive(1) and made.trials()[0]['status'] == 'running'
    with made.taken() as trial:
        assert trial['id'] == 1
        made.finish(1, 1.0, top1=61.0)
    with made.taken() as trial:
        assert trial is None
    assert [t['failures'] for t in made.trials()] == [0, 0]


def test_a_transaction_that_does_not_end_changes_nothing(store):
    made = store('ab')
    with pytest.raises(KeyboardInterrupt):
        with made.change() as database:
            database.execute("UPDATE trials SET status = 'done'")
            raise KeyboardInterrupt
    assert counts(made.trials())['pending'] == 2


def test_failures_are_retried_as_configured_and_keep_their_reason(store):
    made = store('a')
    made.fail(1, 'no luck', retries=1)
    assert made.trials()[0]['status'] == 'pending'
    made.fail(1, 'no luck again', retries=1)
    trial = made.trials()[0]
    assert (trial['status'], trial['failures'], trial['reason']) == ('failed', 2, 'no luck again')
    with made.taken() as trial:
        assert trial is None


def test_a_trial_that_keeps_dying_fails_at_last(store):
    made = store('a')
    for i in range(MOST_DEATHS):
        with made.taken() as trial:
            assert trial['id'] == 1, i
        made.died(os.getpid())
    assert made.trials()[0]['status'] == 'failed' and 'ended 5 times' in made.trials()[0]['reason']
    made.died(os.getpid())  # without a trial
    assert made.trials()[0]['deaths'] == MOST_DEATHS
    made = store('a')  # the study started again gives it new tries
    for _ in range(2 * MOST_DEATHS):
        with made.taken() as trial:
            checkpoint = made.trial_folder(1) / 'run' / 'last.ckpt'
            checkpoint.parent.mkdir(exist_ok=True)
            checkpoint.write_text('further than before')
            os.utime(checkpoint, (time.time() + 1,) * 2)
        made.died(os.getpid())
    assert (made.trials()[0]['status'], made.trials()[0]['deaths']) == ('pending', 1)


def test_a_study_grows_and_is_otherwise_the_same(store):
    made = store('ab')
    made.finish(1, 2.0, top1=70.0)
    made = store('abcd', workers=3)
    assert [(t['id'], t['name'], t['status']) for t in made.trials()] == [
        (1, 'a', 'done'), (2, 'b', 'pending'), (3, 'c', 'pending'), (4, 'd', 'pending')]
    assert made.config()['study.workers'] == 3
    with pytest.raises(ValueError, match=r"study.budget=\[0.03, 1.05\] and would continue with \[0.1, 1.0\]"):
        store('abcd', budget=(0.1, 1.0))
    with pytest.raises(ValueError, match='study.trials=4 and would continue with 2'):
        store('ab')
    assert len(made.trials()) == 4


def test_what_is_no_study_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='no study there'):
        Store(str(tmp_path)).trials()
    (tmp_path / 'study.db').touch()  # as after a start without space
    with pytest.raises(FileNotFoundError, match='no study there'):
        Store(str(tmp_path)).trials()
    (tmp_path / 'study.db').write_bytes(b'no database, but long enough to be looked at' * 50)
    with pytest.raises(ValueError, match='is it a study'):
        Store(str(tmp_path)).trials()


def test_the_export_has_mean_and_deviation_by_hand(store, tmp_path):
    made = store('abcd', seeds=3)  # ids 1-3 are a, 4-6 b, 7-9 c, 10-12 d
    for number, score in ((1, 70.0), (2, 72.0), (3, 77.0)):
        made.finish(number, float(number), top1=score)
    made.finish(4, 1.0, top1=10.0, flag='chance')
    made.finish(5, 1.0, top1=60.1)
    made.finish(7, 1.0, flag='diverged')
    found, unfinished = networks(made)
    assert unfinished == 6 and [row['name'] for row in found] == ['a', 'b', 'c']
    write_tables((str(tmp_path / 'r.csv'), found, columns()))
    a, b, c = csv.DictReader(open(tmp_path / 'r.csv'))
    assert (float(a['top1']), a['seeds'], a['flag'], float(a['seconds'])) == (73.0, '3', '', 2.0)
    assert float(a['top1_deviation']) == 13 ** 0.5  # (9 + 1 + 16) / 2
    assert (float(b['top1']), b['top1_deviation'], b['seeds'], b['flag']) == (60.1, '', '1', '')
    assert (c['top1'], c['flag'], c['num_classes'], c['base_resolution']) == ('', 'diverged', '10', '32')


def test_the_export_has_every_training_with_its_seed(store, tmp_path):
    made = store('ab', seeds=3)
    for number, score in ((1, 70.1), (3, 77.0), (4, 61.0)):
        made.finish(number, float(number), top1=score, top5=90.5, loss=1.25)
    made.finish(2, 5.0, flag='diverged')
    assert trainings_path(str(tmp_path / 'a.b' / 'r.csv')) == str(tmp_path / 'a.b' / 'r.seeds.csv')
    write_tables((str(tmp_path / 'r.seeds.csv'), trainings(made), columns(True)))
    found = list(csv.DictReader(open(tmp_path / 'r.seeds.csv')))
    assert [(r['name'], r['seed'], r['top1'], r['top5'], r['loss'], r['flag'], r['seconds']) for r in found] == [
        ('a', '0', '70.1', '90.5', '1.25', '', '1.0'), ('a', '1', '', '', '', 'diverged', '5.0'),
        ('a', '2', '77.0', '90.5', '1.25', '', '3.0'), ('b', '0', '61.0', '90.5', '1.25', '', '4.0')]
    assert (found[0]['d'], found[0]['macs'], found[3]['macs'], found[0]['base']) == ('0.6', '1000', '2000',
                                                                                     'efficientnet_b0')


def test_time_is_fitted_to_finished_trials():
    trials = [{'status': 'done', 'macs': m, 'seconds': 10 + 2e-6 * m} for m in (1e6, 2e6, 5e6)]
    assert seconds_of(trials, 1, 1)({'macs': 4e6}) == pytest.approx(18)
    assert seconds_of(trials[:2], 6e3, 2)({'macs': 4e6}) == pytest.approx(12 + 4e6 * 6e3 / 24e9)


FREE = {'study.workers', 'study.retries', 'study.timeout_minutes', 'study.keep_checkpoints', 'data.dir', 'data.workers',
        'data.check', 'train.save_minutes', 'runtime.device', 'runtime.device_id', 'runtime.mode', 'runtime.threads',
        'runtime.kernels'}


@pytest.mark.parametrize('key', sorted(flat(StudyConfig())))
def test_a_study_resumes_only_with_what_it_measures_unchanged(key):
    """Only keys on how and where it runs may change; trials, networks and seeds may grow."""
    then = flat(StudyConfig())
    if key in ('study.trials', 'study.seeds', 'study.networks'):
        less, more = (([], ['tinynet_e']) if key == 'study.networks' else (3, 4))
        check_same({**then, key: less}, {**then, key: more}, 'x')
        with pytest.raises(ValueError, match=f'was started with {key}'):
            check_same({**then, key: more}, {**then, key: less}, 'x')
    elif key in FREE:
        check_same(then, {**then, key: 'other'}, 'x')
    else:
        with pytest.raises(ValueError, match=f'was started with {key}'):
            check_same(then, {**then, key: 'other'}, 'x')


def test_a_study_on_a_divided_folder_keeps_its_images_and_says_where_an_earlier_release_divided_them(
        tmp_path, monkeypatch):
    from PIL import Image

    from tinynets.config import DataConfig
    from tinynets.study import run
    for i in range(12):
        (tmp_path / 'set' / f'c{i % 2}').mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (4, 4)).save(tmp_path / 'set' / f'c{i % 2}' / f'{i}.png')
    config = StudyConfig(data=DataConfig('image_folder', str(tmp_path / 'set')),
                         study=StudySection(networks=('tinynet_e',)))
    monkeypatch.setattr(run.Pool, 'run', lambda pool: None)

    def lines(begun=False, forget=False):
        said = []
        made = Store(str(tmp_path / 'study'))
        if forget:
            with made.change() as database:
                facts = {key: value for key, value in made.facts().items() if key != 'names'}
                database.execute('UPDATE study SET facts = ?', (json.dumps(facts),))
                database.execute('UPDATE trials SET started = ?', (1.0 if begun else None,))
        run.run(run.plan(config), str(made.folder), said.append)
        return [line for line in said if 'divided' in line]
    assert lines() == lines() == lines(forget=True) == []
    assert len(lines(begun=True, forget=True)) == 1 and lines() == []
    os.rename(tmp_path / 'set' / 'c0' / '0.png', tmp_path / 'set' / 'c0' / 'new.png')
    with pytest.raises(ValueError, match='the data have changed: some images were added, removed or renamed'):
        lines()


def test_tables_that_belong_together_are_written_together(tmp_path):
    """Where the second cannot take its place, the first stays as it was."""
    first, second = tmp_path / 'r.csv', tmp_path / 'r.seeds.csv'
    write_tables((str(first), [{'a': 1, 'no column': 2}], ['a']), (str(second), [{'b': 0.1}], ['b', 'c']))
    assert (first.read_text(), second.read_text()) == ('a\n1\n', 'b,c\n0.1,\n')
    second.unlink()
    (second / 'inside').mkdir(parents=True)
    with pytest.raises(OSError, match='r.seeds.csv'):
        write_tables((str(first), [{'a': 2}], ['a']), (str(second), [{'b': 0.2}], ['b', 'c']))
    assert first.read_text() == 'a\n1\n' and sorted(os.listdir(tmp_path)) == ['r.csv', 'r.seeds.csv']


@pytest.mark.parametrize('change, words', [
    ('DELETE FROM study', 'its config cannot be read'),
    ("UPDATE study SET config = 'null'", 'its config cannot be read'),
    ("UPDATE study SET config = '{'", 'its config cannot be read'),
    ("UPDATE study SET facts = '[]'", 'its facts cannot be read'),
    ("UPDATE study SET facts = '{}'", 'its facts has no images'),
    ("UPDATE study SET config = '{}'", 'its config has no study.workers'),
    ("UPDATE trials SET top1 = 'x' WHERE id = 2", 'the record of trial 2 cannot be read'),
    ('UPDATE trials SET top1 = NULL WHERE id = 2', 'the record of trial 2 cannot be read'),
    ("UPDATE trials SET loss = 'x' WHERE id = 2", 'the record of trial 2 cannot be read'),
    ("UPDATE trials SET status = 'gone' WHERE id = 3", 'the record of trial 3 cannot be read'),
    ("UPDATE trials SET r = 'x' WHERE id = 1", 'the record of trial 1 cannot be read'),
    ('ALTER TABLE trials RENAME COLUMN flag TO other', 'the record of trial 1 cannot be read')])
def test_a_damaged_study_is_one_line(change, words, store):
    made = store('abc')
    for number in (1, 2):
        with made.taken():
            pass
        made.finish(number, 1.0, top1=50.0)
    assert status(str(made.folder))[0]['done'] == 2 and len(networks(made)[0]) == 2
    with contextlib.closing(sqlite3.connect(made.path, isolation_level=None)) as database:
        database.execute(change)
    with pytest.raises(ValueError, match=f'study.db: {words}.*put a copy of the file in its place') as caught:
        status(str(made.folder))
        networks(made)
    assert '\n' not in str(caught.value)
