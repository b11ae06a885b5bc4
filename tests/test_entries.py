"""The commands' output, run in this process, compared with the content of the files."""
import json
import os
import re
import runpy
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT


@pytest.fixture
def command(monkeypatch, capsys):
    """command('eval.py', option, ...) -> (exit code, standard output, standard error)."""
    def run(script, *arguments):
        capsys.readouterr()
        monkeypatch.setattr(sys, 'argv', [script, *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(ROOT / script), run_name='__main__')
        return (left.value.code, *capsys.readouterr())
    return run


@pytest.fixture
def checkpoint(trained):
    return trained / 'best.ckpt'


def digits():
    from tinynets.data.embedded import digits
    pixels, labels, _ = digits('val')
    return pixels, labels


def predictions(path, images):
    """Return the softmax of logits by its definition."""
    from tinynets.deploy.predict import load_predictor
    model = load_predictor(str(path))
    logits = np.concatenate([model.predict(model.transform(image)[None]) for image in images]).astype(np.float64)
    shares = np.exp(logits)
    return logits, shares / shares.sum(1, keepdims=True)


def test_eval_prints_and_writes_what_is_counted(checkpoint, command, tmp_path):
    pixels, labels = digits()
    logits, shares = predictions(checkpoint, [Image.fromarray(p).convert('RGB') for p in pixels])
    ranked = np.argsort(-logits, axis=1, kind='stable')
    top1, top5 = 100 * (ranked[:, 0] == labels).mean(), 100 * (ranked[:, :5] == labels[:, None]).any(1).mean()
    loss = -np.log(shares[np.arange(360), labels]).mean()
    code, out, _ = command('eval.py', '--checkpoint', checkpoint, '--json', tmp_path / 'e.json', '--device', 'CPU')
    assert code == 0 and top1 > 60 and top1 < top5 < 100
    found = re.match(r'top-1 (\S+) %  top-5 (\S+) %  loss (\S+)  (\d+) images', out)
    assert found and found[1] == f'{top1:.2f}' and found[2] == f'{top5:.2f}' and found[4] == '360'
    assert float(found[3]) == pytest.approx(loss, abs=2e-4)
    written = json.loads((tmp_path / 'e.json').read_text())
    assert (written['top1'], written['top5']) == (round(top1, 4), round(top5, 4)) and written['split'] == 'val'
    assert (written['weights'], written['data'], written['count']) == ('ema', 'digits', 360)


@pytest.mark.parametrize('trained_strictly', [False, True])
def test_eval_is_as_strict_as_the_training_was(trained_strictly, checkpoint, command, tmp_path):
    from tinynets.model import checkpoint as files
    for name in '01':
        (tmp_path / 'data' / 'val' / name).mkdir(parents=True)
        Image.new('L', (16, 16), 3).save(tmp_path / 'data' / 'val' / name / 'good.png')
    good = (tmp_path / 'data' / 'val' / '0' / 'good.png').read_bytes()
    (tmp_path / 'data' / 'val' / '0' / 'broken.png').write_bytes(good[:40])
    saved = files.load(str(checkpoint))
    data = {**saved.meta['config']['data'], 'strict': trained_strictly}
    files.save(str(tmp_path / 'x.ckpt'), saved.arrays, {**saved.meta, 'config': {**saved.meta['config'], 'data': data}})
    arguments = ['eval.py', '--checkpoint', tmp_path / 'x.ckpt', '--data', 'image_folder', '--data-dir',
                 tmp_path / 'data', '--device', 'CPU']
    code, out, err = command(*arguments)
    assert (code, '2 images' in out) == ((2, False) if trained_strictly else (0, True)) and 'broken.png' in err
    code, out, err = command(*arguments, '--strict')
    assert code == 2 and not out and 'broken.png' in err


def test_predict_prints_percent_of_the_softmax(checkpoint, command, tmp_path):
    pixels, _ = digits()
    for i in range(5):
        Image.fromarray(pixels[i]).save(tmp_path / f'{i}.png')
    code, out, _ = command('predict.py', '--model', checkpoint, '--images', tmp_path, '--topk', 3, '--device', 'CPU')
    _, shares = predictions(checkpoint, [Image.fromarray(p).convert('RGB') for p in pixels[:5]])
    lines = out.splitlines()
    assert code == 0 and len(lines) == 5
    for i, (line, row) in enumerate(zip(lines, shares)):
        order = np.argsort(-row)[:3]
        assert line == f'{tmp_path / f"{i}.png"}: ' + ', '.join(f'{k} {100 * row[k]:.1f} %' for k in order)


def test_predict_counts_the_images_that_stay_dark(checkpoint, command, tmp_path):
    for i, highest in enumerate((4095, 65535, 1023)):  # 12, 16 and 10 bits in samples of 16
        Image.fromarray(np.linspace(0, highest, 256).astype(np.uint16).reshape(16, 16)).save(tmp_path / f'{i}.png')
    Image.new('L', (16, 16), 3).save(tmp_path / 'black.png')
    code, out, err = command('predict.py', '--model', checkpoint, '--images', tmp_path, '--device', 'CPU')
    lines = [line for line in err.splitlines() if 'dark' in line]
    assert code == 0 and len(out.splitlines()) == 4 and len(lines) == 1
    assert lines[0].startswith('2 of 3 images with 16-bit samples') and lines[0].endswith(f'{tmp_path}/0.png')


def test_predict_ends_with_1_where_an_image_was_left_out(checkpoint, command, tmp_path):
    Image.new('L', (16, 16), 3).save(tmp_path / 'good.png')
    (tmp_path / 'broken.png').write_bytes((tmp_path / 'good.png').read_bytes()[:40])
    code, out, err = command('predict.py', '--model', checkpoint, '--images', tmp_path, '--device', 'CPU')
    assert code == 1 and [line.partition(': ')[0] for line in out.splitlines()] == [str(tmp_path / 'good.png')]
    assert f'left out: {tmp_path / "broken.png"}' in err


def test_summary_prints_each_number_under_its_name(command):
    code, out, _ = command('summary.py', '--model', 'tinynet_d', '--num-classes', 7)
    found = dict(line.split()[:2] for line in out.splitlines())
    assert code == 0 and (found['width'], found['depth'], found['resolution']) == ('0.54', '0.695', '152')
    assert found['params'] == f'{2_338_446 - 993 * 1281:,}' and found['num_classes'] == '7'
    assert found['size_bytes'] == f'{4 * (2_338_446 - 993 * 1281):,}'
    code, grey, _ = command('summary.py', '--model', 'tinynet_d', '--num-classes', 7, '--in-channels', 1)
    # the stem's: 3x3 to 32 channels of 76 px
    for key, less in (('macs', 76 * 76 * 9 * 2 * 32), ('params', 9 * 2 * 32)):
        before, after = (int(re.search(rf'^{key} +(\S+)', text, re.M)[1].replace(',', '')) for text in (out, grey))
        assert before - after == less
    code, out, _ = command('summary.py', '--model', 'tinynet_d', '--per-layer')
    layers = [line.split() for line in out.splitlines() if line.endswith(' params')]
    assert sum(int(words[3].replace(',', '')) for words in layers) == 51_580_656
    assert sum(int(words[5].replace(',', '')) for words in layers) == 2_338_446
    code, out, _ = command('summary.py', '--model', 'tinynet_d', '--json')
    tree = json.loads(out)
    assert (tree['width'], tree['depth'], tree['macs'], tree['params']) == (0.54, 0.695, 51_580_656, 2_338_446)


def test_export_says_size_and_difference_of_each_file(checkpoint, command, tmp_path):
    code, out, _ = command('export.py', '--checkpoint', checkpoint, '--out', tmp_path, '--format', 'onnx', '--device',
                           'CPU')
    path = next(tmp_path.glob('*.onnx'))
    manifest = json.loads((tmp_path / f'{path.name}.json').read_text())
    assert code == 0 and f'ONNX: {path} ({path.stat().st_size:,} bytes)' in out
    images = np.random.default_rng(0).normal(0, 1, (4, 3, 16, 16)).astype(np.float32)
    from tinynets.deploy.predict import load_predictor
    reach = np.abs(load_predictor(str(checkpoint)).predict(images)).max()
    assert f'logits {manifest["max_difference"]:.2e} (they reach {reach:.3g})' in out and f'manifest {path}.json' in out
    assert manifest['scaling'] == {'base': 'efficientnet_b0', 'r': 16 / 224, 'd': 0.1, 'w': 0.1}
    assert manifest['cost']['macs'] == manifest_macs(manifest)


@pytest.mark.parametrize('device, formats, configured', [
    ('auto', 'MINDIR', 'CPU'), ('auto', 'onnx, mindir', 'CPU'), ('auto', 'AIR', 'auto'), ('auto', 'ONNX,air', 'auto'),
    ('Ascend', 'MINDIR', 'Ascend'), ('GPU', 'ONNX', 'GPU'), ('CPU', 'AIR', 'CPU')])
def test_an_export_runs_on_the_device_that_is_named_else_on_the_cpu_but_for_air(device, formats, configured, command,
                                                                                monkeypatch):
    from tinynets.cli import export as cli
    from tinynets.deploy import export
    asked = []
    monkeypatch.setattr(cli, 'configure', asked.append)
    monkeypatch.setattr(export, 'export', lambda *arguments: asked.append(arguments) or [])
    code, _, said = command('export.py', '--checkpoint', 'runs/x/best.ckpt', '--format', formats, '--device', device)
    names = formats.split(',')  # as they were written, for messages
    assert code == 0 and asked == [configured, ('runs/x/best.ckpt', names, os.path.join('runs/x', 'export'), 'auto')]
    assert ('AIR is deprecated' in said) is ('air' in formats.lower())


def manifest_macs(manifest):
    from tinynets.arch import expand, measure, resolve
    return measure(expand(resolve(manifest['network']['name'], num_classes=10))).macs


def test_a_packed_set_is_told_in_megabytes(command, tmp_path):
    rng = np.random.default_rng(0)
    for name in ('a', 'b'):
        (tmp_path / 'set' / 'train' / name).mkdir(parents=True)
        for i in range(2):
            noise = Image.fromarray(rng.integers(0, 256, (700, 700, 3)).astype(np.uint8))
            noise.save(tmp_path / 'set' / 'train' / name / f'{i}.png')
    code, out, err = command('scripts/pack_dataset.py', '--data-dir', tmp_path / 'set', '--out', tmp_path / 'packed',
                             '--split', 'train', '--shards', 1, '--workers', 2)
    assert code == 0, err
    size = sum(path.stat().st_size for path in (tmp_path / 'packed' / 'train').iterdir() if 'mindrecord' in path.name)
    assert f'packed/train: 4 images, {size / 1e6:,.0f} MB' in out and 5e6 < size < 100e6
    assert not os.path.exists(tmp_path / 'packed' / 'val')


def test_a_picture_shows_the_first_64_of_more_images(checkpoint, command, tmp_path, drawn):
    code, out, _ = command('predict.py', '--model', checkpoint, '--data', 'digits', '--count', 66, '--plot',
                           tmp_path / 'p.png', '--device', 'CPU')
    lines, titles = out.splitlines(), [axis.get_title() for axis in drawn[0].axes]
    assert code == 0 and len(lines) == 67 and lines[66] == f'picture of the first 64: {tmp_path / "p.png"}'
    assert all(title.startswith(f'{line.split()[2]} (') for title, line in zip(titles, lines)) and len(titles) == 64


@pytest.mark.parametrize('change', ['', 'model.dropout=0.3', 'data.crop_ratio=0.9', 'augment.erase=0.1',
                                    'optim.momentum=0.8', 'train.epochs=3', 'runtime.mode=pynative'])
def test_the_quickstart_resumes_a_run_of_its_own_configuration_only(change, command, tmp_path, monkeypatch):
    from tinynets import quickstart as module
    from tinynets.config import load_config
    from tinynets.training.run import RunFolder
    config, seen = load_config(str(ROOT / 'configs' / 'tinynet_e_digits.yaml')), []
    monkeypatch.setattr(module, 'quickstart', lambda *arguments: seen.append(arguments))
    options = ['--config', ROOT / 'configs' / 'tinynet_e_digits.yaml', '--run', tmp_path / 'run']
    assert command('quickstart.py', *options)[0] == 0 and seen.pop() == (config, 'CPU', str(tmp_path / 'run'), False)
    RunFolder.new(str(tmp_path / 'run')).start(config)
    code, out, err = command('quickstart.py', *options, *(['--set', change] if change else []))
    if change:
        assert (code, out, err.count('\n'), seen) == (2, '', 1, []) and 'holds a run of another configuration' in err
    else:
        assert code == 0 and seen == [(config, 'CPU', str(tmp_path / 'run'), True)]


def test_the_quickstarts_summary_is_of_the_files_that_it_made(trained, tmp_path, monkeypatch, small_config):
    """Training is replaced by the fixture's run; everything after it is computed."""
    from tinynets import quickstart as module
    from tinynets.deploy.predict import load_predictor
    from tinynets.runtime import configure
    from tinynets.training.loop import Outcome
    from tinynets.training.run import RunFolder
    configure('CPU')
    run = RunFolder.open(shutil.copytree(trained, tmp_path / 'run'))
    best = max((r for r in run.records() if r['kind'] == 'eval'), key=lambda r: r['top1'])
    monkeypatch.setattr(module, 'train', lambda *_, **__: Outcome(run, best, best, 12.34))
    made = module.quickstart(small_config(), 'CPU', str(tmp_path / 'run'))
    assert made == json.loads((tmp_path / 'run' / 'summary.json').read_text())
    assert (made['top1'], made['top5'], made['count'], made['train_seconds']) == (best['top1'], best['top5'], 360, 12.3)
    images = np.random.default_rng(0).normal(0, 1, (4, 3, 16, 16)).astype(np.float32)
    logits = [load_predictor(made[kind]).predict(images) for kind in ('checkpoint', 'mindir', 'onnx')]
    differences = [float(np.abs(other - logits[0]).max()) for other in logits[1:]]
    assert made['max_difference'] == pytest.approx(max(differences), abs=1e-7)
    for name in ('curve', 'confusion', 'predictions'):
        assert Image.open(made[name]).format == 'PNG'
    assert made['manifest'] == made['mindir'] + '.json'
    other = {**best, 'top1': best['top1'] - 100 / 360, 'correct': best['correct'] - 1}
    monkeypatch.setattr(module, 'train', lambda *_, **__: Outcome(run, other, best, 1))
    with pytest.raises(ValueError, match='the exported model scores'):
        module.quickstart(small_config(), 'CPU', str(tmp_path / 'run'))


def test_an_export_without_a_finished_trial_leaves_the_tables_as_they_are(command, tmp_path):
    from tinynets.study.store import Store
    row = {'name': 'a', 'label': 'drawn', 'seed': 0, 'r': 0.5, 'd': 0.6, 'w': 0.7, 'resolution': 16, 'macs': 1000,
           'params': 10, 'peak_memory': 7}
    facts = {'base': 'efficientnet_b0', 'base_resolution': 32, 'num_classes': 10, 'images': 9, 'chance': 10.0}
    store = Store(str(tmp_path / 'study'))
    store.start({'study.retries': 1}, facts, [row], lambda *_: None)
    tables = [tmp_path / 'r.csv', tmp_path / 'r.seeds.csv']
    for table in tables:
        table.write_text('good')
    arguments = ('search.py', 'export', '--config', 'c.yaml', '--study', tmp_path / 'study', '--out', tables[0])
    code, out, err = command(*arguments)
    assert (code, out, err.count('\n')) == (2, '', 1) and 'none of its 1 trials is done' in err
    assert [table.read_text() for table in tables] == ['good'] * 2
    store.finish(1, 5.0, top1=70.0)
    store.start({'study.retries': 1, 'study.cost': 'macs'}, facts, [], lambda *_: None)
    code, out, err = command(*arguments, '--plot', tmp_path / 'p.png')
    assert (code, out) == (2, '') and 'draws the networks of rules, and this study has none' in err
    assert [table.read_text() for table in tables] == ['good'] * 2
    code, out, _ = command(*arguments)
    assert code == 0 and out.startswith('1 network in') and ',70.0,' in tables[0].read_text()


def test_a_network_for_a_grey_recipe_is_counted_with_one_channel(command, tmp_path):
    from tinynets.arch import expand, measure, resolve
    from tinynets.formula import Formula
    (tmp_path / 'grey.yaml').write_text('model: {in_channels: 1}\n')
    design = ('design.py', '--macs', '5M', '--base-resolution', '48', '--num-classes', '10', '--json')
    code, out, _ = command(*design, '--recipe', tmp_path / 'grey.yaml', '--save', tmp_path / 'made.yaml')
    found = json.loads(out)
    spec = resolve(found['name'], num_classes=10, in_channels=1)
    assert code == 0 and found['macs'] == measure(expand(spec)).macs
    assert f'{found["macs"]:,} multiply-adds' in (tmp_path / 'made.yaml').read_text()
    formula = Formula.load()
    assert formula.in_channels == 3  # the default of a file without it
    formula.in_channels = 1
    formula.save(tmp_path / 'f.json')
    found = json.loads(command(*design, '--formula', tmp_path / 'f.json')[1])
    assert found['macs'] == measure(expand(resolve(found['name'], num_classes=10, in_channels=1))).macs


def test_a_saved_design_says_what_it_costs_in_the_budgets_unit(command, tmp_path):
    for option, amount, macs, params, said in (('--macs', '100M', 99_536_432, 2_457_234, '99,536,432 multiply-adds'),
                                               ('--params', '2.5M', None, None, 'parameters with 1000 classes')):
        code, out, _ = command('design.py', option, amount, '--save', tmp_path / 'c.yaml', '--json')
        first, found = (tmp_path / 'c.yaml').read_text().splitlines()[0], json.loads(out)
        assert code == 0 and first.startswith(f'# tiny rule, {amount} ') and said in first
        assert macs in (None, found['macs']) and params in (None, found['params'])
        assert f': {found["cost"]:,} ' in first and found['cost'] == found['macs' if option == '--macs' else 'params']


def test_a_formula_is_fitted_to_the_cost_and_seed_that_are_asked_for(command, tmp_path):
    """Eight networks that are ordered differently by parameters and by multiply-adds."""
    from tinynets.arch import expand, measure, scale
    from tinynets.formula.budget import base_network
    base, rows = base_network('efficientnet_b0', 64, 10), ['r,d,w,top1']
    for i in range(8):
        rows.append(f'{1.2 - 0.1 * i:.2f},{0.4 + 0.05 * i:.2f},{0.4 + 0.1 * i:.2f},{50 + 3 * i}')
    (tmp_path / 'r.csv').write_text('\n'.join(rows) + '\n')
    code, out, err = command('fit_formula.py', tmp_path / 'r.csv', '--base-resolution', 64, '--num-classes', 10,
                             '--cost', 'params', '--out', tmp_path / 'f.json')
    assert code == 0, err
    tree = json.loads((tmp_path / 'f.json').read_text())
    assert tree['cost'] == 'params' and tree['base_cost'] == measure(expand(base)).params
    assert tree['about']['objectives'] == ['error', 'params'] and len(tree['points']) >= 4
    for point in tree['points']:
        spec = scale(base, d=point['d'], w=point['w'], resolution=round(64 * point['r']))
        assert point['cost'] == measure(expand(spec)).params
        assert point['c'] == pytest.approx(point['cost'] / tree['base_cost'])
    low, high = tree['points'][0]['c'], tree['points'][-1]['c']
    assert f'c from {low:.3g} to {high:.3g} of {tree["base_cost"]:,} params' in out
