"""Evaluate a checkpoint (or an exported model): `python eval.py --checkpoint runs/x/best.ckpt`."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('eval')
