"""A study's configuration: its errors, its networks, and the keys that may change later."""
import dataclasses
import itertools
import json

import pytest

from tests.conftest import ROOT
from tinynets.arch import expand, measure, resolve
from tinynets.config import to_dict
from tinynets.formula.budget import base_network
from tinynets.formula.sampling import Space, draw
from tinynets.formula.tiny import PUBLISHED
from tinynets.study.config import StudySection, candidates, check_same, flat, load_study

RECIPES = sorted((ROOT / 'configs' / 'study').glob('*.yaml'))
SMALL = 'study: {base_resolution: 32, r: [0.5, 1.0], d: [0.2, 0.6], w: [0.2, 0.6], budget: [0.01, 0.25], trials: 5}\n'


@pytest.fixture
def study(tmp_path):
    def load(*overrides, text=SMALL):
        path = tmp_path / 'study.yaml'
        path.write_text(text)
        return load_study(str(path), overrides)
    return load


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.name)
def test_every_recipe_loads_and_has_networks_within_its_budget(path):
    config = load_study(str(path))
    section = config.study
    base = base_network(section.base, section.base_resolution, 10)
    drawn = candidates(dataclasses.replace(section, networks=()), 10)
    costs = [measure(expand(c.spec)).macs / measure(expand(base)).macs for c in drawn]
    assert len(costs) == section.trials
    assert all(section.budget[0] <= c <= section.budget[1] for c in costs)


@pytest.mark.parametrize('overrides, text, words', [
    ((), SMALL.replace('trials', 'trails'), "study.yaml: unknown key 'study.trails'; did you mean study.trials?"),
    ((), SMALL.replace('[0.5, 1.0]', '0.5'), 'study.yaml: study.r=0.5 must be a list of 2 numbers'),
    ((), SMALL.replace('[0.5, 1.0]', '[1.0, 0.5]'), r'study.r=\(1.0, 0.5\) must be two increasing numbers'),
    ((), SMALL.replace('trials: 5', 'trials: 0'), 'no network'),
    ((), SMALL + 'model: {name: tinynet_a}\n', 'model.name'),
    ((), SMALL + 'model: {resolution: 64}\n', 'model.name and model.resolution|model.resolution'),
    ((), SMALL + 'train: {epoch: 3}\n', "unknown key 'train.epoch'; did you mean train.epochs?"),
    (('study.base=resnet',), SMALL, '--set: study.base=.resnet. must be one of efficientnet_b0'),
    (('study.workers=0',), SMALL, '--set: study.workers=0 must be at least 1'),
    (('study.networks=tinynet_e',), SMALL, "study.networks='tinynet_e' must be a list"),
    (('study.timeout_minutes=0',), SMALL, 'study.timeout_minutes=0.0 must be above 0'),
    (('study.seeds=two',), SMALL, "study.seeds='two' must be a whole number"),
    (('data.holdout=-1',), SMALL, '--set: data.holdout=-1 must be at least 0'),
    (('data.images=0',), SMALL, '--set: data.images=0 must be at least 1'),
    (('study.cost=latency',), SMALL, "study.cost='latency' must be one of macs"),
])
def test_mistakes_name_file_and_key(study, overrides, text, words):
    with pytest.raises(ValueError, match=words):
        study(*overrides, text=text)


def test_a_file_that_is_missing_is_named():
    with pytest.raises(FileNotFoundError, match='none.yaml: no such file'):
        load_study('none.yaml')


def test_drawn_networks_are_those_of_the_draw_and_their_names_stand_for_them(study):
    section = study().study
    base = base_network('efficientnet_b0', 32, 10)
    right = itertools.islice(draw(base, Space(section.r, section.d, section.w, section.budget), section.seed), 5)
    for candidate, spec in zip(candidates(section, 10), right, strict=True):
        named = resolve(candidate.name, num_classes=10)
        assert (named.resolution, named.d, named.w) == (spec.resolution, spec.d, spec.w)
        assert measure(expand(named)) == measure(expand(spec)) == measure(expand(candidate.spec))


def test_more_trials_keep_the_first_draws_and_another_seed_draws_others(study):
    five, nine, other = (
        [c.name for c in candidates(study(*o).study, 10)] for o in ((), ('study.trials=9',), ('study.seed=1',)))
    assert nine[:5] == five and len(set(nine)) == 9 and not set(other) & set(five)


