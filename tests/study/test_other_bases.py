"""Networks of other bases than the study's: their rows in the export, and the fit without them."""
import csv

import pytest

from tests.conftest import ROOT
from tinynets.arch import MACS, resolve
from tinynets.formula.records import base_of, read
from tinynets.study.config import check_same, flat, load_study
from tinynets.study.run import plan
from tinynets.study.store import Store

CONFIG = str(ROOT / 'configs' / 'study' / 'digits.yaml')
OWN = ['efficientnet_b0@resolution=16,d=0.5,w=0.5', 'tinynet_e@resolution=24']
OTHERS = ['mobilenetv3_small_100', 'ghostnet@resolution=56,d=0.5,w=0.8']


@pytest.fixture
def exported(entry, tmp_path):
    """The export of a finished study with networks of three bases; `old`: as an earlier release stored r."""
    def make(old=False):
        names = str(OWN + OTHERS).replace("'", '"')
        planned = plan(load_study(CONFIG, ['study.trials=0', f'study.networks={names}']))
        store, rows = Store(str(tmp_path / 'study')), planned.rows()
        if old:
            rows = [{**row, 'r': row['resolution'] / 32} for row in rows]
        store.start(flat(planned.config), planned.facts(), rows, check_same)
        for trial in store.trials():
            store.finish(trial['id'], 1.0, top1=50.0 + trial['id'])
        done = entry('search.py', 'export', '--config', CONFIG, '--study', store.folder, '--out', tmp_path / 'r.csv')
        assert done.returncode == 0, done.stderr
        return done.stderr, [list(csv.DictReader(open(tmp_path / name))) for name in ('r.csv', 'r.seeds.csv')]
    return make


@pytest.mark.parametrize('old', [False, True])
def test_a_network_is_exported_with_its_own_base(exported, old):
    told, tables = exported(old)
    for rows in tables:
        assert [(row['name'], row['base'], row['base_resolution'], float(row['r'])) for row in rows] == [
            (OWN[0], 'efficientnet_b0', '32', 16 / 32), (OWN[1], 'efficientnet_b0', '32', 24 / 32),
            (OTHERS[0], 'mobilenetv3_small', '224', 1.0), (OTHERS[1], 'ghostnet', '224', 56 / 224)]
        for row in rows:
            assert int(row['macs']) == MACS.of(resolve(row['name'], num_classes=10))
    assert told.strip() == (f'of other bases: {OTHERS[0]} (mobilenetv3_small), {OTHERS[1]} (ghostnet); '
                            'fit_formula.py --base efficientnet_b0 leaves them out')


def test_a_fit_leaves_networks_of_other_bases_out_by_name(exported, entry, tmp_path):
    exported()
    path = str(tmp_path / 'r.csv')
    with pytest.raises(ValueError, match='lines of different base, efficientnet_b0 and ghostnet; .* by --base'):
        base_of(path)
    base, known = base_of(path, 'efficientnet_b0')
    assert known and (base.base_resolution, base.num_classes) == (32, 10)
    table = read(path, base)
    assert [record.name for record in table.records] == OWN and not table.remarks
    assert table.problems == [(4, 'of another base, mobilenetv3_small'), (5, 'of another base, ghostnet')]
    base, known = base_of(path, 'ghostnet')
    assert known and base.base_resolution == 224 and [r.name for r in read(path, base).records] == OTHERS[1:]
    done = entry('fit_formula.py', path, '--base', 'efficientnet_b0', '--out', tmp_path / 'f.json')
    assert 'line 4: left out, of another base, mobilenetv3_small' in done.stderr
