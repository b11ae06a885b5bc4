"""Write the golden numbers of timm's networks: `python tests/golden/generate.py` where torch and timm are installed.

Not part of the tests, which read the .npz it writes and need no PyTorch. Logits: evaluation mode, one image, every
network at its own resolution, the other families' at 64 pixels. Gradients: tinynet_e, four images, cross entropy; of
the other families some tensors of each kind of block, in training mode, ResNet-50's in evaluation mode: with the
statistics of four images its gradients differ by two percent in float32, in PyTorch too. All in float64. Prints each
network's parameters and multiply-adds at 224 pixels, counted by hooks, for tests/arch/test_complexity.py.
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
FAMILIES = ('ghostnet_100', 'mobilenetv3_large_100', 'mobilenetv3_large_075', 'mobilenetv3_small_100',
            'mobilenetv3_small_075', 'mobilenetv3_small_050', 'resnet50')
SMALL = 64  # pixels
LAYERS = {  # of which gradients are stored: ends, gate, shortcut, first and last block, layers without a norm
    'ghostnet_100': ('conv_stem', 'bn1', 'blocks.1.0.ghost1.cheap_operation.0', 'blocks.1.0.conv_dw',
                     'blocks.1.0.shortcut.0',
                     'blocks.3.0.se.conv_reduce', 'blocks.3.0.se.conv_expand', 'blocks.8.3.ghost2.primary_conv.0',
                     'blocks.9.0.conv', 'conv_head', 'classifier'),
    'mobilenetv3_small_050': ('conv_stem', 'bn1', 'blocks.0.0.conv_dw', 'blocks.0.0.se.conv_reduce',
                              'blocks.0.0.se.conv_expand', 'blocks.1.0.conv_pw', 'blocks.4.2.conv_pwl',
                              'blocks.5.0.conv',
                              'conv_head', 'classifier'),
    'resnet50': ('conv1', 'bn1', 'layer1.0.conv1', 'layer1.0.downsample.0', 'layer2.0.conv2', 'layer4.2.conv3', 'fc'),
}


def filled(name):
    net = timm.create_model(name).double()
    state = {k: torch.from_numpy(rule.weight(k, tuple(v.shape))).double() if v.ndim else v
             for k, v in net.state_dict().items()}
    net.load_state_dict(state)
    return net


def count(name):
    """(parameters, multiply-adds of convolutions and dense layers at 224 pixels)."""
    net, macs = timm.create_model(name).eval(), []
    for layer in net.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            layer.register_forward_hook(
                lambda m, _, y: macs.append(m.weight.numel() * (y[0, 0].numel() if y.ndim == 4 else 1)))
    with torch.no_grad():
        net(torch.zeros(1, 3, 224, 224))
    return sum(p.numel() for p in net.parameters()), sum(macs)


def gradients(name, mode, resolution, layers=None):
    """Loss and gradients of four images, and the network after the step."""
    net = filled(name).train(mode == 'train')
    net.drop_rate = 0.0
    logits = net(torch.from_numpy(rule.images(resolution, len(LABELS))).double())
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(LABELS))
    loss.backward()
    made = {}
    for key, p in net.named_parameters():
        if layers is None or key.rpartition('.')[0] in layers:
            gradient = p.grad.numpy().ravel()
            made[key] = np.concatenate([[np.linalg.norm(gradient)], rule.signs(key, gradient.size) @ gradient])
    return loss.item(), made, net


def main():
    out = {}
    for name, resolution in RESOLUTIONS.items():
        with torch.no_grad():
            images = torch.from_numpy(rule.images(resolution, 1)).double()
            out[f'logits/{name}'] = filled(name).eval()(images).numpy().astype(np.float32)[0]
    out['labels'] = np.array(LABELS)
    for mode in ('eval', 'train'):  # fixed statistics, under which no gradient is zero, and the batch's own
        loss, made, net = gradients('tinynet_e', mode, 106)
        out[f'loss/{mode}'] = np.array(loss)
        out.update({f'gradient/{mode}/{name}': value for name, value in made.items()})
    for name in ('bn1', 'blocks.5.1.bn2', 'bn2'):  # running statistics after the one training step
        for field in ('running_mean', 'running_var'):
            out[f'statistics/{name}.{field}'] = net.state_dict()[f'{name}.{field}'].numpy().astype(np.float32)
    for name in FAMILIES:
        with torch.no_grad():
            images = torch.from_numpy(rule.images(SMALL, 1)).double()
            out[f'logits/{name}'] = filled(name).eval()(images).numpy().astype(np.float32)[0]
        params, macs = count(name)
        print(f'{name}: {params:,} parameters, {macs:,} multiply-adds')
    for name, layers in LAYERS.items():
        loss, made, _ = gradients(name, 'eval' if name == 'resnet50' else 'train', SMALL, layers)
        out[f'{name}/loss'] = np.array(loss)
        out.update({f'{name}/gradient/{key}': value for key, value in made.items()})
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'timm.npz')
    np.savez_compressed(path, timm_version=timm.__version__, **out)
    print(f'{path}: {os.path.getsize(path)} bytes, {len(out)} arrays')


main()
