"""The published budgets, and every rule against brute force over its multiplier."""
import json

import numpy as np
import pytest

from tinynets.arch import MACS, Cost, expand, measure, resolve, scale
from tinynets.arch.zoo import VARIANTS
from tinynets.formula import RULES, Budget, Formula, Impossible, compare, design
from tinynets.formula.budget import amount_text, base_network, parse_amount
from tinynets.formula.giant import giant
from tinynets.formula.tiny import PUBLISHED as PUBLISHED_FILE
from tinynets.formula.tiny import paper_width

B0 = base_network('efficientnet_b0')
SMALL = base_network('efficientnet_b0', 48, 10)

PUBLISHED = {  # budget as published and counted: resolution, d, w (shared with the release table)
    339e6: (192, 1.2, 1.0), 202e6: (188, 1.1, 0.75), 100e6: (184, 0.85, 0.54), 52e6: (152, 0.695, 0.54),
    24e6: (106, 0.60, 0.51), 336_867_712: (192, 1.2, 1.0), 200_709_360: (188, 1.1, 0.75), 99_536_432: (184, 0.85, 0.54),
    51_580_656: (152, 0.695, 0.54), 24_356_848: (106, 0.60, 0.51)}


@pytest.mark.parametrize('macs', PUBLISHED)
def test_published_budgets_give_the_published_networks(macs):
    resolution, d, w = PUBLISHED[macs]
    found = design(B0, Budget(macs))
    assert abs(found.resolution - resolution) <= 4
    assert abs(found.spec.d - d) <= 0.03 and abs(found.spec.w - w) <= 0.03
    assert -0.02 <= found.distance <= 0
    assert not found.prediction.extrapolated
    assert found.prediction.r == pytest.approx(resolution / 224, abs=0.01)


@pytest.mark.parametrize('macs', np.geomspace(5e6, 400e6, 25).round())
def test_budgets_are_met_from_below(macs):
    found = design(B0, Budget(macs))
    assert -0.02 <= found.distance <= 0
    assert found.prediction.extrapolated == (not 23.9e6 < macs < 343e6)
    assert measure(expand(resolve(found.name))) == found.complexity  # the name is the network


@pytest.mark.parametrize('kind, amounts', [('params', (2.1e6, 2.5e6, 5e6)), ('peak_memory', (3e5, 1e6, 4e6))])
def test_other_costs_are_met_from_below(kind, amounts):
    for amount in amounts:
        found = design(B0, Budget(amount, kind))
        assert (-0.1 if kind == 'params' else -0.5) <= found.distance <= 0, amount  # memory has large steps
        assert getattr(measure(expand(resolve(found.name))), kind) == found.cost
    costs = [design(B0, Budget(amount, kind)).complexity.macs for amount in amounts]
    assert costs == sorted(costs)


def largest(specs, limit):
    return max(c for c in (measure(expand(spec)).macs for spec in specs) if c <= limit)


@pytest.mark.parametrize('base, limit', [(B0, 200e6), (B0, 97e6), (B0, 390e6), (SMALL, 12e6)])
def test_single_dimensions_are_those_of_brute_force(base, limit):
    found = design(base, Budget(limit), 'resolution')
    assert found.cost == largest((scale(base, resolution=p) for p in range(1, 2 * base.base_resolution)), limit)
    assert (found.spec.d, found.spec.w) == (1, 1)
    found = design(base, Budget(limit), 'width')
    assert found.cost >= largest((scale(base, w=w) for w in np.arange(0.02, 1.6, 0.004)), limit)
    assert (found.resolution, found.spec.d) == (base.base_resolution, 1) and found.cost <= limit
    if limit != 97e6:
        found = design(base, Budget(limit), 'depth')
        assert found.cost == largest((scale(base, d=d) for d in np.arange(0.02, 1.6, 0.002)), limit)
    found = design(base, Budget(limit), 'giant')
    assert found.cost >= largest((scale(base, r=r, d=d, w=w) for r, d, w in map(giant, np.arange(-9, 1, 0.01))), limit)
    r, d, w = giant(found.phi)
    assert (found.spec.r, found.spec.d, found.spec.w) == pytest.approx((r, d, w), abs=1e-4) and found.cost <= limit


def nudged(base, budget, formula):
    """(cost, resolution, d) by the rule that rules.py states, every width tried by bisection over the counted cost.

    Resolutions near the curve's are tried nearest first until less than half a percent of the budget is left, up to two
    percent of the resolution away; where a percent is left after that, the same 0.02 of depth below and above.
    """
    found = formula.predict(budget / MACS.of(base))
    pixels, depth = round(base.base_resolution * found.r), round(found.d, 4)
    best = (0, None, None)

    def widest(p, d):
        low, high = 0.01, 8.0
        while high - low > 1e-6:
            middle = (low + high) / 2
            low, high = (middle, high) if MACS.of(scale(base, resolution=p, d=d, w=middle)) <= budget else (low, middle)
        return MACS.of(scale(base, resolution=p, d=d, w=low))
    for d in (depth, depth - 0.02, depth + 0.02):
        repeats = [[len(stage) for stage in expand(scale(base, d=value)).stages] for value in (d, depth)]
        if best[0] >= 0.99 * budget or (d != depth and repeats[0] == repeats[1]):
            continue
        for step in range(2 * max(1, round(0.02 * pixels)) + 1):  # 0, -1, 1, -2, 2, ...
            p = pixels + (step + 1) // 2 * (-1 if step % 2 else 1)
            best = max(best, (widest(p, d), p, round(d, 4)), key=lambda triple: triple[0])
            if best[0] >= 0.995 * budget:
                break
    return best


