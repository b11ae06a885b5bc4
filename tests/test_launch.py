"""What the launcher gives each process of a job: its place, its device, its share of the processors."""
import io
import os

import pytest

from tinynets import launch


class Process:
    """A process that is never started."""

    def __init__(self, command, env=None, stdout=None, **options):
        self.command, self.env, self.log = command, env, stdout.name if isinstance(stdout, io.IOBase) else None

    def poll(self):
        return 0


@pytest.fixture
def job(monkeypatch, tmp_path):
    """A job of some workers on this machine of eight processors, none of them started."""
    monkeypatch.setattr(launch.subprocess, 'Popen', Process)
    monkeypatch.setattr(launch.os, 'sched_getaffinity', lambda process: set(range(8)))

    def make(count, **environment):
        return launch.Job(['python', 'train.py'], tmp_path, count, environment)
    yield make


def test_processors_are_shared_and_every_worker_is_named(job):
    made = job(3)
    assert [(w.env['RANK_ID'], w.env['MS_NODE_ID'], w.env['DEVICE_ID'], w.env['MS_ROLE']) for w in made.workers] == [
        (str(i), str(i), str(i), 'MS_WORKER') for i in range(3)]
    settings = {(w.env['RANK_SIZE'], w.env['MS_WORKER_NUM'], w.env['OMP_NUM_THREADS']) for w in made.workers}
    assert settings == {('3', '3', '2')} and {w.env['MS_SCHED_HOST'] for w in made.workers} == {'127.0.0.1'}
    assert made.scheduler.env['MS_ROLE'] == 'MS_SCHED'
    assert [w.log and os.path.basename(w.log) for w in made.workers] == [None, 'worker_1.log', 'worker_2.log']


def test_the_users_threads_are_left_and_one_is_the_least(job):
    assert {w.env['OMP_NUM_THREADS'] for w in job(2, OMP_NUM_THREADS='7').workers} == {'7'}
    assert {w.env['OMP_NUM_THREADS'] for w in job(20).workers} == {'1'}


def test_ranks_of_the_second_machine_follow_those_of_the_first(job):
    made = job(2, NNODES='3', NODE_RANK='1', MASTER_ADDR='10.0.0.1', MASTER_PORT='9000')
    assert [(w.env['RANK_ID'], w.env['DEVICE_ID']) for w in made.workers] == [('2', '0'), ('3', '1')]
    assert {(w.env['RANK_SIZE'], w.env['MS_WORKER_NUM']) for w in made.workers} == {('6', '6')}
    assert {(w.env['MS_SCHED_HOST'], w.env['MS_SCHED_PORT']) for w in made.workers} == {('10.0.0.1', '9000')}
    assert made.scheduler is None and all(w.log for w in made.workers)


def test_jobs_of_the_same_second_have_runs_of_their_own(monkeypatch, tmp_path):
    """Also where another job takes the name between its choice and the making of the folder."""
    runs = []

    class Started:
        def __init__(self, command, logs, *_):
            assert command[command.index('--run') + 1] == str(logs.parent) and logs.is_dir()
            runs.append(str(logs.parent))

        def wait(self):
            return 1

        on_signal = close = lambda self, *_: None
    parse, calls = launch.parse, []

    def parsed(arguments):
        found = parse(arguments)
        calls.append(found)
        if len(calls) == 3:
            found[1].mkdir(parents=True)
        return found
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('DEVICE', 'CPU')
    monkeypatch.setattr(launch.sys, 'argv', ['launch.py', 'train.py', 'a/mine.yaml', '2'])
    monkeypatch.setattr(launch.signal, 'signal', lambda *_: None)
    monkeypatch.setattr(launch.time, 'strftime', lambda form: 'NOW')
    monkeypatch.setattr(launch, 'Job', Started)
    monkeypatch.setattr(launch, 'parse', parsed)
    assert [launch.main() for _ in range(3)] == [1] * 3 and len(calls) == 4
    assert runs == ['runs/mine-NOW', 'runs/mine-NOW-2', 'runs/mine-NOW-4']
    monkeypatch.setattr(launch.sys, 'argv', [*launch.sys.argv, '--run', runs[0]])
    assert launch.main() == 1 and runs[-1] == runs[0]  # train.py says that it holds a run already
