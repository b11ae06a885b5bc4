"""Start the workers of a job on this machine and wait for them.

    python src/tinynets/launch.py train.py CONFIG [N] [options]

Sets the environment of MindSpore's engine as its msrun does (MS_ROLE, MS_WORKER_NUM, ...: "dynamic cluster", in every
release since 2.0). RANK_TABLE_FILE may name a rank table, like msrun's --rank_table_file, whose devices are then used.
Unlike with msrun, workers save their state on a signal, the first failure ends the job at once, and the scheduler is
watched too (docs/distributed.md). Worker 0 writes to the terminal, the others and the scheduler to log files, to which
a resumed job appends.
"""
from __future__ import annotations

import _signal

if __name__ == '__main__':  # as src/tinynets/early.py
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # until main() sets its handlers

# isort: split
import ctypes
import functools
import itertools
import math
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import Dict, List, Optional, Set, Tuple

ROOT = pathlib.Path(__file__).resolve().parents[2]  # the clone, where train.py and eval.py are
sys.path.insert(0, str(ROOT / 'src'))

from tinynets.arguments import check_distributed  # noqa: E402
from tinynets.parsing import read_json  # noqa: E402

USER_ERROR, INTERRUPTED = 2, 130  # as src/tinynets/runtime.py
LOCAL, PORT = '127.0.0.1', 8118  # defaults of MASTER_ADDR and, on several machines, MASTER_PORT
PATIENCE = {USER_ERROR: 5.0, INTERRUPTED: 60.0}  # seconds that the other workers have to end after the first one
MOST_WORKERS = 1024  # on one machine; more are typing mistakes
WAITING = 60.0  # seconds until the workers of several machines should have met


