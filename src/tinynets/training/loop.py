"""The training loop, top to bottom: build, resume, step, evaluate, save, stop."""
from __future__ import annotations

import json
import math
import os
import time
import zlib
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, Optional, Tuple

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from tinynets import runtime, workers
from tinynets.config import Config, from_dict, to_dict
from tinynets.data import presets
from tinynets.data.division import Division, EarlierDivision, division_of
from tinynets.data.pipeline import TrainStream
from tinynets.files import check_text_path, write_text
from tinynets.model import checkpoint
from tinynets.model.network import create_model
from tinynets.model.weights import load_arrays
from tinynets.output import side_product
from tinynets.runtime import Interrupted, sinks_data
from tinynets.stopping import Stop
from tinynets.tasks.classification.evaluate import Result, evaluate, exact_top1
from tinynets.text import shown
from tinynets.training import parallel
from tinynets.training.card import model_card
from tinynets.training.distill import distillation
from tinynets.training.ema import WeightAverage
from tinynets.training.optim import build_optimizer, describe_groups
from tinynets.training.precision import check_precision, loss_scaler, mixed
from tinynets.training.progress import Bar, duration, tell
from tinynets.training.run import FollowedRun, RunFolder
from tinynets.training.schedule import table
from tinynets.training.step import TrainStep
from tinynets.training.waiting import Waiting
from tinynets.training.watch import check_chance, class_balance, patience_over

LOG_STEPS = 50  # training records average this many steps
SINK_STEPS = 100  # steps a call at most where the device is fed by its own queue


class Diverged(ValueError):
    """The loss is no number any more; the message says when and what to change."""


@dataclass(frozen=True)
class Outcome:
    """What a finished run left: the best evaluation and where everything is."""
    run: RunFolder
    best: dict
    last: dict
    seconds: float


