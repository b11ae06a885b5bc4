"""Running a study: parallel workers, progress and remaining time."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Callable, Dict, List, Optional

import numpy as np

from tinynets.arch import MACS, all_costs, expand
from tinynets.config import PATHS
from tinynets.data import presets
from tinynets.files import file_hash
from tinynets.formula.budget import base_network
from tinynets.formula.show import notes
from tinynets.formula.tiny import PUBLISHED
from tinynets.output import lacking_by
from tinynets.stopping import INTERRUPTED, Interrupted, Stop
from tinynets.study.config import Candidate, StudyConfig, candidates, check_same, flat
from tinynets.study.store import MOST_DEATHS, Store
from tinynets.study.trial import NOTHING_TO_DO, PARENT, PAUSED
from tinynets.text import counted
from tinynets.training.progress import duration, tell

ROOT = pathlib.Path(__file__).resolve().parents[2]
ASSUMED_MACS = 12e9  # multiply-adds per second and processor in training, before any trial is timed
START_SECONDS = 12.0  # of a trial: imports, data, compilation
BACKWARD = 2  # a backward pass costs about two forward ones
EVERY = 15.0  # seconds between lines of progress
IDLE, PATIENCE = 2, 5.0  # after IDLE processes in a row found no trial, wait PATIENCE seconds


@dataclasses.dataclass(frozen=True)
class Plan:
    """A study before it runs: its networks, its number of trials and the multiply-adds of all of it."""
    config: StudyConfig
    networks: List[Candidate]
    num_classes: int
    train_images: int
    val_images: int
    chance: float  # top-1 in percent of always answering the most frequent class
    digest: Optional[str]  # of the images' names, None if they have none

    @property
    def images(self) -> float:
        """Return the number of forward passes of a trial, with a backward pass as BACKWARD of them."""
        train = self.config.train
        evaluations = -(-train.epochs // train.eval_every)
        return train.epochs * self.train_images * (1 + BACKWARD) + evaluations * self.val_images

    def rows(self) -> List[dict]:
        """Return the store's row of each trial at the start."""
        found = []
        base = base_network(self.config.study.base, self.config.study.base_resolution)
        for candidate in self.networks:
            spec, built = candidate.spec, expand(candidate.spec)
            whole = (base if spec.base == base.base else spec).base_resolution
            for i in range(self.config.study.seeds):
                found.append({'name': candidate.name, 'label': candidate.label, 'seed': self.config.train.seed + i,
                              'r': built.resolution / whole, 'd': spec.d, 'w': spec.w, 'resolution': built.resolution,
                              **all_costs(built)})
        return found

    def facts(self) -> dict:
        """Return the facts for exports: the base, the data and the chance level."""
        base = base_network(self.config.study.base, self.config.study.base_resolution, self.num_classes)
        return {'base': base.name, 'base_resolution': base.base_resolution, 'num_classes': self.num_classes,
                'in_channels': self.config.model.in_channels, 'images': self.images, 'chance': self.chance,
                'names': self.digest, **self._files()}

    def _files(self) -> Dict[str, str]:
        """Return the SHA-256 of the files that decide on the networks and their training, by key."""
        paths = {f'{section}.{name}': getattr(getattr(self.config, section), name) for section, name in PATHS
                 if (section, name) != ('data', 'dir')}  # whose images have their own digest
        if any(candidate.network and candidate.network.fitted_to for candidate in self.networks):
            paths['study.formula'] = paths['study.formula'] or str(PUBLISHED)
        else:
            paths['study.formula'] = None
        return {key: file_hash(path) for key, path in paths.items() if path and os.path.isfile(path)}

    def notes(self) -> List[str]:
        """Return lines on networks of rules whose formula is extrapolated or another base's."""
        return notes((candidate.label, candidate.network) for candidate in self.networks if candidate.network)

    def renamed(self, trials: List[dict]) -> List[str]:
        """Return a line per label of a rule that other trials have with another network."""
        lines = []
        for candidate in self.networks:
            for label in set(candidate.label.split(', ')) - {'drawn'} if candidate.network else ():
                others = {trial['name'] for trial in trials if label in trial['label'].split(', ')} - {candidate.name}
                lines += [f'{label}: was {name} and is {candidate.name} now, as the formula or the rule has changed; '
                          'the study has both' for name in sorted(others)]
        return lines


def plan(config: StudyConfig) -> Plan:
    """Draw the networks and read the data's sizes. Raises ValueError or FileNotFoundError if that is impossible."""
    data = dataclasses.replace(config.data, check=False)
    train_set, val_set = presets.dataset(data, 'train'), presets.dataset(data, 'val')
    classes = len(train_set.class_names)
    chance = 100 * float(np.bincount(val_set.labels).max()) / len(val_set)
    networks = candidates(config.study, classes, config.model.in_channels)
    return Plan(config, networks, classes, len(train_set), len(val_set), chance, presets.digest(train_set, val_set))


