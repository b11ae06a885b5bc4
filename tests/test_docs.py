"""Statements of the pages under docs/, compared with the code and the files that they describe."""
import csv
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import yaml

from tinynets.arch.zoo import VARIANTS
from tinynets.config import load_config
from tinynets.data import presets
from tinynets.formula import Budget, design
from tinynets.formula.budget import base_network
from tinynets.study.config import load_study


class Labelled:
    """A data set of Fashion-MNIST's size, with labels only."""
    class_names = tuple('0123456789')

    def __init__(self, count):
        self.labels = np.random.default_rng(1).permutation(np.arange(count) % 10).astype(np.int32)

    def __len__(self):
        return len(self.labels)


@pytest.mark.parametrize('base, page, trained, of_training, of_scoring', [
    ('efficientnet_b0', 'README.md', 10_000, 5_000, 5_000), ('ghostnet', 'ghostnet.md', 6_000, 1_000, 5_000)])
def test_which_images_the_rules_share_with_the_study(root, monkeypatch, base, page, trained, of_training, of_scoring):
    whole = Labelled(60_000)
    monkeypatch.setattr(presets, 'load_dataset', lambda *_, **__: whole)
    study = load_study(str(root / f'configs/study/{base}_fashion_mnist.yaml'), []).data
    rules = load_study(str(root / f'configs/study/{base}_fashion_mnist_rules.yaml'), []).data
    drawn, scored = (set(presets.dataset(study, split).indices) for split in ('train', 'val'))
    again = set(presets.dataset(rules, 'train').indices)
    assert len(drawn) == len(again) == trained
    assert (len(again & drawn), len(again & scored)) == (of_training, of_scoring)
    assert rules.holdout == 0  # scored on the test set
    text = (root / 'docs/studies' / page).read_text()
    assert f'{trained:,} training images' in text and f'{of_scoring:,} images that the study' in text.replace('\n', ' ')
    assert re.search(f'{of_training:,} of (those|the {trained:,} that) it trained on', text.replace('\n', ' '))


def test_which_weights_timm_lacks(root):
    lines = (root / 'tests/golden/timm_imagenet.csv').read_text().splitlines()
    there = {row[0] for row in csv.reader(line for line in lines if not line.startswith('#'))}
    text = (root / 'docs/finetune.md').read_text()
    named = re.search(r'all of them but (.*?) \(its', text, re.DOTALL)[1]
    lacking = set(VARIANTS) - there
    assert lacking == {'mobilenetv3_large_075', *(f'efficientnet_b-{i}' for i in (1, 2, 3, 4))}
    assert re.findall(r'`([^`]+)`', named) == ['efficientnet_b-1', '-4', 'mobilenetv3_large_075']


def test_every_link_leads_somewhere(root):
    for page in [*root.glob('*.md'), *(root / 'docs').rglob('*.md')]:
        for target, _, _ in re.findall(r'\]\(((?!http)[^)#]*)(#([^)]*))?\)', page.read_text()):
            path = page.parent / target if target else page
            assert path.exists(), (page, target)


def test_the_page_of_configuration_keys_is_what_the_fields_say(root):
    done = subprocess.run([sys.executable, root / 'docs/configuration.py'], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (root / 'docs/configuration.md').read_text() == done.stdout, (
        'print the page again: PYTHONPATH=src python docs/configuration.py > docs/configuration.md')


def test_the_navigation_of_the_site_has_every_page(root):
    """`mkdocs build --strict` checks links as well, where MkDocs is installed."""
    site = yaml.safe_load((root / 'mkdocs.yml').read_text())

    def pages(entries):
        for entry in entries:
            if isinstance(entry, str):
                yield entry
            else:
                for inside in entry.values():
                    yield from pages([inside] if isinstance(inside, str) else inside)
    listed = list(pages(site['nav']))
    made = [page for page in listed if page.startswith('api/')]
    assert len(set(listed)) == len(listed) and len(made) > 5
    assert {*listed} - {*made, 'index.md'} == {str(p.relative_to(root / 'docs')) for p in (root / 'docs').rglob('*.md')}
    for page in made:
        part = root / 'src/tinynets' / pathlib.Path(page).stem
        assert part.is_dir() or part.with_suffix('.py').is_file(), page
    for hook in site['hooks']:
        assert (root / hook).is_file()


def test_no_line_is_longer_than_120_columns(root):
    """In every language but Python, which the linter checks; a table's row in Markdown is one line of any length."""
    tracked = subprocess.run(['git', '-C', root, 'ls-files'], capture_output=True, text=True).stdout.splitlines()
    kinds = ('.cc', '.h', '.inc', '.sh', '.md', '.yaml', '.yml', '.toml', '.txt', '.css')
    paths = [path for path in tracked if path.endswith(kinds)] or pytest.skip('no git')
    assert len(paths) > 100
    long = [f'{path}:{number}' for path in paths
            for number, line in enumerate((root / path).read_text().splitlines(), 1)
            if len(line) > 120 and not (path.endswith('.md') and line.startswith('|'))]
    assert not long


@pytest.mark.parametrize('path', ['configs', 'configs/imagenet'])
def test_every_configuration_loads(root, path):
    for file in sorted((root / path).glob('*.yaml')):
        assert load_config(str(file)), file


LABELS = {'tiny, refitted': 'tiny', 'inverse giant': 'giant', 'resolution alone': 'resolution', 'depth alone': 'depth',
          'width alone': 'width'}


def table(text):
    """Yield (budget, rule, network, MACs, top-1) of a table with one line per budget and rule."""
    yield from (row[:5] for row in cells(text) if len(row) == 6 and row[1] in LABELS)


def cells(text):
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line.startswith('|')]


