"""Formulas in studies: a changed file is refused, and borrowed and extrapolated networks are named."""
import json
import shutil

import pytest

from tests.conftest import ROOT
from tinynets.formula.budget import base_network
from tinynets.formula.rules import LARGEST_C
from tinynets.formula.tiny import PUBLISHED
from tinynets.study import run
from tinynets.study.config import load_study
from tinynets.study.run import plan
from tinynets.study.show import networks_table
from tinynets.study.store import Store

CONFIG = str(ROOT / 'configs' / 'study' / 'digits.yaml')


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Start or resume a study without training; return what it says."""
    monkeypatch.setattr(run.Pool, 'run', lambda pool: None)

    def start(*overrides):
        said = []
        config = load_study(CONFIG, ['study.trials=0', 'data.images=300', 'data.holdout=100', *overrides])
        run.run(plan(config), str(tmp_path / 'study'), said.append)
        return said
    return start


def refit(path):
    """Change r(c), as a fit to other networks would."""
    formula = json.loads(path.read_text())
    formula['points'] = [{**point, 'r': point['r'] * 0.8} for point in formula['points']]
    path.write_text(json.dumps(formula))


def forget(folder, *keys):
    """Make a study one of a release that did not have these facts."""
    store = Store(str(folder))
    with store.change() as database:
        facts = {key: value for key, value in store.facts().items() if key not in keys}
        database.execute('UPDATE study SET facts = ?', (json.dumps(facts),))


def test_a_study_with_a_changed_formula_is_refused(study, tmp_path):
    path = tmp_path / 'f.json'
    shutil.copy(PUBLISHED, path)
    options = f'study.formula={path}', 'study.networks=["tiny:2M"]'
    study(*options)
    study(*options, 'study.seeds=2')
    content = path.read_bytes()
    refit(path)
    with pytest.raises(ValueError, match='another file of study.formula: its content has changed'):
        study(*options, 'study.seeds=2')
    assert len(Store(str(tmp_path / 'study')).trials()) == 2
    path.write_bytes(content)
    study(*options, 'study.seeds=2')


def test_a_study_of_an_earlier_release_resumes_and_tells_of_another_network(study, tmp_path):
    path = tmp_path / 'f.json'
    shutil.copy(PUBLISHED, path)
    options = f'study.formula={path}', 'study.networks=["tiny:2M", "width:1M"]'
    study(*options)
    forget(tmp_path / 'study', 'study.formula')
    assert not [line for line in study(*options) if 'has changed' in line]
    forget(tmp_path / 'study', 'study.formula')
    refit(path)
    told = [line for line in study(*options) if 'has changed' in line]
    names = [trial['name'] for trial in Store(str(tmp_path / 'study')).trials()]
    assert told == [f'tiny:2M: was {names[0]} and is {names[2]} now, as the formula or the rule has changed; the study '
                    'has both']
    assert 'study.formula' in Store(str(tmp_path / 'study')).facts()


def test_a_formula_that_no_network_uses_may_change(study, tmp_path):
    path = tmp_path / 'f.json'
    shutil.copy(PUBLISHED, path)
    options = f'study.formula={path}', 'study.networks=["width:1M"]'
    study(*options)
    refit(path)
    study(*options)
    study(f'study.formula={path}', 'study.networks=["width:1M", "tiny:2M"]')


@pytest.mark.parametrize('key', ['train.teacher', 'model.pretrained'])
def test_a_study_with_other_weights_to_start_or_learn_from_is_refused(study, tmp_path, key):
    path = tmp_path / 'x.ckpt'
    options = f'{key}={path}', 'study.networks=["width:1M"]'
    study(*options)  # each trial says that the file is missing
    path.write_bytes(b'one')
    study(*options)
    path.write_bytes(b'two')
    with pytest.raises(ValueError, match=f'another file of {key}: its content has changed'):
        study(*options)


def test_networks_of_another_base_s_formula_are_named(study):
    options = 'study.base=ghostnet', 'study.networks=["tiny:2M", "tiny:3M", "width:2M"]'
    planned = plan(load_study(CONFIG, ['study.trials=0', *options]))
    note = ('tiny:2M, tiny:3M: r(c) and d(c) were fitted to networks of efficientnet_b0; c is relative to the cost of '
            'ghostnet. fit_formula.py can fit a formula to networks of ghostnet')
    lines = networks_table(planned).splitlines()
    assert lines[-1] == note == study(*options)[-1]
    assert [line.split('  ')[-1].strip() for line in lines[1:4]] == [
        "tiny:2M (efficientnet_b0's formula)", "tiny:3M (efficientnet_b0's formula)", 'width:2M']


def test_extrapolated_networks_are_named(study):
    from tinynets.arch import MACS
    whole = MACS.of(base_network('efficientnet_b0', 32, 10))
    far, near = f'tiny:{round(whole * LARGEST_C * 0.9)}', f'tiny:{round(whole * 0.5)}'
    options = ('study.base_resolution=32', f'study.networks=["{far}", "{near}"]')
    planned = plan(load_study(CONFIG, ['study.trials=0', *options]))
    lines = networks_table(planned).splitlines()
    note = f'{far}: the budget is outside the budgets that the formula was fitted to: an extrapolation'
    assert lines[3:] == [note] and note in study(*options)
    assert lines[1].endswith(f'{far} (extrapolated)') and lines[2].endswith(near)
