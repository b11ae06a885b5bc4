"""Building the parts of a training run from a configuration: data, network, schedule and compiled step."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, List, Optional

from mindspore import nn

from tinynets import runtime
from tinynets.config import Config
from tinynets.data import presets
from tinynets.data.pipeline import TrainStream
from tinynets.files import check_text_path
from tinynets.model.checkpoint import Checkpoint
from tinynets.model.network import Network, create_model
from tinynets.runtime import sinks_data
from tinynets.tasks import task_class
from tinynets.tasks.task import Task
from tinynets.training import parallel
from tinynets.training.distill import distillation
from tinynets.training.ema import WeightAverage
from tinynets.training.optim import build_optimizer, describe_groups
from tinynets.training.precision import check_precision, loss_scaler, mixed
from tinynets.training.progress import Bar
from tinynets.training.schedule import table
from tinynets.training.step import TrainStep

SUNK_BEFORE = 100  # steps of a call of data sinking in earlier releases, which left out the rest of an epoch


@dataclass(frozen=True)
class Parts:
    """The parts of a run. The attributes stay the same while the run trains; arrays in network and step change.

    `network` is trained, `eval_network` evaluates its raw or averaged weights. `rates` are the learning rates of all
    updates. `sinks`: steps are fed by data sinking.
    """
    config: Config
    device: str
    task: Task
    network: Network
    eval_network: Network
    preprocessing: dict
    stream: TrainStream
    rates: List[float]
    step: TrainStep
    steps_per_epoch: int
    total_steps: int
    sinks: bool

    @property
    def title(self) -> str:
        """Return the title of the curve."""
        return f'{self.config.model.name} on {self.config.data.name}'

    @property
    def teacher(self) -> Optional[str]:
        """The digest of the teacher's file."""
        return self.step.distillation.digest if self.step.distillation is not None else None

    @property
    def images_per_step(self) -> int:
        """Images of one step, of all workers."""
        return self.stream.batch_size * runtime.size()


def build(config: Config, device: str, say: Callable[[str], None], resuming: bool = False,
          earlier: Optional[Checkpoint] = None) -> Parts:
    """Build everything for the configured device, and describe it by `say`.

    A resumed run does not need the weights that it started from; `earlier` is its checkpoint. Raises ValueError and
    FileNotFoundError for a configuration that cannot be trained.
    """
    runtime.check_addresses(runtime.TRAINING_ADDRESSES)
    for path in (config.data.dir, config.model.pretrained, config.train.teacher):  # these are saved in checkpoints
        check_text_path(path or '')
    with Bar('checking images', 1) as bar:
        task: Task = task_class(config.model.task)(config, bar, earlier, say)
    arguments = task.network()
    network = parallel.as_part(create_model(**arguments, seed=config.train.seed, say=say,
                                            checkpoint=None if resuming else config.model.pretrained))
    eval_network = create_model(**arguments).set_train(False)
    resolution = network.plan.resolution
    preprocessing = presets.preprocessing(config.data, resolution, config.model.in_channels)
    check_precision(config.runtime, device, network.kernels is not None)
    stream = TrainStream(task.train_set, task.transform(resolution), config.data.batch_size * config.train.accumulate,
                         config.train.seed, config.data.workers, task.mixing(), runtime.rank(), runtime.size(),
                         config.data.fast_decode)
    _check_batch(config, network, stream)
    task.check()
    steps_per_epoch = stream.steps_per_epoch = epoch_steps(stream.steps_per_epoch, earlier)
    rates = schedule(config, stream)
    step = _step(config, task, network, rates, preprocessing)
    parts = Parts(config, device, task, network, eval_network, preprocessing, stream, rates, step, steps_per_epoch,
                  config.train.epochs * steps_per_epoch, config.train.sink and sinks_data(device))
    _describe(parts, say)
    return parts


def epoch_steps(steps: int, earlier: Optional[Checkpoint]) -> int:
    """Return the steps per epoch: `steps`, or fewer in a run that an earlier release started with data sinking."""
    then = earlier.meta.get('steps_per_epoch') if earlier else None
    return then if steps > SUNK_BEFORE and then == steps // SUNK_BEFORE * SUNK_BEFORE else steps


def base_rate(config: Config, stream: TrainStream) -> float:
    """Return the schedule's highest learning rate, scaled to the batch of all workers if configured."""
    optim = config.optim
    total = stream.batch_size * runtime.size()
    return optim.learning_rate * (total / optim.scale_batch if optim.scale_batch else 1.0)


def schedule(config: Config, stream: TrainStream) -> List[float]:
    """The learning rate of every update of a run."""
    optim, epochs = config.optim, config.train.epochs
    return table(epochs * stream.steps_per_epoch, kind=optim.schedule, base=base_rate(config, stream),
                 steps_per_epoch=stream.steps_per_epoch, epochs=epochs, warmup_epochs=optim.warmup_epochs,
                 warmup_start=optim.warmup_start, decay_rate=optim.decay_rate, decay_epochs=optim.decay_epochs,
                 final=optim.final_learning_rate)


def _step(config: Config, task: Task, network: Network, rates: List[float], preprocessing: dict) -> nn.Cell:
    optim, train = config.optim, config.train
    optimizer = build_optimizer(optim.name, network, rates, optim.weight_decay, optim.momentum, optim.rms_decay,
                                optim.epsilon, optim.nesterov)
    average = WeightAverage(network, train.ema_decay) if train.ema_decay else None
    return TrainStep(mixed(network, config.runtime), task.loss(), optimizer, average, optim.clip_norm, train.accumulate,
                     loss_scaler(config), distillation(config, task, preprocessing),
                     parallel.mean_over_workers(network)).set_train(True)


def _describe(parts: Parts, say: Callable[[str], None]) -> None:
    """Print the network, the data and the recipe by `say`."""
    config, stream = parts.config, parts.stream
    outputs, *lines = parts.task.describe()
    say(f'{config.model.name} at {parts.network.plan.resolution} px, {outputs}, '
        f'{len(parts.task.train_set):,} training and {len(parts.task.val_set):,} validation images, {parts.device}')
    for line in lines:
        say(line)
    batch = (f'{stream.batch_size}' + (f' in {config.train.accumulate} parts' if config.train.accumulate > 1 else '') +
             (f' on each of {runtime.size()} workers' if runtime.size() > 1 else ''))
    say(f'{config.optim.name}, {config.train.epochs} epochs of {parts.steps_per_epoch} steps, batch {batch}, '
        f'learning rate {base_rate(config, stream):g}; parameter groups:\n'
        f'{describe_groups(parts.network, config.optim.weight_decay)}')


def _check_batch(config: Config, network: Network, stream: TrainStream) -> None:
    side, parts = network.plan.classifier.in_size, config.train.accumulate
    if stream.batch_size % parts:
        raise ValueError(f'train.accumulate={parts}: the {len(stream.dataset)} training images are one batch, '
                         f'which cannot be divided into {parts} equal parts; use a smaller data.batch_size or '
                         'train.accumulate')
    if stream.batch_size // parts * side * side < 2:
        raise ValueError(f'data.batch_size={config.data.batch_size} with {len(stream.dataset)} training '
                         f'images at {network.plan.resolution} px leaves batch norm one value per channel; it '
                         'needs a batch of 2 or a larger model.resolution')
