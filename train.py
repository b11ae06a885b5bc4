"""Train a network: `python train.py --config configs/tinynet_e_fashion_mnist.yaml [--set key=value ...]`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('train')
