"""The commands as subprocesses: their output, their files and their errors."""
import json
import os
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from tests.conftest import SMALL


def one_line(done):
    """The single error line of a refused command."""
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith('error: '), done.stderr + done.stdout
    return lines[0]


def test_summary_json_is_one_object_with_the_published_counts(entry):
    done = entry('summary.py', '--model', 'tinynet_a', '--json', '--per-layer')
    summary = json.loads(done.stdout)
    assert {k: summary[k] for k in ('name', 'resolution', 'width', 'depth', 'params')} == {
        'name': 'tinynet_a', 'resolution': 192, 'width': 1.0, 'depth': 1.2, 'params': 6_187_972}
    assert sum(layer['macs'] for layer in summary['layers']) == summary['macs'] == 336_867_712
    assert sum(layer['params'] for layer in summary['layers']) == summary['params']


def test_summary_lists_and_prints(entry):
    assert 'tinynet_e' in entry('summary.py', '--list').stdout.split()
    assert '2,042,972' in entry('summary.py', '--model', 'tinynet_e', '--per-layer').stdout


def test_summary_imports_no_framework(entry, root):
    done = entry('summary.py', '--model', 'tinynet_e', env={'PYTHONPROFILEIMPORTTIME': '1', 'PYTHONPATH': str(root)})
    assert 'tinynets.arch.zoo' in done.stderr and not {'mindspore', 'numpy'} & {
        line.rpartition('|')[2].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize('arguments, words', [
    (('summary.py', '--model', 'tinynet_f'), "unknown model 'tinynet_f'; did you mean"),
    (('train.py', '--config', 'none.yaml'), 'none.yaml: no such file'),
    (('train.py', '--set', 'train.epoch=3'), "unknown key 'train.epoch'; did you mean train.epochs?"),
    (('train.py', '--set', 'model.name=resnet'), "unknown model 'resnet'"),
    (('train.py', '--set', 'data.name=cifar'), "data set 'cifar'"),
    (('train.py', '--set', 'optim.name=lamb'), "optimizer 'lamb'"),
    (('train.py', '--set', 'data.batch_size=1', '--set', 'model.resolution=16'), 'batch norm one value'),
    (('train.py', '--data-dir', 'mine'), 'nothing to train'),
    (('train.py', '--set', 'data.name=digits', '--data-dir', 'mine'), 'takes no folder'),
    (('train.py', '--resume', ''), '--resume: one value is empty'),
    (('train.py', '--resume', 'nowhere'), 'nowhere'),
    (('train.py', '--set', 'runtime.device=Ascend'), 'device Ascend: not available'),
    (('eval.py', '--checkpoint', 'none.ckpt'), 'none.ckpt: no such file'),
    (('eval.py', '--checkpoint', 'none.ckpt', '--json', 'none/e.json'), 'none/e.json: the folder'),
    (('eval.py', '--checkpoint', 'README.md'), 'the ending must be one of'),
    (('export.py', '--checkpoint', 'none.ckpt'), 'none.ckpt: no such file'),
    (('predict.py', '--model', 'none.onnx', '--data', 'digits'), 'none.onnx: no such model file'),
    (('predict.py', '--model', 'x.onnx', '--images', 'x', '--backend', 'lite', '--device', 'Ascend'),
     '--device Ascend: --backend lite runs on the CPU'),
    (('convert_weights.py', '--from', 'x.pth', '--out', 'x.ckpt/'), 'must end in .ckpt'),
    (('convert_weights.py', '--from', 'x.pth', '--out', 'device.ckpt'), 'device.ckpt: is a folder, a pipe or a device'),
    (('quantize.py', '--model', 'x.onnx', '--out', 'x.bin'), '--out x.bin: must end with .onnx'),
    (('quantize.py', '--model', 'x.onnx', '--out', './x.onnx'), '--out ./x.onnx: is the model itself'),
    (('quantize.py', '--model', 'x.onnx', '--out', '/dev/null'), '/dev/null: is a folder, a pipe or a device'),
    (('export.py', '--checkpoint', 'folder.ckpt'), 'folder.ckpt: is a folder; give a .ckpt file'),
    (('export.py', '--checkpoint', 'folder.ckpt/x.ONNX'), 'x.ONNX: is an exported file; give the .ckpt'),
    (('export.py', '--checkpoint', 'none.ckpt', '--format', 'tflite'), "format 'tflite': must be one of MINDIR"),
    (('compare_exports.py', '--checkpoint', 'x.onnx'), '--checkpoint x.onnx: must be a .ckpt'),
    (('train.py', '--set', 'study.trials=3'), "unknown key 'study', which only search.py reads. Known here: model"),
    (('eval.py', '--checkpoint', 'none.ckpt', '--json', 'x' * 300), 'x: File name too long'),
    (('predict.py', '--model', 'x.ckpt', '--images', 'a', '--data-dir', 'b'), '--data-dir: is for the images of'),
    (('predict.py', '--model', 'x.ckpt', '--images', 'a', '--count', '2'), '--count: is for the images of --data'),
    (('search.py', '--config', 'none.yaml', '--out', 'a.csv'), '--out: is for `search.py export` and has no'),
    (('search.py', 'status', '--config', 'none.yaml', '--dry-run'), '--dry-run: is for `search.py run`'),
    (('search.py', 'export', '--config', 'none.yaml', '--json'), '--json: is for `search.py status`'),
    (('quantize.py', '--model', 'x.onnx', '--max-drop', 'nan'), '--max-drop nan: must be a number'),
])
def test_mistakes_are_one_line(entry, arguments, words, tmp_path):
    os.mkfifo(tmp_path / 'device.ckpt')
    (tmp_path / 'folder.ckpt').mkdir()
    (tmp_path / 'folder.ckpt' / 'x.ONNX').touch()
    assert words in one_line(entry(*arguments, cwd=tmp_path))
    assert [p.name for p in tmp_path.rglob('*') if p.is_file()] == ['x.ONNX']


def test_evaluation_knows_its_network(entry, trained, tmp_path):
    out, picture = tmp_path / 'result.json', tmp_path / 'confusion.png'
    done = entry('eval.py', '--checkpoint', trained / 'best.ckpt', '--json', out, '--confusion', picture,
                 '--batch-size', 7)
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    scores = [json.loads(line) for line in (trained / 'metrics.jsonl').read_text().splitlines() if '"eval"' in line]
    best = max(scores, key=lambda s: s['top1'])
    assert (result['top1'], result['top5']) == (best['top1'], best['top5'])
    assert (result['count'], result['weights']) == (360, 'ema')
    assert result['loss'] == pytest.approx(best['loss'], rel=1e-4) and result['model'] == SMALL
    assert Image.open(picture).format == 'PNG'


def test_a_folder_of_ones_own_from_training_to_prediction(entry, tmp_path):
    """Two colours as classes, with a broken and an unusual image; trained, evaluated, exported, predicted."""
    for split, count in (('train', 12), ('val', 4)):
        for name, colour in (('red one', (200, 30, 30)), ('blue', (30, 30, 200))):
            folder = tmp_path / 'data' / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.new('RGB', (20 + i, 30 - i), tuple(c + 3 * i for c in colour)).save(folder / f'{i}.png')
    (tmp_path / 'data' / 'train' / 'blue' / 'broken.jpg').write_bytes(b'\xff\xd8\xff not an image')
    (tmp_path / 'data' / 'val' / 'blue' / 'empty.png').write_bytes(b'')
    settings = [f'--set={s}' for s in (
        f'model.name={SMALL}', 'data.name=image_folder', 'data.batch_size=8', 'optim.name=adamw',
        'optim.learning_rate=0.01', 'optim.warmup_epochs=1', 'train.epochs=8', 'train.ema_decay=0',
        'train.eval_every=8')]
    run, options = tmp_path / 'run', {'cwd': tmp_path}
    done = entry('train.py', *settings, '--data-dir', tmp_path / 'data', '--run', run, **options)
    assert done.returncode == 0, done.stderr
    assert 'broken.jpg' in done.stderr and 'empty.png' in done.stderr and '1 of 25 images left out' in done.stderr
    strict = entry('train.py', *settings, '--data-dir', tmp_path / 'data', '--set', 'data.strict=true', '--run',
                   tmp_path / 'strict', **options)
    assert 'broken.jpg' in one_line(strict)
    scored = entry('eval.py', '--checkpoint', run / 'best.ckpt', '--json', tmp_path / 'e.json', **options)
    result = json.loads((tmp_path / 'e.json').read_text())
    assert scored.returncode == 0 and result['count'] == 8 and result['top5'] == 100.0 and result['weights'] == 'raw'
    assert 'has no val/' not in scored.stderr
    seen = entry('eval.py', '--checkpoint', run / 'best.ckpt', '--data-dir', tmp_path / 'data' / 'train', **options)
    assert 'the model was trained on all images in it' in one_line(seen)
    shutil.copytree(tmp_path / 'data' / 'val', tmp_path / 'other')
    part = entry('eval.py', '--checkpoint', run / 'best.ckpt', '--data-dir', tmp_path / 'other', **options)
    assert part.returncode == 0 and '  2 images  ' in part.stdout
    assert 'other has no val/: evaluating the 2 images' in part.stderr
    exported = entry('export.py', '--checkpoint', run / 'best.ckpt', '--format', 'onnx', **options)
    assert exported.returncode == 0 and 'maximum difference' in exported.stdout, exported.stderr
    model = next((run / 'export').glob('*.onnx'))
    named = entry('predict.py', '--model', model, '--images', tmp_path / 'data' / 'val', '--plot', tmp_path / 'p.png',
                  '--topk', 2, **options)
    assert 'picture of the first 8' in named.stdout
    assert named.returncode == 1 and 'empty.png' in named.stderr  # one image was left out
    assert named.stdout.count('%') == 16 and Image.open(tmp_path / 'p.png').format == 'PNG'
    assert 'topk=3' in one_line(entry('predict.py', '--model', model, '--images', tmp_path / 'data' / 'val' / 'red one',
                                      '--topk', 3, **options))


@pytest.mark.parametrize('script, arguments, words', [
    ('eval.py', ('--checkpoint', 'x.ckpt', '--data-dir', ''), '--data-dir: one value is empty'),
    ('eval.py', ('--checkpoint', 'x.ckpt', '--data-dir='), '--data-dir: one value is empty'),
    ('predict.py', ('--model', 'x.ckpt', '--images', 'a.png', ''), 'arguments: one value is empty'),
    ('eval.py', ('--checkpoint', 'x.ckpt', '--json', 'x.ckpt'), '--json x.ckpt: is a file that the command reads'),
    ('eval.py', ('--checkpoint', 'x.ckpt', '--json', './x.ckpt'), '--json ./x.ckpt: is a file that the command reads'),
    ('eval.py', ('--checkpoint', 'x.ckpt', '--json', 'o', '--confusion', 'o'), '--confusion o: is the file of --json'),
    ('predict.py', ('--model', 'x.ckpt', '--images', 'a.png', '--plot', 'a.png'), '--plot a.png: is a file that'),
    ('predict.py', ('--model', 'x.ckpt', '--images', 'a.png', '--plot', 'Y.onnx'), 'the name of a file with a network'),
    ('compare_exports.py', ('--checkpoint', 'x.ckpt', '--json', 'x.ckpt'), 'is a file that the command reads'),
    ('convert_weights.py', ('--from', 'none.safetensors'), '--from none.safetensors: no such file')])
def test_empty_values_and_outputs_over_inputs_are_refused(script, arguments, words, entry, tmp_path):
    for name in ('x.ckpt', 'a.png'):
        (tmp_path / name).write_text('kept')
    assert words in one_line(entry(script, *arguments, cwd=tmp_path))
    assert sorted(os.listdir(tmp_path)) == ['a.png', 'x.ckpt']
    assert (tmp_path / 'x.ckpt').read_text() == (tmp_path / 'a.png').read_text() == 'kept'


def test_a_key_of_the_configuration_may_be_empty(entry, tmp_path):
    for options in (('--set', 'data.dir='), ('--set=data.dir=',)):
        done = entry('train.py', '--set', 'model.name=none', *options, cwd=tmp_path)
        assert "unknown model 'none'" in one_line(done)


def test_a_repeated_option_for_images_adds_to_the_first():
    import argparse

    from tinynets.cli import predict, quantize
    for module in (predict, quantize):
        parser = argparse.ArgumentParser()
        module.arguments(parser)
        assert parser.parse_args(['--model', 'm', '--images', 'a', 'b', '--images', 'c']).images == ['a', 'b', 'c']


def test_errors_of_the_parser_are_short(entry):
    for arguments in (('--macs', '5M', '--num-classes', '9' * 5000), ('--macs', '5M', '--rule', 'x' * 90_000)):
        done = entry('design.py', *arguments)
        assert done.returncode == 2 and len(done.stderr.splitlines()[-1]) < 700, done.stderr[-900:]


def test_mindspore_is_imported_with_its_warnings_off(root):
    """Some commands import it before they configure it; a line of the user's own counts."""
    code = 'import os, tinynets.cli; print(os.environ["GLOG_v"])'
    for given, level in ((None, '3'), ('1', '1')):
        environment = {name: value for name, value in os.environ.items() if name != 'GLOG_v'}
        environment.update({'GLOG_v': given} if given else {})
        done = subprocess.run([sys.executable, '-c', code], env=environment, capture_output=True, text=True)
        assert done.stdout == f'{level}\n', done.stderr
