"""Tables with decimal commas: the numbers equal those of the table with points, or the table is refused."""
import pytest

from tinynets.formula.budget import base_network, parse_amount
from tinynets.formula.records import read

BASE = base_network('efficientnet_b0')
ROWS = [('a', 0.75, 1.25, 1.5, 71.25, 1234.5), ('b', 0.5, 1.0, 0.8, 65.0, 987.125),
        ('c', 1.125, 0.875, 1.0, 75.5, 12.0)]


def table(tmp_path, text):
    path = tmp_path / 'records.csv'
    path.write_text(text)
    return read(str(path), BASE)


def numbers(found):
    return [(r.name, r.r, r.d, r.w, r.top1, r.costs.get('latency_ms')) for r in found.records]


@pytest.mark.parametrize('separator', [';', '\t', ','])
def test_decimal_commas_are_read_and_said(separator, tmp_path):
    def cell(value):
        text = f'{value:,}'.replace(',', ' ').replace('.', ',').replace(' ', '.') if isinstance(value, float) else value
        return f'"{text}"' if separator == ',' else text
    lines = [separator.join(('model', 'r', 'd', 'w', 'top1', 'latency_ms')),
             *(separator.join(map(cell, row)) for row in ROWS)]
    assert '1.234,5' in lines[1] and '1,125' in lines[3]
    found = table(tmp_path, '\n'.join(lines))
    assert numbers(found) == ROWS and not found.problems
    assert any('decimal comma, as in 0,75' in remark for remark in found.remarks)


def test_counted_costs_with_points_between_thousands(tmp_path):
    found = table(tmp_path, 'name;r;d;w;top1;macs\na;0,5;1;1;70,5;100.663.296\nb;0,5;1;0,5;60;50.000.000,5\n')
    assert [r.costs['macs'] for r in found.records] == [100663296, 50000000.5]


def test_points_stay_points(tmp_path):
    found = table(tmp_path, 'name;r;d;w;top1;latency_ms\na;0.75;1.125;1;70.125;1.234\n')
    assert numbers(found) == [('a', 0.75, 1.125, 1, 70.125, 1.234)] and not found.remarks


@pytest.mark.parametrize('text, words', [
    ('name;r;d;w;top1\na;0,75;1;1;70\nb;0.5;1;1;60\n', r'decimal commas \(0,75\) and decimal points \(0.5\)'),
    ('name;r;d;w;top1\na;0,75;1;1;70.25\n', r'decimal points \(70.25\)')])
def test_both_in_one_file_are_refused(text, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        table(tmp_path, text)


def test_a_comma_that_may_divide_thousands_is_no_guess(tmp_path):
    found = table(tmp_path, 'name;r;d;w;top1\na;1;1;1,125;70\nb;1;1;1;60\n')
    assert [r.name for r in found.records] == ['b'] and "'1,125', must be a number" in found.problems[0][1]


def test_unquoted_commas_that_shift_the_cells_are_named(tmp_path):
    """By the header it would be a network with r = 1, d = 2, w = 1 and 1 % top-1."""
    found = table(tmp_path, 'name,r,d,w,top1\na,1,2,1,1,1,3,70,1\nb,1,1,1,60,,\n')
    assert [r.name for r in found.records] == ['b'] and 'has 9 cells, the header 5' in found.problems[0][1]


@pytest.mark.parametrize('text', ['2,5M', '100,5', '1,000', '1.234.567'])
def test_amounts_with_commas_are_refused(text):
    with pytest.raises(ValueError, match='is not an amount'):
        parse_amount(text)


@pytest.mark.parametrize('item', ['optim.learning_rate=0,05', 'data.flip=0,5', 'data.crop_area=[0,08, 1,0]',
                                  'data.crop_area=[0,5]', 'augment.erase_area=0,02', 'data.mean=[0,485, 0,456, 0,406]',
                                  'model.name=tinynet_e@w=0,5'])
def test_settings_with_decimal_commas_are_refused(item):
    from tinynets.arch import resolve
    from tinynets.config import load_config
    with pytest.raises(ValueError):
        resolve(load_config(None, [item]).model.name)
