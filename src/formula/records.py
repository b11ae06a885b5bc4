"""Measured networks: reading a study's export or a table of one's own.

A CSV file with a header. Columns, in any order and with any others beside them (`_NAMES` has the spellings):

    r or resolution    multiplier, or pixels of which the base has `base_resolution`
    d, w               multipliers
    top1 or error      percent (or shares of 1, if no row has more than 1)
    macs, params, peak_memory    optional where the base is one of src/arch/zoo.py: then they are counted
    name, source, top1_deviation, seeds, flag    optional, and so are numbers to select by, latency_ms for example
    base, base_resolution, num_classes    what was measured, the same in every line; options of fit_formula.py otherwise

A line that can't be used, or repeats another to the letter, is left out and named. Other lines of one network, of further
seeds for example, are taken together: the mean of their scores.
"""
from __future__ import annotations

import csv
import math
import os
import re
from dataclasses import dataclass, field, replace
from typing import Dict, Iterable, List, Optional, Tuple

from src.arch import NetSpec, expand, measure, scale
from src.arch.zoo import BASES
from src.formula.budget import base_network

_NAMES = {
    'name': ('name', 'model', 'network', 'arch', 'architecture'),
    'r': ('r', 'resolution_multiplier'),
    'resolution': ('resolution', 'res', 'px', 'input_size', 'image_size', 'img_size'),
    'd': ('d', 'depth', 'depth_multiplier'),
    'w': ('w', 'width', 'width_multiplier'),
    'top1': ('top1', 'top_1', 'acc', 'acc1', 'accuracy', 'top1_acc', 'top1_accuracy', 'val_acc'),
    'error': ('error', 'err', 'top1_error', 'top1_err'),
    'macs': ('macs', 'flops', 'mult_adds', 'multiply_adds', 'madds'),
    'params': ('params', 'parameters', 'num_params'),
    'peak_memory': ('peak_memory',),
    'deviation': ('top1_deviation', 'top1_std', 'std'),
    'seeds': ('seeds', 'runs', 'trials'),
    'flag': ('flag',),
    'source': ('source', 'reference'),
    'base': ('base', 'base_network'),
    'base_resolution': ('base_resolution',),
    'num_classes': ('num_classes', 'classes'),
}
_UNITS = {'k': 1e3, 'm': 1e6, 'g': 1e9}
_COUNTED = ('macs', 'params', 'peak_memory')
_TEXT = ('name', 'flag', 'source')
_MISSING = '{}: no such file; `search.py export` writes one, or make your own, see src/formula/records.py'
MISCOUNT = 0.05  # the share by which given MACs may differ from those counted before it is said


@dataclass(frozen=True)
class Record:
    """One measured network. `top1` in percent, the mean of `seeds` trainings; `costs` by name, macs among them."""
    name: str
    r: float
    d: float
    w: float
    top1: float
    costs: Dict[str, float]
    deviation: Optional[float] = None
    seeds: int = 1
    source: str = ''
    lines: Tuple[int, ...] = ()

    def objective(self, name: str) -> float:
        """A number to make small: 'error', in percent, or one of the costs."""
        return 100 - self.top1 if name == 'error' else self.costs[name]


@dataclass
class Table:
    """What a file held: `records`, `problems` (line number, reason) left out, columns that have no meaning here."""
    records: List[Record]
    problems: List[Tuple[int, str]]
    ignored: List[str]
    remarks: List[str] = field(default_factory=list)


