"""design.py as a user calls it."""
import json

import pytest
import yaml


def test_json_is_one_object(entry):
    done = entry('design.py', '--macs', '100M', '--json')
    found = json.loads(done.stdout)
    assert found['resolution'] == 184 and found['w'] == 0.54 and found['macs'] == 99_536_432
    assert found['params'] == 2_457_234 and found['d_interval'][0] < found['d'] < found['d_interval'][1]
    assert not found['extrapolated'] and found['distance'] == pytest.approx(-0.004636, abs=1e-5)


def test_people_are_told_of_extrapolation(entry):
    done = entry('design.py', '--macs', '10M')
    assert 'extrapolation' in done.stdout and '95 % of networks' in done.stdout
    assert 'extrapolation' not in entry('design.py', '--macs', '100M').stdout


def test_compare_puts_the_rules_side_by_side(entry):
    lines = entry('design.py', '--macs', '97M', '--compare').stdout.splitlines()
    assert [line.split()[0] for line in lines[1:6]] == ['tiny', 'giant', 'resolution', 'depth', 'width']
    assert lines[6].startswith('depth: 97M multiply-adds by depth alone')
    found = json.loads(entry('design.py', '--macs', '200M', '--compare', '--json').stdout)
    assert found['resolution']['macs'] <= 200e6 and found['giant']['phi'] < -1


def test_the_saved_configuration_is_the_network(entry, tmp_path):
    done = entry('design.py', '--macs', '12M', '--num-classes', '10', '--base-resolution', '64', '--save',
                 tmp_path / 'c.yaml', '--plot', tmp_path / 'p.png', '--json')
    assert done.returncode == 0, done.stderr
    found, config = json.loads(done.stdout), yaml.safe_load((tmp_path / 'c.yaml').read_text())
    assert config['model']['name'] == found['name'] and config['model']['resolution'] is None
    assert config['data']['name'] == 'digits'
    summary = json.loads(entry('summary.py', '--model', found['name'], '--num-classes', '10', '--json').stdout)
    assert (summary['macs'], summary['params']) == (found['macs'], found['params'])
    assert (tmp_path / 'p.png').read_bytes()[:4] == b'\x89PNG'


def test_the_saved_configuration_trains_as_it_is(entry, tmp_path):
    entry('design.py', '--macs', '600K', '--num-classes', '10', '--base-resolution', '32',
          '--save', tmp_path / 'c.yaml')
    done = entry('train.py', '--config', tmp_path / 'c.yaml', '--set', 'train.epochs=1',
                 '--set', 'optim.warmup_epochs=0.5', '--run', tmp_path / 'run')
    assert done.returncode == 0 and (tmp_path / 'run' / 'best.ckpt').is_file(), done.stderr


@pytest.mark.parametrize('arguments, words', [
    (('--macs', '1K'), 'the possible range of'), (('--macs', '100X'), "'100X' is not an amount"),
    (('--params', '100K'), 'parameters by the tiny formula'), (('--macs', '100M', '--rule', 'big'), "rule 'big'"),
    (('--macs', '100M', '--base', 'vgg'), "base 'vgg'"),
    (('--macs', '100M', '--formula', 'no.json'), 'no.json: no such'),
    (('--macs', '100M', '--save', 'no/c.yaml'), 'the folder'), (('--macs', '100M', '--width', 'wide'), "width 'wide'"),
    (('--macs', '97M', '--rule', 'depth'), 'depth alone'), (('--macs', ''), '--macs: one value is empty'),
    (('--macs', '100M', '--num-classes', '0'), 'num_classes=0'),
    (('--macs', '100M', '--base-resolution', '0'), 'resolution'),
    (('--macs', '100M', '--save', 'c.yaml', '--recipe', 'none.yaml'), 'none.yaml: no such file')])
def test_mistakes_are_one_line(entry, arguments, words, tmp_path):
    done = entry('design.py', *arguments, cwd=tmp_path)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2 and len(lines) == 1 and words in lines[0] and not done.stdout
    assert not list(tmp_path.iterdir())


def test_a_formula_brings_its_base(entry, root, tmp_path):
    formula = json.loads((root / 'src/tinynets/formula/efficientnet_b0.json').read_text())
    (tmp_path / 'f.json').write_text(json.dumps({**formula, 'base_resolution': 48, 'num_classes': 10}))
    found = json.loads(entry('design.py', '--macs', '5M', '--formula', tmp_path / 'f.json', '--json').stdout)
    assert found['resolution'] < 50 and 4.7e6 < found['macs'] <= 5e6
    found = json.loads(entry('design.py', '--macs', '50M', '--formula', tmp_path / 'f.json', '--base-resolution', '224',
                             '--json').stdout)
    assert found['resolution'] > 100
    (tmp_path / 'g.json').write_text(json.dumps({**formula, 'base': 'my_net'}))
    done = entry('design.py', '--macs', '50M', '--formula', tmp_path / 'g.json')
    assert done.returncode == 2 and "base 'my_net'" in done.stderr


def test_another_base_is_said_to_borrow_the_formula(entry):
    shown = entry('design.py', '--base', 'resnet50', '--macs', '1G').stdout
    assert 'fitted to networks of efficientnet_b0; c = 0.245 is relative to the cost of resnet50' in shown
    assert 'resnet50@resolution=' in shown
    found = json.loads(entry('design.py', '--base', 'ghostnet', '--macs', '60M', '--json').stdout)
    assert found['formula_base'] == 'efficientnet_b0' and found['c'] == pytest.approx(60e6 / 141_150_512, abs=1e-6)
    assert 'fitted to' not in entry('design.py', '--macs', '100M').stdout


def test_a_formula_of_that_base_borrows_nothing(entry, root, tmp_path):
    formula = json.loads((root / 'src/tinynets/formula/efficientnet_b0.json').read_text())
    (tmp_path / 'f.json').write_text(json.dumps({**formula, 'base': 'ghostnet', 'base_cost': 141_150_512}))
    done = entry('design.py', '--macs', '60M', '--formula', tmp_path / 'f.json')
    assert 'ghostnet@' in done.stdout and 'is relative to the cost of' not in done.stdout


def test_an_answer_needs_no_framework(entry, root):
    done = entry('design.py', '--macs', '52M', env={'PYTHONPROFILEIMPORTTIME': '1', 'PYTHONPATH': str(root)})
    imported = {line.rpartition('|')[2].strip() for line in done.stderr.splitlines()}
    assert 'numpy' in imported and not {'mindspore', 'sklearn', 'pymoo', 'matplotlib'} & imported
