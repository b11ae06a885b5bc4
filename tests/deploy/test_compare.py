"""One table of all files of a network: equal ones, and one that differs."""
import dataclasses
import json
import os
import shutil

import numpy as np
import pytest

from tinynets.deploy import compare as compare_module
from tinynets.deploy.compare import compare, share_of_largest
from tinynets.deploy.export import export


@pytest.fixture(scope='module')
def exported(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp('exported') / 'run'
    folder.mkdir()
    shutil.copy(trained / 'best.ckpt', folder / 'best.ckpt')
    export(str(folder / 'best.ckpt'), ['MINDIR', 'ONNX'], str(folder / 'export'))
    return folder


@pytest.fixture
def run(exported, tmp_path):
    """A run with its exported files."""
    return shutil.copytree(exported, tmp_path / 'run')


def test_every_file_says_what_the_checkpoint_says(run, entry):
    done = entry('compare_exports.py', '--checkpoint', run / 'best.ckpt', '--no-program', '--json', run / 'rows.json')
    assert done.returncode == 0, done.stderr
    rows = json.loads((run / 'rows.json').read_text())
    assert [r['engine'] for r in rows] == ['MindSpore', 'MindSpore', 'ONNX Runtime']
    json_of = entry('eval.py', '--checkpoint', run / 'best.ckpt', '--json', run / 'e.json')
    assert json_of.returncode == 0
    top1 = json.loads((run / 'e.json').read_text())['top1']
    for row in rows:
        assert (row['count'], row['agree']) == (360, 360) and row['top1'] == pytest.approx(top1, abs=1e-3)
        assert row['difference'] <= 1e-4
    assert done.stdout.count('360 of 360') == 3


def test_a_file_of_another_network_stands_out(run, entry, tmp_path_factory, small_config):
    from tinynets.runtime import configure
    configure('CPU')
    from tinynets.training.loop import train
    other = tmp_path_factory.mktemp('other')
    train(small_config('train.epochs=1', 'optim.warmup_epochs=0', 'train.seed=5'), 'CPU', str(other / 'run'),
          say=lambda line: None)
    made, = export(str(other / 'run' / 'best.ckpt'), ['ONNX'], str(other))
    for ending in ('', '.json'):
        shutil.copy(made.path + ending, str(next((run / 'export').glob('*.onnx'))) + ending)
    done = entry('compare_exports.py', '--checkpoint', run / 'best.ckpt', '--no-program', '--json', run / 'rows.json')
    rows = json.loads((run / 'rows.json').read_text())
    assert f'{made.path.rsplit("/", 1)[1]}: was not exported from the present ' in done.stderr
    assert done.stderr.count('not exported from') == 1
    assert done.returncode == 0 and rows[-1]['agree'] < 300 and rows[-1]['difference'] > 0.1
    assert [r['agree'] for r in rows[:2]] == [360, 360]


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('logits, reference, share', [
    ([[1, -4]], [[1, -5]], 0.2), ([[0, 0]], [[0, 0]], 0), ([[0, 3]], [[0, 0]], 1), ([[0, 0]], [[0, -2]], 1)])
def test_differences_are_shares_of_the_largest_logit(logits, reference, share):
    assert share_of_largest(np.float32(logits), np.float32(reference)) == pytest.approx(share)


def test_the_program_is_asked(run, entry, build):  # noqa: F811
    done = entry('compare_exports.py', '--checkpoint', run / 'best.ckpt', '--json', run / 'rows.json',
                 env={**os.environ, 'BUILD': str(build)})
    row = next(r for r in json.loads((run / 'rows.json').read_text()) if r['engine'].startswith('C++'))
    assert done.returncode == 0 and row['agree'] == 360 and row['difference'] < 1e-4


def test_a_program_that_is_not_there_is_said(run, entry):
    done = entry('compare_exports.py', '--checkpoint', run / 'best.ckpt',
                 env={**os.environ, 'BUILD': '/dev/null/build'})
    assert done.returncode == 0 and done.stdout.count('360 of 360') == 3
    assert 'not compared: the C++ program (' in done.stderr


def test_predictions_by_the_program_are_those_of_mindspore(run, entry, build, tmp_path):  # noqa: F811
    from PIL import Image

    from tinynets.data.embedded import digits
    folder = tmp_path / 'images'
    folder.mkdir()
    for i, pixels in enumerate(digits('val')[0][:9]):
        Image.fromarray(pixels).save(folder / f'{i}.png')
    (folder / 'broken.png').write_bytes(b'no image')
    model = next((run / 'export').glob('*.mindir'))
    answers = [entry('predict.py', '--model', model, '--images', folder, '--topk', '3', '--backend', backend,
                     env={**os.environ, 'BUILD': str(build)})
               for backend in ('mindspore', 'lite')]
    assert [done.returncode for done in answers] == [1, 1]  # the broken one
    assert answers[0].stdout == answers[1].stdout and answers[0].stdout.count('\n') == 9
    assert all('broken.png' in done.stderr for done in answers)


@pytest.mark.parametrize('arguments, words', [
    (('--model', 'x.onnx', '--backend', 'mindspore', '--images', '.'), 'must be one of .ckpt, .mindir'),
    (('--model', 'x.ckpt', '--backend', 'lite', '--images', '.'), 'must be one of .mindir, .onnx'),
    (('--model', 'x.mindir', '--backend', 'lite', '--data', 'digits'), 'takes image files')])
def test_backends_take_their_own_files(entry, arguments, words):
    done = entry('predict.py', *arguments)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count('\n') == 1


@pytest.mark.parametrize('other, left_out', [({}, False), ({'class_names': list('abcdefghij')}, True),
                                             ({'network': {'name': 'tinynet_e', 'num_classes': 10}}, True)])
def test_files_of_other_classes_or_networks_are_left_out(other, left_out, run):
    from tinynets.data.classification import load_dataset
    path = next((run / 'export').glob('*.onnx.json'))
    path.write_text(json.dumps({**json.loads(path.read_text()), **other}))
    dataset, lines = load_dataset('digits', 'val'), []
    rows = compare(str(run / 'best.ckpt'), dataset, 360, 1, program=False, say=lines.append)
    assert [row.engine for row in rows] == ['MindSpore', 'MindSpore'] + ['ONNX Runtime'] * (not left_out)
    assert [line.startswith(f'left out: {str(path)[:-5]} is of another network') for line in lines] == [True] * left_out


def test_every_row_is_compared_with_the_checkpoint(run, monkeypatch):
    """A MINDIR that differs is seen to differ, the C++ program's answer from it too, by as much as it does."""
    from tinynets.data.classification import load_dataset
    dataset, load = load_dataset('digits', 'val'), compare_module.load_predictor

    def shifted(path):
        model = load(path)
        share = 0.25 * path.endswith('.mindir')  # of every logit
        return dataclasses.replace(model, predict=lambda images: (1 + share) * model.predict(images))
    checkpoint = load(str(run / 'best.ckpt'))
    logits = np.concatenate([checkpoint.predict(checkpoint.transform(dataset.image(i))[None]) for i in range(360)])
    monkeypatch.setattr(compare_module, 'load_predictor', shifted)
    monkeypatch.setattr(compare_module, 'by_program', lambda path, dataset: 0.5 * logits)
    rows = compare(str(run / 'best.ckpt'), dataset, 360, 1)
    assert [row.engine for row in rows] == ['MindSpore', 'MindSpore', 'C++ program', 'ONNX Runtime']
    assert [row.difference for row in rows] == pytest.approx([0, 0.25, 0.5, 0], abs=1e-4)
    assert {row.agree for row in rows} == {360}
