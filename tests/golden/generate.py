"""Write the golden numbers of timm's networks: `python tests/golden/generate.py` where torch and timm are installed.

Not part of the tests, which read the .npz it writes and need no PyTorch. Logits: evaluation mode, one image, every
network at its own resolution. Gradients: tinynet_e, four images, cross entropy. All in float64.
"""
import os
import sys

import numpy as np
import timm
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rule  # noqa: E402

RESOLUTIONS = {'efficientnet_b0': 224, 'tinynet_a': 192, 'tinynet_b': 188, 'tinynet_c': 184, 'tinynet_d': 152,
               'tinynet_e': 106}
LABELS = [1, 20, 300, 999]


def filled(name):
    net = timm.create_model(name).double()
    state = {k: torch.from_numpy(rule.weight(k, tuple(v.shape))).double() if v.ndim else v
             for k, v in net.state_dict().items()}
    net.load_state_dict(state)
    return net


def main():
    out = {}
    for name, resolution in RESOLUTIONS.items():
        with torch.no_grad():
            images = torch.from_numpy(rule.images(resolution, 1)).double()
            out[f'logits/{name}'] = filled(name).eval()(images).numpy().astype(np.float32)[0]
    out['labels'] = np.array(LABELS)
    for mode in ('eval', 'train'):  # fixed statistics, under which no gradient is zero, and the batch's own
        net = filled('tinynet_e').train(mode == 'train')
        logits = net(torch.from_numpy(rule.images(106, len(LABELS))).double())
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(LABELS))
        loss.backward()
        out[f'loss/{mode}'] = np.array(loss.item())
        for name, p in net.named_parameters():
            gradient = p.grad.numpy().ravel()
            out[f'gradient/{mode}/{name}'] = np.concatenate(
                [[np.linalg.norm(gradient)], rule.signs(name, gradient.size) @ gradient])
    for name in ('bn1', 'blocks.5.1.bn2', 'bn2'):  # running statistics after the one training step
        for field in ('running_mean', 'running_var'):
            out[f'statistics/{name}.{field}'] = net.state_dict()[f'{name}.{field}'].numpy().astype(np.float32)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'timm.npz')
    np.savez_compressed(path, timm_version=timm.__version__, **out)
    print(f'{path}: {os.path.getsize(path)} bytes, {len(out)} arrays')


main()
