"""A training step of this package and of PyTorch with timm on a CPU: `python benchmarks/training_step.py`.

Each variant runs in a process of its own; the processes take turns, one timed step each, so that a machine whose speed
drifts treats all alike; step_worker.py says what a step is. PyTorch comes from .venv-benchmark, made on first use,
where an index of its CPU wheels in PIP_EXTRA_INDEX_URL spares the CUDA libraries. Progress goes to stderr, Markdown
tables to stdout. Linux only.

The machine must be idle otherwise: PyTorch's spinning threads lose many times more to another busy process than ours.
What others used of the processors is measured and printed with each row.
"""
import argparse
import contextlib
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PINS = ['torch==2.14.1', 'torchvision==0.29.1', 'timm==1.0.31', 'numpy<2.3']
OURS = ['ours', 'ours_stock']
VARIANTS = OURS + ['torch_eager', 'torch_channels_last', 'torch_compiled', 'torch_compiled_channels_last']
SIZES = ['tinynet_e,106', 'tinynet_e,64', 'tinynet_c,184', 'tinynet_a,192', 'efficientnet_b0,224']
BATCHES = {'training': [8, 32, 64], 'evaluation': [64]}
LEAST_REPEATS = 5
QUIET = 0.05  # the share of the processors that others may use without a remark


class Failed(Exception):
    """A variant can't be measured; the message says why."""