@pytest.mark.parametrize('base, amounts', [(B0, np.geomspace(9e6, 380e6, 9)), (SMALL, np.geomspace(0.5e6, 18e6, 14)),
                                           (base_network('resnet50', 64, 10), np.geomspace(2e7, 3e8, 8))],
                         ids=['b0', 'small', 'resnet50'])
def test_what_the_tiny_formula_changes_to_meet_the_budget_is_that_of_brute_force(base, amounts):
    formula = Formula.load()
    for amount in amounts.round():
        found = design(base, Budget(amount))
        assert (found.cost, found.resolution, found.spec.d) == nudged(base, amount, formula), amount


def test_the_findings_table():
    """B0 shrunk by r 0.70, r 0.46, d 0.45, w 0.65 costs 196, 103, 196, 205M: budgets there give those networks."""
    for rule, multiplier, value, millions in [('resolution', 'r', 0.70, 196), ('resolution', 'r', 0.46, 103),
                                              ('depth', 'd', 0.45, 196), ('width', 'w', 0.65, 205)]:
        right = MACS.of(scale(B0, **{multiplier: value}))
        assert round(right / 1e6) == millions
        found = design(B0, Budget(right), rule)
        assert found.cost == right
        assert getattr(found.spec, multiplier) == pytest.approx(value, abs=0.06)  # depth has steps of 0.12 there


def test_compare_has_every_rule_and_says_what_cannot_be():
    found = compare(B0, Budget(200e6))
    assert list(found) == list(RULES) and all(-0.05 < n.distance <= 0 for n in found.values())
    assert found['giant'].phi == pytest.approx(-1.19, abs=0.15)
    found = compare(B0, Budget(97e6))
    assert isinstance(found['depth'], Impossible) and 'depth alone' in str(found['depth'])
    assert all(found[rule].cost <= 97e6 for rule in RULES if rule != 'depth')


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('amount', [1e4, 1e13])
def test_the_impossible_names_what_is_possible(rule, amount):
    with pytest.raises(Impossible, match='the possible range of .* is .* to .*; choose a budget in between') as caught:
        design(B0, Budget(amount), rule)
    low = parse_amount(str(caught.value).split(' is ')[1].split(' ')[0])
    assert design(B0, Budget(low), rule).cost <= low  # what is printed is possible


def test_the_papers_width_is_equation_and_overshoots():
    assert paper_width(0.25, 0.8, 0.9) == pytest.approx((0.25 / (0.64 * 0.9)) ** 0.5)
    found = design(B0, Budget(24.36e6), width='paper')
    p = found.prediction
    assert found.spec.w == pytest.approx(paper_width(p.c, p.r, p.d), abs=1e-4)
    assert 0.5 < found.distance < 0.8  # facts of the method: +66 %


def test_another_base_resolution_and_classes():
    found = design(SMALL, Budget(6e6))
    assert found.spec.num_classes == 10 and found.resolution < 60 and -0.03 < found.distance <= 0
    assert found.prediction.c == pytest.approx(6e6 / MACS.of(SMALL))


@pytest.mark.parametrize('name, amount', [('resnet50', 1e9), ('resnet50', 250e6), ('ghostnet', 60e6),
                                          ('ghostnet', 20e6),
                                          ('mobilenetv3_large', 100e6), ('mobilenetv3_small', 15e6)])
def test_other_bases_by_their_own_cost(name, amount):
    """r and d are the curves' at the share of the base's own cost, within what may be changed to meet the budget."""
    base = base_network(name)
    found = compare(base, Budget(amount))
    tiny, whole = found['tiny'], MACS.of(base)
    r, d = (float(curve.predict(amount / whole)[0][0]) for curve in (Formula.load().r, Formula.load().d))
    assert tiny.prediction.c == pytest.approx(amount / whole) and tiny.borrowed and tiny.fitted_to == 'efficientnet_b0'
    assert abs(tiny.resolution - 224 * r) <= max(1, 0.02 * 224 * r) + 0.5 and abs(tiny.spec.d - d) <= 0.0201
    for rule, network in found.items():
        if not isinstance(network, Impossible):
            assert network.cost <= amount and measure(expand(resolve(network.name))) == network.complexity, rule
    assert tiny.distance > -0.04  # few and wide steps of channels
    assert not design(B0, Budget(1e8)).borrowed