class Job:
    """The processes of one job on this machine."""

    def __init__(self, command: List[str], logs: pathlib.Path, count: int, environment: Dict[str, str],
                 devices: Optional[List[str]] = None):
        self.logs, self.signals = logs, 0
        self.title = f'== started again {time.strftime("%Y-%m-%d %H:%M:%S")}: {shlex.join(command[1:])} =='
        self.begins: Dict[pathlib.Path, int] = {}  # offset of this job's part in a log
        nodes, node = machines(environment)
        self.nodes, self.first, self.total = nodes, node * count, nodes * count
        self.terminal = self.passed = os.dup(1), os.dup(2)
        shared = {**environment, 'RANK_SIZE': str(self.total), 'PYTHONUNBUFFERED': '1',
                  'TINYNETS_TERMINAL': '{},{}'.format(*self.terminal)}
        shared.setdefault('OMP_NUM_THREADS', str(max(1, len(os.sched_getaffinity(0)) // count)))
        shared.update(MS_WORKER_NUM=str(self.total), MS_SCHED_HOST=environment.get('MASTER_ADDR') or LOCAL,
                      MS_SCHED_PORT=environment.get('MASTER_PORT') or str(_free_port() if nodes == 1 else PORT))
        self.place = ' at {MS_SCHED_HOST}:{MS_SCHED_PORT}'.format(**shared)
        self.scheduler: Optional[subprocess.Popen] = None
        if node == 0:
            self.scheduler = self._start(command, {**shared, 'MS_ROLE': 'MS_SCHED', 'RANK_ID': '0'},
                                         self.log('scheduler'))
        self.meeting, met = os.pipe()  # each worker closes its end after it has met the others
        os.set_blocking(self.meeting, False)
        self.passed = (*self.terminal, met)
        shared['TINYNETS_MET'] = str(met)
        bound = cores(count) if binds(environment) else [None] * count
        self.workers = [self._start(command, {**shared, 'MS_ROLE': 'MS_WORKER', 'DEVICE_ID': device,
                                              'RANK_ID': str(rank), 'MS_NODE_ID': str(rank)},
                                    self.log(rank) if rank else None, own)
                        for rank, (device, own) in enumerate(zip(devices or map(str, range(count)), bound), self.first)]
        os.close(met)

    def log(self, rank) -> pathlib.Path:
        """Return the log file of a process."""
        return self.logs / (f'worker_{rank}.log' if isinstance(rank, int) else f'{rank}.log')

    def _start(self, command: List[str], environment: Dict[str, str], log: Optional[pathlib.Path],
               bound: Optional[Set[int]] = None) -> subprocess.Popen:
        output = open(log, 'ab') if log else None
        try:
            if output and output.tell():
                output.write(f'\n{self.title}\n'.encode(errors='surrogateescape'))
                output.flush()
            if output:
                self.begins[log] = output.tell()
            return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                    pass_fds=self.passed, start_new_session=True,
                                    preexec_fn=functools.partial(_begin, bound))
        finally:
            if output:
                output.close()

    def on_signal(self, number: int = signal.SIGTERM, *_) -> None:
        """Let the workers save and stop; a second SIGINT or SIGTERM ends them at once.

        A closed terminal sends SIGHUP twice; the second one is ignored.
        """
        if self.signals and number not in (signal.SIGINT, signal.SIGTERM):
            return
        self.signals += 1
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM if self.signals == 1 else signal.SIGKILL)

    def wait(self) -> int:
        """Wait for the job's end, or end it after a failure, which is printed; return the exit code."""
        remind_at = time.monotonic() + WAITING if self.nodes > 1 else math.inf
        while True:
            if time.monotonic() > remind_at:
                remind_at = math.inf
                self._remind()
            codes = [worker.poll() for worker in self.workers]
            failed = next((i for i, code in enumerate(codes) if code), None)
            if failed is not None:
                return self._fail(failed)
            if None not in codes:
                if self.scheduler and self.nodes > 1:  # other machines' workers may still need it
                    self.scheduler.wait()
                return 0
            if self.scheduler and self.scheduler.poll():
                code = self.scheduler.returncode
                why = ', as it does when it has lost a worker of another machine' if self.nodes > 1 and code > 0 else ''
                return self._say(f'the scheduler {_how(code)}{why}', self.log('scheduler'))
            time.sleep(0.1)

    def _remind(self) -> None:
        """Print what the workers wait for if they have not met yet, as MindSpore says nothing for half an hour."""
        try:
            os.read(self.meeting, 1)
        except BlockingIOError:
            print(f'waiting for {self.total} workers to meet{self.place}; MASTER_ADDR, MASTER_PORT, NNODES and the '
                  'number of workers must be the same on all machines, NODE_RANK different on each', file=sys.stderr)

    def _fail(self, index: int) -> int:
        code = self.workers[index].returncode
        alone = index == 0 and self.first == 0 and code == USER_ERROR  # it has printed the error already
        until = time.monotonic() + (0 if alone else PATIENCE.get(code, 0))
        while time.monotonic() < until and any(worker.poll() is None for worker in self.workers):
            time.sleep(0.05)
        rank = self.first + index
        if code == INTERRUPTED:
            return INTERRUPTED
        if self.signals and code in (-signal.SIGTERM, -signal.SIGKILL, 128 + signal.SIGTERM):
            print('interrupted', file=sys.stderr)  # before the first step, or by a second signal
            return INTERRUPTED
        if code == USER_ERROR:
            if not (self.first == 0 and self.workers[0].poll() == USER_ERROR):
                log = self.log(rank)
                said = _last_error(log, self.begins.get(log, 0))
                if said:
                    print(said, file=sys.stderr)
            return USER_ERROR
        return self._say(f'worker {rank} of {self.total} {_how(code)}', self.log(rank) if rank else None)

    def _say(self, what: str, log: Optional[pathlib.Path]) -> int:
        where = f'its log is {log}' if log else f"its messages are above, the others' logs in {self.logs}"
        if (self.logs.parent / 'last.ckpt').exists():
            where += f'; the same command with {self.logs.parent} in place of the configuration resumes'
        self.close()
        print(f'error: {what}; the job is stopped, {where}', file=sys.stderr)
        return 1

    def close(self) -> None:
        """End the remaining processes."""
        for process in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def machines(environment: Dict[str, str]) -> Tuple[int, int]:
    """Return the number of machines of the job and the number of this one, counted from 0. Raises ValueError."""
    nodes, node = (environment.get(name) or default for name, default in (('NNODES', '1'), ('NODE_RANK', '')))
    others = next((name for name in ('SLURM_STEP_NUM_TASKS', 'OMPI_COMM_WORLD_SIZE', 'PMI_SIZE')
                   if environment.get(name, '1') not in ('', '0', '1')), None)  # srun, mpirun: so many launchers
    if others and not environment.get('NNODES'):
        raise ValueError(f'{others}={environment[others]}: started several times; set NNODES, NODE_RANK, MASTER_ADDR '
                         'if these are the machines of one job, or NNODES=1 if each is a separate job')
    if not nodes.isdigit() or int(nodes) < 1:
        raise ValueError(f'NNODES={nodes}: must be the number of machines')
    if int(nodes) == 1:
        return 1, 0
    if not node.isdigit() or int(node) >= int(nodes):
        raise ValueError(f'NODE_RANK={node} with NNODES={nodes}: must be 0 to {int(nodes) - 1}, one per machine')
    if not (environment.get('MASTER_ADDR') or environment.get('RANK_TABLE_FILE')):
        raise ValueError(f'NNODES={nodes} needs MASTER_ADDR: the address of machine 0, the same on all')
    return int(nodes), int(node)


def binds(environment: Dict[str, str]) -> bool:
    """Whether each worker is bound to separate processors: if the device is not the CPU, unless BIND_CORES is 0.

    Threads that start a device's kernels are slower if they move between processors (msrun: --bind_core). Raises
    ValueError for another BIND_CORES.
    """
    choice = environment.get('BIND_CORES') or '1'
    if choice not in ('0', '1'):
        raise ValueError(f'BIND_CORES={choice}: must be 1, or 0 to let workers run on all processors')
    return choice == '1' and environment.get('DEVICE', 'Ascend') != 'CPU'


def cores(count: int) -> List[Optional[Set[int]]]:
    """Return the processors of each of `count` workers in equal consecutive parts; None for all if too few."""
    allowed = sorted(os.sched_getaffinity(0))
    share = len(allowed) // count
    return [set(allowed[i * share:(i + 1) * share]) or None for i in range(count)]


def prepare(environment: Dict[str, str], count: int) -> Tuple[Dict[str, str], Optional[List[str]]]:
    """Return the environment with an address as MASTER_ADDR, and the workers' devices if there is a rank table.

    Raises ValueError.
    """
    nodes, node = machines(environment)
    binds(environment)
    table = environment.get('RANK_TABLE_FILE')
    devices = table_devices(table, count, nodes, node) if table else None
    master = environment.get('MASTER_ADDR') or (_first_server(table) if table and nodes > 1 else LOCAL)
    address = _address(master, nodes)
    port = environment.get('MASTER_PORT')
    if port and not (port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f'MASTER_PORT={port}: must be a number from 1 to 65535')
    if node == 0:
        _check_place(address, int(port or (PORT if nodes > 1 else 0)))
    return {**environment, 'MASTER_ADDR': address}, devices


def _first_server(path: str) -> str:
    """Return the address of the machine with rank 0 in a checked rank table. Raises ValueError if it has none."""
    table = read_json(path)
    for server in table.get('server_list', ()):
        if any(str(device['rank_id']) == '0' for device in server['device']):
            return server['server_id']
    raise ValueError(f'RANK_TABLE_FILE={path}: names no machine of rank 0; give its address as MASTER_ADDR')


def table_devices(path: str, count: int, nodes: int, node: int) -> Optional[List[str]]:
    """Return the device ids of this machine's workers in a rank table, None for HCCL's other form with group_list.

    Raises ValueError for a table that does not have `nodes` machines with `count` workers each.
    """
    try:
        table = read_json(path)
        return None if 'group_list' in table else _own_devices(table, count, nodes, node)
    except OSError as error:
        what = f'cannot be read ({error.strerror})'
    except (KeyError, TypeError):
        what = ('is not a rank table: it needs "server_list" with "server_id" and "device", with "device_id" and '
                '"rank_id"')
    except ValueError as error:
        what = str(error).removeprefix(f'{path}: ')
    raise ValueError(f'RANK_TABLE_FILE={path}: {what}; make it for this job, or unset it')


def _own_devices(table: dict, count: int, nodes: int, node: int) -> List[str]:
    listed = [(server['server_id'], device) for server in table['server_list'] for device in server['device']]
    if len(listed) != count * nodes:
        raise ValueError(f'has {len(listed)} devices, for NNODES={nodes} x {count} workers')
    places = {str(device['rank_id']): (server, str(device['device_id'])) for server, device in listed}
    if set(places) != set(map(str, range(len(listed)))):
        raise ValueError(f'its rank ids must be 0 to {len(listed) - 1}, each once')
    if table.get('status', 'completed') != 'completed':
        raise ValueError(f'its status is {table["status"]!r}, not "completed"')
    ours = [places[str(rank)] for rank in range(node * count, (node + 1) * count)]
    servers = sorted({server for server, _ in ours})
    if len(servers) > 1:
        raise ValueError(f'has NODE_RANK={node} on several servers, {", ".join(servers)}')
    here = next((server for server, _ in listed if server not in servers and _is_here(server)), None)
    if here:
        raise ValueError(f'has NODE_RANK={node} on {servers[0]}, but this machine is {here}')
    return [device for _, device in ours]


def parse(arguments: List[str]) -> Tuple[List[str], Optional[pathlib.Path], int]:
    """Return the command, log folder and number of workers of script, target, number and options. Raises ValueError.

    The log folder of an evaluation is None.
    """
    script, *arguments = arguments or ['']
    what = {'train.py': 'CONFIG (or the folder of a run to resume)', 'eval.py': 'CHECKPOINT'}
    if script not in what:
        raise ValueError(f"script '{script}': must be one of {', '.join(what)}")
    if arguments[:1] in (['--config'], ['--resume'], ['--checkpoint']):  # written as for the script itself
        del arguments[0]
    if not arguments or arguments[0].startswith('-'):
        raise ValueError(f'the first argument must be {what[script]}, then the number of workers on this machine, then '
                         f'options of {script}')
    device = os.environ.get('DEVICE', 'Ascend')
    check_distributed(script, arguments)
    target, *options = arguments
    count = int(options.pop(0)) if options and options[0].isdigit() else 2 if device == 'CPU' else 8
    if not 1 <= count <= MOST_WORKERS:
        raise ValueError(f'{count} workers on this machine: must be 1 to {MOST_WORKERS}')
    if script == 'eval.py':
        return ([str(ROOT / script), '--checkpoint', target, '--device', device, *options],
                None, count)
    if os.path.isdir(target):
        return [str(ROOT / script), '--resume', target, *options], pathlib.Path(target) / 'logs', count
    if not _names_run(options):
        options += ['--run', _free_run(f'runs/{pathlib.Path(target).stem}-{time.strftime("%Y%m%d-%H%M%S")}')]
    place = next(i for i, option in enumerate(options) if option.split('=')[0] == '--run')
    run = options[place].partition('=')[2] or ''.join(options[place + 1:place + 2])
    if not run or run.startswith('-'):
        raise ValueError('--run needs the folder of the run')
    return ([str(ROOT / script), '--config', target, '--set', f'runtime.device={device}', *options],
            pathlib.Path(run) / 'logs', count)


def _names_run(options: List[str]) -> bool:
    return any(option.split('=')[0] == '--run' for option in options)


def _free_run(path: str) -> str:
    """Return the first of <path>, <path>-2, <path>-3, ... that does not exist, as train.py numbers them."""
    names = itertools.chain([path], (f'{path}-{number}' for number in itertools.count(2)))
    return next(name for name in names if not os.path.lexists(name))


def main() -> int:
    try:
        command, logs, count = parse(sys.argv[1:])
        environment, devices = prepare(dict(os.environ), count)
        temporary = logs is None
        logs = logs or pathlib.Path(tempfile.mkdtemp(prefix='tinynets-eval-')) / 'logs'  # no other user can write there
        made = [folder for folder in (logs, logs.parent) if temporary or not folder.exists()]
        named = temporary or '--resume' in command or _names_run(sys.argv)
        while True:
            try:
                logs.mkdir(parents=True, exist_ok=named)
                break
            except FileExistsError:
                if named:
                    raise
            command, logs, count = parse(sys.argv[1:])  # another job took the name meanwhile
            made = [logs, logs.parent]
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return USER_ERROR
    job = Job([sys.executable, *command], logs, count, environment, devices)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # ignored under nohup
            signal.signal(number, job.on_signal)
    try:
        code = job.wait()
    finally:
        job.close()
    if code == USER_ERROR or code == 0 and command[0].endswith('eval.py'):  # the logs have nothing of interest
        for folder in made:
            if folder == logs or not os.listdir(folder):
                shutil.rmtree(folder)
    return code


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def _is_here(address: str) -> bool:
    """Whether an address is one of this machine's."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _address(name: str, nodes: int) -> str:
    """Return the address of a name, as MindSpore takes no names. Raises ValueError for an unknown or a local one."""
    try:
        address = name if ':' in name else socket.gethostbyname(name)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one, as a..b
        raise ValueError(f'MASTER_ADDR={name}: {getattr(error, "strerror", "not the name of a machine")}; it must be '
                         'the address or name of machine 0') from None
    if nodes > 1 and address != name and address.startswith('127.'):
        raise ValueError(f'MASTER_ADDR={name} is {address}, which other machines cannot reach; give the address of '
                         'machine 0')
    return address


def _check_place(address: str, port: int) -> None:
    """Raise ValueError if the scheduler cannot listen; otherwise the other machines would wait for minutes."""
    try:
        family, *_, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # an earlier job's connections may linger
            probe.bind(place)
    except OSError as error:
        raise ValueError(f'MASTER_ADDR={address}, MASTER_PORT={port}: cannot listen there ({error.strerror}); '
                         "it must be machine 0's own address and a free port, the same on all machines") from None


def _how(code: int) -> str:
    return f'was killed by {signal.Signals(-code).name}' if code < 0 else f'failed with exit code {code}'


def _last_error(log: pathlib.Path, begin: int = 0) -> str:
    """Return the last error from byte `begin`, '' if the worker wrote to the terminal instead (runtime.py)."""
    lines = log.read_bytes()[begin:].decode(errors='replace').splitlines()
    return next((line for line in reversed(lines) if line.startswith('error: ')), f'error: see {log}' if lines else '')


def _begin(bound: Optional[Set[int]]) -> None:
    """Let Linux send SIGTERM if the launcher dies, so that the workers save and stop. Bind to processors."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if bound:
        os.sched_setaffinity(0, bound)


if __name__ == '__main__':
    sys.exit(main())
