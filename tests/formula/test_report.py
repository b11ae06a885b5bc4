"""The report's tables and the pictures, read back and compared with their records."""
import html.parser
import io

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from PIL import Image
from scipy.stats import norm, spearmanr

from tinynets.arch import MACS, expand, measure, resolve
from tinynets.formula import Budget, Formula, compare, design, plots, report, show
from tinynets.formula.budget import base_network
from tinynets.formula.fitting import fit_records
from tinynets.formula.gaussian import Curve, Kernel
from tinynets.formula.records import Record

B0 = base_network('efficientnet_b0', 64, 10)
WHOLE = MACS.of(B0)


@pytest.fixture(scope='module')
def fit():
    """Fourteen networks of which the even ones are better than the next odd ones; all numbers differ."""
    records = []
    for i, c in enumerate(np.geomspace(0.05, 0.95, 14)):
        r, d, w = 0.95 * c ** 0.2, 1.1 * c ** 0.3, 0.9 * c ** 0.1
        records.append(Record(f'net{i}', round(r, 4), round(d, 4), round(w, 4), 60 + 2.3 * i - 9 * (i % 2),
                              {'macs': round(c * WHOLE), 'params': 1000 + i}, 0.1 + i / 100 if i % 3 else None,
                              1 + i % 4, source=f'lab {i}'))
    order = np.random.default_rng(3).permutation(len(records))  # files are in any order
    return fit_records([records[i] for i in order], B0)


class Tables(html.parser.HTMLParser):
    """Return {caption: rows} with rows (marked, texts)."""

    def __init__(self, page):
        super().__init__()
        self.tables, self.text, self.paragraphs = {}, None, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == 'tr':
            self.rows.append((dict(attributes).get('class') == 'kept', []))
        if tag in ('caption', 'td', 'th', 'p'):
            self.text = ''

    def handle_data(self, data):
        self.text = data if self.text is None else self.text + data

    def handle_endtag(self, tag):
        if tag == 'caption':
            self.rows = self.tables[self.text] = []
        elif tag in ('td', 'th'):
            self.rows[-1][1].append(self.text)
        elif tag == 'p':
            self.paragraphs.append(self.text)


def page(fit, base=B0, **options):
    return Tables(''.join(report.sections(fit, base, {}, **options)))


def test_the_front_is_the_networks_that_nothing_beats(fit):
    """Return the front by comparing all pairs: as cheap and better, or cheaper and as good."""
    def beaten(one):
        return any(o.costs['macs'] <= one.costs['macs'] and o.top1 >= one.top1 and o is not one for o in fit.records)
    assert [r.name for r in fit.front] == [r.name for r in fit.records if not beaten(r)] and len(fit.front) == 7


def test_measured_networks_are_a_row_each_cheapest_first_the_front_marked(fit):
    rows = page(fit).tables['Measured networks; kept ones are red'][1:]
    kept = {r.name for r in fit.front}
    assert [texts[0] for _, texts in rows] == [f'net{i}' for i in range(14)]
    for (marked, texts), r in zip(rows, sorted(fit.records, key=lambda r: r.costs['macs'])):
        assert marked == (r.name in kept)
        assert texts[1:] == [f'{r.r:.3f}', f'{r.d:.3f}', f'{r.w:.3f}', f'{r.costs["macs"]:,}',
                             f'{r.costs["macs"] / WHOLE:.3f}', f'{r.top1:.2f}',
                             '' if r.deviation is None else f'{r.deviation:.3g}', str(r.seeds), r.source]


def test_the_fits_numbers_are_those_of_the_front(fit):
    rows = {texts[0]: texts[1:] for _, texts in page(fit).tables['Fit'][1:]}
    for m in 'rdw':
        correlation, p = spearmanr([getattr(r, m) for r in fit.front], [r.costs['macs'] for r in fit.front])
        assert rows[m][:2] == [f'{correlation:.3g}', f'{p:.3g}']
    for m in 'rd':
        points = fit.formula.points
        curve = getattr(fit.formula, m)
        without = [type(curve)([q.c for q in points if q is not p], [getattr(q, m) for q in points if q is not p],
                               curve.kernel).predict(p.c)[0][0] for p in points]
        error = np.mean([abs(value - getattr(p, m)) for value, p in zip(without, points)])
        assert rows[m][2] == f'{error:.3g}' and fit.formula.about['left_out_error'][m] == pytest.approx(error, abs=1e-4)
        kernel = curve.kernel
        assert rows[m][3:6] == [f'{v:.3g}' for v in (kernel.amplitude, kernel.length, kernel.noise)]
    widths, costs = [r.w for r in fit.front], [r.costs['macs'] for r in fit.front]
    assert fit.formula.about['spearman']['w'] == pytest.approx(spearmanr(widths, costs)[0], abs=1e-4)


