"""Write small files of torch.save: `python tests/golden/generate_torch_files.py` where torch is installed.

Not part of the tests, which read the files and need no PyTorch. Values are by the rule from name and shape, so that no
second file has to hold them.
"""
import argparse
import os
import sys
from collections import OrderedDict

import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rule  # noqa: E402

FOLDER = os.path.dirname(os.path.abspath(__file__))


def tensor(name, *shape):
    return torch.from_numpy(rule.weight(name, shape))


def state(prefix=''):
    whole = tensor('whole', 6, 7)
    return OrderedDict({prefix + name: value for name, value in {
        'float': tensor('float', 3, 4), 'half': tensor('half', 5).half(),
        'bfloat16': tensor('bfloat16', 2, 3).bfloat16(),
        'double': tensor('double', 2, 2).double(), 'counter': torch.tensor(7), 'empty': torch.empty(0, 3),
        'parameter': torch.nn.Parameter(tensor('parameter', 3)), 'transposed': whole.t(), 'part': whole[1:4, 2:6],
        'channels_last': tensor('channels_last', 2, 3, 4, 5).to(memory_format=torch.channels_last)}.items()})


def main():
    torch.save(state(), f'{FOLDER}/torch.pth')
    torch.save(state(), f'{FOLDER}/torch_legacy.pth', _use_new_zipfile_serialization=False)
    optimizer = {'state': {0: {'step': torch.tensor(1.0), 'buffer': torch.ones(3)}}, 'param_groups': [{'lr': 0.1}]}
    training = {'epoch': 3, 'arch': 'tinynet_e', 'state_dict': {'module.a': torch.zeros(2)}, 'optimizer': optimizer,
                'args': argparse.Namespace(lr=0.1, crop=[0.08, 1.0], model='tinynet_e'), 'metric': 76.5,
                'state_dict_ema': state('module.')}
    torch.save(training, f'{FOLDER}/torch_training.pth', pickle_protocol=4)


main()
