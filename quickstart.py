"""The main job end to end on the embedded digits: train, evaluate, export, check, classify; called by quickstart.sh."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('quickstart')
