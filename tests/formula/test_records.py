"""Tables of measured networks: spellings, units, what is left out and why, and the fit of them."""
import csv
import json

import numpy as np
import pytest

from tinynets.arch import COSTS, expand, measure, scale
from tinynets.formula.budget import base_network
from tinynets.formula.fitting import fit_records
from tinynets.formula.records import Record, base_of, read

B0 = base_network('efficientnet_b0')


def write(path, text):
    path.write_text(text)
    return str(path)


def test_foreign_columns_units_and_bad_lines(tmp_path):
    path = write(tmp_path / 'r.csv', '\n'.join([
        ' Model ,Res,Depth,Width,FLOPs (M),Acc,latency_ms,Comment',
        'one,112,0.5,0.5,30,60.5,1.5,fine',           # 2
        'two,112,0.5,0.5,30,61.5%,1.5,another seed',  # 3
        'three,0.5x,0.5,0.5,30,60,1,bad',             # 4
        'four,112,0.5,,30,60,1,no width',             # 5
        '',
        'five,112,0.5,0.5,30,101,1,too good',         # 7
        'six,112,0.5,0.5,30,nan,1,no number',         # 8
        'seven,112,0.5,0.5,30',                       # 9
        'eight,156,1,1,196,74.9,4,"quoted, comma"',   # 10
        'eight,156,1,1,196,74.9,4,"quoted, comma"',   # 11
        'nine,156,1,0.8,-3,74.9,4,negative']))        # 12
    table = read(path, B0)
    one, eight = table.records
    assert (one.name, one.r, one.d, one.w, one.top1, one.seeds, one.lines) == ('one', 0.5, 0.5, 0.5, 61.0, 2, (2, 3))
    assert one.deviation == pytest.approx(0.5 ** 0.5) and one.costs['macs'] == 30e6 and one.costs['latency_ms'] == 1.5
    assert (eight.name, eight.costs['macs'], eight.objective('error')) == ('eight', 196e6, pytest.approx(25.1))
    assert eight.costs['params'] == 5_288_548  # counted
    assert [line for line, _ in table.problems] == [4, 5, 7, 8, 9, 11, 12]
    reasons = dict(table.problems)
    assert "resolution (Res) is '0.5x', must be a number" in reasons[4] and 'w is missing' in reasons[5]
    assert 'at most 100' in reasons[7] and reasons[8] == 'top1 is missing' and 'same as line 10' in reasons[11]
    assert reasons[12].startswith('macs (FLOPs (M)) is -3')
    assert 'Comment' in table.ignored
    assert table.remarks and 'line 2' in table.remarks[0]  # 30M is not what it costs


def test_errors_shares_flags_and_counted_costs(tmp_path):
    path = write(tmp_path / 'r.csv', '\ufeffr;d;w;error;flag;std\n0.5;0.5;0.5;0.4;;0.01\n0.6;0.5;0.5;0.3;chance;n/a\n')
    table = read(path, B0)
    assert table.records[0].deviation == pytest.approx(1) and 'shares of 1' in table.remarks[0]
    assert [r.top1 for r in table.records] == [pytest.approx(60)] and 'flagged chance' in dict(table.problems)[3]
    assert table.records[0].costs['macs'] == measure(expand(scale(B0, resolution=112, d=0.5, w=0.5))).macs


@pytest.mark.parametrize('title, cost', [
    ('macs', 'macs'), ('flops', 'macs'), ('mult_adds', 'macs'), ('Multiply-Adds', 'macs'), ('madds', 'macs'),
    ('params', 'params'), ('parameters', 'params'), ('num_params', 'params'), ('peak_memory', 'peak_memory')])
def test_a_measured_cost_has_the_titles_that_people_use(title, cost, tmp_path):
    record, = read(write(tmp_path / 'r.csv', f'r,d,w,top1,{title}\n1,1,1,77,123456789\n'), B0).records
    assert record.costs[cost] == 123_456_789
    assert {name: value for name, value in record.costs.items() if name != cost} == {
        name: COSTS[name].of(B0) for name in COSTS if name != cost}


@pytest.mark.parametrize('header, words', [('r,d,top1', 'no column w in its header'), ('', 'no column r or resolution'),
                                           ('r,d,w,macs', 'no column top1 or error'),
                                           ('r,d,w,acc,top1', 'two columns are')])
def test_headers_that_lack_something(tmp_path, header, words):
    with pytest.raises(ValueError, match=words):
        read(write(tmp_path / 'r.csv', header + '\n1,1,1,50\n'), B0)
    with pytest.raises(FileNotFoundError):
        read(str(tmp_path / 'none.csv'), B0)


