"""Measured networks: reading a study's export or another table.

A CSV file with a header; commas, semicolons or tabs between cells; decimal points, or a spreadsheet's decimal commas.
Columns, in any order, with others ignored (`_NAMES` has the spellings):

    r or resolution    multiplier, or pixels (the base has `base_resolution`)
    d, w               multipliers
    top1 or error      percent, or shares of 1 if nearly all are at most 1 and none has a %
    macs, params, peak_memory    (names of arch/costs.py) optional for a base of arch/zoo.py, where they are counted
    name, source, top1_deviation, seeds, flag    optional, like other numbers to select by, such as latency_ms
    base, base_resolution, num_classes, in_channels    what was measured, the same in every line; otherwise options.
        Lines of other bases than that of --base are left out

A line that cannot be used, or is the same as an earlier one, is left out and named. Several lines of one network, for
example with other seeds, are averaged.
"""
from __future__ import annotations

import csv
import io
import math
import os
import re
from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Optional, Sequence, Tuple

from tinynets.arch import COSTS, MACS, NetSpec, all_costs, expand, scale
from tinynets.arch.zoo import BASES
from tinynets.files import read_text
from tinynets.formula.budget import PREFIXES, base_network, times
from tinynets.text import shorten, shown

_NAMES = {
    'name': ('name', 'model', 'network', 'arch', 'architecture'),
    'r': ('r', 'resolution_multiplier'),
    'resolution': ('resolution', 'res', 'px', 'input_size', 'image_size', 'img_size'),
    'd': ('d', 'depth', 'depth_multiplier'),
    'w': ('w', 'width', 'width_multiplier'),
    'top1': ('top1', 'top_1', 'acc', 'acc1', 'acc_1', 'accuracy', 'top1_acc', 'top1_accuracy', 'val_acc'),
    'error': ('error', 'err', 'top1_error', 'top1_err'),
    'deviation': ('top1_deviation', 'top1_std', 'std'),
    'seeds': ('seeds', 'runs', 'trials'),
    'flag': ('flag',),
    'source': ('source', 'reference'),
    'base': ('base', 'base_network'),
    'base_resolution': ('base_resolution',),
    'num_classes': ('num_classes', 'classes'),
    'in_channels': ('in_channels', 'in_chans'),
}
_TEXTS = ('name', 'source', 'flag', 'base')
_FRACTION, _THOUSANDS = r'[+-]?\d*{}\d+([eE][+-]?\d+)?\s*%?', r'[+-]?[1-9]\d{{0,2}}({}\d{{3}})+'
_MISSING = ('', '-', 'na', 'n/a', 'nan', 'none', 'null')
MISCOUNT = 0.05  # given MACs that differ from the counted ones by a larger share cause a remark
SHARES = 0.9  # if this share of the scores is at most 1, they are shares, not percent
LONGEST = 10_000  # characters of a cell
LARGEST_FILE = 1 << 22  # bytes
MOST_NETWORKS, MOST_COLUMNS = 10_000, 200
SMALLEST_MULTIPLIER = 1e-6  # as in a formula (tiny.py)
LARGEST_MULTIPLIER = 10  # a value of 'resolution' up to this is a multiplier, not pixels


@dataclass(frozen=True)
class Record:
    """One measured network: `top1` in percent, the mean of `seeds` trainings, and `costs` by name, including macs.

    `deviation` is the std over the trainings in percent: from the file, or computed over its lines if there are
    several.
    """
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
        """Return a number to minimise: 'error', in percent, or one of the costs."""
        return 100 - self.top1 if name == 'error' else self.costs[name]


@dataclass
class Table:
    """The content of a file: `records`, `problems` (line number, reason) left out, and unknown columns."""
    records: List[Record]
    problems: List[Tuple[int, str]]
    ignored: List[str]
    remarks: List[str] = field(default_factory=list)

    def require(self, names: Sequence[str]) -> None:
        """Leave out, and name, networks without one of these costs, unless no network has it."""
        for name in set(names) - {'error'}:
            with_it = [record for record in self.records if name in record.costs]
            if with_it:
                self.problems += [(r.lines[0], f'{name} is missing') for r in self.records if name not in r.costs]
                self.records = with_it
        self.ignored = [title for title in self.ignored if _plain(title) not in names]


