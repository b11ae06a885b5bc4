"""Score the exported files of a checkpoint: `python compare_exports.py --checkpoint runs/x/best.ckpt`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('compare_exports')
