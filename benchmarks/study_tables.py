"""The studies' tables, made from the files next to them: `python benchmarks/study_tables.py` fills docs/studies/*.md.

A study's rules.seeds.csv has one row per training, formula.json the fitted curves, records.csv the networks.
tests/test_records.py compares the pages with these functions.
"""
import csv
import pathlib
import statistics
import sys

from tables import filled, table

STUDIES = pathlib.Path(__file__).resolve().parents[1] / 'docs' / 'studies'
RULES = {'tiny': 'tiny, refitted', 'giant': 'inverse giant', 'resolution': 'resolution alone', 'depth': 'depth alone',
         'width': 'width alone'}
SHARES = (0.15, 0.3, 0.5, 0.75)  # of the base's cost, at which the curves are shown


def read(path) -> list:
    """The rows of a CSV file."""
    with open(path, encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def scored(rows: list) -> dict:
    """Return {(budget, rule): {'row': of the network, 'top1': {seed: top-1}}} of a study's trainings without a flag."""
    found = {}
    for row in rows:
        for label in row['label'].split(', '):
            rule, _, budget = label.partition(':')
            if rule in RULES and not row['flag']:
                one = found.setdefault((budget, rule), {'row': row, 'top1': {}})
                one['top1'][int(row['seed'])] = float(row['top1'])
    return found


def budgets(found: dict) -> list:
    """The budgets of `scored`, in their order."""
    return list(dict.fromkeys(budget for budget, _ in found))


def spread(values) -> str:
    """Return mean and sample std as '84.24 ± 0.97'."""
    return f'{statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f}'


def rules(rows: list) -> str:
    """Return a table of every rule's network at every budget, with its cost, its mean score and each seed's."""
    found, lines = scored(rows), []
    for budget in budgets(found):
        best = max(statistics.fmean(one['top1'].values()) for (b, _), one in found.items() if b == budget)
        for rule, title in RULES.items():
            if (budget, rule) not in found:
                lines.append([budget, title, 'not possible', '', '', ''])
                continue
            row, scores = found[budget, rule]['row'], found[budget, rule]['top1'].values()
            mean = f'**{spread(scores)}**' if statistics.fmean(scores) == best else spread(scores)
            lines.append([budget, title,
                          f"{row['resolution']} px, d {float(row['d']):.2f}, w {float(row['w']):.2f}",
                          f"{int(row['macs']) / 1e6:.2f}M", mean, ', '.join(f'{score:.2f}' for score in scores)])
    return table(['budget', 'rule', 'network', 'MACs', 'top-1, %', 'each seed'], lines)


def differences(rows: list) -> str:
    """Return a table of the points that the tiny formula is ahead of each rule, in the mean and in each seed."""
    found, lines = scored(rows), []
    for budget in budgets(found):
        ours = found[budget, 'tiny']['top1']
        for rule, title in list(RULES.items())[1:]:
            if (budget, rule) in found:
                theirs = found[budget, rule]['top1']
                ahead = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
                cost = int(found[budget, 'tiny']['row']['macs']) / int(found[budget, rule]['row']['macs']) - 1
                lines.append([budget, title, f'{statistics.fmean(ahead):+.2f}', ', '.join(f'{a:+.2f}' for a in ahead),
                              f'{100 * cost:+.1f} %'])
    return table(['budget', 'the formula against', 'points ahead', 'in each seed', 'its cost'], lines)


def curves(formulas: dict) -> str:
    """Return a table of r(c) and d(c) of {title: formula}, with the 95 % band of the first one."""
    def cell(prediction, letter, band):
        text = f'{getattr(prediction, letter):.2f}'
        return text + ' ({:.2f} to {:.2f})'.format(*getattr(prediction, f'{letter}_interval')) if band else text
    head = ['c', *(f'{letter}, {title}' for letter in 'rd' for title in formulas)]
    rows = [[f'{c:g}', *(cell(formula.predict(c), letter, i == 0) for letter in 'rd'
                         for i, formula in enumerate(formulas.values()))] for c in SHARES]
    return table(head, rows)


def front(rows: list, base_cost: int) -> str:
    """Return a table of the networks on the front: no other is both cheaper and better."""
    rows = sorted((row for row in rows if not row['flag']), key=lambda row: (int(row['macs']), -float(row['top1'])))
    lines, best = [], -1.0
    for row in rows:
        if float(row['top1']) > best:
            best = float(row['top1'])
            lines.append([f"{row['resolution']} px, d {float(row['d']):.2f}, w {float(row['w']):.2f}",
                          f"{int(row['macs']) / 1e6:.2f}M", f"{int(row['macs']) / base_cost:.3f}", f'{best:.2f}'])
    return table(['on the front', 'MACs', 'c', 'top-1, %'], lines)


def pieces(studies: pathlib.Path = STUDIES) -> dict:
    """{'ghostnet rules': Markdown, ...} of every study."""
    from tinynets.formula.tiny import Formula
    found, formulas = {}, {}
    for folder in sorted(studies.glob('*_fashion_mnist')):
        base = folder.name.removesuffix('_fashion_mnist')
        formulas[base] = Formula.load(folder / 'formula.json')
        found[f'{base} front'] = front(read(folder / 'records.csv'), formulas[base].base_cost)
        if (folder / 'rules.seeds.csv').exists():
            rows = read(folder / 'rules.seeds.csv')
            found[f'{base} rules'], found[f'{base} differences'] = rules(rows), differences(rows)
    found['ghostnet curves'] = curves({'GhostNet': formulas['ghostnet'], 'EfficientNet-B0': formulas['efficientnet_b0'],
                                       'published': Formula.load()})
    return found


def main() -> None:
    found = pieces()
    for page in STUDIES.glob('*.md'):
        page.write_text(filled(page.read_text(), found))


if __name__ == '__main__':
    sys.path.insert(0, str(STUDIES.parents[1] / 'src'))
    main()