def test_the_file_says_what_was_measured(tmp_path):
    path = write(tmp_path / 'r.csv', 'base,base_resolution,num_classes,r,d,w,top1\nefficientnet_b0,48,10,1,1,1,80\n')
    base, known = base_of(path)
    assert known and (base.base_resolution, base.num_classes) == (48, 10)
    assert base_of(path, resolution=64)[0].base_resolution == 64
    foreign, known = base_of(path, 'my_net')
    assert not known and foreign.name == 'my_net'
    with pytest.raises(ValueError, match='no column macs|and macs'):
        read(path, foreign, counted=False)
    mixed = write(tmp_path / 'm.csv', 'num_classes,r,d,w,top1\n10,1,1,1,80\n100,1,1,1,70\n')
    with pytest.raises(ValueError, match='different num_classes'):
        base_of(mixed)
    other = write(tmp_path / 'o.csv',
                  'Base_Network, Base_Resolution, Classes, r,d,w,top1\nefficientnet_b0, 48.0, 10, 1,1,1,80\n')
    base, known = base_of(other)
    assert known and (base.base_resolution, base.num_classes) == (48, 10)
    with pytest.raises(ValueError, match='base_resolution must be a whole number, not x'):
        base_of(write(tmp_path / 'x.csv', 'base_resolution,r,d,w,top1\nx,1,1,1,80\n'))
    with pytest.raises(ValueError, match='is a quotation mark not closed'):
        read(write(tmp_path / 'q.csv', 'r,d,w,top1\n"' + 'x' * 200_000), B0)


def test_percent_and_shares_are_told_apart(tmp_path):
    path = write(tmp_path / 'a.csv', 'r,d,w,error\n.5,.5,.5,0.52%\n.6,.5,.5,0.4\n')
    scores = [r.top1 for r in read(path, B0).records]
    assert scores == [pytest.approx(99.48), pytest.approx(99.6)]
    rows = ''.join(f'0.5,0.5,{w / 100},0.6\n' for w in range(40, 60)) + '0.5,0.5,0.7,65\n'  # one percent among shares
    table = read(write(tmp_path / 'b.csv', 'r,d,w,acc\n' + rows), B0)
    assert {r.top1 for r in table.records} == {60.0} and dict(table.problems)[22].startswith('top1 (acc) is 65')


def test_multipliers_under_resolution_and_missing_optional_numbers(tmp_path):
    path = write(tmp_path / 'r.csv', 'resolution\tdepth\twidth\tacc@1\tparams\n'
                                     '0.86\t1.2\t1.0\t76.8\tn/a\n192\t1.1\t1\t76\t-\n')
    first, second = read(path, B0).records
    assert first.r == 0.86 and second.r == 192 / 224 and first.costs['params'] == 6_187_972


def test_lines_of_several_trainings_weigh_as_many(tmp_path):
    """Three trainings at 60 % and one at 64 % are four at 61 %; costs are the lines' mean."""
    path = write(tmp_path / 'r.csv', 'r,d,w,top1,seeds,latency\n.5,.5,.5,60,3,10\n.5,.5,.5,64,1,12\n.5,.5,.6,50,2,9\n')
    first, second = read(path, B0).records
    assert (first.top1, first.seeds, first.costs['latency'], first.lines) == (61, 4, 11, (2, 3))
    assert (second.top1, second.seeds, second.deviation) == (50, 2, None)


@pytest.mark.parametrize('kind', ['top1', 'error'])
@pytest.mark.parametrize('small, shares', [(10, True), (9, True), (8, False), (0, False)])
def test_scores_are_shares_where_nine_in_ten_are_at_most_one(tmp_path, kind, small, shares):
    scores = [0.05 * (i + 1) if i < small else 1.5 + i for i in range(10)]
    rows = ''.join(f'.5,.5,{0.5 + i / 100},{score}\n' for i, score in enumerate(scores))
    path = write(tmp_path / 'r.csv', f'r,d,w,{kind}\n{rows}')
    table = read(path, B0)
    kept = [s * (100 if shares else 1) for s in scores if s <= 1 or not shares]  # a share above 1 is not a score
    assert [r.top1 for r in table.records] == pytest.approx(kept if kind == 'top1' else [100 - s for s in kept])
    assert len(table.problems) == 10 - len(kept) and bool(table.remarks) == shares