def seconds_of(trials: List[dict], images: float, processors: int) -> Callable[[dict], float]:
    """Return a function trial -> seconds: a + b x multiply-adds, fitted to the finished trials, or by ASSUMED_MACS.

    a and b are not negative: times of networks with nearly equal costs are no basis for others.
    """
    done = [t for t in trials if t['status'] == 'done' and t['seconds']]
    if len({t[MACS.name] for t in done}) < 3:
        return lambda trial: START_SECONDS + trial[MACS.name] * images / (ASSUMED_MACS * processors)
    macs, seconds = (np.array([t[key] for t in done], float) for key in (MACS.name, 'seconds'))
    slope = min(max(np.polyfit(macs, seconds, 1)[0], 0), seconds.mean() / macs.mean())
    start = seconds.mean() - slope * macs.mean()
    least = min(t['seconds'] for t in done) / 2
    return lambda trial: max(least, start + slope * trial[MACS.name])


def left(trials: List[dict], images: float, workers: int, alive: Callable[[int], bool] = lambda number: False) -> float:
    """Return the seconds until the study is done with all workers; `alive` tells whether a process runs a trial."""
    from tinynets.native import default_threads
    seconds = seconds_of(trials, images, max(1, default_threads() // workers))
    now = time.time()
    waiting = [max(0.0, seconds(t) - (now - t['started'] if t['status'] == 'running' and alive(t['id']) else 0.0))
               for t in trials if t['status'] in ('pending', 'running')]
    return max([sum(waiting) / workers] + waiting)


def estimate(planned: Plan) -> str:
    """Return a sentence on the cost of the whole study."""
    rows = [dict(row, status='pending') for row in planned.rows()]
    total = sum(row[MACS.name] for row in rows) * planned.images
    workers = planned.config.study.workers
    work = f'{total / 1e12:,.{0 if total >= 1e13 else 3}f} T multiply-adds'
    return (f'{counted(len(rows), "trial")} of {counted(len(planned.networks), "network")}, '
            f'{planned.train_images:,} training and {counted(planned.val_images, "validation image")}, '
            f'{counted(planned.config.train.epochs, "epoch")}: {work}, about '
            f'{duration(left(rows, planned.images, workers))} with {counted(workers, "worker")} if a processor does '
            f'{ASSUMED_MACS / 1e9:.0f} G per second; a better estimate follows after some trials')


def run(planned: Plan, folder: str, say: Callable[[str], None] = tell) -> dict:
    """Run the unfinished trials; return counts by status. Raises Interrupted after a stop; all trials are saved."""
    store = Store(folder)
    newer = store.start(flat(planned.config), planned.facts(), planned.rows(), check_same)
    trials, data = store.trials(), planned.config.data
    for line in [estimate(planned), *planned.notes(), *planned.renamed(trials)]:
        say(line)
    open_trials = sum(trial['status'] in ('pending', 'running') for trial in trials)
    if open_trials < len(trials):
        say(f'{open_trials} of {len(trials)} trials are left')
    if 'names' in newer and planned.digest and (presets.divides(data) or data.images) and any(
            trial['started'] for trial in trials):
        say(f'{folder}: an earlier release began this study and divided {data.dir} by another rule. Trials from now on '
            'use different images than earlier ones. To compare all trials on the same images, choose another '
            '--study folder')
    pool = Pool(store, planned.config.study.workers, say)
    pool.run()
    trials = store.trials()
    if not planned.config.study.keep_checkpoints:  # a process killed at its end may have left its checkpoints
        for checkpoint in (path for t in trials if t['status'] == 'done'
                           for path in store.trial_folder(t['id']).glob('run/*.ckpt')):
            checkpoint.unlink(missing_ok=True)
    return counts(trials)


class Paused(ValueError):
    """The study lacks space, memory or processes to continue; the message says which and how to resume."""


class Pool:
    """Up to `workers` processes at once, each with one trial, until none is left."""

    def __init__(self, store: Store, workers: int, say: Callable[[str], None]):
        self.store, self.say = store, say
        self.slots: List[Optional[subprocess.Popen]] = [None] * workers
        self.stop, self.idle, self.without = False, 0, 0
        self.told, self.told_at = None, 0.0

    def run(self) -> None:
        """Run until every trial is done or has failed. Raises Interrupted after a request to stop, and Paused.

        A second request does not wait for trials to save.
        """
        with Stop('interrupted; the trials stop by themselves') as stop:
            try:
                while not stop.requested:
                    open_trials = self._tend()
                    if not open_trials and not any(self.slots):
                        return
                    self._sleep(PATIENCE if self.idle >= IDLE else 0.2, stop)
            finally:
                self.stop = True
                self._end()
        raise Interrupted(f'stopped; every trial is saved where it was. The same command resumes with '
                          f'{self.store.folder}')

    @staticmethod
    def _sleep(seconds: float, stop: Stop) -> None:
        """Sleep, but only until a stop is requested."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not stop.requested:
            time.sleep(min(0.2, seconds))

    def _tend(self) -> int:
        """Collect ended processes, report, start new ones; return the number of unfinished trials."""
        for i, process in enumerate(self.slots):
            if process is not None and process.poll() is not None:
                self.slots[i] = None
                if process.returncode not in (0, NOTHING_TO_DO, INTERRUPTED) and not self.stop:
                    self._ended_badly(process)
                self.idle = self.idle + 1 if process.returncode == NOTHING_TO_DO else 0
        trials = self.store.trials()
        waiting = [t for t in trials if t['status'] in ('pending', 'running')]
        busy = sum(process is not None for process in self.slots)
        for i, process in enumerate(self.slots):
            if process is None and busy < len(waiting):
                self.slots[i] = self._hire(i)
                busy += 1
        self._report(trials)
        return len(waiting)

    def _ended_badly(self, process: subprocess.Popen) -> None:
        """Record the failure of a process; raise Paused if space, memory or processes are lacking."""
        trial = next((t for t in self.store.trials() if t['pid'] == process.pid), None)
        what = f'trial {trial["id"]}' if trial else 'a process that was to take a trial'
        if process.returncode == PAUSED:
            reason = trial['reason'] if trial else ''
            raise self._paused(f'{what}: {reason or "space, memory or processes were lacking, see above"}')
        log = self.store.trial_folder(trial['id']) / 'log.txt' if trial else None
        killed = process.returncode == -signal.SIGKILL or bool(log and lacking_by(_tail(log)))
        how = self.store.died(process.pid, killed)
        self.without = self.without + 1 if how == 'nothing' else 0
        if how == 'killed' or self.without >= MOST_DEATHS:
            raise self._paused(f'{what} ended {MOST_DEATHS} times without a result (exit code {process.returncode}), '
                               'perhaps for lack of memory; use fewer study.workers or a smaller data.batch_size')

    def _paused(self, reason: str) -> Paused:
        return Paused(f'paused, {reason}. The trial is not lost: the same command resumes with '
                      f'{self.store.folder}')

    def _hire(self, slot: int) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, '-m', 'tinynets.study.trial', str(self.store.folder.absolute()),
             str(len(self.slots)), str(slot)],
            cwd=ROOT, env={**os.environ, PARENT: str(os.getpid())}, stdin=subprocess.DEVNULL, start_new_session=True)

    def _end(self) -> None:
        """Ask the running processes to save and stop, and wait for them.

        A process that the framework kept busy, as in a compilation, may have ended before it released its trial.
        """
        for process in filter(None, self.slots):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        ended = {process.pid for process in filter(None, self.slots) if process.wait() == INTERRUPTED}
        for trial in self.store.trials() if ended else ():
            if trial['status'] == 'running' and trial['pid'] in ended:
                self.store.release(trial['id'])

    def _report(self, trials: List[dict]) -> None:
        now = counts(trials)
        finished = now['done'] + now['failed']
        last = finished == len(trials) and finished != self.told
        quiet = 4 * EVERY if finished == self.told else EVERY
        if self.told is not None and not last and time.monotonic() - self.told_at < quiet:
            return
        self.told, self.told_at = finished, time.monotonic()
        rest = duration(left(trials, self.store.facts()['images'], len(self.slots), self.store.alive))
        sound = [t for t in trials if t['status'] == 'done' and not t['flag']]
        best = max(sound, key=lambda t: t['top1'], default=None)
        self.say(f'{finished} of {len(trials)} trials' + (f', {now["failed"]} failed' if now['failed'] else '')
                 + (f', {now["flagged"]} flagged' if now['flagged'] else '')
                 + (f', best {best["top1"]:.2f} % at {best[MACS.name] / 1e6:.1f}M' if best else '')
                 + (f', {rest} left' if finished < len(trials) else ''))


def _tail(path: pathlib.Path, size: int = 4000) -> str:
    """The end of a log."""
    with contextlib.suppress(OSError), open(path, 'rb') as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - size))
        return file.read().decode(errors='replace')
    return ''


def counts(trials: List[dict]) -> dict:
    """Return the number of trials in each state; flagged ones also count as done."""
    found = {status: sum(t['status'] == status for t in trials) for status in ('pending', 'running', 'done', 'failed')}
    return {**found, 'flagged': sum(bool(t['flag']) for t in trials)}
