"""Knowledge distillation: a trained network's answers as a second target."""
from __future__ import annotations

import hashlib
import pathlib
from typing import Callable, Optional

from mindspore import nn, ops

from tinynets.config import Config
from tinynets.model import checkpoint
from tinynets.model.network import Network
from tinynets.tasks import restore, task_of
from tinynets.tasks.task import Task
from tinynets.text import shown
from tinynets.training.precision import mixed


class Distillation(nn.Cell):
    """(1 - weight) loss + weight T^2 KL(softmax(teacher / T) || softmax(student / T)), the mean over images.

    Hinton, Vinyals and Dean (2015, arXiv:1503.02531): T^2 keeps the gradients' size for every temperature T. The cross
    entropy of the paper differs from KL by the teacher's entropy, which has no gradient. `teacher` is a function
    images -> logits (N, classes); `digest` identifies it.
    """

    def __init__(self, teacher: Callable, weight: float, temperature: float, digest: Optional[str] = None):
        super().__init__()
        self.teacher, self.weight, self.temperature, self.digest = teacher, weight, temperature, digest

    def construct(self, loss, logits, images):
        student = ops.log_softmax(logits / self.temperature, -1)
        teacher = ops.log_softmax(self.teacher(images) / self.temperature, -1)
        divergence = ops.sum(ops.exp(teacher) * (teacher - student), -1).mean()
        return (1 - self.weight) * loss + self.weight * self.temperature ** 2 * divergence


def distillation(config: Config, task: Task, preprocessing: dict) -> Optional[Distillation]:
    """Return the distillation of a configuration, with the SHA-256 of the teacher's file, None without a teacher."""
    train = config.train
    if train.teacher is None:
        return None
    teacher = answering(mixed(load_teacher(train.teacher, task, preprocessing), config.runtime))
    digest = hashlib.sha256(pathlib.Path(train.teacher).read_bytes()).hexdigest()
    return Distillation(teacher, train.distill_weight, train.distill_temperature, digest)


def load_teacher(path: str, task: Task, preprocessing: dict) -> Network:
    """Return a checkpoint's network in evaluation mode, with the averaged weights if there are any.

    Its parameters are named `teacher.*`. It gets the student's images, at the student's resolution. Raises
    FileNotFoundError, and ValueError if its task, outputs, mean or std differ from the student's.
    """
    saved = checkpoint.load(path)
    restore.check_meta(saved)
    if task_of(saved.meta).name != task.name:
        raise ValueError(f'train.teacher={path}: was trained for {task_of(saved.meta).name}, this run is {task.name}')
    task.check_teacher(saved.meta, path)
    for key, name in (('channels', 'channels'), ('mean', 'data.mean'), ('deviation', 'data.std')):
        own = saved.meta['preprocessing'].get(key)
        if own != preprocessing[key]:
            raise ValueError(f'train.teacher={path}: was trained with {name}={shown(own)}, this run has '
                             f'{preprocessing[key]}; they must be the same')
    network, _ = restore.restore_network(saved)
    for parameter in network.get_parameters():
        parameter.name, parameter.requires_grad = f'teacher.{parameter.name}', False
    return network


def answering(network: nn.Cell) -> Callable:
    """Return a function images -> logits float32 without gradients.

    It is a function and not a cell, so that the step that calls it does not have the network's parameters.
    """
    def answer(images):
        return ops.stop_gradient(network(images).float())

    return answer