def test_given_networks_beside_and_in_place_of_drawn_ones(study):
    given = 'efficientnet_b0@resolution=24,d=0.85,w=0.54'
    both = candidates(study(f'study.networks=["{given}"]').study, 10)
    alone = candidates(study(f'study.networks=["{given}"]', 'study.trials=0').study, 10)
    assert len(both) == 6 and [c.name for c in alone] == [given]
    spec = alone[0].spec
    assert (expand(spec).resolution, spec.d, spec.w) == (24, 0.85, 0.54)
    with pytest.raises(ValueError, match="unknown model 'resnet'"):
        candidates(study('study.networks=["resnet"]').study, 10)


@pytest.mark.parametrize('cost, amount', [('macs', 2e6), ('params', 2e6)])
@pytest.mark.parametrize('rule', ['tiny', 'width'])
def test_the_budget_of_a_rule_is_in_the_studys_cost(study, cost, amount, rule):
    section = study(f'study.networks=["{rule}:{amount:.0f}"]', f'study.cost={cost}', 'study.trials=0').study
    found, = candidates(section, 10)
    assert 0.85 * amount < getattr(measure(expand(found.spec)), cost) <= amount
    assert found.label == f'{rule}:{amount:.0f}' and found.spec.base_resolution == 32 and found.spec.num_classes == 10


def test_a_rule_takes_the_formula_of_the_study(study, tmp_path):
    other = json.loads(PUBLISHED.read_text())
    other['points'] = [{**point, 'r': point['r'] / 2} for point in other['points']]
    (tmp_path / 'f.json').write_text(json.dumps(other))
    options = 'study.networks=["tiny:1M"]', 'study.trials=0'
    whole, half = (candidates(study(*options, f'study.formula={path}').study, 10)[0].spec.resolution
                   for path in ('null', tmp_path / 'f.json'))
    assert half == pytest.approx(whole / 2, abs=2)


@pytest.mark.parametrize('change', [
    'study.trials=7', 'study.seeds=2', 'study.networks=["tinynet_e"]', 'study.workers=3', 'study.retries=5',
    'study.timeout_minutes=5', 'study.keep_checkpoints=true', 'runtime.kernels=stock',
    'data.dir=/elsewhere', 'data.workers=1', 'runtime.threads=1', 'runtime.device=CPU', 'train.save_minutes=1'])
def test_what_may_change(study, change):
    check_same(flat(study()), flat(study(change)), 'here')


@pytest.mark.parametrize('change, old, new', [
    ('study.trials=4', '5', '4'), ('study.seed=1', '0', '1'), ('study.r=[0.5, 1.1]', '1.0', '1.1'),
    ('train.epochs=3', '450', '3'), ('train.seed=3', '0', '3'), ('optim.learning_rate=0.1', '0.048', '0.1'),
    ('data.images=100', 'None', '100'), ('data.holdout=10', '0', '10'), ('model.dropout=0.0', '0.2', '0.0'),
    ('study.base_resolution=48', '32', '48')])
def test_what_may_not_change_is_named_with_both_values(study, change, old, new):
    with pytest.raises(ValueError) as caught:
        check_same(flat(study()), flat(study(change)), 'here')
    text = str(caught.value)
    assert 'here' in text and change.partition('=')[0] in text and old in text and new in text


def test_taking_back_seeds_or_networks_is_refused(study):
    for more in ('study.seeds=2', 'study.networks=["tinynet_e"]'):
        with pytest.raises(ValueError, match=more.partition('=')[0]):
            check_same(flat(study(more)), flat(study()), 'here')


def test_networks_may_be_added_but_not_exchanged(study):
    then = flat(study('study.networks=["tinynet_e", "tinynet_d"]'))
    check_same(then, flat(study('study.networks=["tinynet_d", "tinynet_c", "tinynet_e"]')), 'here')
    for other in ('["tinynet_e", "tinynet_c"]', '["tinynet_c", "tinynet_b", "tinynet_a"]'):
        with pytest.raises(ValueError, match='study.networks'):
            check_same(then, flat(study(f'study.networks={other}')), 'here')


def test_flat_says_every_key(study):
    tree = to_dict(study())
    assert flat(study()) == {f'{s}.{k}': v for s, keys in tree.items() for k, v in keys.items()}


def test_the_ranges_that_are_drawn_from_are_the_papers():
    """As formula/sampling.py has them: r, d and w uniform, 0.03 to 1.05 of the base's multiply-adds."""
    section, space = StudySection(), Space()
    assert (section.r, section.d, section.w, section.budget) == ((0.35, 1.3), (0.35, 1.6), (0.35, 1.4), (0.03, 1.05))
    assert (space.r, space.d, space.w, space.budget) == (section.r, section.d, section.w, section.budget)
    assert (section.cost, section.base) == ('macs', 'efficientnet_b0')
    assert (section.trials, section.seeds, section.retries) == (0, 1, 1)
