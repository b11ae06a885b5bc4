"""Design a network for a budget: `python design.py --macs 100M [--rule tiny] [--compare] [--save config.yaml]`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('design')
