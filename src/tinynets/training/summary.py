"""A table of runs: network, data, accuracy and speed."""
from __future__ import annotations

import os
import statistics
from typing import Dict, List, Sequence

from tinynets.config import to_dict
from tinynets.tasks.task import Metric
from tinynets.training.run import RunFolder


def short_names(paths: Sequence[str]) -> List[str]:
    """Return a name of each run: the shortest end of its path that differs from the others'.

    Raises ValueError if a run is given twice.
    """
    parts = [os.path.abspath(path).split(os.sep) for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ['/'.join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise ValueError(f'{", ".join(paths)}: the same run twice')


def summarise(name: str, run: RunFolder) -> Dict[str, object]:
    """Return a run's numbers, None for missing ones. Raises ValueError for a run without records."""
    records = run.records()
    if not records:
        raise ValueError(f'{run.path}: has no records yet (metrics.jsonl is empty)')
    config = run.load_config()
    scores = [r for r in records if r['kind'] == 'eval']
    metric = run.metric
    best = metric.best_of(scores)
    speeds = [r['images_per_s'] for r in records if r['kind'] == 'train']
    return {'run': name, 'model': config.model.name, 'data': config.data.name, 'epochs': config.train.epochs,
            'at': round(max(r['epoch'] for r in records), 2), metric.name: best.get(metric.name),
            'best_epoch': best.get('epoch'), f'last_{metric.name}': scores[-1][metric.name] if scores else None,
            'images_per_s': statistics.median(speeds) if speeds else None, 'config': to_dict(config)}


def table(rows: Sequence[dict], metric: Metric) -> str:
    """Return the rows as text, best first, and the differences of their configurations."""
    lines = [f'{"run":<28} {"model":<24} {"epoch":>11} {"best " + metric.label:>14} {"at epoch":>9} '
             f'{"last," + metric.unit if metric.unit else "last":>8} {"images/s":>9}']
    sign = -1 if metric.best == 'higher' else 1
    for row in sorted(rows, key=lambda r: (r[metric.name] is None, sign * (r[metric.name] or 0))):
        progress = f"{row['at']:g} of {row['epochs']}"
        lines.append(f"{row['run']:<28} {row['model']:<24} {progress:>11} {_text(row[metric.name], '.2f'):>14} "
                     f"{_text(row['best_epoch'], 'g'):>9} {_text(row['last_' + metric.name], '.2f'):>8} "
                     f"{_text(row['images_per_s'], '.0f'):>9}")
    different = _differences(rows)
    if different:
        lines += ['', 'different in:', *(f'  {key}: {", ".join(f"{v} ({name})" for name, v in values.items())}'
                                         for key, values in different.items())]
    return '\n'.join(lines)


def _text(value, form: str) -> str:
    return '-' if value is None else format(value, form)


def _differences(rows: Sequence[dict]) -> Dict[str, dict]:
    flat = {row['run']: {f'{section}.{key}': value for section, keys in row['config'].items()
                         for key, value in keys.items()} for row in rows}
    keys = next(iter(flat.values()))
    return {key: {name: values[key] for name, values in flat.items()} for key in keys
            if len({str(values[key]) for values in flat.values()}) > 1}
