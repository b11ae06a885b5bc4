"""Several workers compared with one, and how a job ends. Each job has two processes and a scheduler."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.conftest import KNOWING
from tests.training import workers
from tinynets import launch
from tinynets.config import to_yaml
from tinynets.data.pipeline import TrainStream, eval_batches
from tinynets.launch import _last_error, machines, parse, prepare, table_devices
from tinynets.model import checkpoint
from tinynets.model.weights import load_arrays
from tinynets.runtime import configure
from tinynets.training import state
from tinynets.training.loop import Trainer
from tinynets.training.run import FollowedRun

ENVIRONMENT = {**os.environ, **KNOWING, 'DEVICE': 'CPU', 'OMP_NUM_THREADS': '1',
               'PATH': f'{os.path.dirname(sys.executable)}{os.pathsep}{os.environ["PATH"]}'}


class Job:
    """A launched job in its own session; `with` leaves no process behind."""

    def __init__(self, root, folder, *arguments, within=(), **environment):
        command = [*within, sys.executable, str(root / 'src' / 'tinynets' / 'launch.py'), *map(str, arguments)]
        self.process = subprocess.Popen(command, cwd=folder, env={**ENVIRONMENT, **environment}, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        started = self.children()
        self.process.kill()
        self.process.wait()
        for pid in started:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def children(self):
        """Process ids by rank, the scheduler's under 'scheduler'."""
        found = {}
        task = pathlib.Path(f'/proc/{self.process.pid}/task/{self.process.pid}/children')
        for pid in task.read_text().split() if task.exists() else ():
            try:
                text = pathlib.Path(f'/proc/{pid}/environ').read_bytes().decode().split('\0')
            except OSError:
                continue
            variables = dict(item.partition('=')[::2] for item in text)
            if 'MS_ROLE' in variables:  # it has started, and was not just forked
                found[int(pid)] = variables['RANK_ID'] if variables['MS_ROLE'] == 'MS_WORKER' else 'scheduler'
        return found

    def wait_for_children(self):
        """Return `children()` when two workers and a scheduler run."""
        until = time.monotonic() + 60
        while set(self.children().values()) != {'0', '1', 'scheduler'}:
            assert time.monotonic() < until and self.process.poll() is None
            time.sleep(0.02)
        return self.children()

    def wait_for(self, run, epoch):
        """Return when an epoch has been scored."""
        until = time.monotonic() + 240
        while time.monotonic() < until and self.process.poll() is None:
            if (run / 'metrics.jsonl').exists() and f'"epoch": {epoch}, ' in (run / 'metrics.jsonl').read_text():
                return
            time.sleep(0.02)
        raise AssertionError(self.process.communicate(timeout=10))

    def end(self):
        """Exit code, stdout, stderr."""
        out, err = self.process.communicate(timeout=240)
        return self.process.returncode, out, err


def quiet(text):
    """Only progress, which is printed on slow machines, may be on standard error."""
    return not re.sub(r'(training|evaluating) \d+/\d+, .* left .*\n', '', text)


@pytest.fixture(scope='module')
def recipe(light_config, tmp_path_factory):
    config = light_config('train.epochs=6', 'data.batch_size=128', 'model.dropout=0.3', 'model.drop_path=0.3')
    path = tmp_path_factory.mktemp('recipe') / 'recipe.yaml'
    path.write_text(to_yaml(config))
    return path


@pytest.fixture(scope='module')
def together(recipe, tmp_path_factory):
    """The results of two workers under msrun, one dictionary per rank, and the folder."""
    folder = tmp_path_factory.mktemp('together')
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    msrun = subprocess.Popen(
        ['msrun', '--worker_num=2', '--local_worker_num=2', f'--master_port={port}', f'--log_dir={folder}/logs',
         '--join=True', workers.__file__, str(folder), str(recipe)], cwd=folder, env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output = msrun.communicate(timeout=240)[0]
    except subprocess.TimeoutExpired:
        os.kill(msrun.pid, signal.SIGINT)  # msrun kills its workers on this signal only
        raise
    assert msrun.returncode == 0, output
    return [dict(np.load(folder / f'rank_{rank}.npz')) for rank in range(2)], folder


def test_half_batches_of_two_equal_full_batches_of_one(together):
    """Loss, clipped gradients, optimizer, weight average and dropout's draws, over three steps."""
    step = workers.build_step(workers.plain_network(), clip_norm=0.5)
    losses = workers.run_steps(step, *workers.data(2 * workers.BATCH))
    want = workers.numbers(step, 'plain.')
    assert 'plain.ema.weight' in want
    for found in together[0]:
        np.testing.assert_allclose(found['plain_losses'], losses, rtol=1e-5)
        for name, array in want.items():
            np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-6, err_msg=name)


