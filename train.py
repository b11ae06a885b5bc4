"""Train a network: `python train.py --config configs/tinynet_e_fashion_mnist.yaml [--set key=value ...]`."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('train')
