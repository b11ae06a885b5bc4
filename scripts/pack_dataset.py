"""Pack a folder of class folders into MindRecord: `python scripts/pack_dataset.py --data-dir IMAGENET --out FOLDER`."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('pack_dataset')
