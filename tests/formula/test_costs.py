"""Costs as objects: the existing rows, and a fourth that works everywhere without other changes."""
import argparse
import csv
import sqlite3

import numpy as np
import pytest

from tinynets.arch import COSTS, Cost, expand, measure, scale
from tinynets.cli import fit_formula
from tinynets.cli.design import saved
from tinynets.formula import Budget, Formula, design, report
from tinynets.formula.budget import amount_in_full, base_network, parse_amount
from tinynets.formula.fitting import fit_records
from tinynets.formula.records import Record, read
from tinynets.formula.sampling import Space, draw
from tinynets.formula.show import describe
from tinynets.shipped import RECIPES
from tinynets.study.config import load_study
from tinynets.study.export import columns, networks, write_tables
from tinynets.study.run import plan
from tinynets.study.show import networks_table, status
from tinynets.study.store import Store

B0 = base_network('efficientnet_b0', 48, 10)


@pytest.fixture
def fourth(monkeypatch):
    """Elements written by convolutions and dense layers, as a cost."""
    cost = Cost('elements', 'elements written', lambda plan: measure(plan).activations, ('acts',))
    monkeypatch.setitem(COSTS, cost.name, cost)
    return cost


@pytest.fixture
def latency(monkeypatch):
    """A cost that is not a whole number, and below 1."""
    cost = Cost('latency', 'ms', lambda plan: 0.01 + 4e-9 * measure(plan).macs, ('latency_ms',))
    monkeypatch.setitem(COSTS, cost.name, cost)
    return cost


def written(spec):
    """The same counted here: the sum over all layers of the output's size."""
    from math import prod

    from tinynets.arch import layer_costs
    return sum(prod(layer.shape) for layer in layer_costs(expand(spec)))


def test_costs_that_are_counted_are_the_plan_s():
    found = measure(expand(B0))
    assert {name: COSTS[name].of(B0) for name in ('macs', 'params', 'peak_memory')} == {
        'macs': found.macs, 'params': found.params, 'peak_memory': found.peak_memory}


def test_a_fourth_cost_is_in_the_summary_of_a_network(fourth, capsys):
    from tinynets.cli.summary import describe, print_table
    summary = describe('efficientnet_b0', 10, 48)
    assert summary['elements'] == written(B0) and list(summary)[-1] == 'elements'
    print_table(summary)
    assert capsys.readouterr().out.splitlines()[-1] == f'elements     {written(B0):>16,}  elements written'


def test_a_fourth_cost_designs_a_network(fourth):
    network = design(B0, Budget(250_000, 'elements'), 'width')
    assert 200_000 < written(network.spec) == network.cost <= 250_000
    steps = (written(scale(network.spec, w=network.spec.w + step / 1000)) for step in range(1, 200))
    assert next(cost for cost in steps if cost != network.cost) > 250_000  # the next wider one
    assert network.summary()['elements'] == network.cost and str(network.budget) == '250K elements written'


def test_a_fourth_cost_samples_networks(fourth):
    stream = draw(B0, Space(budget=(0.2, 0.4), cost='elements'), seed=3)
    shares = [written(next(stream)) / written(B0) for _ in range(20)]
    assert 0.2 <= min(shares) < 0.3 < max(shares) <= 0.4


CONFIG = """study: {base: efficientnet_b0, base_resolution: 16, networks: ['tiny:30K', 'width:20K'], cost: elements}
data: {name: digits, batch_size: 64}
"""