class Worker:
    """A variant's process; `ask` and `end` raise Failed with its reason."""

    def __init__(self, variant: str, row: str, args: argparse.Namespace):
        self.log, self.used = tempfile.TemporaryFile('w+'), 0.0
        env = {k: v for k, v in os.environ.items() if k != 'TINYNETS_KERNELS'}
        python = sys.executable if variant in OURS else args.torch_python
        self.process = subprocess.Popen(
            [python, ROOT / 'benchmarks' / 'step_worker.py', variant, args.mode, row, str(args.threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, bufsize=1, env=env)
        self.about = self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.log.seek(0)
            last = ([''] + self.log.read().split('\n'))[-2:]
            raise Failed('ended by signal 9, perhaps for want of memory' if code == -9 else
                         f'ended with exit code {code}: {" ".join(last).strip()[:200]}')
        answer = json.loads(line)
        if isinstance(answer, dict) and 'failed' in answer:
            raise Failed(answer['failed'])
        return answer

    def ask(self) -> float:
        """The seconds of one step."""
        with contextlib.suppress(BrokenPipeError):  # _answer says why
            self.process.stdin.write('step\n')
        return self._answer()

    def cpu_seconds(self) -> float:
        """What the process used of the processors so far, or when last asked while it lived."""
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f'/proc/{self.process.pid}/stat').read_text().rsplit(')', 1)[1].split()
            self.used = (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
        return self.used

    def end(self) -> float:
        """The peak memory in MiB."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        return self._answer()


def check_row(row: str) -> None:
    """Raise ValueError unless a row is MODEL,PX,BATCH."""
    if not re.fullmatch(r'[^,]+,[1-9]\d*,[1-9]\d*', row):
        raise ValueError(f"row '{row}': must be MODEL,PX,BATCH, for example tinynet_e,106,32")


def torch_python() -> str:
    """Return the interpreter of .venv-benchmark, which is made, or completed, where it is not as PINS say."""
    folder = ROOT / '.venv-benchmark'
    python, marker = folder / 'bin' / 'python', folder / 'installed'
    if not marker.is_file() or marker.read_text() != ' '.join(PINS):
        print(f'installing {" ".join(PINS)} into {folder}', file=sys.stderr, flush=True)
        for command in ([sys.executable, '-m', 'venv', folder],
                        [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', *PINS]):
            if subprocess.run(command, stdout=sys.stderr).returncode:
                raise ValueError(f'cannot make {folder}, see above; --torch-python names an interpreter that has timm')
        marker.write_text(' '.join(PINS))
    return str(python)


def setting(args: argparse.Namespace) -> dict:
    """What the numbers depend on besides the row: mode, machine, versions, threads."""
    lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
    cpuinfo = {key.strip(): value.strip() for key, _, value in (line.partition(':') for line in lines)}
    flags = cpuinfo.get('flags', cpuinfo.get('Features', '')).split()
    found = {'mode': args.mode, 'CPU': cpuinfo.get('model name', platform.machine()), 'cores': os.cpu_count(),
             'vectors': ' '.join(f for f in flags if f.startswith(('avx', 'amx', 'fma', 'asimd', 'sve'))),
             'threads': args.threads, 'python': platform.python_version(),
             'mindspore': importlib.metadata.version('mindspore') if set(args.variants) & set(OURS) else 'not used'}
    if args.torch_python:
        code = 'from importlib.metadata import version as v; print(v("torch"), v("timm"))'
        done = subprocess.run([args.torch_python, '-c', code], capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f'{args.torch_python}: has no torch and timm')
        found['torch'], found['timm'] = done.stdout.split()
    compiler = os.environ.get('CXX', 'g++')
    with contextlib.suppress(OSError):
        found[compiler] = subprocess.run([compiler, '--version'], capture_output=True, text=True).stdout.split('\n')[0]
    return found


def machine_seconds() -> float:
    """What all processes used of the processors since the start of the machine, and what its host withheld."""
    user, nice, system, _, _, irq, softirq, steal = map(int, pathlib.Path('/proc/stat').read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf('SC_CLK_TCK')


def measure(row: str, args: argparse.Namespace) -> tuple:
    """Return {variant: 'seconds' and 'MiB', or why it 'failed'}, and the share of the processors that others used."""
    workers, found = {}, {}
    try:
        for variant in args.variants:
            with failure_noted(found, variant):
                workers[variant] = Worker(variant, row, args)
                found[variant] = {**workers[variant].about, 'seconds': []}
        counts = {f.get('parameters') for f in found.values()} - {None}
        if len(counts) > 1:
            raise ValueError(f'{row}: the variants have unlike counts of parameters, {sorted(counts)}')
        begun = time.monotonic()
        others = machine_seconds() - sum(w.cpu_seconds() for w in workers.values())
        for done in range(args.repeat):
            if done >= LEAST_REPEATS and time.monotonic() - begun > args.seconds:
                break
            for variant in [v for v in workers if 'failed' not in found[v]]:
                with failure_noted(found, variant):
                    found[variant]['seconds'].append(workers[variant].ask())
        others = machine_seconds() - sum(w.cpu_seconds() for w in workers.values()) - others
        others = max(0.0, others) / max(time.monotonic() - begun, 1e-9) / os.cpu_count()
        for variant in [v for v in workers if 'failed' not in found[v]]:
            with failure_noted(found, variant):
                found[variant]['MiB'] = workers[variant].end()
        return found, others
    finally:
        for process in (w.process for w in workers.values()):
            process.kill()
            process.wait()


@contextlib.contextmanager
def failure_noted(found: dict, variant: str):
    """Turn Failed into the variant's finding."""
    try:
        yield
    except Failed as reason:
        found[variant] = {'failed': str(reason)}


def ratio(found: dict, variant: str) -> str:
    """How many times as fast as a variant ours is, the median of the rounds' ratios; a dash where one is missing."""
    pair = [found.get(v, {}).get('seconds') for v in (variant, 'ours')]
    return f'{statistics.median(a / b for a, b in zip(*pair)):.2f}' if all(pair) else '-'


def variant_text(row: str, variant: str, found: dict) -> str:
    """A variant's line of the first table."""
    start = f"| {row.replace(',', ', ')} | {variant} "
    if 'failed' in found[variant]:
        return start + f"| failed: {found[variant]['failed'].replace('|', '/')} | | | |"
    median = statistics.median(found[variant]['seconds'])
    return start + (f"| {1000 * median:.1f} | {int(row.split(',')[2]) / median:.0f} | {found[variant]['MiB']:.0f} "
                    f'| {ratio(found, variant)} |')


def row_text(row: str, found: dict, others: float) -> str:
    """A row's line of the second table: ours and the fastest variant of PyTorch."""
    medians = {v: statistics.median(f['seconds']) for v, f in found.items() if v not in OURS and 'seconds' in f}
    best = min(medians, key=medians.get) if medians else 'not measured'
    remark = ' (too much)' if others > QUIET else ''
    return f"| {row.replace(',', ', ')} | {best} | {ratio(found, best)} | {100 * others:.0f} %{remark} |"


def rows_on_file(path: str, machine: dict, variants: list) -> dict:
    """Return what a file of --json has of rows measured in this setting with these variants."""
    if not path or not os.path.exists(path):
        return {}
    try:
        records = [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]
        return {r['row']: ({v: r['variants'][v] for v in variants}, r['others']) for r in records
                if r['setting'] == machine and set(variants) <= set(r['variants'])}
    except (ValueError, KeyError, TypeError):
        raise ValueError(f'{path}: is not a file of this benchmark, one row a line; move it away') from None


def run(args: argparse.Namespace) -> None:
    """Measure the rows that are not on file, and print the tables."""
    for row in args.rows:
        check_row(row)
    if set(args.variants) - set(OURS):
        args.torch_python = args.torch_python or torch_python()
    else:
        args.torch_python = None
    machine = setting(args)
    results = rows_on_file(args.json, machine, args.variants)
    to_do = [row for row in args.rows if row not in results]
    print('\n'.join(f'- {key}: {value}' for key, value in {'date': datetime.date.today(), **machine}.items()))
    print('\n| network, px, batch | variant | ms a step | images/s | peak MiB | ours is times as fast |')
    print('|---|---|---|---|---|---|', flush=True)
    begun = time.monotonic()
    for row in args.rows:
        if row in to_do:
            done = to_do.index(row)
            minutes = round((time.monotonic() - begun) / done * (len(to_do) - done) / 60) if done else 'unknown'
            print(f'{done} of {len(to_do)} rows done, minutes left: {minutes}; now {row}', file=sys.stderr, flush=True)
            results[row] = measure(row, args)
            record = {'row': row, 'setting': machine, 'variants': results[row][0], 'others': results[row][1]}
            if args.json:
                with open(args.json, 'a') as file:
                    file.write(json.dumps(record) + '\n')
        found = results[row][0]
        print('\n'.join(variant_text(row, variant, found) for variant in found), flush=True)
    print("\n| network, px, batch | fastest of PyTorch | ours is times as fast | others' CPU |\n|---|---|---|---|")
    print('\n'.join(row_text(row, *results[row]) for row in args.rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--mode', choices=BATCHES, default='training')
    parser.add_argument('--rows', nargs='+', metavar='MODEL,PX,BATCH')
    parser.add_argument('--variants', nargs='+', choices=VARIANTS, default=VARIANTS)
    parser.add_argument('--repeat', type=int, default=21)
    parser.add_argument('--seconds', type=float, default=90, help='a row ends after these, but not before 5 repeats')
    parser.add_argument('--threads', type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument('--torch-python', metavar='PATH', help='an interpreter with torch and timm; default: see above')
    parser.add_argument('--json', metavar='FILE', help='all times, one row a line; rows there are not repeated')
    args = parser.parse_args()
    args.rows = args.rows or [f'{size},{batch}' for size in SIZES for batch in BATCHES[args.mode]]
    run(args)


if __name__ == '__main__':
    sys.path.insert(0, str(ROOT))
    from src.runtime import run_entry
    run_entry(main)