@dataclass(frozen=True)
class Column:
    """The column of a number or text: its index, its title, and the factor of its unit."""
    index: int
    title: str
    unit: int = 1

    def text(self, row: Sequence[str]) -> str:
        """Return the cell, '' if the row is too short."""
        found = row[self.index].strip() if self.index < len(row) else ''
        return '' if found.lower() in _MISSING else found


class _File:
    """A file's columns and rows, read once."""

    def __init__(self, path: str):
        if not os.path.isfile(path):
            raise FileNotFoundError(f'{path}: no such file; `search.py export` writes one, or make your own, see '
                                    'src/tinynets/formula/records.py')
        text = read_text(path, 'replace', LARGEST_FILE)
        reader = csv.reader(io.StringIO(text, newline=''), delimiter=max(',;\t', key=text.partition('\n')[0].count))
        try:
            self.header = [title.strip() for title in next(reader, None) or []]
            self.rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
        except csv.Error as error:
            raise ValueError(f'{path}, line {reader.line_num}: {error}; is a quotation mark not closed?') from None
        if len(self.rows) > MOST_NETWORKS or len(self.header) > MOST_COLUMNS:
            raise ValueError(f'{path}: {len(self.rows):,} lines of {len(self.header):,} columns, must be at most '
                             f'{MOST_NETWORKS:,} of {MOST_COLUMNS}')
        for line, row in self.rows:
            if max(map(len, row)) > LONGEST:
                raise ValueError(f'{path}, up to line {line}: a cell of {max(map(len, row)):,} characters; is a '
                                 'quotation mark not closed?')
        self.path = path
        self.columns: Dict[str, Column] = {}
        self.others: Dict[str, Column] = {}
        for i, title in enumerate(self.header):
            self._place(i, title)
        self.decimal_comma = self._read_commas()

    def _read_commas(self) -> str:
        """Replace a spreadsheet's decimal commas by points; return an example of them, or ''.

        A comma (or point) before three digits may divide thousands: the file's other numbers decide. Raises ValueError
        if they disagree.
        """
        numbers = [column.index for key, column in self.columns.items() if key not in _TEXTS]
        cells = [row[i].strip() for _, row in self.rows for i in numbers if i < len(row)]
        comma, point = (next((cell for cell in cells if re.fullmatch(_FRACTION.format(mark), cell)
                              and not re.fullmatch(_THOUSANDS.format(mark), cell)), '') for mark in (',', r'\.'))
        if not comma:
            return ''
        if point:
            raise ValueError(f'{self.path}: numbers have decimal commas ({comma}) and decimal points ({point}); write '
                             'them all in one way')
        taken = {*numbers, *(column.index for column in self.others.values())}
        for _, row in self.rows:
            for i in taken.intersection(range(len(row))):
                if re.fullmatch(r'\s*[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?([eE][+-]?\d+)?\s*%?\s*', row[i]):
                    row[i] = row[i].replace('.', '').replace(',', '.')
        return comma

    def _place(self, index: int, title: str) -> None:
        plain, meanings = _plain(title), _meanings()
        key, unit = meanings.get(plain), 1
        match = re.fullmatch(r'(?:(.*)_([kmg])|([kmg])(flops|macs|params))', plain)
        if key is None and match and meanings.get(match[1] or match[4]) in COSTS:  # macs_m, mflops
            key, unit = meanings[match[1] or match[4]], PREFIXES[(match[2] or match[3]).upper()]
        if key is None:
            if plain:
                self.others.setdefault(plain, Column(index, title))
        elif key in self.columns and key != 'name':
            raise ValueError(f'{self.path}: two columns are {key}, {shown(self.columns[key].title)} and '
                             f'{shown(title)}; rename one')
        else:
            self.columns.setdefault(key, Column(index, title, unit))

    def require(self, *keys: str, also: str = '') -> None:
        """Raise ValueError if the header has none of these columns."""
        if not any(key in self.columns for key in keys):
            raise ValueError(f'{self.path}: no column {" or ".join(keys)} in its header '
                             f'({shorten(", ".join(self.header)) or "nothing"}); needed are r or resolution, d, w, and '
                             f'top1 or error{also}')

    def texts(self, key: str) -> List[str]:
        """Return the texts of a column without missing cells."""
        if key not in self.columns:
            return []
        return [text for _, row in self.rows for text in [self.columns[key].text(row)] if text]


    def keep(self, base: str) -> List[Tuple[int, str]]:
        """Leave out lines of other bases if some are of this one; return (line number, base) of those left out."""
        if base not in self.texts('base'):
            return []
        column, rows = self.columns['base'], self.rows
        self.rows = [(line, row) for line, row in rows if column.text(row) in ('', base)]
        return [(line, column.text(row)) for line, row in rows if column.text(row) not in ('', base)]


