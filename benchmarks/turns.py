"""Parts shared by the benchmarks: processes that take turns, PyTorch's environment, a description of the machine."""
import contextlib
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
QUIET = 0.05  # the share of the processors that other processes may use without a remark


class Failed(Exception):
    """A variant cannot be measured; the message says why."""


class Worker:
    """A variant's process, which answers every line with a line of JSON; `ask` and `end` may raise Failed."""

    def __init__(self, command: list, env: dict | None = None):
        self.log, self.used = tempfile.TemporaryFile('w+'), 0.0
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, bufsize=1, env=env)
        self.about = self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.log.seek(0)
            last = ([''] + self.log.read().split('\n'))[-2:]
            raise Failed('ended by signal 9, perhaps for lack of memory' if code == -9 else
                         f'ended with exit code {code}: {" ".join(last).strip()[:200]}')
        answer = json.loads(line)
        if isinstance(answer, dict) and 'failed' in answer:
            raise Failed(answer['failed'])
        return answer

    def ask(self, line: str = 'step'):
        """Return the answer to a line; by default the seconds of one step."""
        with contextlib.suppress(BrokenPipeError):  # _answer reports the reason
            self.process.stdin.write(line + '\n')
        return self._answer()

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of the process so far, or at the last call before it ended."""
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f'/proc/{self.process.pid}/stat').read_text().rsplit(')', 1)[1].split()
            self.used = (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
        return self.used

    def end(self) -> float:
        """The peak memory in MiB."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        return self._answer()

    def kill(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def answering():
    """Yield a worker's stream for answers; other output goes to stderr, and an exception becomes an answer."""
    answers = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)
    with contextlib.suppress(OSError):  # if memory runs out, this process is ended first
        pathlib.Path('/proc/self/oom_score_adj').write_text('1000')
    try:
        yield lambda answer: print(json.dumps(answer), file=answers)
    except Exception as error:  # every failure of a variant becomes a row of the table
        text = ' '.join(f'{type(error).__name__}: {error}'.split())
        print(json.dumps({'failed': text[:200]}), file=answers)