def test_batch_norm_is_each_workers_own_and_its_statistics_the_mean(together):
    """With plain gradient descent the mean of two workers' steps is the step of the mean gradient."""
    images, labels = workers.data(2 * workers.BATCH)
    apart, losses = [], []
    for part in range(2):
        network = workers.small_network(part)
        step = workers.build_step(network, name='sgd', rate=1.0)
        mine = slice(part * workers.BATCH, (part + 1) * workers.BATCH)
        losses += workers.run_steps(step, images[:1, mine], labels[:1, mine])
        apart.append({name: a for name, a in workers.numbers(network, 'real.').items()})
    for found in together[0]:
        np.testing.assert_allclose(found['real_losses'], np.mean(losses), rtol=1e-5)
        for name in apart[0]:
            mean = (apart[0][name].astype(np.float64) + apart[1][name]) / 2
            np.testing.assert_allclose(found[name], mean, rtol=1e-4, atol=2e-5, err_msg=name)
    name = 'real.stem.norm.moving_mean'
    assert np.abs(apart[0][name] - apart[1][name]).max() > 1e-3  # the workers' own differ


def test_workers_stay_the_same_and_agree(together):
    (first, second), folder = together
    assert (first['rank'], second['rank'], first['size']) == (0, 1, 2)
    assert first['state'] == second['state']
    for found in (first, second):
        assert found['agreed'].tolist() == [True, False]
        assert found['added'][0] == pytest.approx(5 / 3, rel=1e-13) and found['added'][1] == 33554435
    assert checkpoint.load(str(folder / 'run' / 'last.ckpt')).meta['workers'] == 2
    for found in (first, second):
        assert str(found['refused']).startswith('images: 4294967295, 37 on worker 0 and 4294967294, 37 on worker 1')
    logs = {path.name: path.read_text() for path in (folder / 'logs').iterdir()}
    assert 'epoch   6: top-1' in logs['worker_0.log'] and 'top-1' not in logs['worker_1.log']
    assert {path.name for path in folder.iterdir()} == {'logs', 'run', 'rank_0.npz', 'rank_1.npz'}


def test_shared_evaluation_counts_what_one_worker_counts(together):
    for found in together[0]:
        np.testing.assert_allclose(found['shared_score'], found['whole_score'], rtol=1e-6)
        assert found['shared_score'][3] == 37 and found['shared_score'][4:].sum() == 37


@pytest.mark.parametrize('who, log', [('1', 'worker_1.log'), ('scheduler', 'scheduler.log')])
def test_a_death_ends_the_job_and_names_the_log(who, log, recipe, root, tmp_path):
    with Job(root, tmp_path, 'train.py', recipe, 2, '--run', 'run') as job:
        started = job.wait_for_children()
        os.kill(next(pid for pid, name in started.items() if name == who), signal.SIGKILL)
        code, _, err = job.end()
        last = err.strip().splitlines()[-1]
        assert code == 1 and last.startswith('error: ') and f'{who} ' in last and 'killed by SIGKILL' in last, err
        assert last.endswith(f'run/logs/{log}') and not [pid for pid in started if os.path.exists(f'/proc/{pid}')]


def test_stopped_and_resumed_equals_uninterrupted(recipe, together, root, tmp_path):
    run = tmp_path / 'run'
    with Job(root, tmp_path, 'train.py', recipe, 2, '--run', run) as job:
        job.wait_for(run, 2)
        job.process.send_signal(signal.SIGTERM)
        code, out, err = job.end()
        assert code == 130 and f'--resume {run}' in err, out + err
    step = checkpoint.load(str(run / 'last.ckpt')).meta['step']
    assert 10 <= step < 30
    earlier = 'what the first job wrote\n'
    (run / 'logs' / 'worker_1.log').write_text(earlier)
    with Job(root, tmp_path, 'train.py', run, 2) as job:
        code, out, err = job.end()
        assert code == 0 and f'resumed at step {step} of 30' in out and quiet(err), out + err
    done, want = (checkpoint.load(str(path / 'last.ckpt')) for path in (run, together[1] / 'run'))
    assert set(done.arrays) == set(want.arrays)
    for name, array in want.arrays.items():
        np.testing.assert_array_equal(done.arrays[name], array, err_msg=name)
    assert [path.name for path in tmp_path.iterdir()] == ['run']
    log = (run / 'logs' / 'worker_1.log').read_text()
    assert log.startswith(earlier) and log[len(earlier):].count('== started again ') == 1
    assert f'--resume {run} ==' in log