def read(path: str, base: NetSpec, counted: bool = True) -> Table:
    """Read a file. `base` has the measured resolution and number of classes, with `counted` also the measured blocks.

    Raises FileNotFoundError, and ValueError with the missing columns if the header lacks some.
    """
    file = _File(path)
    for keys in (('r', 'resolution'), ('d',), ('w',), ('top1', 'error')) + (() if counted else ((MACS.name,),)):
        file.require(*keys, also='' if counted else f', and {MACS.name}')
    others = file.keep(base.base or base.name)
    share = _are_shares(file)
    table = Table([], [(line, f'of another base, {shorten(other)}') for line, other in others],
                  [column.title for column in file.others.values()])
    first: Dict[tuple, int] = {}
    miscounted = []
    for line, row in file.rows:
        before = first.setdefault(tuple(cell.strip() for cell in row), line)
        try:
            if any(cell.strip() for cell in row[len(file.header):]):
                raise ValueError(f'has {len(row)} cells, the header {len(file.header)}; write a cell with a comma in '
                                 'quotation marks, also for a decimal comma')
            if before != line:
                raise ValueError(f'the same as line {before}')
            record = _record(file, row, line, base, counted, 100 if share else 1)
        except ValueError as reason:
            table.problems.append((line, str(reason)))
            continue
        table.records.append(record)
        if counted and MACS.name in file.columns:
            right = MACS.of(_spec(base, record))
            if abs(record.costs[MACS.name] / right - 1) > MISCOUNT:
                miscounted.append((line, record.costs[MACS.name], right))
    table.records = _merged(table.records)
    if share:
        table.remarks.append('scores are taken as shares of 1, since nearly all are at most 1; write % for percent')
    if file.decimal_comma:
        table.remarks.append(f'numbers are read with a decimal comma, as in {file.decimal_comma}')
    if miscounted:
        line, given, right = miscounted[0]
        table.remarks.append(f'line {line} and {len(miscounted) - 1} more have other MACs than counted: {given:,.0f}, '
                             f'counted {right:,} for {base.name} at {base.base_resolution} px with {base.num_classes} '
                             'classes; the given ones are used. Check --base, --base-resolution and --num-classes')
    return table


def base_of(path: str, name: Optional[str] = None, resolution: Optional[int] = None,
            num_classes: Optional[int] = None, in_channels: Optional[int] = None) -> Tuple[NetSpec, bool]:
    """Return the base of a file's networks, and whether its blocks are known; arguments replace the file's columns.

    If the file has lines of several bases, only those of `name` count.

    Raises FileNotFoundError, and ValueError if the lines disagree or a number is not one.
    """
    file = _File(path)

    def told(key: str, given: Any) -> Any:
        if given is not None:
            return given
        found: set = set(file.texts(key))
        if key != 'base':
            try:
                found = {int(float(text)) for text in found}
            except (ValueError, OverflowError):
                raise ValueError(f'{path}: {key} must be a whole number, not {shorten(sorted(found)[0])}') from None
        if len(found) > 1:
            several = ' and '.join(shorten(str(value)) for value in sorted(found)[:2])
            raise ValueError(f'{path}: lines of different {key}, {several}; fit one at a time, or say which by '
                             f'--{key.replace("_", "-")}')
        return next(iter(found), None)

    name = told('base', name) or 'efficientnet_b0'
    file.keep(name)
    resolution, classes = told('base_resolution', resolution), told('num_classes', num_classes)
    classes, channels = 1000 if classes is None else classes, told('in_channels', in_channels)
    channels = 3 if channels is None else channels
    if name in BASES:
        return base_network(name, resolution, classes, channels), True
    return replace(base_network('efficientnet_b0', resolution, classes, channels), name=name, base=name), False


