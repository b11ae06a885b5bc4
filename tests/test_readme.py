"""The README against the code: the model table, the files and the configurations it names."""
import csv
import re

from tinynets.arch import expand, measure, resolve
from tinynets.arch.zoo import VARIANTS


def model_rows(root):
    """The rows of the model table, as texts."""
    return re.findall(r'^\| `([\w-]+)` \| (\d+) \| ([\d.]+) \| ([\d.]+) \| (\d+ M|–) \| ([\d,]+) \| ([\d,]+) '
                      r'\| ([\d.]+|–) \| ([\d.]+|–) \|$', (root / 'README.md').read_text(), re.MULTILINE)


def test_the_model_table_is_counted(root):
    rows = model_rows(root)
    assert [row[0] for row in rows] == list(VARIANTS)
    for name, px, depth, width, published, macs, params, top1, _ in rows:
        variant, plan = VARIANTS[name], expand(resolve(name))
        cost = measure(plan)
        assert (int(px), float(depth), float(width)) == (plan.resolution, variant.d, variant.w)
        assert (int(macs.replace(',', '')), int(params.replace(',', ''))) == (cost.macs, cost.params)
        assert [None if text == '–' else float(text.rstrip(' M')) for text in (published, top1)] == [
            variant.macs_m, variant.top1]


def test_the_model_table_has_timms_accuracy(root):
    lines = (root / 'tests' / 'golden' / 'timm_imagenet.csv').read_text().splitlines()
    measured = {row[0]: row for row in csv.reader(line for line in lines if not line.startswith('#'))}
    rows = model_rows(root)
    assert {row[0]: row[8] for row in rows} == {
        name: f'{float(measured[name][2]):.2f}' if name in measured else '–' for name in VARIANTS}
    for name, weights, _, px in measured.values():  # of the network of the table, at its size
        assert weights.partition('.')[0] == name and int(px) == expand(resolve(name)).resolution
    assert ('76.8', '77.67') in {row[7:] for row in rows if row[0] == 'tinynet_a'}


def test_every_path_it_names_exists(root):
    text = (root / 'README.md').read_text()
    paths = {*re.findall(r'\]\(((?!http)[^)#]+)\)', text), *re.findall(r'\b(?:configs|scripts|docs)/[\w/.-]+\w', text)}
    assert len(paths) > 8
    assert not [path for path in paths if not (root / path).exists()]


def test_every_module_stands_in_the_structure(root):
    text = (root / 'docs/architecture.md').read_text()
    for path in (root / 'src/tinynets').glob('*/*.py'):
        if path.parent.name in ('arch', 'formula', 'model', 'data', 'study', 'deploy') and path.name != '__init__.py':
            assert path.name in text, path
    for path in (root / 'src/tinynets').glob('[!_]*.py'):
        assert f'`{path.stem}`' in text, path
    for path in root.glob('*.py'):
        assert path.name in (root / 'README.md').read_text(), path


def test_what_contributors_are_told_to_change_exists(root):
    rows = re.findall(r'^\| (?:a|an) [^|]+\| (.+) \|$', (root / 'CONTRIBUTING.md').read_text(), re.M)
    places = [place for row in rows for place in re.findall(r'[\w/]+\.py', row)]
    assert len(rows) >= 12 and not [place for place in places if not (root / 'src/tinynets' / place).is_file()]
    for row in rows:
        for name, place in re.findall(r'`(\w+)`, ([\w/]+\.py)', row):
            text = (root / 'src/tinynets' / place).read_text()
            assert re.search(rf'^(def |class )?{name}\b', text, re.M), (name, place)


def test_the_chinese_readme_has_the_same_commands_tables_and_links(root):
    english, chinese = ((root / name).read_text() for name in ('README.md', 'README_CN.md'))
    assert re.findall(r'^```.*?^```$', chinese, re.M | re.S) == re.findall(r'^```.*?^```$', english, re.M | re.S)
    facts = []
    for text in (english, chinese):
        rows = [line for line in text.splitlines() if line.startswith('|')]
        facts.append([re.findall(r'`[^`]+`|\d[\d.,]*\d|\d', row) for row in rows])
    assert len(facts[0]) > 35 and facts[0] == facts[1]
    prose = [re.sub(r'^(```.*?^```|\|.*?)$', '', text, flags=re.M | re.S) for text in (english, chinese)]
    links, code, decimals = ([set(re.findall(pattern, ' '.join(text.split()))) for text in prose] for pattern in (
        r'\]\((?!README)([^)]+)\)', r'`[^`]+`', r'\d\.\d\d'))
    assert len(links[0]) > 15 and links[0] == links[1] and code[0] == code[1] and decimals[0] == decimals[1]