class Trainer:
    """One run: network, data, step and everything that is saved. `device` is the one that is configured.

    A run to be resumed does without the weights that it once started from; `earlier` is its checkpoint.
    """

    def __init__(self, config: Config, device: str, say: Callable[[str], None] = tell, resuming: bool = False,
                 earlier: Optional[checkpoint.Checkpoint] = None):
        self.config, self.device, self.say = config, device, say
        data, optim = config.data, config.optim
        for path in (data.dir, config.model.pretrained, config.train.teacher):  # they are kept in checkpoints
            check_text_path(path or '')
        mean, deviation = presets.per_channel(data, config.model.in_channels)  # or an error, before images are read
        with Bar('checking images', 1) as bar, workers.first_alone():
            division, classes = _kept_parts(config, earlier)
            train_set, self.val_set = presets.splits(data, bar, division, classes)
        self.images = {'names': presets.digest(train_set, self.val_set)}
        if not isinstance(division, EarlierDivision):
            division = getattr(train_set, 'division', None)
            self.images['division'] = division.to_dict() if division else None
        train_set, self.val_set = presets.kept(data, train_set), presets.kept(data, self.val_set)
        self.arguments = dict(name=config.model.name, num_classes=len(train_set.class_names),
                              in_channels=config.model.in_channels,
                              dropout=config.model.dropout, drop_path=config.model.drop_path,
                              resolution=config.model.resolution)
        self.network = parallel.as_part(create_model(**self.arguments, seed=config.train.seed, say=say,
                                                     checkpoint=None if resuming else config.model.pretrained))
        self.eval_network = create_model(**self.arguments).set_train(False)  # evaluates raw or averaged weights
        resolution = self.network.plan.resolution
        self.class_names = train_set.class_names
        self.preprocessing = presets.preprocessing(data, resolution, config.model.in_channels)
        check_precision(config.runtime, device, self.network.kernels is not None)
        parts = config.train.accumulate
        self.stream = TrainStream(train_set, presets.train_transform(data, resolution, config.augment,
                                                                        config.model.in_channels),
                                  data.batch_size * parts, config.train.seed, data.workers,
                                  presets.mixing(config.augment, len(self.class_names), config.train.seed),
                                  runtime.rank(), runtime.size(), data.fast_decode)
        self._check_batch()
        self.sinks = config.train.sink and sinks_data(device)
        self.sink_size = min(SINK_STEPS, self.stream.steps_per_epoch) if self.sinks else 1
        # whole calls an epoch: sinking leaves out the last few of its shuffled batches
        self.steps_per_epoch = self.stream.steps_per_epoch = self.stream.steps_per_epoch // self.sink_size * self.sink_size
        self.total_steps = config.train.epochs * self.steps_per_epoch
        total = self.stream.batch_size * runtime.size()
        base = optim.learning_rate * (total / optim.scale_batch if optim.scale_batch else 1.0)
        self.rates = table(self.total_steps, kind=optim.schedule, base=base,
                           steps_per_epoch=self.steps_per_epoch, epochs=config.train.epochs,
                           warmup_epochs=optim.warmup_epochs, warmup_start=optim.warmup_start,
                           decay_rate=optim.decay_rate, decay_epochs=optim.decay_epochs,
                           final=optim.final_learning_rate)
        optimizer = build_optimizer(optim.name, self.network, self.rates, optim.weight_decay, optim.momentum,
                                    optim.rms_decay, optim.epsilon, optim.nesterov)
        average = WeightAverage(self.network, config.train.ema_decay) if config.train.ema_decay else None
        loss = nn.CrossEntropyLoss(label_smoothing=config.train.label_smoothing)
        taught = distillation(config, self.class_names, self.preprocessing)
        self.teacher = taught.digest if taught is not None else None
        self.step_cell = TrainStep(mixed(self.network, config.runtime), loss, optimizer, average, optim.clip_norm,
                                   parts, loss_scaler(config), taught,
                                   parallel.mean_over_workers(self.network)).set_train(True)
        self.step, self.best, self.score = 0, {}, {}
        self.input = Waiting()
        self._check_workers()
        say(f'{config.model.name} at {resolution} px, {len(self.class_names)} classes, '
            f'{len(train_set):,} training and {len(self.val_set):,} validation images, {device}')
        if len(mean) == 1:
            say(f'images become grey, their luminance: mean {mean[0]:g}, std {deviation[0]:g}')
        say(class_balance(train_set.labels, self.class_names))
        batch = (f'{self.stream.batch_size}' + (f' in {parts} parts' if parts > 1 else '') +
                 (f' on each of {runtime.size()} workers' if runtime.size() > 1 else ''))
        say(f'{optim.name}, {config.train.epochs} epochs of {self.steps_per_epoch} steps, batch {batch}, learning rate '
            f'{base:g}; parameter '
            f'groups:\n{describe_groups(self.network, optim.weight_decay)}')

    def state(self) -> Dict[str, np.ndarray]:
        """Every array that the run's future depends on, by name; the schedule is a function of the step."""
        arrays = {p.name: p.asnumpy() for p in self.step_cell.get_parameters() if p.name != 'learning_rate'}
        return arrays if self.step_cell.average is None else self.step_cell.average.split(arrays)

    def resume(self, saved: checkpoint.Checkpoint) -> None:
        """Go on from a checkpoint. Raises ValueError where data or configuration are not what they were."""
        checkpoint.check_meta(saved)
        config = to_dict(from_dict(saved.meta['config'], saved.path))  # with the keys that are newer than the file
        then, now = self._identity({**saved.meta, 'config': config}), self._identity(self._meta())
        changed = next((key for key in now if then.get(key) != now[key]), None)
        if changed:
            raise ValueError(f'{saved.path}: {changed} was {shown(then.get(changed))} and is {shown(now[changed])} '
                             'now; a run resumes only as it was started. Undo the change, or start a new run')
        if saved.meta.get('names') not in (None, self.images['names']):
            raise ValueError(f'{saved.path}: the training and validation images are not those that the run was started '
                             'with: some were added, removed, renamed or damaged. Put them back, or start a new run')
        state = dict(saved.arrays)
        state['learning_rate'] = np.asarray(self.rates, np.float32)
        load_arrays(self.step_cell, state if self.step_cell.average is None else self.step_cell.average.join(state))
        missing = next((key for key in ('step', 'best', 'score') if key not in saved.meta), None)
        if missing or saved.meta['step'] > self.total_steps:
            raise ValueError(f'{saved.path}: {missing or "step"} is {shown(saved.meta.get(missing or "step"))}, no '
                             f'moment of a run of {self.total_steps} steps')
        self.step, self.best, self.score = saved.meta['step'], saved.meta['best'], saved.meta['score'] or {}

    def save(self, path) -> None:
        """Write a checkpoint of this moment; workers go on when it is there."""
        if runtime.rank() == 0:
            checkpoint.save(str(path), self.state(), self._meta())
        workers.wait_for_all()

    def _meta(self) -> dict:
        return {'step': self.step, 'epoch': self.step / self.steps_per_epoch, 'best': self.best, 'score': self.score,
                'steps_per_epoch': self.steps_per_epoch, 'train_images': len(self.stream.dataset),
                'workers': runtime.size(),
                **self.images,
                'network': self.arguments, 'class_names': list(self.class_names), 'preprocessing': self.preprocessing,
                'teacher': self.teacher, 'config': to_dict(self.config),
                'versions': {'mindspore': ms.__version__, 'numpy': np.__version__}}

    @staticmethod
    def _identity(meta: dict) -> dict:
        """What must be the same for a run to go on; where data lie and how they are read may change."""
        free = {'data.dir', 'data.workers', 'data.check', 'data.strict', 'train.save_minutes', 'train.sink',
                'train.patience', 'train.chance_epochs', 'train.teacher', 'runtime.device', 'runtime.device_id',
                'runtime.mode', 'runtime.threads', 'runtime.kernels', 'runtime.jit_level'}
        config = {f'{section}.{key}': value for section, keys in meta['config'].items() for key, value in keys.items()}
        config['model.pretrained'] = os.path.basename(config['model.pretrained'] or '')  # earlier releases: as given
        return {**{key: value for key, value in config.items() if key not in free},
                'workers': meta.get('workers', 1),
                **{key: meta.get(key) for key in ('class_names', 'train_images', 'steps_per_epoch', 'teacher')}}

    def _check_workers(self) -> None:
        """Raise ValueError where the workers, on several machines perhaps, have not all been given the same."""
        labels = [self.stream.dataset.labels, self.val_set.labels]
        workers.check_same('training and validation images, and a check sum of their classes', *map(len, labels),
                            zlib.crc32(np.concatenate(labels).tobytes()))
        identity = json.dumps([self._identity(self._meta()), self.images], sort_keys=True)
        workers.check_same('a check sum of the configuration', zlib.crc32(identity.encode()))

    def check_start(self) -> None:
        """Raise ValueError where the workers would go on from different steps or weights, by copies of a run perhaps."""
        weights = 0
        for parameter in self.network.get_parameters():
            weights = zlib.crc32(parameter.asnumpy().tobytes(), weights)
        workers.check_same('the step to start at, and a check sum of the weights', self.step, weights)

    def _check_batch(self) -> None:
        side, parts = self.network.plan.classifier.in_size, self.config.train.accumulate
        if self.stream.batch_size % parts:
            raise ValueError(f'train.accumulate={parts}: the {len(self.stream.dataset)} training images are one batch, '
                             'which does not divide into so many; take a smaller data.batch_size or train.accumulate')
        if self.stream.batch_size // parts * side * side < 2:
            raise ValueError(f'data.batch_size={self.config.data.batch_size} with {len(self.stream.dataset)} training '
                             f'images at {self.network.plan.resolution} px leaves batch norm one value a channel; it '
                             'needs a batch of 2 or a larger model.resolution')
        if len(self.class_names) < 2:
            raise ValueError(f'the training set has one class, {self.class_names[0]}; at least 2 are needed')

    def losses(self) -> Iterator[Tuple[int, float]]:
        """Run steps up to the end; yield (steps done, loss), one step a time or, sinking, a part of an epoch."""
        if self.sinks:
            yield from self._sunk_losses()
            return
        for images, labels in self.input.timed(self.stream.batches(self.step, self.total_steps)):
            loss = self.step_cell(Tensor(images), Tensor(labels))
            yield self.step + 1, float(loss.asnumpy())

    def _sunk_losses(self) -> Iterator[Tuple[int, float]]:
        import mindspore.dataset as ds
        source = ds.GeneratorDataset(_Steps(self.stream, self.total_steps), ['images', 'labels'],
                                     sampler=list(range(self.step, self.total_steps)),
                                     num_parallel_workers=self.config.data.workers, python_multiprocessing=False)
        counted = Counted(self.step_cell)
        # with no level named, the first Ascend 910 runs one step a call
        level = runtime.compile_level(self.config.runtime.jit_level, self.device)
        sink = ms.data_sink(counted, source, sink_size=self.sink_size, jit_config=ms.JitConfig(jit_level=level))
        due = 0
        while self.step < self.total_steps:
            loss = float(sink().asnumpy())
            due += self.sink_size
            if int(counted.count.asnumpy()) != due:
                raise ValueError(f'data sinking: the device ran {int(counted.count.asnumpy())} steps of {due}; '
                                 'train.sink=false feeds it step by step, or try another runtime.jit_level')
            yield self.step + self.sink_size, loss

    def evaluate(self, progress: Callable[[int, int], None]) -> Result:
        """Score the averaged weights, or the raw ones where no average is kept."""
        load_arrays(self.eval_network, checkpoint.network_arrays(
            self.state(), self.eval_network, 'ema' if self.step_cell.average is not None else 'raw'))
        return evaluate(lambda images: self.eval_network(Tensor(images)).asnumpy(), self.val_set,
                        presets.eval_transform(self.preprocessing), self.config.data.batch_size,
                        self.config.data.workers, progress)

    def train(self, run: RunFolder) -> Outcome:
        """Train to the end, saving as it goes. Raises Interrupted after a stop, Diverged when the loss does."""
        begun = saved_at = logged_at = time.monotonic()
        losses, logged_step = [], self.step
        in_record, in_epoch = self.input.watch(), self.input.watch()

        def speed() -> float:
            images = (self.step - logged_step) * self.stream.batch_size * runtime.size()
            return images / max(time.monotonic() - logged_at, 1e-9)

        def record() -> None:
            nonlocal logged_at, logged_step
            if losses:
                run.record(kind='train', step=self.step, epoch=round(self.step / self.steps_per_epoch, 4),
                           loss=round(float(np.mean(losses)), 6), learning_rate=self._rate(),
                           images_per_s=round(speed(), 1), wait=in_record.share(), **self._scaling())
            losses.clear()
            in_record.restart()
            logged_at, logged_step = time.monotonic(), self.step

        def save() -> None:
            nonlocal saved_at, logged_at
            record()
            self.save(run.last)
            saved_at = logged_at = time.monotonic()

        early = f'interrupted at step {self.step} of {self.total_steps}; resume it with --resume {run.path}'
        several = runtime.size() > 1  # workers, who agree on a stop between steps only
        with Stop(early, deferring=several) as stop, Bar('training', self.total_steps, self.step) as bar:
            def stop_if(asked: bool) -> None:
                if asked:
                    raise Interrupted(f'stopped at step {self.step} of {self.total_steps}; everything is saved, resume '
                                      f'it with --resume {run.path}')

            def end_epoch() -> None:
                """Evaluate what has just been saved, so that nothing that happens meanwhile costs the epoch."""
                epoch = self.step // self.steps_per_epoch
                if epoch % self.config.train.eval_every == 0 or self.step == self.total_steps:
                    def progress(done: int, total: int) -> None:
                        bar.update(self.step, f'evaluating {done}/{total}')
                        stop_if(stop.requested and runtime.size() == 1)  # several agree between steps only
                    self._score(run, epoch, progress)
                    check_chance(exact_top1(self.best), self.val_set.labels, epoch, self.config.train.chance_epochs,
                                 self.step)
                    save()

            if self.step and self.step % self.steps_per_epoch == 0 and self.score.get('step') != self.step:
                end_epoch()  # the earlier process ended between saving and scoring
            for done, loss in self.losses() if not self._finished() else ():
                if not math.isfinite(loss):
                    raise Diverged(self._diverged(run, loss, done))
                stop.defer()
                self.step = done
                losses.append(loss)
                bar.update(done, f'loss {loss:.3f}  lr {self._rate():.1e}  {speed():.0f} images/s')
                if done - logged_step >= LOG_STEPS:
                    record()
                if done % self.steps_per_epoch == 0:
                    self.input.complain(in_epoch.share(), self.say)
                    save()
                    end_epoch()
                    in_epoch.restart()
                    stopping = workers.agree(stop.requested)
                else:
                    due = time.monotonic() - saved_at > 60 * self.config.train.save_minutes
                    stopping, due = workers.agree(stop.requested, due)
                    if stopping or due:
                        save()
                if self._finished():
                    if done < self.total_steps:
                        self.say(f'stopped early: no better top-1 for {self.config.train.patience} epochs')
                    break
                stop_if(stopping)
        run.draw(self.title)
        skipped = self.step - self._updates()
        if skipped:
            self.say(f'{skipped} of {self.step} steps left the weights as they were, as gradients overflowed; the loss '
                     f'scale is {self._scaling()["loss_scale"]:g} now')
        return Outcome(run, self.best, self.score, time.monotonic() - begun)

    def _updates(self) -> int:
        """The steps that moved the weights: under a loss scale, those without an overflow."""
        return self.step if self.step_cell.scaler is None else self.step_cell.optimizer.global_step.asnumpy().item()

    def _rate(self) -> float:
        """The learning rate of the last update; the schedule counts updates, not steps."""
        return self.rates[max(self._updates(), 1) - 1]

    def _scaling(self) -> dict:
        """What a record says of the loss scale, where there is one."""
        if self.step_cell.scaler is None:
            return {}
        return {'updates': self._updates(), 'loss_scale': float(self.step_cell.loss_scale.asnumpy())}

    def _finished(self) -> bool:
        """Whether all steps are done, or an epoch has ended and the best one is too long ago."""
        epoch, rest = divmod(self.step, self.steps_per_epoch)
        return self.step >= self.total_steps or (
            not rest and patience_over(self.best, epoch, self.config.train.patience, self.step))

    @property
    def title(self) -> str:
        """What the curve is called."""
        return f'{self.config.model.name} on {self.config.data.name}'

    def _score(self, run: RunFolder, epoch: int, progress: Callable[[int, int], None]) -> None:
        result = self.evaluate(progress)
        if not math.isfinite(result.loss):
            raise Diverged(self._diverged(run, result.loss, self.step))
        self.score = {'epoch': epoch, 'step': self.step, **result.summary()}
        run.record(kind='eval', **self.score)
        self.say(f"epoch {epoch:>3}: top-1 {result.top1:.2f} %, top-5 {result.top5:.2f} %, loss {result.loss:.4f}")
        if not self.best or exact_top1(self.score) > exact_top1(self.best):
            self.best = self.score
            self.save(run.best)
            if runtime.rank() == 0:
                with side_product(str(run.card)):
                    write_text(run.card, model_card(str(run.best), self.network.plan, self.config, self.best,
                                                    self.class_names, len(self.stream.dataset), self.total_steps,
                                                    self._meta()['versions']))
        run.draw(self.title)

    def _diverged(self, run: RunFolder, loss: float, step: int) -> str:
        kept = next((f'the last good checkpoint is {p}' for p in (run.last, run.best) if p.exists()),
                    'no checkpoint had been saved yet')
        return (f'the loss is {loss} at step {step} of {self.total_steps}: training diverged; {kept}. '
                'A lower optim.learning_rate, a longer optim.warmup_epochs or optim.clip_norm=1 helps.' +
                ('' if self.config.runtime.amp == 'O0' else f' So may runtime.amp=O0: {self.config.runtime.amp_type} '
                 'may be too coarse or end too early for these numbers.'))


