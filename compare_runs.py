"""Draw training runs together and print their table: `python compare_runs.py runs/a runs/b [--out compare.png]`."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('compare_runs')
