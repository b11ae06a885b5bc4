"""A study as text: its networks and its progress."""
from __future__ import annotations

import time
from typing import List, Sequence, Tuple

from tinynets.arch import COSTS, all_costs, expand
from tinynets.formula.budget import amount_in_full
from tinynets.study.config import Candidate
from tinynets.study.run import Plan, counts, left
from tinynets.study.store import Store
from tinynets.training.progress import duration


def networks_table(planned: Plan) -> str:
    """Return the networks of a study, one per line, and notes on their formula."""
    rows = [('network', 'r', 'd', 'w', 'px', *COSTS, 'from')]
    for candidate in planned.networks:
        spec, built = candidate.spec, expand(candidate.spec)
        rows.append((candidate.name, f'{spec.r:.3f}', f'{spec.d:.3f}', f'{spec.w:.3f}', str(built.resolution),
                     *map(amount_in_full, all_costs(built).values()), _origin(candidate)))
    return '\n'.join([_aligned(rows), *planned.notes()])


def status(folder: str) -> Tuple[dict, str]:
    """Return the counts, the best trials, failures and flags with reasons, and the time left, as (dictionary, text)."""
    store = Store(folder)
    trials, config = store.trials(), store.config()
    found = counts(trials)
    alive = [t for t in trials if t['status'] == 'running' and store.alive(t['id'])]
    best = sorted((t for t in trials if t['status'] == 'done' and not t['flag']), key=lambda t: -t['top1'])[:5]
    seconds = left(trials, store.facts()['images'], config['study.workers'], store.alive)
    facts = {**found, 'trials': len(trials), 'alive': len(alive), 'seconds_left': round(seconds),
             'best': [{key: t.get(key) for key in ('id', 'name', 'seed', *COSTS, 'top1')} for t in best],
             'problems': [{key: t[key] for key in ('id', 'name', 'seed', 'status', 'flag', 'reason')} for t in trials
                          if t['reason'] or t['flag']]}
    lines = [f'{found["done"]} of {len(trials)} trials done, {found["failed"]} failed, {found["flagged"]} flagged, '
             f'{len(alive)} running, {found["pending"] + found["running"] - len(alive)} waiting'
             + (f'; {duration(seconds)} of work left' if found['pending'] + found['running'] else '')]
    for trial in alive:
        lines.append(f'running: trial {trial["id"]}, {trial["name"]}, for {duration(time.time() - trial["started"])}')
    if best:
        lines.append(_aligned([('best', 'network', 'seed', *COSTS, 'top-1, %')] + [
            (str(t['id']), t['name'], str(t['seed']), *(_amount(t.get(name)) for name in COSTS), f'{t["top1"]:.2f}')
            for t in best]))
    for trial in facts['problems']:
        state = f'{trial["flag"] or trial["status"]} {trial["reason"]}'.rstrip()
        lines.append(f'trial {trial["id"]}, {trial["name"]}: {state}')
    return facts, '\n'.join(lines)


def _origin(candidate: Candidate) -> str:
    """Return a network's label, and in parentheses how far its formula is from what it was fitted to."""
    network = candidate.network
    marks = [] if network is None else [mark for mark, holds in (
        ('extrapolated', network.prediction and network.prediction.extrapolated),
        (f"{network.fitted_to}'s formula", network.borrowed)) if holds]
    return candidate.label + (f' ({", ".join(marks)})' if marks else '')


def _amount(value) -> str:
    """Return a cost as text, '-' in a study from before the cost existed."""
    return '-' if value is None else amount_in_full(value)


def _aligned(rows: List[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return '\n'.join('  '.join(cell.ljust(width) if i < 2 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows)
