"""Export a checkpoint: `python export.py --checkpoint runs/x/best.ckpt --format MINDIR,ONNX`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('export')
