"""Convert weights from and to timm's format: `python convert_weights.py --from tinynet_a.safetensors --out a.ckpt`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('convert_weights')