@pytest.fixture
def two_machines():
    """The names of two network namespaces, connected at 10.213.7.1 and .2, which are machines for MindSpore."""
    names = [f'tinynets-{os.getpid()}-{number}' for number in (1, 2)]
    steps = [f'netns add {name}' for name in names]
    steps.append('-n {} link add to_other type veth peer name to_other netns {}'.format(*names))
    for number, name in enumerate(names, 1):
        steps += [f'-n {name} addr add 10.213.7.{number}/24 dev to_other', f'-n {name} link set lo up',
                  f'-n {name} link set to_other up']
    if os.geteuid() or not shutil.which('ip'):
        pytest.skip('needs root and the command ip')
    try:
        for step in steps:
            done = subprocess.run(['ip', *step.split()], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f'ip {step}: {done.stderr.strip()}')
        yield names
    finally:
        for name in names:
            subprocess.run(['ip', 'netns', 'del', name], capture_output=True)


def test_two_machines_train_what_one_does(recipe, together, two_machines, root, tmp_path):
    """Each has its own address and folders; they start in reverse order, and only the first one writes."""
    folders = [tmp_path / name for name in two_machines]
    with contextlib.ExitStack() as stack:
        jobs = []
        for node in (1, 0):
            folders[node].mkdir()
            jobs.append(stack.enter_context(Job(
                root, folders[node], 'train.py', recipe, 1, '--run', 'run',
                within=('ip', 'netns', 'exec', two_machines[node]), MASTER_ADDR='10.213.7.1', MASTER_PORT='8118',
                NNODES='2', NODE_RANK=str(node))))
        for job in reversed(jobs):
            code, out, err = job.end()
            assert code == 0, out + err
    assert out == '' and [str(path.relative_to(folders[1])) for path in sorted(folders[1].rglob('*'))] == [
        'run', 'run/logs', 'run/logs/worker_1.log']
    done, want = (checkpoint.load(str(path / 'last.ckpt')) for path in (folders[0] / 'run', together[1] / 'run'))
    assert set(done.arrays) == set(want.arrays)
    for name, array in want.arrays.items():
        np.testing.assert_array_equal(done.arrays[name], array, err_msg=name)


def test_evaluation_prints_once(together, root, tmp_path):
    best = together[1] / 'run' / 'best.ckpt'
    with Job(root, tmp_path, 'eval.py', best, 2, '--json', 'result.json') as job:
        code, out, err = job.end()
    assert code == 0 and len(out.splitlines()) == 1 and quiet(err), out + err
    result, want = json.loads((tmp_path / 'result.json').read_text()), checkpoint.load(str(best)).meta['best']
    assert [result[key] for key in ('top1', 'top5', 'count')] == [want[key] for key in ('top1', 'top5', 'count')]
    assert [path.name for path in tmp_path.iterdir()] == ['result.json']


def test_a_mistake_is_one_line(recipe, root, tmp_path):
    with Job(root, tmp_path, 'train.py', recipe, 2, '--set', 'model.name=resnet') as job:
        code, out, err = job.end()
    assert code == 2 and len(err.splitlines()) == 1 and "error: unknown model 'resnet'" in err, out + err
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]


class Numbered:
    """Images that are their own index."""

    def __init__(self, count):
        self.labels, self.class_names = np.arange(count, dtype=np.int32), ('one',)

    def __len__(self):
        return len(self.labels)

    def image(self, index):
        return index


def as_array(image, rng=None):
    return np.full((1, 1, 1), image, np.float32)


