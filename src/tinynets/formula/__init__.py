"""The tiny formula, offline: draw networks, keep the front, fit r(c) and d(c), and turn a budget into a network.

Steps of the method ("Model Rubik's Cube", NeurIPS 2020) and where they are: sampling.py (1), src/tinynets/study (2:
training), records.py and pareto.py (3), gaussian.py (4), tiny.py (5), rules.py (5, with the width solved, and the
other rules). No MindSpore import; scikit-learn, pymoo and Matplotlib are imported when they are used.
"""
from tinynets.formula.budget import Budget
from tinynets.formula.rules import RULES, Impossible, Network, compare, design
from tinynets.formula.tiny import Formula, Point

__all__ = ['RULES', 'Budget', 'Formula', 'Impossible', 'Network', 'Point', 'compare', 'design']