class Counted(nn.Cell):
    """A training step that counts, on the device, how often it has run: `count`, which no checkpoint holds."""

    def __init__(self, step: nn.Cell):
        super().__init__(auto_prefix=False)
        self.step = step
        self.count = Parameter(Tensor(0, ms.int32), name='sink.count', requires_grad=False)
        self.one = Tensor(1, ms.int32)

    def construct(self, images, labels):
        return ops.depend(self.step(images, labels), ops.assign_add(self.count, self.one))


class _Steps:
    """The stream as a source of batches by step, for the device's data queue."""

    def __init__(self, stream: TrainStream, steps: int):
        self.stream, self.steps = stream, steps

    def __getitem__(self, step):
        return self.stream.batch(int(step))

    def __len__(self) -> int:
        return self.steps


def train(config: Config, device: str, run_path: str, resume: bool = False,
          say: Callable[[str], None] = tell, numbered: bool = False) -> Outcome:
    """Train a configuration in a run folder, from the start or from where its last checkpoint is.

    `numbered`: where another run has the folder, take the one of that name and -2, -3, ...
    """
    kind = RunFolder if runtime.rank() == 0 else FollowedRun
    run = kind.open(run_path) if resume else kind.new(run_path, numbered)
    found = next((path for path in (run.last, run.best) if path.exists()), None) if resume else None
    trainer = Trainer(config, device, say, found is not None, checkpoint.load(str(found)) if found else None)
    if not resume:
        run.start(config, numbered)
    with run.locked():
        saved = next((path for path in (run.last, run.best) if path.exists()), None)
        if saved:
            trainer.resume(checkpoint.load(str(saved)))
            say(f'resumed at step {trainer.step} of {trainer.total_steps}, from {saved.name}')
        trainer.check_start()
        run.keep_records(trainer.step, trainer.score.get('step', 0))
        return trainer.train(run)