def test_a_fourth_cost_is_a_study_s(fourth, tmp_path):
    (tmp_path / 's.yaml').write_text(CONFIG)
    planned = plan(load_study(str(tmp_path / 's.yaml'), []))
    assert 'elements' in networks_table(planned).splitlines()[0]
    store = Store(str(tmp_path / 'study'))
    store.start({'study.cost': 'elements'}, planned.facts(), planned.rows(), None)
    for trial in store.trials():
        store.finish(trial['id'], 1.0, top1=90.0, top5=99.0, loss=0.5)
    write_tables((str(tmp_path / 'r.csv'), networks(store)[0], columns()))
    with open(tmp_path / 'r.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    limits = {'tiny:30K': 30_000, 'width:20K': 20_000}
    assert {row['label'] for row in rows} == set(limits)
    for row in rows:
        spec = next(c.spec for c in planned.networks if c.name == row['name'])
        assert int(row['elements']) == written(spec) <= limits[row['label']]
    table = read(str(tmp_path / 'r.csv'), base_network('efficientnet_b0', 16, 10))
    assert {record.costs['elements'] for record in table.records} == {int(row['elements']) for row in rows}


def test_a_study_begun_before_a_cost_was_known_gets_its_column(monkeypatch, tmp_path):
    (tmp_path / 's.yaml').write_text(CONFIG.replace('elements', 'macs').replace('20K', '1M').replace('30K', '2M'))
    planned = plan(load_study(str(tmp_path / 's.yaml'), []))
    store = Store(str(tmp_path / 'study'))
    store.start({'study.retries': 1, 'study.workers': 1}, planned.facts(), planned.rows(), lambda *arguments: None)
    assert 'elements' not in store.trials()[0]
    monkeypatch.setitem(COSTS, 'elements', Cost('elements', 'elements', lambda plan: measure(plan).activations))
    assert sqlite3.connect(store.path).execute('SELECT COUNT(*) FROM trials').fetchone() == (len(planned.rows()),)
    store.finish(1, 1.0, top1=50.0)
    assert status(str(store.folder))[1].splitlines()[-1].split()[-2:] == ['-', '50.00']
    store.start({'study.retries': 1}, planned.facts(), planned.rows(), lambda *arguments: None)
    assert len(store.trials()) == len(planned.rows())
    assert {t['name']: t['elements'] for t in store.trials()} == {c.name: written(c.spec) for c in planned.networks}


def milliseconds(spec):
    """The latency counted here."""
    return 0.01 + 4e-9 * measure(expand(spec)).macs


def test_a_cost_below_1_is_kept_as_it_is_by_fit_file_and_report(latency, tmp_path, capsys):
    drawn = draw(B0, Space(), seed=1)
    rows = [(spec.resolution, spec.d, spec.w, milliseconds(spec)) for spec in (next(drawn) for _ in range(24))]
    path = tmp_path / 'r.csv'
    path.write_text('resolution,d,w,latency_ms,top1\n' + ''.join(
        f'{resolution},{d},{w},{ms!r},{60 + 30 * ms ** 0.5}\n' for resolution, d, w, ms in rows))
    parser = argparse.ArgumentParser()
    fit_formula.arguments(parser)
    fit_formula.main(parser.parse_args([
        str(path), '--base-resolution', '48', '--num-classes', '10', '--cost', 'latency', '--out',
        str(tmp_path / 'f.json'), '--report', str(tmp_path / 'report')]))
    whole = milliseconds(B0)
    assert f' of {whole:.4g} latency' in capsys.readouterr().out and 0 < whole < 1
    formula = Formula.load(tmp_path / 'f.json')
    assert formula.base_cost == whole
    assert {point.cost for point in formula.points} <= {row[3] for row in rows}
    assert all(point.c == point.cost / whole for point in formula.points)
    text = (tmp_path / 'report' / 'report.html').read_text()
    assert f'c = latency / {whole:.4g};' in text and all(f'<td>{row[3]:.4g}</td>' in text for row in rows)
    proposed = report.proposals(fit_records(read(str(path), B0).records, B0, kind='latency'), B0)
    assert len(proposed) >= 4
    for network in proposed:
        assert 0 < milliseconds(network.spec) == network.cost <= network.budget.amount < 1


def test_a_cost_below_1_designs_a_network_and_is_printed(latency):
    network = design(B0, Budget(parse_amount('0.04'), 'latency'), 'width')
    assert 0.039 < network.cost == milliseconds(network.spec) <= 0.04
    assert f'{network.cost:.4g} ms\n' in describe(network) and '0.04 ms, ' in describe(network)
    assert f': {network.cost:.4g} ms with' in saved(network, str(RECIPES / 'tinynet_e_digits.yaml'))


def test_a_cost_below_1_is_a_study_s(latency, tmp_path):
    (tmp_path / 's.yaml').write_text(CONFIG.replace('elements', 'latency').replace('30K', '0.015')
                                     .replace('20K', '0.012'))
    planned = plan(load_study(str(tmp_path / 's.yaml'), []))
    right = {c.name: milliseconds(c.spec) for c in planned.networks}
    assert all(f' {ms:.4g} ' in networks_table(planned) for ms in right.values())
    store = Store(str(tmp_path / 'study'))
    store.start({'study.cost': 'latency', 'study.workers': 1}, planned.facts(), planned.rows(), None)
    for trial in store.trials():
        store.finish(trial['id'], 1.0, top1=90.0)
    assert {t['name']: t['latency'] for t in store.trials()} == right
    assert all(f' {ms:.4g} ' in status(str(store.folder))[1] for ms in right.values())
    write_tables((str(tmp_path / 'r.csv'), networks(store)[0], columns()))
    table = read(str(tmp_path / 'r.csv'), base_network('efficientnet_b0', 16, 10))
    assert {record.costs['latency'] for record in table.records} == set(right.values())


def test_counts_are_whole_numbers_as_before():
    """Also where a table has none, as 4.1234567 million, and where the base's cost is given."""
    rng = np.random.default_rng(0)
    records = [Record(f'{c}', c ** 0.3, c ** 0.4, 1.0, 80 + 10 * c, {'macs': c * 1e6 + rng.random()})
               for c in (0.1, 0.2, 0.3, 0.5, 0.8)]
    formula = fit_records(records, B0, base_cost=1e6).formula
    assert [(point.cost, type(point.cost)) for point in formula.points] == [
        (round(record.costs['macs']), int) for record in records]
    assert (formula.base_cost, type(formula.base_cost)) == (10 ** 6, int)
    assert [amount_in_full(n) for n in (10 ** 6, 999, 12345.0, 0.4, 0.41254, 1234.5)] == [
        '1,000,000', '999', '12,345', '0.4', '0.4125', '1,234']
