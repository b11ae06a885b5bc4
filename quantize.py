"""Make an eight-bit ONNX file: `python quantize.py --model runs/x/export/tinynet_e.onnx [--images DIR]`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('quantize')