def _meanings() -> Dict[str, str]:
    """Return {spelling of a title: key of its column}."""
    names = {**_NAMES, **{cost.name: (cost.name, *cost.titles) for cost in COSTS.values()}}
    return {spelling: key for key, spellings in names.items() for spelling in spellings}


def _plain(title: str) -> str:
    return re.sub(r'[^a-z0-9]+', '_', title.lower()).strip('_')


def _are_shares(file: _File) -> bool:
    texts = file.texts('top1') + file.texts('error')
    if any('%' in text for text in texts):
        return False
    values = [value for value in map(_finite, texts) if value is not None]
    return bool(values) and sum(value <= 1 for value in values) >= SHARES * len(values)


def _record(file: _File, row: Sequence[str], line: int, base: NetSpec, counted: bool, factor: float) -> Record:
    def text(key: str) -> str:
        return file.columns[key].text(row) if key in file.columns else ''

    def number(key: str, low: float, high: float, percent: bool = False) -> Optional[float]:
        found = text(key)
        if not found:
            return None
        title = file.columns[key].title
        what = key if _plain(title) == key else f'{key} ({shorten(title)})'
        value = _finite(found.rstrip('%') if percent else found)
        if value is None:
            raise ValueError(f'{what} is {shown(found)}, must be a number')
        value = times(value, file.columns[key].unit)
        if not low < value <= high:
            raise ValueError(f'{what} is {shorten(found)}, must be above {low:g} and at most {high:g}')
        return value

    def required(key: str, low: float, high: float, percent: bool = False) -> float:
        value = number(key, low, high, percent=percent)
        if value is None:
            raise ValueError(f'{key} is missing')
        return value

    if text('flag'):
        raise ValueError(f'flagged {shorten(text("flag"))}')
    r = number('resolution', 0, 4096)
    if r is None:
        r = required('r', SMALLEST_MULTIPLIER, LARGEST_MULTIPLIER)
    elif r > LARGEST_MULTIPLIER:
        r /= base.base_resolution
    d, w = (required(key, SMALLEST_MULTIPLIER, LARGEST_MULTIPLIER) for key in 'dw')
    top1 = (number if 'error' in file.columns else required)('top1', 0, 100 / factor, percent=True)
    if top1 is None:
        top1 = 100 / factor - required('error', 0, 100 / factor, percent=True)
    deviation, seeds = number('deviation', -1e-9, 100, percent=True), number('seeds', 0, 1e6)
    costs = {name: value for name, column in file.others.items()
             for value in [_finite(column.text(row))] if value is not None}
    record = Record(text('name') or f'line {line}', r, d, w, factor * top1, costs,
                    None if deviation is None else factor * deviation, max(1, round(seeds or 1)),
                    text('source'), (line,))
    known = all_costs(expand(_spec(base, record))) if counted else {}
    for key in COSTS:
        value = number(key, 0, 1e15)
        if value is not None or key in known:
            costs[key] = value if value is not None else known[key]
    if MACS.name not in costs:
        raise ValueError(f'{MACS.name} is missing')
    return record


def _finite(text: str) -> Optional[float]:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _spec(base: NetSpec, record: Record) -> NetSpec:
    return scale(base, d=record.d, w=record.w, resolution=max(1, round(base.base_resolution * record.r)))


def _merged(records: List[Record]) -> List[Record]:
    """Return one record per network, with its numbers averaged over all its trainings."""
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
            costs = {key: sum(r.costs[key] for r in group) / len(group) for key in first.costs
                     if all(key in r.costs for r in group)}
            first = replace(first, top1=mean, deviation=spread, seeds=seeds, costs=costs,
                            lines=tuple(line for r in group for line in r.lines))
        merged.append(first)
    return merged