def test_points_of_the_formula_are_the_front(fit):
    assert [(p.name, p.r, p.d, p.w, p.cost, p.c, p.top1, p.source) for p in fit.formula.points] == [
        (r.name, r.r, r.d, r.w, r.costs['macs'], r.costs['macs'] / WHOLE, pytest.approx(r.top1, abs=1e-4), r.source)
        for r in sorted(fit.front, key=lambda r: r.costs['macs'])]
    assert (fit.formula.base, fit.formula.base_resolution, fit.formula.num_classes) == ('efficientnet_b0', 64, 10)
    assert fit.formula.base_cost == WHOLE


def test_proposed_networks_are_counted_and_spread_over_the_range(fit):
    tables = page(fit)
    rows = [texts for _, texts in tables.tables['Networks the formula proposes'][1:]]
    low, high = fit.formula.range
    assert len(rows) == 6
    assert f'{len(fit.front)} kept' in tables.paragraphs[0] and '14 measured networks' in tables.paragraphs[0]
    for texts, c in zip(rows, np.geomspace(low, high, 6)):
        counted = measure(expand(resolve(texts[0], num_classes=10)))
        spec = resolve(texts[0])
        assert int(texts[1]) == spec.resolution
        assert [float(t) for t in texts[3:5]] == pytest.approx([spec.d, spec.w], abs=6e-4)
        assert float(texts[2]) == pytest.approx(spec.resolution / 64, abs=6e-4)
        assert float(texts[5][:-1]) == pytest.approx(counted.macs / 1e6, rel=1e-3) and texts[5].endswith('M')
        assert float(texts[-1].split()[0]) == pytest.approx(100 * (counted.macs / (c * WHOLE) - 1), abs=0.011)
    assert not page(fit, base=None).tables.get('Networks the formula proposes')


def test_problems_and_names_of_others_are_texts(fit):
    tables = page(fit, problems=[(7, '<b>bad</b> & worse')])
    assert tables.tables['Lines left out'][1] == (False, ['7', '<b>bad</b> & worse'])
    assert '<script>' not in report.page('<script>', [report.paragraph('<script>')])


def points(collection):
    return [tuple(map(float, p)) for p in collection.get_offsets()]


def band(collection):
    """Return {x: (low, high)} of a band drawn by fill_between."""
    found = {}
    for x, y in collection.get_paths()[0].vertices:
        found.setdefault(float(x), []).append(float(y))
    return {x: (min(ys), max(ys)) for x, ys in found.items()}


def test_curves_are_drawn_with_bands_of_95_percent(fit, drawn, tmp_path):
    plots.curves(fit.formula, B0, design(B0, Budget(0.3 * WHOLE), formula=fit.formula), budgets=5,
                 path=str(tmp_path / 'c.png'))
    z, axes = norm.ppf(0.975), dict(zip('rdw', drawn[0].axes))
    for m in 'rdw':
        assert [tuple(p) for p in points(axes[m].collections[1 if m != 'w' else 0])] == [
            (p.c, getattr(p, m)) for p in fit.formula.points]
    deviations = {}
    for m in 'rd':
        line, filled = axes[m].lines[0], band(axes[m].collections[0])
        c, value = line.get_data()
        mean, deviations[m] = getattr(fit.formula, m).predict(c)
        np.testing.assert_allclose(value, mean)
        for x, v, s in list(zip(c, mean, deviations[m]))[::20]:
            assert filled[x] == pytest.approx((v * np.exp(-z * s), v * np.exp(z * s)), rel=1e-5)
    solved = next(line for line in axes['w'].lines if line.get_label().startswith('solved'))
    filled = band(next(f for f in axes['w'].collections if 'Fill' in type(f).__name__ or type(f) is PolyCollection))
    for x, w in zip(*solved.get_data()):
        # ln w = (ln c - 2 ln r - ln d) / 2 of independent r and d
        s = np.sqrt(fit.formula.r.predict(x)[1] ** 2 + (fit.formula.d.predict(x)[1] / 2) ** 2)[0]
        assert filled[x] == pytest.approx((w * np.exp(-z * s), w * np.exp(z * s)), rel=1e-3)
        assert w == design(B0, Budget(x * WHOLE), formula=fit.formula).spec.w
    paper = next(line for line in axes['w'].lines if line.get_label().startswith('paper'))
    c, w = paper.get_data()
    r, d = (getattr(fit.formula, m).predict(c)[0] for m in 'rd')
    np.testing.assert_allclose(w, np.sqrt(c / (r * r * d)))


def test_the_bands_of_measured_networks_that_scatter_are_wide(fit, drawn, tmp_path):
    """r within a tenth and d within a fifth: w, the root of c / (r^2 d), within the root of 0.1^2 + (0.2 / 2)^2."""
    c = [p.c for p in fit.formula.points]
    r, d = (Curve(c, [getattr(p, m) for p in fit.formula.points], Kernel(0.02, 1.0, noise))
            for m, noise in (('r', 0.1), ('d', 0.2)))
    scattered = Formula(fit.formula.points, r, d, 'efficientnet_b0', 64, 10, WHOLE)
    plots.curves(scattered, None, path=str(tmp_path / 'c.png'))
    for axis, m in zip(drawn[0].axes, 'rdw'):
        filled = band(next(f for f in axis.collections if 'Fill' in type(f).__name__ or type(f) is PolyCollection))
        x = min(filled, key=lambda at: abs(np.log(at) - np.log(0.3)))
        r, d = (getattr(scattered, letter).predict(x)[1][0] for letter in 'rd')
        deviation = {'r': r, 'd': d, 'w': np.sqrt(r ** 2 + (d / 2) ** 2)}[m]
        low, high = filled[x]
        assert np.log(high / low) == pytest.approx(2 * norm.ppf(0.975) * deviation, rel=1e-3) and deviation > 0.1


