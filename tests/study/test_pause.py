"""A study that lacks space, memory or processes pauses: a line, an exit code, and every trial left as it was."""
import subprocess
import sys
import types

import pytest

from tests.conftest import ROOT
from tinynets import stopping
from tinynets.stopping import INTERRUPTED, Interrupted
from tinynets.study.config import check_same
from tinynets.study.run import Paused, Pool
from tinynets.study.store import MOST_DEATHS, Store
from tinynets.study.trial import PAUSED

FACTS = {'base': 'efficientnet_b0', 'base_resolution': 32, 'num_classes': 10, 'images': 1000, 'chance': 10.0}
ROW = {'name': 'a', 'label': 'drawn', 'seed': 0, 'r': 0.5, 'd': 0.6, 'w': 0.7, 'resolution': 16, 'macs': 1000,
       'params': 10, 'peak_memory': 7}

# A trial whose training fails after a checkpoint.
TRIAL = '''
import os, sys
from tinynets.study import trial
from tinynets.model.checkpoint import CheckpointError
def train(store, taken, *_):
    run = store.trial_folder(taken['id']) / 'run'
    run.mkdir(parents=True, exist_ok=True)
    (run / 'last.ckpt').write_text('progress')
    {}
trial._train = train
sys.exit(trial.main(sys.argv[1], 1, 0))
'''


@pytest.fixture
def store(tmp_path):
    made = Store(str(tmp_path / 'study'))
    made.start({'study.retries': 0, 'study.timeout_minutes': None}, FACTS, [ROW, {**ROW, 'seed': 1}], lambda *_: None)
    return made


@pytest.fixture
def pool(store, monkeypatch):
    """A pool whose processes run a given program instead of a trial."""
    def make(code):
        monkeypatch.setattr(Pool, '_hire', lambda self, slot: subprocess.Popen(
            [sys.executable, '-c', code, str(store.folder)], cwd=ROOT, start_new_session=True))
        monkeypatch.setattr(Pool, '_report', lambda self, trials: None)
        return Pool(store, 1, print)
    return make


def test_a_trial_that_lacks_space_waits_with_its_progress(store, pool):
    raising = '''try:
        raise OSError(28, 'No space left on device', 'last.ckpt')
    except OSError as error:
        raise CheckpointError('last.ckpt: could not be saved (No space left on device)') from None'''
    patched = "from tinynets.study import trial\n" \
              "trial.study_config = lambda store: __import__('types').SimpleNamespace(" \
              "study=__import__('types').SimpleNamespace(timeout_minutes=None))\n" + TRIAL.format(raising)
    reason = 'paused, trial 1: space was lacking: last.ckpt: could not be saved .* same command'
    with pytest.raises(Paused, match=reason):
        pool(patched).run()
    first, second = store.trials()
    assert (first['status'], first['failures'], first['deaths']) == ('pending', 0, 0) and second['status'] == 'pending'
    assert (store.trial_folder(1) / 'run' / 'last.ckpt').read_text() == 'progress'


KILLED = '''
import os, signal, sys
from tinynets.study.store import Store
with Store(sys.argv[1]).taken() as trial:
    open(os.path.join(sys.argv[1], 'count'), 'a').write('x')
    {}
    os.kill(os.getpid(), signal.{})
'''


@pytest.mark.parametrize('log, number, paused', [
    ('pass', 'SIGKILL', True), ('pass', 'SIGSEGV', False),
    ("open(os.path.join(sys.argv[1], 'trials', '1', 'log.txt'), 'w').write(\"what():  std::bad_alloc\")", 'SIGABRT',
     True)])
def test_a_trial_that_is_killed_waits_and_one_that_crashes_fails_at_last(log, number, paused, store, pool):
    with store.change() as database:
        database.execute('DELETE FROM trials WHERE id = 2')
    try:
        pool(KILLED.format(log, number)).run()
        reason = ''
    except Paused as error:
        reason = str(error)
    assert len((store.folder / 'count').read_text()) == MOST_DEATHS
    assert store.trials()[0]['status'] == ('pending' if paused else 'failed')
    assert ('trial 1 ended 5 times' in reason and 'lack of memory' in reason) == paused


def test_processes_that_end_before_they_have_a_trial_are_not_hired_for_ever(store, pool):
    with pytest.raises(Paused, match='a process that was to take a trial ended 5 times'):
        pool('import sys; sys.exit(1)').run()
    assert [t['status'] for t in store.trials()] == ['pending'] * 2


def test_only_processes_without_a_trial_in_a_row_pause_a_study(store, pool, monkeypatch):
    """Over days some die for other reasons; between them a trial was taken."""
    found, process = iter((['nothing'] * (MOST_DEATHS - 1) + ['again']) * 3 + ['nothing'] * MOST_DEATHS), (
        types.SimpleNamespace(pid=-1, returncode=1))
    monkeypatch.setattr(store, 'died', lambda pid, killed: next(found))
    study = pool('')
    for _ in range(4 * MOST_DEATHS - 1):
        study._ended_badly(process)
    with pytest.raises(Paused):
        study._ended_badly(process)


TAKEN = '''
import os, signal, sys, time
from tinynets.study.store import Store
with Store(sys.argv[1]).taken() as trial:
    signal.signal(signal.SIGTERM, lambda *_: os._exit({}))
    open(os.path.join(sys.argv[1], 'taken'), 'w').close()
    time.sleep(60)
'''


@pytest.mark.parametrize('code, status', [(INTERRUPTED, 'pending'), (1, 'running')])
def test_a_trial_whose_process_had_no_time_to_release_it_is_released(code, status, store, pool, monkeypatch):
    """As in a compilation, which keeps Python's other threads waiting. The next run counts another end as a death."""
    study, tend = pool(TAKEN.format(code)), Pool._tend

    def stop_when_taken(self):
        if (store.folder / 'taken').exists():
            stopping._stops[-1].note()
        return tend(self)
    monkeypatch.setattr(Pool, '_tend', stop_when_taken)
    monkeypatch.setattr(stopping, '_listening', False)  # an earlier test may have run a command in this process
    with pytest.raises(Interrupted):
        study.run()
    assert [t['status'] for t in store.trials()] == [status, 'pending']
    assert (store.trials()[0]['failures'], store.trials()[0]['deaths']) == (0, 0)


def test_a_stop_releases_no_trial_of_another_pool(store, pool):
    """Two commands may work on one study."""
    study = pool('raise SystemExit(130)')
    with store.taken():  # by this process
        study.slots = [study._hire(0)]
        study.slots[0].wait()
        study._end()
        assert [t['status'] for t in store.trials()] == ['running', 'pending']


def test_a_record_that_cannot_be_written_is_a_pause(store):
    code = ('from tinynets.study import trial, store\nimport sqlite3, runpy, sys\n'
            'def full(self):\n    raise sqlite3.OperationalError("database or disk is full")\n'
            'store.Store.trials = full\nfrom tinynets.output import lacking\n'
            'try:\n    trial.main(sys.argv[1], 1, 0)\n'
            'except Exception as error:\n    sys.exit(trial.PAUSED if lacking(error) else 1)')
    done = subprocess.run([sys.executable, '-c', code, str(store.folder)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == PAUSED, done.stderr


def test_places_that_an_earlier_release_kept_as_given_are_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_same({'train.teacher': 'best.ckpt', 'study.formula': None}, {'train.teacher': str(tmp_path / 'best.ckpt'),
                                                                      'study.formula': None}, 'x')
    with pytest.raises(ValueError, match='train.teacher'):
        check_same({'train.teacher': 'best.ckpt'}, {'train.teacher': '/other/best.ckpt'}, 'x')
