"""Fit a tiny formula to measured networks: `python fit_formula.py RECORDS.csv --out formula.json --report report/`."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('fit_formula')
