"""The launcher's environment of each process: its number, its device, its processors."""
import io
import os
import signal

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
    """A job of some workers on a machine with eight processors, none of them started."""
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
    """Also if another job takes the name between its choice and the creation of the folder."""
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


class Worker:
    """A process that ends with a code at a given time, or on a signal that it handles."""

    def __init__(self, clock, ends=None, code=0, answers=()):
        self.clock, self.ends, self.code, self.answers, self.sent, self.pid = clock, ends, code, answers, [], 0

    @property
    def returncode(self):
        return self.poll()

    def poll(self):
        return self.code if self.ends is not None and self.clock() >= self.ends else None

    def send_signal(self, number):
        self.sent.append(number)
        if number in self.answers:
            self.ends = self.clock() + 1

    def wait(self):
        pass


@pytest.fixture
def clock(monkeypatch):
    """A clock for the launcher that only its own sleeping advances."""
    now = [100.0]
    monkeypatch.setattr(launch.time, 'monotonic', lambda: now[0])
    monkeypatch.setattr(launch.time, 'sleep', lambda seconds: now.__setitem__(0, now[0] + seconds))
    return lambda: now[0]


def waiting(job, clock, monkeypatch, *workers, first=0, scheduler=None, nodes=1):
    made = job(len(workers))
    made.workers, made.first, made.total, made.scheduler, made.nodes = list(workers), first, 9, scheduler, nodes
    killed = []
    monkeypatch.setattr(launch.os, 'killpg', lambda process, number: killed.append(number))
    begun = clock()
    code = made.wait()
    return code, clock() - begun, killed


@pytest.mark.parametrize('code, first, patience', [
    (2, 0, 0), (2, 3, 5), (130, 0, 60), (1, 0, 0), (-9, 0, 0), (139, 3, 0)])
def test_after_a_failure_the_others_have_a_while_to_end_by_themselves(code, first, patience, job, clock, monkeypatch,
                                                                            tmp_path):
    """Five seconds after a user's mistake that the first worker has not printed, a minute while workers save."""
    failed, other = Worker(clock, clock() + 7, code), Worker(clock)
    (tmp_path / f'worker_{first}.log').write_text('error: x\n')
    found, took, _ = waiting(job, clock, monkeypatch, failed, other, first=first)
    assert took == pytest.approx(7 + patience, abs=0.3) and found == (code if code in (2, 130) else 1)


def test_the_others_are_not_waited_for_longer_than_they_need(job, clock, monkeypatch):
    workers = [Worker(clock, clock() + end, 130) for end in (2, 3, 9)]
    assert waiting(job, clock, monkeypatch, *workers)[:2] == (130, pytest.approx(9, abs=0.3))


def test_a_job_ends_when_all_have(job, clock, monkeypatch):
    workers = [Worker(clock, clock() + end) for end in (2, 8, 3)]
    code, took, killed = waiting(job, clock, monkeypatch, *workers)
    assert (code, took, killed) == (0, pytest.approx(8, abs=0.3), [])


@pytest.mark.parametrize('nodes, code, words', [
    (1, 3, 'the scheduler failed with exit code 3; the job'), (1, -6, 'the scheduler was killed by SIGABRT; the job'),
    (2, 3, 'the scheduler failed with exit code 3, as it does when it has lost a worker of another machine; the job'),
    (2, -6, 'the scheduler was killed by SIGABRT; the job')])
def test_a_scheduler_that_fails_ends_the_job(nodes, code, words, job, clock, monkeypatch, capfd):
    scheduler = Worker(clock, clock() + 5, code)
    found, took, killed = waiting(job, clock, monkeypatch, Worker(clock), Worker(clock), scheduler=scheduler,
                                  nodes=nodes)
    assert found == 1 and took == pytest.approx(5, abs=0.3) and killed == [signal.SIGKILL] * 2
    assert f'error: {words} is stopped, its log is ' in capfd.readouterr().err


