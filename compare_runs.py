"""Draw training runs together and print their table: `python compare_runs.py runs/a runs/b [--out compare.png]`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('compare_runs')