@pytest.mark.parametrize('study, page, rows', [('efficientnet_b0_fashion_mnist', 'README.md', 10),
                                               ('ghostnet_fashion_mnist', 'ghostnet.md', 10)])
def test_the_rules_tables_are_those_of_the_csv(root, study, page, rows):
    with open(root / 'docs/studies' / study / 'rules.csv', newline='') as file:
        measured = {label: row for row in csv.DictReader(file) for label in row['label'].split(', ')}
    found = list(table((root / 'docs/studies' / page).read_text()))
    assert len(found) == rows
    for budget, rule, network, macs, score in found:
        row = measured.get(f'{LABELS[rule]}:{budget}')
        assert (row is None) == network.startswith('not possible'), (rule, budget)
        if row:
            said = [float(part) for part in score.strip('*').split(' ± ')]
            assert np.allclose(said, [float(row['top1']), float(row['top1_deviation'])], 0, 0.00501), (rule, budget)
            assert macs == f"{int(row['macs']) / 1e6:.2f}M"
            for letter, value in re.findall(r'\b([dw]) ([\d.]+)', network):
                assert abs(float(row[letter]) - float(value)) <= 0.00501, (rule, budget)
            for px in re.findall(r'(\d+) px', network):
                assert row['resolution'] == px


def test_resnet50_s_front_is_that_of_its_records(root):
    with open(root / 'docs/studies/resnet50_fashion_mnist/records.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    front = [r for r in rows if not any(float(o['top1']) >= float(r['top1']) and int(o['macs']) <= int(r['macs'])
                                        and o is not r for o in rows)]
    lines = [f"| {r['resolution']} px, d {float(r['d']):.2f}, w {float(r['w']):.2f} | {int(r['macs']) / 1e6:.2f}M "
             for r in sorted(front, key=lambda r: int(r['macs']))]
    text = (root / 'docs/studies/resnet50.md').read_text()
    assert len(lines) == 5 and all(line in text for line in lines), lines
    for r in front:
        assert f"| {float(r['top1']):.2f} |" in text


def test_the_table_of_the_shipped_formula_is_what_it_gives(root):
    text = (root / 'docs/formula_method.md').read_text()
    rows = re.findall(r'^\| (\d+)M \| (\d+) px, d ([\d.]+), w ([\d.]+) \| ([\d.]+)M \| (-?[\d.]+) % \|', text,
                      re.MULTILINE)
    assert len(rows) == 5
    for budget, px, d, w, macs, left in rows:
        network = design(base_network('efficientnet_b0'), Budget(1e6 * float(budget)))
        counted = network.complexity.macs / 1e6
        assert (network.spec.resolution, f'{counted:.1f}') == (int(px), macs)
        assert f'd={float(d):g},w={float(w):g}' in network.name
        assert f'{100 * (counted / float(budget) - 1):.2f}' == left


def test_the_answer_of_design_on_its_page_is_what_it_says(root):
    network = design(base_network('efficientnet_b0'), Budget(100e6))
    text = (root / 'docs/formula.md').read_text()
    assert f'network      {network.name}' in text
    assert f'100M multiply-adds, {100 * (network.complexity.macs / 100e6 - 1):.2f} % macs' in text


def test_the_site_is_built_without_a_warning(root, tmp_path):
    done = subprocess.run([sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', str(tmp_path / 'site')],
                          cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    page = (tmp_path / 'site' / 'api' / 'formula.html').read_text()
    assert 'id="tinynets.formula' in page and 'Gaussian' in page  # the reference is made from the docstrings
    assert 'href="docs/' not in (tmp_path / 'site' / 'index.html').read_text()
