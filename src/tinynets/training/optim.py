"""Optimizers and their parameter groups."""
from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

import mindspore as ms
from mindspore import Parameter, nn, ops

from tinynets import native
from tinynets.native.cells import FusedUpdate
from tinynets.runtime import fuses_updates


def parameter_groups(network: nn.Cell) -> Tuple[List[Parameter], List[Parameter]]:
    """Split the trainable parameters into (decayed, not decayed); the latter are one-dimensional: norms and biases."""
    params = network.trainable_params()
    return [p for p in params if p.ndim > 1], [p for p in params if p.ndim <= 1]


def describe_groups(network: nn.Cell, weight_decay: float) -> str:
    """Return two lines on the groups of parameters and their weight decay."""
    lines = []
    for title, group, decay in zip(('weights', 'norms and biases'), parameter_groups(network), (weight_decay, 0.0)):
        count = sum(p.size for p in group)
        lines.append(f'  {title:<17} {len(group):>4} tensors {count:>10,} numbers  weight decay {decay:g}')
    return '\n'.join(lines)


# On stock operators, updates are elementary operations on a CPU and the framework's fused ones on other devices, where
# elementary updates would be 2,700 of the 3,900 kernels of a step of TinyNet-E. See fuses_updates.
_rmsprop = ops.MultitypeFuncGraph('rmsprop')
_momentum = ops.MultitypeFuncGraph('momentum')
_adamw = ops.MultitypeFuncGraph('adamw')


@_rmsprop.register('Number', 'Number', 'Number', 'Tensor', 'Tensor', 'Tensor', 'Tensor', 'Tensor')
def _rmsprop_update(decay, momentum, epsilon, lr, param, mean_square, moment, gradient):
    mean_square = ops.assign(mean_square, mean_square * decay + gradient * gradient * (1 - decay))
    moment = ops.assign(moment, moment * momentum + gradient * lr / ops.sqrt(mean_square + epsilon))
    return ops.assign(param, param - moment)


@_momentum.register('Number', 'Bool', 'Tensor', 'Tensor', 'Tensor', 'Tensor')
def _momentum_update(momentum, nesterov, lr, param, moment, gradient):
    moment = ops.assign(moment, moment * momentum + gradient)
    return ops.assign(param, param - (gradient + moment * momentum if nesterov else moment) * lr)


@_adamw.register('Number', 'Number', 'Number', 'Tensor', 'Tensor', 'Number', 'Tensor', 'Tensor', 'Tensor', 'Tensor')
def _adamw_update(beta1, beta2, epsilon, lr, scaled, weight_decay, param, moment1, moment2, gradient):
    moment1 = ops.assign(moment1, moment1 * beta1 + gradient * (1 - beta1))
    moment2 = ops.assign(moment2, moment2 * beta2 + gradient * gradient * (1 - beta2))
    return ops.assign(param, param * (1 - lr * weight_decay) - moment1 * scaled / (ops.sqrt(moment2) + epsilon))


@_rmsprop.register('Function', 'Number', 'Number', 'Number', 'Tensor', 'Tensor', 'Tensor', 'Tensor', 'Tensor')
def _rmsprop_operator(operator, decay, momentum, epsilon, lr, param, mean_square, moment, gradient):
    return ops.depend(True, operator(param, mean_square, moment, lr, gradient, decay, momentum, epsilon))


@_momentum.register('Function', 'Number', 'Tensor', 'Tensor', 'Tensor', 'Tensor')
def _momentum_operator(operator, momentum, lr, param, moment, gradient):
    return ops.depend(True, operator(param, moment, lr, gradient, momentum))


@_adamw.register('Function', 'Number', 'Number', 'Number', 'Tensor', 'Tensor', 'Tensor', 'Number', 'Tensor', 'Tensor',
                 'Tensor', 'Tensor')
def _adamw_operator(operator, beta1, beta2, epsilon, lr, power1, power2, weight_decay, param, moment1, moment2,
                    gradient):
    if weight_decay > 0:
        gradient = ops.depend(gradient, ops.assign(param, param * (1 - lr * weight_decay)))
    return ops.depend(True, operator(param, moment1, moment2, power1, power2, lr, beta1, beta2, epsilon, gradient))


def fused_update(kind: str, optimizer: nn.Optimizer, *constants: float) -> Optional[nn.Cell]:
    """Return the compiled operator that updates all parameters at once if the CPU kernels are used, else None."""
    library = native.active()
    if not library:
        return None
    decays = optimizer.group_weight_decay if optimizer.is_group else [
        optimizer.weight_decay if decays else 0.0 for decays in optimizer.decay_flags]
    return FusedUpdate(library, kind, constants, decays)


class RMSProp(nn.RMSProp):
    """RMSProp in TensorFlow's form: mean square starts at one, epsilon inside the root, momentum on the scaled step.

    g <- g + weight_decay p; s <- decay s + (1 - decay) g^2; m <- momentum m + lr g / sqrt(s + epsilon); p <- p - m.
    """

    def __init__(self, params, learning_rate, **options):
        super().__init__(params, learning_rate, **options)
        self.fused = fused_update('rmsprop', self, self.decay, self.momentum, self.epsilon)
        self.by_operator = fuses_updates()  # the parent class's operator, ApplyRMSProp

    def construct(self, gradients):
        lr = self.get_lr()
        self.assignadd(self.global_step, self.global_step_increase_tensor)
        if self.fused is not None:
            return self.fused((lr,), self._parameters + self.ms + self.moment + gradients)
        gradients = self.decay_weight(gradients)
        if self.by_operator:
            update = ops.partial(_rmsprop, self.opt, self.decay, self.momentum, self.epsilon, lr)
        else:
            update = ops.partial(_rmsprop, self.decay, self.momentum, self.epsilon, lr)
        return self.hyper_map(update, self._parameters, self.ms, self.moment, gradients)


