"""A study's results as tables: one row per network, and one row per training."""
from __future__ import annotations

import contextlib
import csv
import os
import statistics
from typing import Dict, List, Sequence, Tuple

from tinynets.arch import COSTS, resolve
from tinynets.files import replacing
from tinynets.study.store import Store


def columns(of_trainings: bool = False) -> Tuple[str, ...]:
    """Return the columns of a table of networks, or of their trainings."""
    network = ('base', 'base_resolution', 'num_classes', 'in_channels', 'r', 'd', 'w', 'resolution', *COSTS)
    if of_trainings:
        return ('name', 'label', 'seed', *network, 'top1', 'top5', 'loss', 'flag', 'seconds')
    return ('name', 'label', *network, 'top1', 'top1_deviation', 'seeds', 'flag', 'seconds')


def networks(store: Store) -> Tuple[List[dict], int]:
    """Return one row per network with a finished trial, and the number of unfinished trials.

    Scores are mean and sample std over a network's trainings without a flag. A network whose trainings are all flagged
    has the flag and no score.
    """
    groups: Dict[str, List[dict]] = {}
    for trial in store.trials():
        groups.setdefault(trial['name'], []).append(trial)
    facts, rows = _facts(store), []
    unfinished = sum(trial['status'] != 'done' for trial in store.trials())
    for name, trials in groups.items():
        done = [t for t in trials if t['status'] == 'done']
        if not done:
            continue
        good = [t for t in done if not t['flag']]
        scores = [t['top1'] for t in good]
        rows.append({
            **{key: done[0][key] for key in columns() if key in done[0]},
            **_of_base(name, done[0]['resolution'], facts),
            'top1': statistics.fmean(scores) if scores else '',
            'top1_deviation': statistics.stdev(scores) if len(scores) > 1 else '', 'seeds': len(good) or len(done),
            'flag': '' if good else done[0]['flag'], 'seconds': statistics.fmean(t['seconds'] for t in done)})
    return rows, unfinished


def trainings(store: Store) -> List[dict]:
    """Return one row per finished trial, with its seed and score, including flagged ones."""
    facts = _facts(store)
    return [{**{key: trial[key] for key in columns(True) if key in trial},
             **_of_base(trial['name'], trial['resolution'], facts)}
            for trial in store.trials() if trial['status'] == 'done']


def _facts(store: Store) -> dict:
    """Return the columns on the base; studies of earlier releases had images of three channels."""
    facts = {'in_channels': 3, **store.facts()}
    return {key: facts[key] for key in ('base', 'base_resolution', 'num_classes', 'in_channels')}


def _of_base(name: str, resolution: int, facts: dict) -> dict:
    """Return the columns on the base of one network, which may be another than the study's."""
    try:
        spec = resolve(name)
    except ValueError:  # a network that this release does not know
        return facts
    if spec.base == facts['base']:
        return facts
    return {**facts, 'base': spec.base, 'base_resolution': spec.base_resolution, 'r': resolution / spec.base_resolution}


def trainings_path(path: str) -> str:
    """Return the path for the rows of `trainings`, next to the networks' table: records.csv -> records.seeds.csv."""
    stem, ending = os.path.splitext(path)
    return f'{stem}.seeds{ending}'


def write_tables(*tables: Tuple[str, List[dict], Sequence[str]]) -> None:
    """Write tables of (path, rows, titles of columns); numbers read back equal.

    All are written before one is moved into place, the last one first. If a move fails, those before it in the list
    stay as they were.
    """
    with contextlib.ExitStack() as moves:  # into place, all at the end
        for path, rows, titles in tables:
            with open(moves.enter_context(replacing(path)), 'w', encoding='utf-8', newline='') as file:
                out = csv.DictWriter(file, titles, lineterminator='\n')
                out.writeheader()
                out.writerows({key: row.get(key, '') for key in titles} for row in rows)


def of_rules(rows: List[dict], cost: str) -> List[tuple]:
    """Return (rule, cost, top-1, deviation) of the rules' networks (`tiny:5M`). Raises ValueError if there are none."""
    from tinynets.formula import RULES
    drawn = [(rule, row[cost], row['top1'], row['top1_deviation'] or None) for row in rows if row['top1'] != ''
             for label in row['label'].split(', ') for rule in [label.partition(':')[0]] if rule in RULES]
    if not drawn:
        raise ValueError("--plot: draws the networks of rules, and this study has none; name some in study.networks, "
                         "for example tiny:5M, or leave it out")
    return drawn


def draw_rules(path: str, rows: List[dict], cost: str) -> None:
    """Draw accuracy over cost of the rules' networks, one line per rule."""
    from tinynets.formula import plots
    plots.comparison(of_rules(rows, cost), cost, path=path)