@pytest.mark.parametrize('size', [1, 2, 3, 7])
@pytest.mark.parametrize('count', [1, 2, 13, 24])
def test_every_image_is_evaluated_once(count, size):
    seen = []
    for rank in range(size):
        for images, labels in eval_batches(Numbered(count), as_array, 4, 1, rank, size):
            assert images[:len(labels), 0, 0, 0].tolist() == labels.tolist() and len(images) <= 4
            seen += labels.tolist()
    assert sorted(seen) == list(range(count))


def test_the_workers_batches_are_one_workers_batch():
    whole = TrainStream(Numbered(29), as_array, 6, seed=3)
    parts = [TrainStream(Numbered(29), as_array, 2, seed=3, rank=rank, size=3) for rank in range(3)]
    assert {part.steps_per_epoch for part in parts} == {whole.steps_per_epoch} == {4}
    for step in range(9):
        labels = np.concatenate([part.batch(step)[1] for part in parts])
        assert labels.tolist() == whole.batch(step)[1].tolist()
    few = [TrainStream(Numbered(5), as_array, 128, rank=rank, size=2) for rank in range(2)]
    assert [part.batch_size for part in few] == [2, 2] and few[0].steps_per_epoch == 1
    with pytest.raises(ValueError, match='1 training images are too few for 2 workers'):
        TrainStream(Numbered(1), as_array, 128, size=2)


def test_only_the_first_worker_writes(trained, tmp_path):
    shutil.copytree(trained, tmp_path / 'run')
    before = {path: path.read_bytes() for path in (tmp_path / 'run').rglob('*') if path.is_file()}
    run = FollowedRun.open(str(tmp_path / 'run'))
    with run.locked():
        run.start(run.load_config())
        run.keep_records(5)
        run.record(kind='train', step=1)
        run.draw('title')
    assert before == {path: path.read_bytes() for path in (tmp_path / 'run').rglob('*') if path.is_file()}


def test_the_launchers_arguments(monkeypatch, tmp_path):
    monkeypatch.setenv('DEVICE', 'Ascend')
    command, logs, count = parse(['train.py', 'a/mine.yaml', '--set', 'train.epochs=1'])
    assert count == 8 and logs.name == 'logs' and logs.parent.name.startswith('mine-')
    assert command[1:7] == ['--config', 'a/mine.yaml', '--set', 'runtime.device=Ascend', '--set', 'train.epochs=1']
    assert parse(['train.py', '--resume', str(tmp_path), '4']) == parse(['train.py', str(tmp_path), '4'])
    command, logs, count = parse(['train.py', str(tmp_path), '4'])
    assert (command[1:], logs, count) == (['--resume', str(tmp_path)], tmp_path / 'logs', 4)
    for arguments, words in ((['train.py'], 'must be CONFIG'), (['train.py', '--run', 'x'], 'must be CONFIG'),
                             (['eval.py', 'x.ckpt', '0'], '0 workers'), (['export.py', 'x'], 'must be one of'),
                             (['train.py', 'a.yaml', '2', '--run'], '--run needs the folder'),
                             (['train.py', 'a.yaml', '--run', '--set'], '--run needs the folder')):
        with pytest.raises(ValueError, match=words):
            parse(arguments)


def test_the_launchers_machines():
    assert machines({}) == machines({'NNODES': '1', 'NODE_RANK': ''}) == (1, 0)
    assert machines({'NNODES': '3', 'NODE_RANK': '2', 'MASTER_ADDR': 'first'}) == (3, 2)
    assert machines({'NNODES': '2', 'NODE_RANK': '0', 'RANK_TABLE_FILE': 'table.json'}) == (2, 0)
    assert machines({'SLURM_STEP_NUM_TASKS': '2', 'NNODES': '1'}) == machines({'SLURM_STEP_NUM_TASKS': '1'}) == (1, 0)
    for environment, words in (({'NNODES': 'two'}, 'NNODES=two'), ({'NNODES': '0'}, 'NNODES=0'),
                               ({'NNODES': '2', 'MASTER_ADDR': 'first'}, 'NODE_RANK= with NNODES=2: must be 0 to 1'),
                               ({'NNODES': '2', 'NODE_RANK': '2', 'MASTER_ADDR': 'first'}, 'NODE_RANK=2'),
                               ({'NNODES': '2', 'NODE_RANK': '1'}, 'needs MASTER_ADDR'),
                               ({'OMPI_COMM_WORLD_SIZE': '2'}, 'OMPI_COMM_WORLD_SIZE=2: .* set NNODES')):
        with pytest.raises(ValueError, match=words):
            machines(environment)


