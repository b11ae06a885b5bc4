"""Formula files and tables of networks that are damaged, absurd or too large: one short line, in little time."""
import json
import time

import pytest

from tinynets.arch.zoo import BASES
from tinynets.formula import Formula
from tinynets.formula.records import base_of, read
from tinynets.formula.tiny import MOST_POINTS, PUBLISHED, Point

WHOLE = json.loads(PUBLISHED.read_text())
BASE = BASES['efficientnet_b0']


def changed(place, value):
    """Return the published formula as text, with another value at a place such as points.0.r."""
    tree = json.loads(json.dumps(WHOLE))
    *keys, last = [int(key) if key.isdigit() else key for key in place.split('.')]
    holder = tree
    for key in keys:
        holder = holder[key]
    holder[last] = value
    return json.dumps(tree)


def refused(path):
    begun = time.process_time()
    with pytest.raises(ValueError, match=f'^formula {path}: ') as error:
        Formula.load(str(path))
    assert len(str(error.value)) < 400 and '\n' not in str(error.value) and time.process_time() - begun < 2


@pytest.mark.parametrize('place, value', [
    ('points', []), ('points', None), ('points', [{}] * 7500), ('points', WHOLE['points'] * 300), ('points', 3),
    ('points.0', None), ('points.0', {'name': 'x'}), ('points.0.r', 'x'), ('points.0.r', None), ('points.0.d', 1e300),
    ('points.0.d', -1), ('points.0.w', 0), ('points.0.w', 101), ('points.0.c', 1e-300), ('points.0.c', 1e12),
    ('points.0.cost', 1e30), ('points.0.cost', '5'), ('points.0.top1', 'x'), ('points.0.top1', 101),
    ('points.0.name', 7), ('points.0.name', ['x']), ('points.0.source', None), ('points.0.extra', 1), ('r', None),
    ('r', {}), ('r.amplitude', 0), ('r.amplitude', -1), ('r.length', 0), ('r.length', 1e300), ('d.noise', 'x'),
    ('d.noise', 1e-300), ('d.noise', []), ('base_cost', 0), ('base_cost', 1e300), ('base_cost', None),
    ('base_cost', 'x'), ('base_resolution', None), ('base_resolution', 'x'), ('base_resolution', 0),
    ('base_resolution', 4097), ('base_resolution', 10 ** 400), ('num_classes', []), ('cost', 'gold'),
    ("cost", []), ("cost", "x" * 10 ** 6), ("base", 3), ("base", None), ("about", 3)],
    ids=lambda value: str(value)[:20])
def test_a_formula_of_the_wrong_kind(tmp_path, place, value):
    path = tmp_path / 'formula.json'
    path.write_text(changed(place, value))
    refused(path)


@pytest.mark.parametrize('text', ['', '{', '[]', 'null', '3', '[' * 100_000], ids=range(6))
def test_a_formula_that_is_no_object(tmp_path, text):
    path = tmp_path / 'formula.json'
    path.write_text(text)
    refused(path)


def test_the_most_points_are_read_and_more_are_not_fitted(tmp_path):
    points = [{**WHOLE['points'][0], 'c': 0.1 + i / 1000} for i in range(MOST_POINTS)]
    (tmp_path / 'formula.json').write_text(changed('points', points))
    assert len(Formula.load(str(tmp_path / 'formula.json')).points) == MOST_POINTS
    with pytest.raises(ValueError, match='at most 200'):
        Formula.fitted([Point('x', 1, 1, 1, 10 + i, 0.1) for i in range(MOST_POINTS + 1)], base='x',
                       base_resolution=224, num_classes=10, base_cost=1)


@pytest.mark.parametrize('text', [
    'r,d,w,top1\n' + '1,1,1,50\n' * 20_000,
    ','.join('abcdefgh' * 100) + '\n', 'r,d,w,top1\n1,1,1,' + 'x' * 50_000,
    'x' * 10 ** 6, ';' * 10 ** 6, '"' * 10 ** 6, 'r,r,d,w,top1\n', 'a' * 99_999 + ',b\n1,2\n', '\0' * 10 ** 5, '',
    'r,d,w,top1\n' + '"' + '1,1,1,50\n' * 3000, ' ' * 5_000_000], ids=range(12))
def test_tables_that_are_refused(tmp_path, text):
    path = tmp_path / 'x.csv'
    path.write_text(text)
    begun = time.process_time()
    with pytest.raises(ValueError) as error:
        read(str(path), BASE)
    assert str(path) in str(error.value) and len(str(error.value)) < 500 and '\n' not in str(error.value)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize('line', ['1e400,1,1,50', 'nan,1,1,50', '1,inf,1,50', '1,1,1e9,50', '1,1,1,-5', '1,1,1,101',
                                  'x,1,1,50', '1,1,1,' + '9' * 5000, 'é' * 5000 + ',1,1,50', '1', '1,1,0,50'],
                         ids=range(11))
def test_lines_that_are_left_out_are_named_shortly(tmp_path, line):
    path = tmp_path / 'x.csv'
    path.write_text(f'r,d,w,top1\n{line}\n0.5,0.5,0.5,50\n')
    table = read(str(path), BASE)
    assert len(table.records) == len(table.problems) == 1 and len(table.problems[0][1]) < 300


def test_bases_that_differ_are_named_shortly(tmp_path):
    path = tmp_path / 'x.csv'
    path.write_text(f'r,d,w,top1,base\n1,1,1,50,{"a" * 5000}\n1,1,1,50,{"b" * 5000}\n')
    with pytest.raises(ValueError, match='different base') as error:
        base_of(str(path))
    assert len(str(error.value)) < 500