def read(path: str, base: NetSpec, counted: bool = True) -> Table:
    """Read a file. `base` has the resolution and the number of classes that were measured; `counted`: its blocks as well.

    Raises FileNotFoundError, and ValueError where the header lacks what is needed, with what it should have.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(_MISSING.format(path))
    with open(path, encoding='utf-8-sig', errors='replace', newline='') as file:
        reader = csv.reader(file)
        header = next(reader, None) or []
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    columns, ignored = _columns(header, path)
    _require(columns, counted, path, header)
    share = _share(columns, rows)
    records, problems, miscounted = [], [], []
    first: Dict[tuple, int] = {}
    for line, row in rows:
        before = first.setdefault(tuple(cell.strip() for cell in row), line)
        try:
            if before != line:
                raise ValueError(f'the same as line {before}')
            record = _record({key: (row[i].strip() if i < len(row) else '', unit)
                              for key, (i, unit) in columns.items()}, line, base, counted, share)
        except ValueError as reason:
            problems.append((line, str(reason)))
            continue
        records.append(record)
        if counted and 'macs' in columns:
            right = measure(expand(_spec(base, record))).macs
            if abs(record.costs['macs'] / right - 1) > MISCOUNT:
                miscounted.append((line, record.costs['macs'], right))
    table = Table(_merged(records), problems, ignored)
    if miscounted:
        line, given, right = miscounted[0]
        table.remarks.append(f'line {line} and {len(miscounted) - 1} more have other MACs than counted: {given:,.0f}, counted '
                             f'{right:,} for {base.name} at {base.base_resolution} px with {base.num_classes} classes; the '
                             'given ones are used. Is that the base that was measured?')
    return table


def base_of(path: str, name: Optional[str] = None, resolution: Optional[int] = None,
            num_classes: Optional[int] = None) -> Tuple[NetSpec, bool]:
    """The base that a file's networks are scalings of, and whether its blocks are known; what is given goes before.

    Raises FileNotFoundError, and ValueError where the lines differ or a number is none.
    """
    told: Dict[str, set] = {'base': set(), 'base_resolution': set(), 'num_classes': set()}
    if not os.path.isfile(path):
        raise FileNotFoundError(_MISSING.format(path))
    with open(path, encoding='utf-8-sig', errors='replace', newline='') as file:
        for row in csv.DictReader(file):
            for key, values in told.items():
                if row.get(key):
                    values.add(row[key].strip())
    for key, given in (('base', name), ('base_resolution', resolution), ('num_classes', num_classes)):
        if given is None and len(told[key]) > 1:
            raise ValueError(f'{path}: lines of different {key}, {" and ".join(sorted(told[key])[:2])}; fit one at a time, '
                             f'or say which by --{key.replace("_", "-")}')
    name = name or next(iter(told['base']), 'efficientnet_b0')
    try:
        resolution = resolution or int(next(iter(told['base_resolution']), 0)) or None
        num_classes = num_classes or int(next(iter(told['num_classes']), 1000))
    except ValueError:
        raise ValueError(f'{path}: base_resolution and num_classes must be whole numbers') from None
    if name in BASES:
        return base_network(name, resolution, num_classes), True
    return scale(replace(base_network('efficientnet_b0', resolution, num_classes), name=name, base=name)), False


def _columns(header: Iterable[str], path: str) -> Tuple[dict, List[str]]:
    """{meaning: (column, factor)} and the columns without one."""
    meanings = {spelling: key for key, spellings in _NAMES.items() for spelling in spellings}
    columns, ignored = {}, []
    for i, title in enumerate(header):
        plain = re.sub(r'[^a-z0-9]+', '_', title.strip().lower()).strip('_')
        key, unit = meanings.get(plain), 1.0
        match = re.fullmatch(r'(?:(.*)_([kmg])|([kmg])(flops|macs|params))', plain)
        if key is None and match:  # macs_m, mflops
            key = meanings.get(match[1] or match[4])
            unit = _UNITS[match[2] or match[3]] if key in _COUNTED else 1.0
            key = key if key in _COUNTED else None
        if key is None:
            if plain:
                columns.setdefault(f'column {plain}', (i, 1.0))
            ignored.append(title.strip())
        elif key in columns:
            raise ValueError(f'{path}: two columns are {key}, {header[columns[key][0]]!r} and {title!r}; rename one')
        else:
            columns[key] = (i, unit)
    return columns, ignored


def _require(columns: dict, counted: bool, path: str, header) -> None:
    def need(*keys: str) -> None:
        if not any(key in columns for key in keys):
            found = ', '.join(title.strip() for title in header) or 'nothing'
            raise ValueError(f'{path}: no column {" or ".join(keys)} in its header ({found}); needed are r or resolution, '
                             f'd, w, and top1 or error{"" if counted else ", and macs"}')
    need('r', 'resolution')
    need('d')
    need('w')
    need('top1', 'error')
    if not counted:
        need('macs')


def _share(columns: dict, rows) -> bool:
    """Whether scores are shares of 1: no row has more."""
    values = []
    for key in ('top1', 'error'):
        if key in columns:
            for _, row in rows:
                try:
                    values.append(float(row[columns[key][0]].strip().rstrip('%')))
                except (ValueError, IndexError):
                    continue
    finite = [v for v in values if math.isfinite(v)]
    return bool(finite) and max(finite) <= 1


def _record(cells: dict, line: int, base: NetSpec, counted: bool, share: bool) -> Record:
    def number(key: str, low: float, high: float, default=None) -> Optional[float]:
        text, unit = cells.get(key, ('', 1.0))
        if not text:
            if default is not None or key not in _NEEDED:
                return default
            raise ValueError(f'{key} is missing')
        try:
            value = float(text.rstrip('%')) * unit
        except ValueError:
            raise ValueError(f'{key} is {text!r}, must be a number') from None
        if not low < value <= high:
            raise ValueError(f'{key} is {text}, must be above {low:g} and at most {high:g}')
        return value

    flag = cells.get('flag', ('', 1.0))[0]
    if flag:
        raise ValueError(f'flagged {flag}')
    if cells.get('resolution', ('',))[0]:
        r = number('resolution', 0, 4096) / base.base_resolution
    else:
        r = number('r', 0, 10)
    d, w = number('d', 0, 10), number('w', 0, 10)
    factor = 100 if share else 1
    if cells.get('top1', ('',))[0]:
        top1 = factor * number('top1', 0, 100 / factor)
    elif 'error' in cells:
        top1 = 100 - factor * number('error', 0, 100 / factor)
    else:
        raise ValueError('top1 is missing')
    costs = {key[7:]: value for key in cells if key.startswith('column ')
             for value in [_optional(cells[key][0])] if value is not None}
    record = Record(cells.get('name', ('', 1))[0], r, d, w, top1, costs, number('deviation', -1e-9, 100),
                    int(number('seeds', 0, 1e6, 1)), cells.get('source', ('', 1))[0], (line,))
    known = vars(measure(expand(_spec(base, record)))) if counted else {}
    for key in _COUNTED:
        value = number(key, 0, 1e15)
        if value is not None or key in known:
            costs[key] = value if value is not None else known[key]
    if 'macs' not in costs:
        raise ValueError('macs is missing')
    return replace(record, name=record.name or f'line {line}')


_NEEDED = ('r', 'd', 'w', 'resolution', 'top1', 'error')


def _optional(text: str) -> Optional[float]:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _spec(base: NetSpec, record: Record) -> NetSpec:
    return scale(base, d=record.d, w=record.w, resolution=max(1, round(base.base_resolution * record.r)))


def _merged(records: List[Record]) -> List[Record]:
    """One record a network: scores averaged over all its trainings, the deviation over its lines where none was given."""
    groups: Dict[tuple, List[Record]] = {}
    for record in records:
        groups.setdefault((round(record.r, 6), record.d, record.w), []).append(record)
    merged = []
    for group in groups.values():
        first = group[0]
        if len(group) > 1:
            seeds = sum(r.seeds for r in group)
            mean = sum(r.top1 * r.seeds for r in group) / seeds
            spread = math.sqrt(sum((r.top1 - mean) ** 2 for r in group) / (len(group) - 1))
            first = replace(first, top1=mean, deviation=spread, seeds=seeds,
                            lines=tuple(line for r in group for line in r.lines))
        merged.append(first)
    return merged