def rank_table(*servers, **changes):
    """A table of servers, each (its name, device ids), as HCCL's documentation has it."""
    ranks = iter(map(str, range(99)))
    return {'version': '1.0', 'server_count': str(len(servers)), 'status': 'completed', 'server_list': [
        {'server_id': name, 'device': [{'device_id': str(i), 'device_ip': f'192.168.100.{i}', 'rank_id': next(ranks)}
                                       for i in ids]} for name, ids in servers], **changes}


def test_the_rank_tables_devices(tmp_path):
    path = tmp_path / 'table.json'
    one, two = rank_table(('192.0.2.1', (4, 5, 6, 7))), rank_table(('192.0.2.1', (0, 1)), ('127.0.0.1', (2, 3)))
    for table, job, want in ((one, (4, 1, 0), ['4', '5', '6', '7']), (two, (2, 2, 1), ['2', '3']),
                             ({'version': '1.0', 'group_list': []}, (4, 1, 0), None)):
        path.write_text(json.dumps(table))
        assert table_devices(str(path), *job) == want
    twice = json.loads(json.dumps(one).replace('"rank_id": "3"', '"rank_id": "0"'))
    for table, job, words in ((one, (8, 1, 0), 'has 4 devices, for NNODES=1 x 8 workers'),
                              ([1], (4, 1, 0), 'not a rank table'), ('', (4, 1, 0), 'not valid JSON'),
                              ({'server_list': [1]}, (4, 1, 0), 'not a rank table'),
                              (twice, (4, 1, 0), 'must be 0 to 3, each once'),
                              ({**one, 'status': 'initializing'}, (4, 1, 0), "status is 'initializing'"),
                              (two, (4, 1, 0), 'NODE_RANK=0 on several servers, 127.0.0.1, 192.0.2.1'),
                              (two, (2, 2, 0), 'NODE_RANK=0 on 192.0.2.1, but this machine is 127.0.0.1')):
        path.write_text(table and json.dumps(table))
        with pytest.raises(ValueError, match=f'RANK_TABLE_FILE={path}: .*{words}.*; make it for this job'):
            table_devices(str(path), *job)
    with pytest.raises(ValueError, match='RANK_TABLE_FILE=none.json: cannot be read .No such file'):
        table_devices('none.json', 4, 1, 0)


def test_a_rank_table_meets_by_a_scheduler_too(tmp_path, monkeypatch):
    """As under msrun --rank_table_file: MindSpore 2.10 starts no workers by a table alone. Each is bound to its own."""
    table, logs = tmp_path / 'table.json', tmp_path / 'logs'
    logs.mkdir()
    table.write_text(json.dumps(rank_table(('127.0.0.1', (6, 7)))))
    script = ('import os; e = os.environ; f = open(e["MS_ROLE"] + e["RANK_ID"], "w"); print(e["RANK_TABLE_FILE"], '
              'e.get("DEVICE_ID"), e["MS_WORKER_NUM"], e["MS_SCHED_HOST"], *os.sched_getaffinity(0), file=f)')
    environment = {**os.environ, 'NNODES': '1', 'RANK_TABLE_FILE': str(table)}
    monkeypatch.chdir(tmp_path)
    processors = sorted(os.sched_getaffinity(0))
    half = len(processors) // 2
    own = [processors[:half] or processors, processors[half:2 * half] or processors]
    for bind, parts in (('', own), ('0', [processors] * 2)):
        prepared, devices = launch.prepare({**environment, 'BIND_CORES': bind}, 2)
        job = launch.Job([sys.executable, '-c', script], logs, 2, prepared, devices)
        try:
            assert job.wait() == 0
            job.scheduler.wait()
        finally:
            job.close()
        for name, device, part in (('MS_SCHED0', 'None', processors), ('MS_WORKER0', '6', parts[0]),
                                   ('MS_WORKER1', '7', parts[1])):
            told = (tmp_path / name).read_text().split()
            assert told == [str(table), device, '2', '127.0.0.1', *map(str, part)], name


def test_workers_of_a_cpu_share_its_processors():
    assert launch.binds({}) and not launch.binds({'DEVICE': 'CPU'}) and not launch.binds({'BIND_CORES': '0'})
    with pytest.raises(ValueError, match='BIND_CORES=yes: must be 1, or 0'):
        launch.prepare({'BIND_CORES': 'yes'}, 2)


