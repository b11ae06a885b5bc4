"""A trial's process: stopped before it trains, timed out, relative folders; late and repeated records."""
import signal

import pytest
from PIL import Image

from tests.conftest import ROOT, SMALL
from tests.study.test_search import start, wait_for
from tinynets.study.config import load_study
from tinynets.study.run import plan
from tinynets.study.store import Store

CONFIG = ROOT / 'configs' / 'study' / 'digits.yaml'
FACTS = {'base': 'efficientnet_b0', 'base_resolution': 32, 'num_classes': 10, 'images': 1000, 'chance': 10.0}
ROW = {'name': 'a', 'label': 'drawn', 'seed': 0, 'r': 0.5, 'd': 0.6, 'w': 0.7, 'resolution': 16, 'macs': 1000,
       'params': 10, 'peak_memory': 7}


def trials(study):
    return Store(str(study)).trials() if (study / 'study.db').is_file() else []


@pytest.fixture
def store(tmp_path):
    made = Store(str(tmp_path / 'study'))
    made.start({'study.retries': 0}, FACTS, [ROW], lambda *_: None)
    return made


def test_stopped_before_training_begins_a_trial_waits_as_it_was(root, tmp_path):
    study = tmp_path / 'study'
    process = start(root, str(CONFIG), study, '--set', 'study.trials=1', '--set', 'study.workers=1')
    wait_for(lambda: any(t['status'] == 'running' for t in trials(study)))
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    record = trials(study)[0]
    assert (record['status'], record['failures'], record['deaths']) == ('pending', 0, 0)


def test_a_trial_that_takes_too_long_is_tried_again_and_fails(tmp_path, entry):
    study = tmp_path / 'study'
    done = entry('search.py', '--config', CONFIG, '--study', study, '--set', 'study.trials=1', '--set',
                 'study.timeout_minutes=1e-3', cwd=tmp_path)
    assert done.returncode == 1 and '0 trials done' in done.stdout and 'says why' in done.stdout, done.stderr
    record = trials(study)[0]
    assert (record['status'], record['failures']) == ('failed', 2) and 'study.timeout_minutes' in record['reason']


def test_relative_data_folders_are_those_of_the_user(tmp_path, entry):
    """An image folder named relative to where the command is given."""
    for split, count in (('train', 8), ('val', 4)):
        for name, colour in (('red', (200, 30, 30)), ('blue', (30, 30, 200))):
            folder = tmp_path / 'mine' / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.new('RGB', (20, 20), tuple(c + 3 * i for c in colour)).save(folder / f'{i}.png')
    study = tmp_path / 'study'
    done = entry(
        'search.py', '--config', CONFIG, '--study', 'study', *[f'--set={s}' for s in (
            'study.trials=0', f'study.networks=["{SMALL}"]', 'data.name=image_folder', 'data.dir=mine',
            'data.batch_size=8', 'train.epochs=1')], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [t['status'] for t in trials(study)] == ['done'], trials(study)


def test_the_seconds_of_an_interrupted_trial_add_up_and_a_late_stop_undoes_nothing(store):
    with store.taken() as trial:
        store.release(trial['id'], 3.0)
    with store.taken() as trial:
        store.finish(trial['id'], 4.5, top1=70.0)
        store.release(trial['id'], 9.0)
        store.fail(trial['id'], 'too late', retries=0)
    record = store.trials()[0]
    assert (record['status'], record['seconds'], record['top1'], record['failures']) == ('done', 7.5, 70.0, 0)


def test_more_retries_give_failed_trials_another_try(store):
    with store.taken() as trial:
        store.fail(trial['id'], 'a full disk', retries=0)
    for retries, status in ((0, 'failed'), (1, 'pending')):
        store.start({'study.retries': retries}, FACTS, [ROW], lambda *_: None)
        assert store.trials()[0]['status'] == status


def test_r_of_a_named_network_is_of_the_studys_base():
    """The network is trained at its resolution; r is that relative to the base's."""
    network = 'efficientnet_b0@resolution=24,d=0.5'
    row = plan(load_study(str(CONFIG), ['study.trials=0', f'study.networks=["{network}"]'])).rows()[0]
    assert (row['resolution'], row['r'], row['d']) == (24, 24 / 32, 0.5)