def test_a_second_request_kills_and_a_second_hangup_does_not(job, clock):
    made = job(2)
    made.workers = [Worker(clock), Worker(clock, clock() - 1), Worker(clock)]
    made.on_signal(signal.SIGHUP)
    made.on_signal(signal.SIGHUP)
    made.on_signal(signal.SIGUSR1)
    assert [worker.sent for worker in made.workers] == [[signal.SIGTERM], [], [signal.SIGTERM]]
    made.on_signal(signal.SIGINT)
    assert [worker.sent for worker in made.workers] == [[signal.SIGTERM, signal.SIGKILL], []] + [
        [signal.SIGTERM, signal.SIGKILL]]


@pytest.mark.parametrize('code', [-signal.SIGTERM, -signal.SIGKILL, 143])
def test_workers_that_a_request_ends_were_interrupted(code, job, clock, monkeypatch, capfd):
    made = job(1)
    made.workers, made.scheduler = [Worker(clock, clock(), code)], None
    assert made.wait() == 1 and 'worker 0 of 1 ' in capfd.readouterr().err
    made.signals = 1
    assert made.wait() == 130 and capfd.readouterr().err == 'interrupted\n'


@pytest.mark.parametrize('count, taken', [(0, False), (1, True), (1024, True), (1025, False)])
def test_a_machine_has_a_worker_at_least_and_at_most_1024(count, taken, monkeypatch):
    monkeypatch.setenv('DEVICE', 'CPU')
    if taken:
        assert launch.parse(['eval.py', 'x.ckpt', str(count)])[2] == count
    else:
        with pytest.raises(ValueError, match=f'{count} workers on this machine: must be 1 to 1024'):
            launch.parse(['eval.py', 'x.ckpt', str(count)])


@pytest.mark.parametrize('port, taken', [('0', False), ('1', True), ('65535', True), ('65536', False), ('-1', False)])
def test_ports_are_those_that_there_are(port, taken, monkeypatch):
    asked = []
    monkeypatch.setattr(launch, '_check_place', lambda *place: asked.append(place))
    environment = {'MASTER_PORT': port, 'DEVICE': 'CPU'}
    if taken:
        assert launch.prepare(environment, 2) == ({**environment, 'MASTER_ADDR': '127.0.0.1'}, None)
        assert asked == [('127.0.0.1', int(port))]
    else:
        with pytest.raises(ValueError, match=f'MASTER_PORT={port}: must be a number from 1 to 65535'):
            launch.prepare(environment, 2)


def test_the_port_where_none_is_given(monkeypatch):
    """The known port on several machines, any free port on a single one."""
    asked = []
    monkeypatch.setattr(launch, '_check_place', lambda *place: asked.append(place))
    launch.prepare({'NNODES': '2', 'NODE_RANK': '0', 'MASTER_ADDR': '10.0.0.1'}, 2)
    launch.prepare({'NNODES': '2', 'NODE_RANK': '1', 'MASTER_ADDR': '10.0.0.1'}, 2)
    launch.prepare({}, 2)
    assert asked == [('10.0.0.1', 8118), ('127.0.0.1', 0)]


def test_an_ascend_has_eight_workers_and_a_cpu_two(monkeypatch):
    for device, count in (('Ascend', 8), ('GPU', 8), ('CPU', 2)):
        monkeypatch.setenv('DEVICE', device)
        for options in ([], ['--split', 'val']):
            assert launch.parse(['eval.py', 'x.ckpt', *options])[2] == count


@pytest.mark.parametrize('ignored', [False, True])
def test_a_hangup_that_nohup_ignores_stays_ignored(ignored, monkeypatch, tmp_path):
    class Started:
        def __init__(self, *_):
            pass

        def wait(self):
            return 0

        on_signal = close = lambda self, *_: None
    answered = []
    monkeypatch.setattr(launch.sys, 'argv', ['launch.py', 'eval.py', 'x.ckpt', '2'])
    monkeypatch.setenv('DEVICE', 'CPU')
    monkeypatch.setattr(launch.signal, 'getsignal',
                        lambda number: signal.SIG_IGN if ignored or number == signal.SIGUSR1 else signal.SIG_DFL)
    monkeypatch.setattr(launch.signal, 'signal', lambda number, handler: answered.append(number))
    monkeypatch.setattr(launch, 'Job', Started)
    assert launch.main() == 0
    assert set(answered) == {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, *([] if ignored else [signal.SIGHUP])}
