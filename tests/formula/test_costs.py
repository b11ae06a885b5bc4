"""Costs as objects: the existing rows, and a fourth that works everywhere without other changes."""
import csv
import sqlite3

import pytest

from tinynets.arch import COSTS, Cost, expand, measure, scale
from tinynets.formula import Budget, design
from tinynets.formula.budget import base_network
from tinynets.formula.records import read
from tinynets.formula.sampling import Space, draw
from tinynets.study.config import load_study
from tinynets.study.export import columns, networks, write_tables
from tinynets.study.run import plan
from tinynets.study.show import networks_table, status
from tinynets.study.store import Store

B0 = base_network('efficientnet_b0', 48, 10)


@pytest.fixture
def fourth(monkeypatch):
    """Elements written by convolutions and dense layers, as a cost."""
    cost = Cost('activations', 'elements written', lambda plan: measure(plan).activations, ('acts',))
    monkeypatch.setitem(COSTS, cost.name, cost)
    return cost


def written(spec):
    """The same counted here: the sum over all layers of the output's size."""
    from math import prod

    from tinynets.arch import layer_costs
    return sum(prod(layer.shape) for layer in layer_costs(expand(spec)))


def test_the_three_costs_are_the_plan_s():
    found = measure(expand(B0))
    assert {name: cost.of(B0) for name, cost in COSTS.items()} == {
        'macs': found.macs, 'params': found.params, 'peak_memory': found.peak_memory}


def test_a_fourth_cost_designs_a_network(fourth):
    network = design(B0, Budget(250_000, 'activations'), 'width')
    assert 200_000 < written(network.spec) == network.cost <= 250_000
    steps = (written(scale(network.spec, w=network.spec.w + step / 1000)) for step in range(1, 200))
    assert next(cost for cost in steps if cost != network.cost) > 250_000  # the next wider one
    assert network.summary()['activations'] == network.cost and str(network.budget) == '250K elements written'


def test_a_fourth_cost_samples_networks(fourth):
    stream = draw(B0, Space(budget=(0.2, 0.4), cost='activations'), seed=3)
    shares = [written(next(stream)) / written(B0) for _ in range(20)]
    assert 0.2 <= min(shares) < 0.3 < max(shares) <= 0.4


CONFIG = """study: {base: efficientnet_b0, base_resolution: 16, networks: ['tiny:30K', 'width:20K'], cost: activations}
data: {name: digits, batch_size: 64}
"""


def test_a_fourth_cost_is_a_study_s(fourth, tmp_path):
    (tmp_path / 's.yaml').write_text(CONFIG)
    planned = plan(load_study(str(tmp_path / 's.yaml'), []))
    assert 'activations' in networks_table(planned).splitlines()[0]
    store = Store(str(tmp_path / 'study'))
    store.start({'study.cost': 'activations'}, planned.facts(), planned.rows(), None)
    for trial in store.trials():
        store.finish(trial['id'], 1.0, top1=90.0, top5=99.0, loss=0.5)
    write_tables((str(tmp_path / 'r.csv'), networks(store)[0], columns()))
    with open(tmp_path / 'r.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    limits = {'tiny:30K': 30_000, 'width:20K': 20_000}
    assert {row['label'] for row in rows} == set(limits)
    for row in rows:
        spec = next(c.spec for c in planned.networks if c.name == row['name'])
        assert int(row['activations']) == written(spec) <= limits[row['label']]
    table = read(str(tmp_path / 'r.csv'), base_network('efficientnet_b0', 16, 10))
    assert {record.costs['activations'] for record in table.records} == {int(row['activations']) for row in rows}


def test_a_study_begun_before_a_cost_was_known_gets_its_column(monkeypatch, tmp_path):
    (tmp_path / 's.yaml').write_text(CONFIG.replace('activations', 'macs').replace('20K', '1M').replace('30K', '2M'))
    planned = plan(load_study(str(tmp_path / 's.yaml'), []))
    store = Store(str(tmp_path / 'study'))
    store.start({'study.retries': 1, 'study.workers': 1}, planned.facts(), planned.rows(), lambda *arguments: None)
    assert 'activations' not in store.trials()[0]
    monkeypatch.setitem(COSTS, 'activations', Cost('activations', 'elements', lambda plan: measure(plan).activations))
    assert sqlite3.connect(store.path).execute('SELECT COUNT(*) FROM trials').fetchone() == (len(planned.rows()),)
    store.finish(1, 1.0, top1=50.0)
    assert status(str(store.folder))[1].splitlines()[-1].split()[-2:] == ['-', '50.00']
    store.start({'study.retries': 1}, planned.facts(), planned.rows(), lambda *arguments: None)
    assert len(store.trials()) == len(planned.rows())
    assert {t['name']: t['activations'] for t in store.trials()} == {c.name: written(c.spec) for c in planned.networks}
