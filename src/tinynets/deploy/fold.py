"""Folding batch norm into the convolution before it, for inference."""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinynets.arch.layers import NORM_EPSILON, network_layers, parameter_name
from tinynets.arch.spec import expand
from tinynets.model.network import Network
from tinynets.model.weights import load_arrays


def fold(network: Network) -> Network:
    """Return a network that computes the same in evaluation mode, without batch norm, with biases on convolutions.

    weight' = weight * gamma / sqrt(variance + epsilon), bias' = beta - mean * gamma / sqrt(variance + epsilon), in
    float64. Dropout and drop path, which do nothing in evaluation, are left out.
    """
    spec = replace(network.plan.spec, folded=True, dropout=0.0, drop_path=0.0)
    folded = Network(expand(spec))
    arrays = {p.name: p.asnumpy() for p in network.get_parameters()}
    wanted = {p.name for p in folded.get_parameters()}
    for block, layer in network_layers(network.plan):
        if not layer.norm:
            continue
        conv = parameter_name(block, layer)
        norm = f'{conv[:-len("conv")]}norm'
        factor = arrays[f'{norm}.gamma'].astype(np.float64) / np.sqrt(
            arrays[f'{norm}.moving_variance'].astype(np.float64) + NORM_EPSILON)
        arrays[f'{conv}.bias'] = (arrays[f'{norm}.beta'] - arrays[f'{norm}.moving_mean'] * factor).astype(np.float32)
        arrays[f'{conv}.weight'] = (arrays[f'{conv}.weight'] * factor[:, None, None, None]).astype(np.float32)
    load_arrays(folded, {name: array for name, array in arrays.items() if name in wanted})
    return folded.set_train(False)
