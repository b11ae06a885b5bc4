"""One trial in a separate process, so that a crash ends only this trial.

    python -m tinynets.study.trial STUDY WORKERS SLOT

It takes a free trial, trains it with the package's training code and records the score of its last epoch; the best
epoch of each trial would be biased by chance. With the pool's process id in PARENT it saves and stops when the pool is
gone.
"""
from __future__ import annotations

if __name__ == '__main__':  # not if a program imports this module
    from tinynets import early  # noqa: F401 - before slow imports

# isort: split
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from typing import Optional

from tinynets import output, stopping
from tinynets.config import from_dict
from tinynets.output import describe, lacking
from tinynets.stopping import Interrupted
from tinynets.study.config import StudyConfig
from tinynets.study.store import Store

PARENT = 'TINYNETS_STUDY_PARENT'
NOTHING_TO_DO = 4  # exit code if other processes have all remaining trials
PAUSED = 5  # exit code if space, memory or processes were lacking: the trial waits as it was
ABOVE_CHANCE = 0.05  # of the way from the most frequent class's share to 100 %; lower scores are at chance level


def main(folder: str, workers: int, slot: int) -> int:
    """Take one trial and run it to its end; return the exit code."""
    store = Store(folder)
    stopping.listen()
    with store.taken() as trial:
        if trial is None:
            return NOTHING_TO_DO
        begun = time.monotonic()

        def release(reason: str = '') -> None:
            store.release(trial['id'], time.monotonic() - begun, reason)

        stopping.at_end.append(release)  # for a signal that ends the process at once
        try:
            log = os.open(store.trial_folder(trial['id']) / 'log.txt', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            _watch_parent()
            config = study_config(store)
            if config.study.timeout_minutes:
                _limit(store, trial['id'], config)
            _train(store, trial, config, workers, slot)
        except Interrupted:
            release()
        except Exception as error:  # any exception is recorded as the trial's failure
            traceback.print_exc()
            what = lacking(error)
            if what:
                release(f'{what} was lacking: {describe(error)}')
                return PAUSED
            store.fail(trial['id'], describe(error), store.config()['study.retries'])
        finally:
            stopping.at_end.remove(release)
    return 0


def study_config(store: Store) -> StudyConfig:
    """Return the configuration in a store."""
    tree: dict = {}
    for key, value in store.config().items():
        section, _, name = key.partition('.')
        tree.setdefault(section, {})[name] = value
    return from_dict(tree, str(store.path), StudyConfig)


def _train(store: Store, trial: dict, config: StudyConfig, workers: int, slot: int) -> None:
    from tinynets.native import default_threads
    from tinynets.runtime import configure
    threads = config.runtime.threads or max(1, default_threads() // workers)
    device = configure(config.runtime.device, config.runtime.mode, threads, config.runtime.device_id + slot,
                       trial['seed'], config.runtime.kernels, config.runtime.jit_level)
    from tinynets.model.checkpoint import CheckpointError, NotFinite
    from tinynets.tasks.classification.evaluate import exact_top1
    from tinynets.tasks.classification.watch import ROUNDING
    from tinynets.training.loop import Diverged, train
    own = from_dict({'model': {**vars(config.model), 'name': trial['name']}, 'data': vars(config.data),
                     'augment': vars(config.augment), 'optim': vars(config.optim),
                     'train': {**vars(config.train), 'seed': trial['seed']}, 'runtime': vars(config.runtime)},
                    str(store.path))
    path = store.trial_folder(trial['id']) / 'run'
    resume = (path / 'last.ckpt').is_file()
    if not resume:
        shutil.rmtree(path, ignore_errors=True)  # of a try without a checkpoint
    begun = time.monotonic()
    try:
        try:
            outcome = train(own, device, str(path), resume=resume)
        except CheckpointError as reason:
            if not resume or isinstance(reason, NotFinite) or lacking(reason):
                raise
            shutil.rmtree(path)  # its checkpoint is damaged
            outcome = train(own, device, str(path))
    except (Diverged, NotFinite) as reason:
        store.finish(trial['id'], time.monotonic() - begun, flag='diverged', reason=describe(reason))
    else:
        score = outcome.last
        chance = store.facts()['chance']
        reached = exact_top1(score) if 'count' in score else score['top1']
        flag = 'chance' if reached <= chance + ABOVE_CHANCE * (100 - chance) + ROUNDING else ''
        store.finish(trial['id'], time.monotonic() - begun, flag=flag, top1=score['top1'], top5=score['top5'],
                     loss=score['loss'])
    if not config.study.keep_checkpoints:
        for checkpoint in path.glob('*.ckpt'):
            checkpoint.unlink()


def _limit(store: Store, number: int, config: StudyConfig) -> None:
    """End the process and fail the trial when its time is over, even if the framework hangs."""
    def end() -> None:
        store.fail(number, f'not done after {config.study.timeout_minutes:g} minutes (study.timeout_minutes)',
                   config.study.retries)
        os._exit(0)  # its record is written
    timer = threading.Timer(60 * config.study.timeout_minutes, end)
    timer.daemon = True
    timer.start()


def _watch_parent() -> None:
    parent: Optional[str] = os.environ.get(PARENT)
    if not parent:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)  # the training loop saves and stops
    threading.Thread(target=watch, daemon=True).start()


if __name__ == '__main__':
    output.guard()
    try:
        code = main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    except Exception as reason:  # before it had a trial, or if its record could not be written
        print(f'error: {describe(reason)}', file=sys.stderr)
        code = PAUSED if lacking(reason) else 1
    output.lost_output()
    stopping.done()
    if code == PAUSED:  # a framework that lacks memory aborts at the interpreter's end, and the trial would have failed
        os._exit(code)
    sys.exit(code)