def environment(pins: list) -> str:
    """Return the interpreter of .venv-benchmark, which is made or completed if it lacks some of `pins`."""
    folder = ROOT / '.venv-benchmark'
    python, marker = folder / 'bin' / 'python', folder / 'installed'
    installed = marker.read_text().split() if marker.is_file() else []
    missing = [pin for pin in pins if pin not in installed]
    if missing:
        print(f'installing {" ".join(missing)} into {folder}', file=sys.stderr, flush=True)
        for command in ([sys.executable, '-m', 'venv', folder],
                        [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', *pins]):
            if subprocess.run(command, stdout=sys.stderr).returncode:
                raise ValueError(f'cannot make {folder}, see above; --torch-python names an interpreter that has '
                                 f'{", ".join(pins)}')
        marker.write_text(' '.join(sorted({*installed, *pins})))
    return str(python)


def versions(python: str, *packages: str) -> dict:
    """Return the versions of packages in another interpreter. Raises ValueError if one is missing."""
    code = f'import json; from importlib.metadata import version as v; print(json.dumps([v(n) for n in {packages}]))'
    done = subprocess.run([python, '-c', code], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f'{python}: has not all of {", ".join(packages)}')
    return dict(zip(packages, json.loads(done.stdout)))


def machine() -> dict:
    """Return a description of the processor, its vector instructions, Python and the compiler."""
    lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
    cpuinfo = {key.strip(): value.strip() for key, _, value in (line.partition(':') for line in lines)}
    flags = cpuinfo.get('flags', cpuinfo.get('Features', '')).split()
    found = {'CPU': cpuinfo.get('model name', platform.machine()),
             'family': ', '.join(f'{key} {cpuinfo[key]}' for key in ('cpu family', 'model', 'stepping')
                                 if key in cpuinfo),
             'cores': os.cpu_count(),
             'vectors': ' '.join(f for f in flags if f.startswith(('avx', 'amx', 'fma', 'asimd', 'sve'))),
             'python': platform.python_version()}
    compiler = os.environ.get('CXX', 'g++')
    with contextlib.suppress(OSError):
        found[compiler] = subprocess.run([compiler, '--version'], capture_output=True, text=True).stdout.split('\n')[0]
    return found


class Others:
    """The share of the processors that other processes used while the workers ran."""

    def __init__(self, ours):
        self.ours, self.begun, self.start = ours, time.monotonic(), _machine_seconds() - ours()

    def share(self) -> float:
        """Return the share since the beginning; `ours` returns the CPU seconds of the measured processes so far."""
        used = max(0.0, _machine_seconds() - self.ours() - self.start)
        return used / max(time.monotonic() - self.begun, 1e-9) / os.cpu_count()


def _machine_seconds() -> float:
    """Return the CPU seconds of all processes since the start of the machine, and those withheld by its host."""
    user, nice, system, _, _, irq, softirq, steal = map(int, pathlib.Path('/proc/stat').read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf('SC_CLK_TCK')


def records(path: str | None, benchmark: str, setting: dict) -> list:
    """Return the records of this benchmark and setting in a file of JSON lines, if it exists."""
    if not path or not os.path.exists(path):
        return []
    try:
        return [r for r in map(json.loads, pathlib.Path(path).read_text().splitlines())
                if r['benchmark'] == benchmark and r['setting'] == setting]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f'{path}: is not a file of the benchmarks, one record per line; move it away') from None


def record(path: str | None, benchmark: str, setting: dict, row: str, found: dict) -> dict:
    """Return a row's results with date, revision of the code, machine and versions, and append them to a file."""
    made = {'benchmark': benchmark, 'date': datetime.date.today().isoformat(), 'revision': revision(),
            'setting': setting, 'row': row, **rounded(found)}
    if path:
        with open(path, 'a') as file:
            file.write(json.dumps(made) + '\n')
    return made


def rounded(value):
    """Return the value with every float in it rounded to five digits, which is more than the noise allows."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return float(f'{value:.5g}') if isinstance(value, float) else value


def revision() -> str:
    """Return the measured commit, with a + if files other than records differ from it."""
    def git(*command):
        return subprocess.run(['git', '-C', str(ROOT), *command], capture_output=True, text=True).stdout.strip()
    changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!docs/lab/*.jsonl')
    return git('rev-parse', '--short=12', 'HEAD') + ('+' if changed else '')


def undisturbed(rounds: int, ours, one_round, extra: int = 1, patience: float = 2.0) -> tuple:
    """Return `rounds` results of one_round() with little other use of the processors, and the largest such share.

    A disturbed round is repeated once the processors are idle, or after a total of `patience` seconds of waiting, for
    at most `extra` times `rounds` more rounds; then the least disturbed ones are taken. `ours` returns the CPU seconds
    of the measured processes so far, which rest between rounds.
    """
    found, end = [], time.monotonic() + patience
    while sum(share <= QUIET for share, _ in found) < rounds and len(found) < rounds * (1 + extra):
        while found and found[-1][0] > QUIET and time.monotonic() < end and not idle():
            pass
        others = Others(ours)
        result = one_round()
        found.append((others.share(), result))
    taken = sorted(sorted(range(len(found)), key=lambda i: found[i][0] > QUIET and found[i][0])[:rounds])
    return [found[i][1] for i in taken], max(found[i][0] for i in taken)


def idle(seconds: float = 1.0) -> bool:
    """Whether the processors are idle for some seconds."""
    others = Others(lambda: 0.0)
    time.sleep(seconds)
    return others.share() <= QUIET


class Progress:
    """Prints progress to stderr: the current row, the number of rows, and the estimated time left."""

    def __init__(self, total: int):
        self.total, self.done, self.begun = total, 0, time.monotonic()

    def next(self, row: str) -> None:
        """Print that a row begins."""
        rest = (time.monotonic() - self.begun) / self.done * (self.total - self.done) if self.done else None
        minutes = 'unknown' if rest is None else round(rest / 60)
        print(f'{self.done} of {self.total} rows done, minutes left: {minutes}; now {row}', file=sys.stderr, flush=True)
        self.done += 1
