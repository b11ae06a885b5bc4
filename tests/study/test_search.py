"""search.py from the command line, killed and started again; its configuration; parts of a data set."""
import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tinynets.config import DataConfig
from tinynets.data import presets
from tinynets.data.classification import balanced_order
from tinynets.formula.records import base_of, read
from tinynets.study.config import candidates, load_study
from tinynets.study.store import Store

QUICK = ['--set', 'study.base_resolution=24', '--set', 'study.budget=[0.001, 0.2]', '--set', 'study.r=[0.5, 0.9]',
         '--set', 'study.d=[0.1, 0.4]', '--set', 'study.w=[0.1, 0.3]', '--set', 'train.epochs=2',
         '--set', 'train.eval_every=2',
         '--set', 'data.images=300', '--set', 'data.holdout=100']


@pytest.fixture
def config(root):
    return str(root / 'configs' / 'study' / 'digits.yaml')


def start(root, config, folder, *more):
    command = [sys.executable, str(root / 'search.py'), '--config', config, '--study', str(folder), *QUICK, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            start_new_session=True)


def running(folder):
    """Return the process ids of the running trials."""
    try:
        return [t['pid'] for t in Store(str(folder)).trials() if t['status'] == 'running']
    except (FileNotFoundError, ValueError):
        return []


def wait_for(condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_study_killed_again_and_again_has_each_trial_once(entry, root, config, tmp_path):
    folder, trials = tmp_path / 'study', ('--set', 'study.trials=3')
    pool = start(root, config, folder, *trials)  # killed with its trials,
    wait_for(lambda: len(running(folder)) == 2)
    victims = running(folder)
    os.kill(pool.pid, signal.SIGKILL)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    pool.wait()
    pool = start(root, config, folder, *trials)  # killed alone: the trials notice and stop
    wait_for(lambda: len(set(running(folder)) - set(victims)) == 2)
    left = running(folder)
    os.kill(pool.pid, signal.SIGKILL)
    pool.wait()
    wait_for(lambda: not any(os.path.exists(f'/proc/{pid}') for pid in left))
    pool, other = start(root, config, folder, *trials), start(root, config, folder, *trials)  # two at once
    said = pool.communicate(timeout=200)[0]
    other.communicate(timeout=200)
    assert pool.returncode == other.returncode == 0 and re.search(r'3 trials done \(\d flagged\), 0 failed', said), said
    store = Store(str(folder))
    assert [(t['id'], t['status'], t['failures']) for t in store.trials()] == [(i, 'done', 0) for i in (1, 2, 3)]
    for i in (1, 2, 3):
        metrics = store.trial_folder(i) / 'run' / 'metrics.jsonl'
        records = [json.loads(line) for line in metrics.read_text().splitlines()]
        assert [r['epoch'] for r in records if r['kind'] == 'eval'] == [2]
        assert (store.trial_folder(i) / 'log.txt').read_text().count('epoch   2: top-1') == 1  # trained to the end once
        assert not list(store.trial_folder(i).rglob('*.ckpt'))

    before = {t['id']: t['finished'] for t in store.trials()}
    done = entry('search.py', '--config', config, '--study', folder, *QUICK, '--set', 'study.trials=4')
    assert done.returncode == 0, done.stderr
    after = store.trials()
    assert len(after) == 4 and all(after[i - 1]['finished'] == before[i] for i in before)  # none ran again

    state = json.loads(entry('search.py', 'status', '--config', config, '--study', folder, '--json').stdout)
    assert (state['done'], state['alive'], state['seconds_left']) == (4, 0, 0)
    done = entry('search.py', 'export', '--config', config, '--study', folder, '--out', tmp_path / 'r.csv')
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(open(tmp_path / 'r.csv')))
    scores = {t['name']: t['top1'] for t in after if not t['flag']}
    assert {r['name']: float(r['top1']) for r in rows if not r['flag']} == scores
    seeds = list(csv.DictReader(open(tmp_path / 'r.seeds.csv')))
    exported = [(r['name'], int(r['seed']), float(r['top1'])) for r in seeds]
    assert exported == [(t['name'], t['seed'], t['top1']) for t in after]
    base, known = base_of(str(tmp_path / 'r.csv'))
    assert known and (base.base_resolution, base.num_classes) == (24, 10)
    assert not read(str(tmp_path / 'r.csv'), base).remarks  # the counted costs are the exported ones
    refused = entry('search.py', '--config', config, '--study', folder, *QUICK, '--set', 'study.trials=4', '--set',
                    'train.epochs=3')
    assert refused.returncode == 2 and 'train.epochs=2 and would continue with 3' in refused.stderr


def test_a_stop_saves_and_says_how_to_go_on(root, config, tmp_path):
    pool = start(root, config, tmp_path / 'study', '--set', 'study.trials=2', '--set', 'train.epochs=400')
    wait_for(lambda: len(list(tmp_path.glob('study/trials/*/run/config.yaml'))) == 2)
    pool.send_signal(signal.SIGINT)
    said = pool.communicate(timeout=120)[0]
    assert pool.returncode == 130 and 'every trial is saved' in said
    assert [t['status'] for t in Store(str(tmp_path / 'study')).trials()] == ['pending'] * 2


