"""Fit a tiny formula to measured networks: `python fit_formula.py RECORDS.csv --out formula.json --report report/`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'src'))

from tinynets.cli import script  # noqa: E402

if __name__ == '__main__':
    script('fit_formula')