@pytest.mark.parametrize('title, given, macs', [('macs_k', 385_815, 385_815e3), ('MFLOPs', 385.8, 385.8e6),
                                                ('FLOPs (G)', 0.3858, 385.8e6), ('macs', 385_814_752, 385_814_752)])
def test_units_in_a_title(tmp_path, title, given, macs):
    record, = read(write(tmp_path / 'r.csv', f'r,d,w,top1,{title}\n1,1,1,70,{given}\n'), B0).records
    assert record.costs['macs'] == pytest.approx(macs)


@pytest.mark.parametrize('factor, said', [(1.04, False), (0.96, False), (1.06, True), (0.94, True)])
def test_macs_that_are_five_percent_off_are_said(tmp_path, factor, said):
    table = read(write(tmp_path / 'r.csv', f'r,d,w,top1,macs\n1,1,1,70,{factor * 385_814_752:.0f}\n'), B0)
    assert bool(table.remarks) == said
    assert table.records[0].costs['macs'] == pytest.approx(factor * 385_814_752, rel=1e-6)


@pytest.mark.parametrize('given, r', [('10', 10), ('11', 11 / 224), ('64', 64 / 224), ('0.5', 0.5)])
def test_a_resolution_of_up_to_ten_is_a_multiplier(tmp_path, given, r):
    assert read(write(tmp_path / 'r.csv', f'px,d,w,top1\n{given},1,1,70\n'), B0).records[0].r == pytest.approx(r)


def test_networks_without_a_number_to_select_by_are_named(tmp_path):
    table = read(write(tmp_path / 'r.csv', 'r,d,w,top1,latency ms,odd\n1,1,1,70,5,x\n.9,1,1,69,,y\n'), B0)
    table.require(['error', 'latency_ms'])
    assert [r.lines for r in table.records] == [(2,)] and table.problems == [(3, 'latency_ms is missing')]
    assert table.ignored == ['odd']


def measured(count, seed=0, noise=0.0):
    """Return made-up networks whose accuracy is best on known curves r(c), d(c)."""
    rng = np.random.default_rng(seed)
    records = []
    for i in range(count):
        r, d, w = rng.uniform(0.4, 1.1), rng.uniform(0.4, 1.3), rng.uniform(0.4, 1.1)
        c = r * r * d * w * w
        away = (np.log(r / (0.95 * c ** 0.2))) ** 2 + (np.log(d / (1.1 * c ** 0.3))) ** 2
        records.append(Record(f'{i}', r, d, w, 80 + 6 * np.log(c) - 12 * away + rng.normal(0, noise),
                              {'macs': c * 1e8, 'params': 1e6 * w}))
    return records


def test_a_fit_finds_the_curves_that_the_front_was_made_from():
    fit = fit_records(measured(500), B0, base_cost=1e8)
    assert len(fit.front) >= 10
    for c in (0.15, 0.3, 0.6):
        found = fit.formula.predict(c)
        assert found.r == pytest.approx(0.95 * c ** 0.2, rel=0.12)
        assert found.d == pytest.approx(1.1 * c ** 0.3, rel=0.15)
    assert fit.spearman['r'][0] > 0.5 and fit.spearman['d'][0] > 0.5
    ranks = [np.argsort(np.argsort([getattr(p, 'r') for p in fit.formula.points])),
             np.argsort(np.argsort([p.cost for p in fit.formula.points]))]
    assert fit.spearman['r'][0] == pytest.approx(np.corrcoef(ranks)[0, 1])
    assert 0 < fit.left_out_error('r') < 0.1
    assert fit.formula.about['networks'] == 500 and fit.formula.about['cut'] == 0


def test_a_fit_that_found_no_noise_says_that_its_band_is_none():
    """Five networks whose depth alternates: the likelihood is best without noise, and bands are narrow."""
    points = [(0.6667, 0.792, 0.1105), (0.9792, 0.578, 0.1631), (1.0208, 0.744, 0.2724), (0.9375, 0.673, 0.4307),
              (1.1667, 0.247, 0.7636)]
    few = fit_records([Record(f'{c}', r, d, 1.0, 80 + c, {'macs': c * 1e8}) for r, d, c in points], B0, base_cost=1e8)
    low, high = few.formula.predict(0.7636).d_interval
    assert high / low < 1.05 and few.left_out_error('d') > 0.1
    assert [line[:2] for line in few.remarks()] == ['r:', 'd:']
    assert f'error of {few.left_out_error("d"):.3f}' in few.remarks()[1]
    many = fit_records(measured(60, noise=1), B0, base_cost=1e8, keep=0.5)
    assert many.formula.r.kernel.noise > 0.05 and many.formula.d.kernel.noise > 0.05 and many.remarks() == []


