"""Export a checkpoint: `python export.py --checkpoint runs/x/best.ckpt --format MINDIR,ONNX`."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('export')