def test_processors_are_dealt_side_by_side(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda process: {1, 2, 3, 8, 9, 10, 11})
    assert launch.cores(2) == [{1, 2, 3}, {8, 9, 10}] and launch.cores(7)[6] == {11}
    assert launch.cores(8) == [None] * 8


def test_a_rank_tables_first_machine_is_the_schedulers(tmp_path):
    table = tmp_path / 'table.json'
    table.write_text(json.dumps(rank_table(('192.0.2.9', (0, 1)), ('127.0.0.1', (2, 3)))))
    job = {'NNODES': '2', 'NODE_RANK': '1', 'RANK_TABLE_FILE': str(table)}
    assert launch.prepare(job, 2) == ({**job, 'MASTER_ADDR': '192.0.2.9'}, ['2', '3'])
    assert launch.prepare({**job, 'MASTER_ADDR': '192.0.2.8'}, 2)[0]['MASTER_ADDR'] == '192.0.2.8'
    table.write_text('{"group_list": []}')
    with pytest.raises(ValueError, match='names no machine of rank 0; give its address as MASTER_ADDR'):
        launch.prepare(job, 2)


def test_the_schedulers_address_is_tried_first():
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = str(taken.getsockname()[1])
        for address, number, words in (('127.0.0.1', port, 'already in use'), ('192.0.2.1', '8118', 'Cannot assign'),
                                       ('127.0.0.1', 'x', 'must be a num'), ('127.0.0.1', '65536', 'must be a num'),
                                       ('127.0.0.1', '0', 'must be a num')):
            with pytest.raises(ValueError, match=f'MASTER_PORT={number}: .*{words}'):
                prepare({'MASTER_ADDR': address, 'MASTER_PORT': number}, 2)
    assert prepare({'MASTER_ADDR': 'localhost', 'MASTER_PORT': port}, 2)[0]['MASTER_ADDR'] == '127.0.0.1'
    with pytest.raises(ValueError, match='MASTER_ADDR=localhost is 127.0.0.1, which other machines cannot reach'):
        prepare({'MASTER_ADDR': 'localhost', 'NNODES': '2', 'NODE_RANK': '1'}, 2)
    with pytest.raises(ValueError, match='MASTER_ADDR=a..b: not the name of a machine'):
        prepare({'MASTER_ADDR': 'a..b'}, 2)
    two = {'MASTER_ADDR': '192.0.2.1', 'NNODES': '2', 'NODE_RANK': '1'}  # another machine's
    with pytest.raises(ValueError, match='MASTER_PORT=x: must be a number'):
        prepare({**two, 'MASTER_PORT': 'x'}, 2)
    assert prepare(two, 2) == (two, None)


def test_machines_that_do_not_meet_are_told_on_what_they_wait(tmp_path, capfd, monkeypatch):
    """Once, by each machine's launcher; nothing is printed if the workers have met and closed TINYNETS_MET."""
    monkeypatch.setattr(launch, 'WAITING', 0.3)
    line = 'waiting for 2 workers to meet at first:8118; MASTER_ADDR'
    for script, told in (('time.sleep(1)', True), ('os.close(int(os.environ["TINYNETS_MET"])); time.sleep(1)', False)):
        job = launch.Job([sys.executable, '-c', f'import os, time; {script}'], tmp_path, 1,
                         {**os.environ, 'NNODES': '2', 'NODE_RANK': '1', 'MASTER_ADDR': 'first'})
        try:
            assert job.wait() == 0
        finally:
            job.close()
        assert capfd.readouterr().err.count(line) == told


def test_workers_with_other_data_are_refused(small_config, monkeypatch):
    """Trainers compare their data and configuration by numbers, which are equal if nothing differs."""
    said = []
    monkeypatch.setattr(state.workers, 'check_same', lambda what, *numbers: said.append(numbers))
    configure('CPU')
    for change in ('train.seed=0', 'data.workers=1', 'train.seed=1', 'data.images=1436', 'data.holdout=1'):
        trainer = Trainer(small_config(change), 'CPU', say=lambda line: None)
    trainer.state.check_start()
    network = trainer.parts.network
    load_arrays(network, {p.name: p.asnumpy() + 1 for p in network.get_parameters()})
    trainer.state.step = 1
    trainer.state.check_start()
    moved, start = said.pop(), said.pop()
    assert (start[0], moved[0]) == (0, 1) and start[1] != moved[1]
    images, recipes = said[::2], said[1::2]
    assert images[0] == images[1] == images[2] and images[0][:2] == (1437, 360)
    assert len({*images[2:]}) == 3 and recipes[0] == recipes[1] and len({*recipes[1:]}) == 4