@pytest.mark.parametrize('count', [3, 4, 5])
def test_four_networks_are_enough(count):
    records = [Record(f'{i}', 0.5 + i / 10, 0.4 + i / 10, 1.0, 70 + i, {'macs': 2e7 * (i + 1)}) for i in range(count)]
    if count < 4:
        with pytest.raises(ValueError, match='3 of 3 networks kept: a formula is fitted to at least 4. Measure more$'):
            fit_records(records, B0, base_cost=1e8)
    else:
        assert len(fit_records(records, B0, base_cost=1e8).front) == count


def test_more_than_the_front_and_other_objectives():
    records = measured(60, noise=1)
    front = fit_records(records, B0, base_cost=1e8, keep=0.3)
    assert len(front.front) == 18
    three = fit_records(records, B0, base_cost=1e8, objectives=('error', 'macs', 'params'))
    assert len(three.front) >= len(fit_records(records, B0, base_cost=1e8).front)


@pytest.mark.parametrize('options, words', [(dict(objectives=('error', 'latency_ms')), "objective 'latency_ms'"),
                                            (dict(kind='watts'), "cost 'watts'"), (dict(keep=1.5), 'keep=1.5'),
                                            (dict(keep=0.01), '1 of 30 networks kept: .* at least 4. .*: --keep 0.13$'),
                                            (dict(objectives=('error',)), 'at least two')])
def test_fits_that_cannot_be(options, words):
    with pytest.raises(ValueError, match=words):
        fit_records(measured(30), B0, 1e8, **options)
    with pytest.raises(ValueError, match='no network that can be used'):
        fit_records([], B0, 1e8)


def test_the_shipped_formula_is_the_fit_of_the_shipped_points(entry, root, tmp_path):
    done = entry('fit_formula.py', root / 'src/tinynets/formula/efficientnet_b0.csv', '--out', tmp_path / 'f.json',
                 '--report', tmp_path / 'report')
    assert done.returncode == 0, done.stderr
    assert 'r: Spearman correlation with cost +1.00' in done.stdout
    shipped = json.loads((root / 'src/tinynets/formula/efficientnet_b0.json').read_text())
    made = json.loads((tmp_path / 'f.json').read_text())
    assert made['points'] == shipped['points'] and all(p['source'] for p in made['points'])
    for letter in 'rd':
        assert made[letter] == pytest.approx(shipped[letter], rel=1e-2)
    page = (tmp_path / 'report' / 'report.html').read_text()
    assert page.count('src="data:image/png;base64,') == page.count('src=') == 2 and 'href' not in page
    assert 'tinynet_c' in page
    assert page.count('@resolution=') >= 5
    for name in ('front.png', 'curves.png'):
        assert (tmp_path / 'report' / name).read_bytes()[:4] == b'\x89PNG'


def test_bad_lines_are_named_and_nothing_is_half_written(entry, tmp_path):
    path = tmp_path / 'r.csv'
    with open(path, 'w', newline='') as file:
        out = csv.writer(file)
        out.writerow(['r', 'd', 'w', 'top1', 'odd'])
        for r in measured(40, noise=0.5):
            out.writerow([r.r, r.d, r.w, r.top1, 'x'])
        out.writerow(['x', 1, 1, 50, ''])
    done = entry('fit_formula.py', path, '--out', tmp_path / 'f.json')
    assert done.returncode == 0, done.stderr
    assert "line 42: left out, r is 'x', must be a number" in done.stderr and 'odd' in done.stderr
    done = entry('fit_formula.py', path, '--out', tmp_path / 'none' / 'f.json')
    assert done.returncode == 2 and 'does not exist' in done.stderr
    done = entry('fit_formula.py', path, '--base', 'my_net', '--out', tmp_path / 'g.json')
    assert done.returncode == 2 and 'give --base-cost' in done.stderr and not (tmp_path / 'g.json').exists()
    for bad in ('0', 'much'):
        done = entry('fit_formula.py', path, '--base-cost', bad, '--out', tmp_path / 'g.json')
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not (tmp_path / 'g.json').exists()


def test_a_cost_in_millions_is_the_number_that_was_written(tmp_path):
    (tmp_path / 'r.csv').write_text('r,d,w,macs_m,params_k,top1\n0.5,0.5,0.5,4.1,2.01,70\n')
    record, = read(str(tmp_path / 'r.csv'), base_network('efficientnet_b0')).records
    assert (record.costs['macs'], record.costs['params']) == (4_100_000, 2010)
