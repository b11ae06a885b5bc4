"""The main job end to end on the embedded digits: train, evaluate, export, check, classify; called by quickstart.sh."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('quickstart')