@pytest.mark.parametrize('rank, place', [('0', 'log'), ('1', 'terminal')])
def test_the_first_worker_speaks_to_the_terminal_whatever_its_number_was_to_be(rank, place, root, tmp_path):
    """MindSpore 2.0 numbers workers as they arrive: the first may be one that was started with a log."""
    with open(tmp_path / 'terminal', 'wb') as terminal, open(tmp_path / 'log', 'wb') as log:
        number = terminal.fileno()
        done = subprocess.run([sys.executable, '-c', 'import sys\nfrom tinynets import runtime\n'
                               'runtime._speak_to_terminal()\nprint("out")\nprint("err", file=sys.stderr)'],
                              cwd=root, stdout=log, stderr=log, pass_fds=[number],
                              env={**os.environ, 'RANK_ID': rank, 'PYTHONUNBUFFERED': '1',
                                   'TINYNETS_TERMINAL': f'{number},{number}'})
    assert done.returncode == 0
    assert {name: (tmp_path / name).read_text() for name in ('terminal', 'log')} == {
        'terminal': '', 'log': '', place: 'out\nerr\n'}


def test_a_log_without_a_word_adds_no_line(tmp_path):
    for text, want in (('', ''), ('x\nerror: a\nb\n', 'error: a'), ('x\n', f'error: see {tmp_path / "log"}')):
        (tmp_path / 'log').write_text(text)
        assert _last_error(tmp_path / 'log') == want
    earlier = 'é\nerror: a\n'  # of another job
    for text, want in (('', ''), ('x\n', f'error: see {tmp_path / "log"}'), ('error: b\n', 'error: b')):
        (tmp_path / 'log').write_text(earlier + text, encoding='utf-8')
        assert _last_error(tmp_path / 'log', len(earlier.encode())) == want


def test_a_failure_says_how_to_go_on_where_something_is_saved(tmp_path, capfd):
    (tmp_path / 'logs').mkdir()
    log = tmp_path / 'logs' / 'worker_1.log'
    for saved, ending in ((False, str(log)), (True, f'{log}; the same command with {tmp_path} in place of the '
                                                    'configuration resumes')):
        if saved:
            (tmp_path / 'last.ckpt').touch()
        job = launch.Job([sys.executable, '-c', 'import os, sys; sys.exit(3 * int(os.environ["RANK_ID"]))'],
                         tmp_path / 'logs', 2, {**os.environ, 'NNODES': '1'})
        assert job.wait() == 1
        assert capfd.readouterr().err == ('error: worker 1 of 2 failed with exit code 3; the job is stopped, its log '
                                          f'is {ending}\n')


def test_a_log_is_added_to(tmp_path, capfd):
    """After a line with the time; only an error of this job is repeated, even if its worker printed none."""
    logs, environment = tmp_path / 'logs', {**os.environ, 'NNODES': '1'}
    logs.mkdir()
    for number, said in ((1, 'error: 1'), (2, 'error: 2'), (3, f'error: see {logs / "worker_1.log"}')):
        script = (f'import os, sys; print("job {number}", flush=True); rank = int(os.environ["RANK_ID"]); '
                  f'print("error: {number}" if rank and {number} < 3 else "", end="", file=sys.stderr); '
                  'sys.exit(2 * rank)')
        job = launch.Job([sys.executable, '-c', script], logs, 2, environment)
        try:
            assert job.wait() == 2
        finally:
            job.close()
        assert capfd.readouterr().err.splitlines() == [said]
    lines = (logs / 'worker_1.log').read_text().splitlines()
    assert [line for line in lines if not line.startswith('== ')] == ['job 1', 'error: 1', 'job 2', 'error: 2', 'job 3']
    for title in (lines[2], lines[5]):
        assert re.fullmatch(r'== started again \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: -c .* ==', title)