class SGD(nn.Momentum):
    """SGD: g <- g + weight_decay p; m <- momentum m + g; p <- p - lr m, with `nesterov` p - lr (g + momentum m)."""

    def __init__(self, params, learning_rate, momentum: float, nesterov: bool):
        super().__init__(params, learning_rate, momentum, use_nesterov=nesterov)
        self.rate, self.nesterov = momentum, nesterov
        self.fused = fused_update('sgd', self, momentum, float(nesterov))
        # The parent class's operator, ApplyMomentum. With nesterov the CPU's computes another step, so it is not used
        # on any device.
        self.by_operator = fuses_updates() and not nesterov

    def construct(self, gradients):
        lr = self.get_lr()
        self.assignadd(self.global_step, self.global_step_increase_tensor)
        if self.fused is not None:
            return self.fused((lr,), self._parameters + self.moments + gradients)
        gradients = self.decay_weight(gradients)
        if self.by_operator:
            update = ops.partial(_momentum, self.opt, self.rate, lr)
        else:
            update = ops.partial(_momentum, self.rate, self.nesterov, lr)
        return self.hyper_map(update, self._parameters, self.moments, gradients)


class AdamW(nn.Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019): p <- p - lr decay p, and Adam's step.

    Epsilon is added to the uncorrected root of the second moment, the form at the end of section 2 of Kingma and Ba
    (ICLR 2015): p <- p - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon). The framework's AdamWeightDecay
    has no bias correction, and its nn.Adam adds decay to the gradient. Its operator Adam is the step above without
    decay.
    """

    def __init__(self, params: Sequence[dict], learning_rate, beta1: float = 0.9, beta2: float = 0.999,
                 epsilon: float = 1e-8):
        super().__init__(learning_rate, params)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.moment1 = self._parameters.clone(prefix='moment1', init='zeros')
        self.moment2 = self._parameters.clone(prefix='moment2', init='zeros')
        self.rates = tuple(self.group_weight_decay)
        self.fused = fused_update('adamw', self, beta1, beta2, epsilon)
        self.operator = ops.Adam() if fuses_updates() else None

    def construct(self, gradients):
        lr = self.get_lr()
        self.assignadd(self.global_step, self.global_step_increase_tensor)
        t = ops.cast(self.global_step, ms.float32)
        if self.operator is not None:
            power1, power2 = ops.reshape(ops.pow(self.beta1, t), ()), ops.reshape(ops.pow(self.beta2, t), ())
            update = ops.partial(_adamw, self.operator, self.beta1, self.beta2, self.epsilon, lr, power1, power2)
            return self.map_(update, self.rates, self._parameters, self.moment1, self.moment2, gradients)
        scaled = lr * ops.sqrt(1 - ops.pow(self.beta2, t)) / (1 - ops.pow(self.beta1, t))
        if self.fused is not None:
            return self.fused((lr, scaled), self._parameters + self.moment1 + self.moment2 + gradients)
        return self.map_(ops.partial(_adamw, self.beta1, self.beta2, self.epsilon, lr, scaled), self.rates,
                         self._parameters, self.moment1, self.moment2, gradients)


def build_optimizer(name: str, network: nn.Cell, learning_rate: Sequence[float], weight_decay: float = 0.0,
                    momentum: float = 0.9, rms_decay: float = 0.9, epsilon: Optional[float] = None,
                    nesterov: bool = False) -> nn.Optimizer:
    """Return an optimizer of OPTIMIZERS over a network's parameters; `learning_rate` has one value per step.

    Norms and biases take no weight decay; `epsilon` None is the optimizer's own. Raises ValueError for an unknown name.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer '{name}' (optim.name): must be one of {', '.join(OPTIMIZERS)}")
    options = dict(weight_decay=weight_decay, momentum=momentum, rms_decay=rms_decay, epsilon=epsilon,
                   nesterov=nesterov)
    return OPTIMIZERS[name](network, list(learning_rate), options)


def _groups(network: nn.Cell, weight_decay: float) -> List[dict]:
    decayed, rest = parameter_groups(network)
    return [{'params': decayed, 'weight_decay': weight_decay}, {'params': rest, 'weight_decay': 0.0},
            {'order_params': network.trainable_params()}]


def _build_rmsprop(network: nn.Cell, rates: List[float], options: dict) -> nn.Optimizer:
    return RMSProp(_groups(network, options['weight_decay']), rates, decay=options['rms_decay'],
                   momentum=options['momentum'], epsilon=options['epsilon'] or 1e-3)


def _build_sgd(network: nn.Cell, rates: List[float], options: dict) -> nn.Optimizer:
    return SGD(_groups(network, options['weight_decay']), rates, options['momentum'], options['nesterov'])


def _build_adamw(network: nn.Cell, rates: List[float], options: dict) -> nn.Optimizer:
    return AdamW(_groups(network, options['weight_decay']), rates, epsilon=options['epsilon'] or 1e-8)


# name -> builder(network, one learning rate per step, options)
OPTIMIZERS = {'rmsprop': _build_rmsprop, 'sgd': _build_sgd, 'adamw': _build_adamw}