def test_trials_that_fail_or_diverge_are_recorded(entry, config, tmp_path):
    name = 'efficientnet_b0@resolution=16,d=0.1,w=0.1'
    done = entry('search.py', '--config', config, '--study', tmp_path / 's', *QUICK, '--set', 'study.trials=0', '--set',
                 f'study.networks=["{name}"]', '--set', 'study.seeds=2', '--set', 'optim.learning_rate=1e30', '--set',
                 'optim.name=sgd', '--set', 'optim.warmup_epochs=0', '--set', 'study.workers=2')
    assert done.returncode == 0 and '2 trials done (2 flagged)' in done.stdout, done.stdout + done.stderr
    assert {t['flag'] for t in Store(str(tmp_path / 's')).trials()} <= {'diverged', 'chance'}
    done = entry('search.py', '--config', config, '--study', tmp_path / 'f', *QUICK, '--set', 'study.trials=0', '--set',
                 f'study.networks=["{name}"]', '--set', 'data.batch_size=1', '--set', 'study.retries=0')
    trial = Store(str(tmp_path / 'f')).trials()[0]
    assert (trial['status'], trial['failures']) == ('failed', 1) and 'batch norm' in trial['reason']


def test_a_dry_run_writes_nothing(entry, config, tmp_path):
    done = entry('search.py', '--config', config, '--dry-run', cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 10 and lines[-1].startswith('8 trials of 8 networks, 1,437 training')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('arguments, words', [
    (('--config', 'none.yaml'), 'none.yaml: no such file'),
    (('status', '--config', 'none.yaml'), 'no study there'), (('export', '--config', 'x.yaml'), 'no study there'),
    (('--set', 'study.trial=3'), "unknown key 'study.trial'; did you mean study.trials"),
    (('--set', 'study.trials=0'), 'no network to train'), (('--set', 'study.budget=[2, 1]'), 'two increasing numbers'),
    (('--set', 'model.name=tinynet_a'), 'set by the study'), (('--set', 'study.base=vgg'), 'study.base'),
    (('--set', 'study.networks=["tiny:1K"]'), 'the possible range of'),
    (('--set', 'study.networks=["vgg"]'), "model 'vgg'"),
    (('--set', 'data.holdout=1437'), 'the training set has 1437'), (('--set', 'study.networks=5'), 'must be a list')])
def test_mistakes_are_one_line(entry, config, arguments, words, tmp_path):
    given = () if '--config' in arguments else ('--config', config)
    done = entry('search.py', *given, *arguments, cwd=tmp_path)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2 and len(lines) == 1 and words in lines[0], done.stderr + done.stdout


def test_networks_of_rules_and_names(config):
    study = load_study(config, ['study.trials=3', 'study.networks=["giant:1M", "tinynet_e@resolution=32"]']).study
    found = candidates(study, 10)
    assert [c.label for c in found] == ['drawn'] * 3 + ['giant:1M', 'tinynet_e@resolution=32']
    assert found[3].spec.num_classes == 10 and found[3].name.startswith('efficientnet_b0@resolution=')
    assert [c.name for c in candidates(load_study(config, ['study.trials=2']).study, 10)] == [c.name for c in found[:2]]


def test_parts_of_a_data_set_are_balanced_and_apart():
    data = DataConfig(images=500, holdout=200)
    train, val = presets.dataset(data, 'train'), presets.dataset(data, 'val')
    whole = presets.dataset(DataConfig(), 'train')
    assert (len(train), len(val)) == (500, 200) and not set(train.indices) & set(val.indices)
    share = np.bincount(whole.labels) / len(whole)
    for part in (train, val):
        assert np.abs(np.bincount(part.labels, minlength=10) - share * len(part)).max() <= 2
        assert (part.labels == whole.labels[part.indices]).all()
        assert np.asarray(part.image(3)).tolist() == np.asarray(whole.image(part.indices[3])).tolist()
    assert list(presets.dataset(data, 'train').indices) == list(train.indices)
    other = DataConfig(images=300, holdout=200)
    assert set(presets.dataset(other, 'train').indices) < set(train.indices)
    assert len(presets.dataset(DataConfig(holdout=200), 'train')) == 1437 - 200
    order = balanced_order(np.array([0] * 90 + [1] * 10))
    assert sorted(order) == list(range(100)) and sum(order[:50] >= 90) == 5


def test_evaluation_looks_at_the_whole_split(entry, trained, small_config, tmp_path):
    from tinynets.runtime import configure
    configure('CPU')
    from tinynets.training.loop import train
    config = small_config('data.images=200', 'data.holdout=50', 'train.epochs=1', 'optim.warmup_epochs=0')
    outcome = train(config, 'CPU', str(tmp_path / 'run'), say=lambda line: None)
    assert outcome.last['count'] == 50
    done = entry('eval.py', '--checkpoint', tmp_path / 'run' / 'best.ckpt')
    assert ' 360 images' in done.stdout, done.stderr