def test_depth_alone_ends_at_a_block_a_stage():
    base = base_network('resnet50')
    least = MACS.of(scale(base, d=0.01))
    assert [len(stage) for stage in expand(scale(base, d=0.01)).stages] == [1] * 4
    assert design(base, Budget(least), 'depth').cost == least
    with pytest.raises(Impossible, match='the possible range of resnet50 is'):
        design(base, Budget(least - 1), 'depth')
    found = design(base, Budget(2.5e9), 'depth')
    assert found.cost == largest((scale(base, d=d) for d in np.arange(0.02, 1.6, 0.002)), 2.5e9)


def test_negative_powers_are_the_giant_formula_at_their_budgets():
    """EfficientNet-B^-1 to B^-4 of the zoo: phi to two decimals, within two percent of the budget."""
    for power, phi, millions in ((1, -1.19, 200), (2, -2.55, 100), (3, -3.94, 52), (4, -5.85, 24)):
        row = VARIANTS[f'efficientnet_b-{power}']
        assert (row.r, row.d, row.w) == pytest.approx(giant(phi), abs=5.1e-5)
        assert MACS.of(resolve(row.name)) / 1e6 == pytest.approx(millions, rel=0.02)
        assert MACS.of(scale(B0, **dict(zip('rdw', giant(phi))))) == MACS.of(resolve(row.name))  # the digits suffice


def test_the_drawn_width_is_that_of_the_base_that_is_drawn():
    from tinynets.formula.plots import solved_widths
    formula = Formula.load()
    (c, w), = solved_widths(formula, SMALL, [0.3])
    assert (c, w) == (0.3, design(SMALL, Budget(0.3 * MACS.of(SMALL))).spec.w)


def test_large_bases_are_compared_too():
    found = compare(base_network('efficientnet_b0', 1500), Budget(100e6))
    assert isinstance(found['depth'], Impossible) and found['tiny'].cost <= 100e6 and found['giant'].cost <= 100e6


def test_more_budget_never_gives_less_network():
    found = [design(B0, Budget(m)) for m in np.geomspace(6e6, 380e6, 40)]
    assert all(a.cost <= b.cost for a, b in zip(found, found[1:]))


@pytest.mark.parametrize('amount, text', [
    (999, '999'), (1000, '1K'), (1e6, '1M'), (1e9, '1G'), (999_900, '999.9K'), (52_000_000, '52M'),
    (1.2345e9, '1.234G'), (0.5, '0.5')])
def test_amounts_for_people_have_the_largest_prefix_that_fits(amount, text):
    assert amount_text(amount) == text


def test_amounts():
    assert [parse_amount(t) for t in ('100M', '2.5m', '300K', '1.2G', '52000000', '.5M')] == [
        1e8, 2.5e6, 3e5, 1.2e9, 5.2e7, 5e5]
    for bad in ('', 'M', '10 MB', '-5M', '1e', 'nan', '10T'):
        with pytest.raises(ValueError, match='is not an amount'):
            parse_amount(bad)
    assert amount_text(99_536_432) == '99.54M' and amount_text(512) == '512'
    with pytest.raises(ValueError, match='above 0'):
        Budget(0)


def test_unknown_names_are_refused():
    for call, words in [(lambda: design(B0, Budget(1e8), 'huge'), "rule 'huge'"),
                        (lambda: design(B0, Budget(1e8), width='wide'), "width 'wide'"),
                        (lambda: Budget(1e8, 'watts'), "cost 'watts'"),
                        (lambda: base_network('resnet'), "base 'resnet'")]:
        with pytest.raises(ValueError, match=words):
            call()


def test_an_amount_is_the_number_that_was_written():
    """Every amount with two decimals, against whole numbers."""
    for prefix, thousands in (('', 1), ('K', 10 ** 3), ('M', 10 ** 6), ('G', 10 ** 9)):
        for n in range(100_000):
            text = f'{n // 100}.{n % 100:02d}{prefix}'
            assert parse_amount(text) == n * thousands / 100, text
    assert parse_amount('1.5e2K') == 150_000 and parse_amount('1e999') == float('inf')


def test_a_network_that_costs_exactly_the_budget_is_within_it():
    """4.1M was 4,099,999.9999999995."""
    cost = Cost('cost', 'units', lambda plan: 4_100_000)
    assert Budget(parse_amount('4.1M'), cost).allows(B0)


def test_a_formula_survives_its_file(tmp_path):
    formula = Formula.load()
    formula.save(tmp_path / 'f.json')
    again = Formula.load(tmp_path / 'f.json')
    assert again.points == formula.points
    for c in (0.01, 0.1, 0.7, 2):
        assert again.predict(c) == formula.predict(c)


def changed(**values):
    return json.dumps({**json.loads(PUBLISHED_FILE.read_text()), **values})


@pytest.mark.parametrize('text', ['', '{}', '[]', '{"points": [{"r": 1}]}', 'null', changed(cost='watts'),
                                  changed(points=[]),
                                  changed(base_cost=float('inf')), changed(r={}), changed(base_cost=-1)])
def test_a_file_that_is_no_formula_is_refused(tmp_path, text):
    (tmp_path / 'f.json').write_text(text)
    with pytest.raises(ValueError, match='not a formula of fit_formula.py'):
        Formula.load(tmp_path / 'f.json')
    with pytest.raises(FileNotFoundError, match='no such file'):
        Formula.load(tmp_path / 'none.json')
