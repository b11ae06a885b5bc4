"""The training loop, top to bottom: step, record, save, evaluate, stop."""
from __future__ import annotations

import math
import time
from typing import Callable, Optional

from mindspore import Tensor

from tinynets import runtime, workers
from tinynets.config import Config
from tinynets.data import presets
from tinynets.model import checkpoint
from tinynets.model.weights import load_arrays
from tinynets.runtime import Interrupted
from tinynets.stopping import Stop
from tinynets.tasks.task import Result
from tinynets.training.build import build
from tinynets.training.card import write_card
from tinynets.training.diverged import Diverged, diverged_text
from tinynets.training.feed import losses
from tinynets.training.meter import Meter
from tinynets.training.outcome import Outcome
from tinynets.training.patience import patience_over
from tinynets.training.progress import Bar, tell
from tinynets.training.run import FollowedRun, RunFolder
from tinynets.training.state import State
from tinynets.training.waiting import Waiting

LOG_STEPS = 50  # training records average this many steps
DRAW_SECONDS = 10  # at least, between two drawings of the curve: one takes as long as many short epochs


def train(config: Config, device: str, run_path: str, resume: bool = False,
          say: Callable[[str], None] = tell, numbered: bool = False) -> Outcome:
    """Train a configuration in a run folder, from the start or, with `resume`, from its last checkpoint.

    `numbered`: if another run has the folder, append -2, -3, ... to its name.
    """
    kind = RunFolder if runtime.rank() == 0 else FollowedRun
    run = kind.open(run_path) if resume else kind.new(run_path, numbered)
    found = next((path for path in (run.last, run.best) if path.exists()), None) if resume else None
    trainer = Trainer(config, device, say, found is not None, checkpoint.load(str(found)) if found else None)
    # several workers can agree on a stop only between steps
    with Stop(deferring=runtime.size() > 1) as stop:
        if not resume:
            run.start(config, numbered)
        stop.message = f'interrupted; resume it with --resume {run.path}'
        with run.locked():
            saved = next((path for path in (run.last, run.best) if path.exists()), None)
            if saved:
                trainer.state.resume(checkpoint.load(str(saved)))
                say(f'resumed at step {trainer.state.step} of {trainer.parts.total_steps}, from {saved.name}')
            trainer.state.check_start()
            run.keep_records(trainer.state.step, trainer.state.score.get('step', 0))
            return trainer.train(run, stop)