def _kept_parts(config: Config, earlier: Optional[checkpoint.Checkpoint]) -> tuple:
    """The division of the data set and the order of its classes that hold already, (None, ()) where none do.

    They are those of the run to be resumed, or of the one whose weights a new run starts from: what that one trained on
    in the same folder must not be validated on now. A teacher has the order of the classes.
    """
    if earlier is not None:
        checkpoint.check_meta(earlier)
        return division_of(earlier.meta, earlier.path), earlier.meta['class_names']
    for path in (config.model.pretrained, config.train.teacher):
        if path and path.lower().endswith('.ckpt') and os.path.isfile(path):
            saved = checkpoint.load(path)
            checkpoint.check_meta(saved)
            theirs, division = from_dict(saved.meta['config'], path).data, division_of(saved.meta, path)
            same = path == config.model.pretrained and config.data.dir and theirs.dir and all(
                getattr(theirs, key) == getattr(config.data, key) for key in ('name', 'val_share', 'holdout', 'images')
            ) and os.path.realpath(theirs.dir) == os.path.realpath(config.data.dir)
            if same and isinstance(division, EarlierDivision) and (
                    theirs.holdout or not presets.has_validation(theirs.name, theirs.dir)):
                tell(f'{path}: an earlier release divided {theirs.dir} by another rule, so some of the images it was '
                     'trained on are validated on now')
            return division if same and isinstance(division, Division) else None, saved.meta['class_names']
    return None, ()


def finished_text(outcome: Outcome) -> str:
    """What a run says at its end."""
    run, best = outcome.run, outcome.best
    return (f"best top-1 {best['top1']:.2f} % at epoch {best['epoch']}, trained in {duration(outcome.seconds)}\n"
            f'results in {run.path}: {run.best.name}, {run.card.name}, {run.last.name}, {run.metrics.name}, {run.curve.name}')
