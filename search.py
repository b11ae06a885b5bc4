"""Train and score many networks: `python search.py [run|status|export] --config configs/study/digits.yaml`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('search')