def test_the_front_is_drawn_with_its_deviations(fit, drawn, tmp_path):
    plots.front(fit, path=str(tmp_path / 'f.png'))
    axis, front = drawn[0].axes[0], sorted(fit.front, key=lambda r: r.costs['macs'])
    rest = [r for r in fit.records if r not in fit.front]
    assert points(axis.collections[0]) == [(r.costs['macs'], r.top1) for r in rest]
    line, _, (bars,) = axis.containers[0]
    assert list(zip(*line.get_data())) == [(r.costs['macs'], r.top1) for r in front]
    assert [tuple(segment[:, 1]) for segment in bars.get_segments()] == [
        (pytest.approx(r.top1 - (r.deviation or 0)), pytest.approx(r.top1 + (r.deviation or 0))) for r in front]
    assert axis.get_legend().get_texts()[0].get_text() == 'measured, 14 networks'


def test_rules_are_drawn_a_line_each_by_cost(drawn, tmp_path):
    rows = [('tiny', 3e6, 70.0, 0.5), ('giant', 2e6, 60.0, None), ('tiny', 1e6, 65.0, 0.25)]
    picture = plots.comparison(rows, path=str(tmp_path / 'x.png'))
    assert (tmp_path / 'x.png').read_bytes() == picture and Image.open(io.BytesIO(picture)).format == 'PNG'
    axis = drawn[0].axes[0]
    tiny, giant = axis.containers
    assert list(zip(*tiny[0].get_data())) == [(1e6, 65.0), (3e6, 70.0)] and tiny.get_label() == 'tiny'
    assert [tuple(s[:, 1]) for s in tiny[2][0].get_segments()] == [(64.75, 65.25), (69.5, 70.5)]
    assert list(zip(*giant[0].get_data())) == [(2e6, 60.0)]


def facts(text):
    return dict(line.split(None, 1) for line in text.splitlines() if line.split()[1] != 'fitted')


@pytest.mark.parametrize('amount, kind', [(1e8, 'macs'), (9e6, 'macs'), (2.5e6, 'params')])
def test_a_network_is_described_by_its_numbers(amount, kind):
    base = base_network('efficientnet_b0')
    network = design(base, Budget(amount, kind))
    text = show.describe(network)
    found, spec = facts(text), resolve(network.name)
    counted = measure(expand(spec))
    assert (found['network'], found['rule'], found['resolution']) == (network.name, 'tiny', f'{spec.resolution} px')
    assert [float(found[m]) for m in 'rdw'] == pytest.approx([spec.r, spec.d, spec.w], rel=6e-4)
    for name in ('macs', 'params', 'peak_memory'):
        assert found[name].split()[0] == f'{getattr(counted, name):,}'
    share = 100 * (getattr(counted, kind) / amount - 1)
    assert found['budget'].endswith(f', {share:+.2f} % {kind}') and -4 < share <= 0
    prediction = Formula.load().predict(network.prediction.c)
    for m in 'rd':
        low, high = getattr(prediction, f'{m}_interval')
        value = f'{getattr(prediction, m):.3f}, 95 % of networks {low:.3f} to {high:.3f}'
        assert f'{m} fitted     {value}' in text.splitlines()
    assert ('extrapolation' in text) == (amount == 9e6)
    summary = network.summary()
    assert (summary['cost'], summary['budget'], summary['budget_kind']) == (getattr(counted, kind), amount, kind)
    assert summary['distance'] == pytest.approx(share / 100, abs=1e-6)


def test_rules_side_by_side_are_their_numbers():
    base = base_network('efficientnet_b0')
    found = compare(base, Budget(97e6))
    lines = show.side_by_side(found).splitlines()
    for line, (rule, network) in zip(lines[1:], found.items()):
        words = line.split()
        assert words[0] == rule
        if rule == 'depth':
            assert set(words[1:]) == {'-'}
            continue
        counted = measure(expand(resolve(network.name)))
        assert int(words[1]) == network.resolution
        assert [float(w) for w in words[2:5]] == pytest.approx([getattr(network.spec, m) for m in 'rdw'], abs=6e-4)
        assert [float(w[:-1]) for w in words[5:7]] == pytest.approx([counted.macs / 1e6, counted.params / 1e6],
                                                                    rel=1e-3)
        assert float(words[8]) == pytest.approx(100 * (counted.macs / 97e6 - 1), abs=0.006)
    assert lines[6].startswith('depth: 97M')
