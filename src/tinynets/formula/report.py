"""One HTML file about a fit, with its pictures inside, which opens without an internet connection."""
from __future__ import annotations

import base64
import html
from typing import Dict, Iterable, List, Optional, Sequence

import numpy as np

from tinynets.arch import COSTS, NetSpec, cost_named
from tinynets.arch.costs import rounded_like
from tinynets.files import write_text
from tinynets.formula.budget import Budget, amount_in_full, amount_text
from tinynets.formula.fitting import Fit
from tinynets.formula.rules import Impossible, Network, design

_STYLE = '''body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0;font-size:13px}
th,td{border:1px solid #ccc;padding:3px 8px;text-align:right}
th:first-child,td:first-child{text-align:left}tr.kept{background:#fdeeee;font-weight:600}img{max-width:100%}
caption{text-align:left;color:#555;padding:4px 0}'''


def proposals(fit: Fit, base: NetSpec, count: int = 6) -> List[Network]:
    """Return the formula's networks at budgets that are evenly spaced, in logarithms, over the fitted range."""
    found, cost = [], cost_named(fit.formula.cost)
    whole = cost.of(base)
    for c in np.geomspace(*fit.formula.range, count):
        try:
            amount = rounded_like(float(c) * whole, whole)
            found.append(design(base, Budget(amount, cost), 'tiny', fit.formula))
        except Impossible:
            continue
    return found


def write(path: str, fit: Fit, base: Optional[NetSpec], title: str, pictures: Dict[str, bytes],
          problems: Sequence = ()) -> None:
    """Write the report. `pictures` are PNGs by caption. Without a `base` (blocks unknown) no networks are proposed."""
    write_text(path, page(title, sections(fit, base, pictures, problems)))


def sections(fit: Fit, base: Optional[NetSpec], pictures: Dict[str, bytes], problems: Sequence = ()) -> Iterable[str]:
    """Yield the report's parts as HTML."""
    formula, kind = fit.formula, fit.formula.cost
    low, high = formula.range
    yield paragraph(
        f'{len(fit.records)} measured networks of {formula.base} at {formula.base_resolution} px with '
        f'{formula.num_classes} classes; {len(fit.front)} kept by non-dominated sorting on {", ".join(fit.objectives)}'
        + (f' (from {fit.selection.fronts} fronts; {fit.selection.cut} of the last left out)'
           if fit.selection.fronts > 1 or fit.selection.cut else ' (the whole first front)')
        + f'. A budget is c = {kind} / {amount_in_full(formula.base_cost)}; the curves are fitted for c of {low:.3g} '
        f'to {high:.3g}, and extrapolate outside (grey in the pictures).')
    for caption, png in pictures.items():
        yield picture(png, caption)
    yield table('Fit', ('multiplier', 'Spearman with cost', 'p', 'mean leave-one-out error', 's', 'l', 'noise',
                        'log likelihood'),
                [(m, _number(fit.spearman.get(m, (None,))[0]), _number(fit.spearman.get(m, (0, None))[1]),
                  _number(fit.left_out_error(m)) if m != 'w' else '',
                  *([_number(v) for v in getattr(formula, m).to_dict().values()] if m != 'w' else [''] * 4))
                 for m in 'rdw'])
    for remark in fit.remarks():
        yield paragraph(remark)
    if base is not None:
        yield table('Networks the formula proposes', ('network', 'px', 'r', 'd', 'w', *COSTS, 'of the budget'),
                    [(n.name, n.resolution, f'{n.spec.r:.3f}', f'{n.spec.d:.3f}', f'{n.spec.w:.3f}',
                      *map(amount_text, n.costs.values()), f'{100 * n.distance:+.2f} %')
                     for n in proposals(fit, base)])
    chosen = set(fit.selection.indices)
    order = sorted(range(len(fit.records)), key=lambda i: fit.records[i].costs[kind])
    yield table('Measured networks; kept ones are red',
                ('network', 'r', 'd', 'w', kind, 'c', 'top-1, %', '±', 'trainings', 'source'),
                [(r.name, f'{r.r:.3f}', f'{r.d:.3f}', f'{r.w:.3f}', amount_in_full(r.costs[kind]),
                  f'{r.costs[kind] / formula.base_cost:.3f}', f'{r.top1:.2f}', _number(r.deviation), r.seeds, r.source)
                 for r in (fit.records[i] for i in order)], marked=[i in chosen for i in order])
    if problems:
        yield table('Lines left out', ('line', 'why'), problems)


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole HTML page."""
    title = html.escape(title)
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
            f'</head><body><h1>{title}</h1>{"".join(parts)}</body></html>\n')


def paragraph(text: str) -> str:
    """Return a paragraph of plain text as HTML."""
    return f'<p>{html.escape(text)}</p>'


def picture(png: bytes, caption: str) -> str:
    """Return a picture as HTML with its bytes inside."""
    data = base64.b64encode(png).decode()
    return f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{data}"></figure>'


def table(caption: str, header: Sequence, rows: Sequence[Sequence], marked: Sequence[bool] = ()) -> str:
    """Return an HTML table of plain texts and numbers; `marked` rows are highlighted."""
    def cells(row: Sequence, tag: str) -> str:
        return ''.join(f'<{tag}>{html.escape(str(cell))}</{tag}>' for cell in row)
    marks = list(marked) or [False] * len(rows)
    body = ''.join(f'<tr{" class=kept" if mark else ""}>{cells(row, "td")}</tr>' for row, mark in zip(rows, marks))
    return f'<table><caption>{html.escape(caption)}</caption><tr>{cells(header, "th")}</tr>{body}</table>'


def _number(value: Optional[float]) -> str:
    return '' if value is None else f'{value:.3g}'
