"""Classify images with a model file: `python predict.py --model runs/x/export/tinynet_e.mindir --images DIR_OR_FILE ...`."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('predict')
