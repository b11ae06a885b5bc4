"""Optimizers and their parameter groups."""
from __future__ import annotations

from typing import List, Sequence, Tuple

from mindspore import Parameter, jit, nn, ops


def parameter_groups(network: nn.Cell) -> Tuple[List[Parameter], List[Parameter]]:
    """Split the trainable parameters into (decayed, not decayed): norms and biases, one-dimensional, take no decay."""
    params = network.trainable_params()
    return [p for p in params if p.ndim > 1], [p for p in params if p.ndim <= 1]


def describe_groups(network: nn.Cell, weight_decay: float) -> str:
    """Two lines that say which parameters are decayed and how strongly."""
    lines = []
    for title, group, decay in zip(('weights', 'norms and biases'), parameter_groups(network), (weight_decay, 0.0)):
        count = sum(p.size for p in group)
        lines.append(f'  {title:<17} {len(group):>4} tensors {count:>10,} numbers  weight decay {decay:g}')
    return '\n'.join(lines)


class AdamW(nn.Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019): p <- p - lr * decay * p, then Adam's step.

    The framework's AdamWeightDecay leaves the bias correction out, its Adam adds the decay to the gradient; this is the
    published rule on the framework's Adam, whose epsilon stands beside the uncorrected root of the second moment (the
    form at the end of section 2 of Kingma and Ba, ICLR 2015). `decayed` are the names of the parameters that take the decay.
    """

    def __init__(self, params: Sequence[Parameter], learning_rate, weight_decay: float, decayed: Sequence[str],
                 beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8):
        super().__init__(params, learning_rate, beta1=beta1, beta2=beta2, eps=epsilon)
        names = set(decayed)
        self.rates = tuple(weight_decay if p.name in names else 0.0 for p in self.parameters)

    @jit  # as the parent's: in PyNative the two must be one graph, or the parent's reads the weights before the decay
    def construct(self, gradients):
        lr = self.get_lr()
        done = ()
        for param, rate in zip(self._parameters, self.rates):
            if rate > 0:
                done += (ops.assign(param, param * (1 - lr * rate)),)
        return super().construct(ops.depend(gradients, done))


def build_optimizer(name: str, network: nn.Cell, learning_rate: Sequence[float], weight_decay: float = 0.0,
                    momentum: float = 0.9, decay: float = 0.9, epsilon: float = 1e-3,
                    nesterov: bool = False) -> nn.Optimizer:
    """Return the optimizer over a network's parameters; `learning_rate` has one value a step.

    - rmsprop: TensorFlow's form, as published: mean square from one, epsilon inside the root, momentum on the scaled
      step; `decay` is the mean square's, weight decay joins the gradient;
    - sgd: momentum, with Nesterov's step on request, weight decay joins the gradient;
    - adamw: decoupled weight decay.

    Norms and biases take no weight decay. Raises ValueError for an unknown name.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer '{name}': must be one of {', '.join(OPTIMIZERS)}")
    decayed, rest = parameter_groups(network)
    rates = list(learning_rate)
    if name == 'adamw':
        return AdamW(network.trainable_params(), rates, weight_decay, [p.name for p in decayed], epsilon=epsilon)
    groups = [{'params': decayed, 'weight_decay': weight_decay}, {'params': rest, 'weight_decay': 0.0},
              {'order_params': network.trainable_params()}]
    if name == 'rmsprop':
        return nn.RMSProp(groups, rates, decay=decay, momentum=momentum, epsilon=epsilon)
    return nn.Momentum(groups, rates, momentum=momentum, use_nesterov=nesterov)


OPTIMIZERS = ('rmsprop', 'sgd', 'adamw')
