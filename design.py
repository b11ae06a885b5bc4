"""From a budget to a network: `python design.py --macs 100M [--rule tiny] [--compare] [--save config.yaml]`."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('design')
