"""Mixed precision and loss scaling, both MindSpore's own (mindspore.amp)."""
from __future__ import annotations

from typing import Optional

import mindspore as ms
from mindspore import amp, nn

from tinynets.config import Config, RuntimeConfig
from tinynets.runtime import chooses_precision

FIRST_SCALE = 65536.0  # 2^16; float16's largest number is 65504, its smallest normal one 2^-14


def check_precision(runtime: RuntimeConfig, device: str, compiled: bool) -> None:
    """Raise ValueError if MindSpore, the device, or its `compiled` operators do not support the configuration."""
    if runtime.amp == 'O0':
        return
    if runtime.amp == 'auto' or runtime.amp_type != 'float16':
        if not chooses_precision():
            raise ValueError(f'runtime.amp={runtime.amp}, runtime.amp_type={runtime.amp_type}: MindSpore '
                             f'{ms.__version__} has float16 by the levels O2 and O3 only')
    if device != 'Ascend' and runtime.amp_type != 'float16':  # GPUs do not even have a cast to it
        raise ValueError(f'runtime.amp_type={runtime.amp_type}: the {device} has no operators for it; use float16, or '
                         'runtime.amp=O0')
    if runtime.amp == 'O3' and runtime.amp_type != 'float16':
        raise ValueError('runtime.amp=O3: MindSpore has no batch norm in bfloat16; use runtime.amp=O2, whose norms are '
                         'float32, or float16')
    if device == 'CPU' and compiled:
        raise ValueError(f'runtime.amp={runtime.amp}: the compiled CPU operators compute in float32; set '
                         'runtime.kernels=stock, or runtime.amp=O0, which is faster there')


def mixed(network: nn.Cell, runtime: RuntimeConfig) -> nn.Cell:
    """Return the network with the precision of `runtime.amp`; its parameters are the same and stay float32."""
    if runtime.amp == 'O0':
        return network
    if runtime.amp_type == 'float16':  # the default, and all that 2.0 knows
        return amp.auto_mixed_precision(network, runtime.amp)
    return amp.auto_mixed_precision(network, runtime.amp, getattr(ms, runtime.amp_type))


def loss_scaler(config: Config) -> Optional[amp.DynamicLossScaler]:
    """Return the dynamic loss scale of a configuration: for float16, or if `train.loss_scale` is set; else None.

    Gradients below 6e-8 are zero in float16, so the loss is multiplied by the scale and the gradients are divided by it
    (Micikevicius et al., ICLR 2018). The scale halves when a gradient is NaN or infinite and doubles after
    `train.loss_scale_window` steps without such gradients.
    """
    first = config.train.loss_scale
    if first is None:
        if config.runtime.amp == 'O0' or config.runtime.amp_type != 'float16':
            return None
        first = FIRST_SCALE
    scaler = amp.DynamicLossScaler(first, 2, config.train.loss_scale_window)
    scaler.scale_value.name, scaler.counter.name = 'loss_scale.value', 'loss_scale.good_steps'
    return scaler