class Trainer:
    """One run: its parts, its state and the loop over its steps."""

    def __init__(self, config: Config, device: str, say: Callable[[str], None] = tell, resuming: bool = False,
                 earlier: Optional[checkpoint.Checkpoint] = None):
        self.config, self.say = config, say
        self.parts = build(config, device, say, resuming, earlier)
        self.state = State(self.parts)
        self.waiting = Waiting()

    def train(self, run: RunFolder, stop: Stop) -> Outcome:
        """Train to the end and save on the way. Raises Interrupted after a stop, Diverged if the loss does."""
        self.run, self.stop = run, stop
        self.say_on_stop()
        try:
            return self.run_steps()
        except ValueError:  # not Interrupted: a stop must not wait for a picture
            self.run.draw(self.parts.title)
            raise

    def run_steps(self) -> Outcome:
        """Run the remaining steps, with evaluations and checkpoints."""
        parts, state, run = self.parts, self.state, self.run
        begun = self.saved_at = self.drawn_at = time.monotonic()
        self.meter, in_epoch = Meter(state, self.waiting), self.waiting.watch()
        with Bar('training', parts.total_steps, state.step) as self.bar:
            if state.step and state.step % parts.steps_per_epoch == 0 and state.score.get('step') != state.step:
                self.end_epoch()  # the earlier process ended between saving and scoring
            for done, loss in losses(parts, state.step, self.waiting) if not self.finished() else ():
                if not math.isfinite(loss):
                    raise Diverged(diverged_text(parts, run, loss, done))
                self.stop.defer()
                state.step = done
                self.meter.losses.append(loss)
                self.bar.update(done, f'loss {loss:.3f}  lr {self.meter.learning_rate:.1e}  '
                                      f'{self.meter.images_per_s:.0f} images/s')
                if self.meter.steps >= LOG_STEPS:
                    self.record()
                if done % parts.steps_per_epoch == 0:
                    self.waiting.complain(in_epoch.share(), self.say)
                    self.save()
                    self.end_epoch()
                    in_epoch.restart()
                    stopping = workers.agree(self.stop.requested)
                else:
                    due = time.monotonic() - self.saved_at > 60 * self.config.train.save_minutes
                    stopping, due = workers.agree(self.stop.requested, due)
                    if stopping or due:
                        self.save()
                if self.finished():
                    break
                self.stop_if(stopping)
        return self.end(begun)

    def finished(self) -> bool:
        """Whether all steps are done, or an epoch has ended and the best one is more than `patience` epochs ago."""
        epoch, rest = divmod(self.state.step, self.parts.steps_per_epoch)
        return self.state.step >= self.parts.total_steps or (
            not rest and patience_over(self.state.best, epoch, self.config.train.patience, self.state.step))

    def end(self, begun: float) -> Outcome:
        """Draw the curve of a finished run, and report an early stop and steps without an update."""
        state, meter = self.state, self.meter
        if state.step < self.parts.total_steps:
            self.say(f'stopped early: no better {self.parts.task.metric.title} for {self.config.train.patience} epochs')
        self.run.draw(self.parts.title)
        if state.step > meter.updates:
            self.say(f'{state.step - meter.updates} of {state.step} steps did not change the weights because gradients '
                     f'overflowed; the loss scale is now {meter.loss_scale:g}')
        return Outcome(self.run, state.best, state.score, time.monotonic() - begun)

    def end_epoch(self) -> None:
        """Evaluate the epoch that has just been saved, if one is due, and save again."""
        state = self.state
        epoch = state.step // self.parts.steps_per_epoch
        if epoch % self.config.train.eval_every == 0 or state.step == self.parts.total_steps:
            self.score(epoch)
            self.parts.task.check_progress(state.best, epoch, state.step)
            self.save()

    def score(self, epoch: int) -> None:
        """Evaluate, record, and write a checkpoint and its card if the score is the best so far."""
        state, task = self.state, self.parts.task
        result = self.evaluate()
        if not math.isfinite(result.loss):
            raise Diverged(diverged_text(self.parts, self.run, result.loss, state.step))
        state.score = {'epoch': epoch, 'step': state.step, **result.summary()}
        self.run.record(kind='eval', **state.score)
        self.say(f'epoch {epoch:>3}: ' + ', '.join(map(' '.join, task.score_text(state.score))))
        if not state.best or task.metric.better(task.value(state.score), task.value(state.best)):
            state.best = state.score
            state.save(self.run.best)
            if runtime.rank() == 0:
                write_card(self.run, self.parts, state)
        if time.monotonic() - self.drawn_at > DRAW_SECONDS and not self.finished():
            self.run.draw(self.parts.title)
            self.drawn_at = time.monotonic()

    def evaluate(self) -> Result:
        """Score the averaged weights, or the raw ones if no average is kept."""
        parts = self.parts
        load_arrays(parts.eval_network, self.state.evaluated_arrays())
        return parts.task.evaluate(lambda images: parts.eval_network(Tensor(images)).asnumpy(), parts.task.val_set,
                                   presets.eval_transform(parts.preprocessing), self.config.data.batch_size,
                                   self.config.data.workers, self.evaluating)

    def evaluating(self, done: int, total: int) -> None:
        """Show the progress of an evaluation, and stop it if a stop was requested."""
        self.bar.update(self.state.step, f'evaluating {done}/{total}')
        self.stop_if(self.stop.requested and runtime.size() == 1)  # several workers stop only between steps

    def say_on_stop(self) -> None:
        """Set what is said if the process is ended at once: the step that a resumed run begins with."""
        self.stop.message = (f'interrupted; resume it at step {self.state.step} of {self.parts.total_steps} with '
                             f'--resume {self.run.path}')

    def stop_if(self, asked: bool) -> None:
        """Raise Interrupted if `asked`; everything is saved already."""
        if asked:
            raise Interrupted(f'stopped at step {self.state.step} of {self.parts.total_steps}; everything is saved, '
                              f'resume it with --resume {self.run.path}')

    def record(self) -> None:
        """Record the steps since the last record."""
        if self.meter.losses:
            self.run.record(**self.meter.record())
        self.meter.restart()

    def save(self) -> None:
        """Record, and write the checkpoint for --resume."""
        self.record()
        self.state.save(self.run.last)
        self.say_on_stop()
        self.saved_at = self.meter.since = time.monotonic()
