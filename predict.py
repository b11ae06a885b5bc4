"""Classify images with a model file: `python predict.py --model x/export/tinynet_e.mindir --images DIR_OR_FILE ...`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('predict')
