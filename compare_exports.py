"""A checkpoint's exported files on a whole validation set, in one table: `python compare_exports.py --checkpoint runs/x/best.ckpt`."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('compare_exports')
