"""Print what a network costs: `python summary.py --model tinynet_a [--per-layer] [--json]` or `... --list`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('summary')
