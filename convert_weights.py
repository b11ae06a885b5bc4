"""Weights in and out: `python convert_weights.py --from tinynet_a.safetensors --model tinynet_a --out tinynet_a.ckpt`."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('convert_weights')
