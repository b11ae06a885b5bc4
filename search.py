"""A study, many networks trained and scored: `python search.py [run|status|export] --config configs/study/digits.yaml`."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('search')
