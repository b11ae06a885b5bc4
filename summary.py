"""What a network costs: `python summary.py --model tinynet_a [--per-layer] [--json]`, `python summary.py --list`."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('summary')
