"""Published weights in and out: every bit, the metadata, and the commands from a .pth to a score."""
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from tests.conftest import SMALL
from tests.model import archives
from tests.model.archives import state_of
from tests.model.test_torch_file import HOSTILE
from tests.test_cli import one_line
from tinynets.deploy.convert import read_class_names, to_checkpoint, to_safetensors
from tinynets.deploy.predict import load_predictor
from tinynets.model import checkpoint, create_model
from tinynets.model.weights import load_torch_arrays, torch_names
from tinynets.tasks import restore

CLASSES = 5


@pytest.fixture(scope='module')
def state():
    return state_of(SMALL, CLASSES)


@pytest.mark.parametrize('name, classes', [(SMALL, CLASSES), ('tinynet_e', 1000)])
def test_there_and_back_to_the_bit(tmp_path, name, classes):
    state, source, converted = state_of(name, classes), str(tmp_path / 'x.safetensors'), str(tmp_path / 'x.ckpt')
    save_file(state, source)
    to_checkpoint(source, converted, name)
    network, kind = restore.restore_network(checkpoint.load(converted))
    reference = create_model(name, num_classes=classes)
    load_torch_arrays(reference, state)
    for p, q in zip(network.get_parameters(), reference.get_parameters()):
        np.testing.assert_array_equal(p.asnumpy(), q.asnumpy(), err_msg=p.name)
    to_safetensors(converted, str(tmp_path / 'back' / 'model.safetensors'))
    back = load_file(str(tmp_path / 'back' / 'model.safetensors'))
    assert set(back) == set(state) and sum(n.endswith('num_batches_tracked') for n in back) > 15
    for title, array in state.items():
        counter = title.endswith('num_batches_tracked')
        assert (back[title].shape, back[title].dtype) == (array.shape, array.dtype), title
        assert back[title].tobytes() == (np.array(0) if counter else array).tobytes(), title


def test_config_json_is_timms(tmp_path):
    save_file(state_of('tinynet_e', 1000), str(tmp_path / 'x.safetensors'))
    to_checkpoint(str(tmp_path / 'x.safetensors'), str(tmp_path / 'x.ckpt'), 'tinynet_e')
    to_safetensors(str(tmp_path / 'x.ckpt'), str(tmp_path / 'hub' / 'model.safetensors'))
    assert json.loads((tmp_path / 'hub' / 'config.json').read_text()) == {  # as timm's save_config_for_hf, but for its
        'architecture': 'tinynet_e', 'num_classes': 1000, 'num_features': 1280, 'global_pool': 'avg',  # tag and license
        'pretrained_cfg': {
            'custom_load': False, 'input_size': [3, 106, 106], 'fixed_input_size': False, 'interpolation': 'bicubic',
            'crop_pct': 0.875, 'crop_mode': 'center', 'mean': [0.485, 0.456, 0.406], 'std': [0.229, 0.224, 0.225],
            'num_classes': 1000, 'pool_size': [4, 4], 'first_conv': 'conv_stem', 'classifier': 'classifier'}}
    assert sorted(os.listdir(tmp_path / 'hub')) == ['config.json', 'model.safetensors']
    os.remove(tmp_path / 'hub' / 'model.safetensors')
    with pytest.raises(ValueError, match='config.json: exists already'):
        to_safetensors(str(tmp_path / 'x.ckpt'), str(tmp_path / 'hub' / 'other.safetensors'))
    assert os.listdir(tmp_path / 'hub') == ['config.json']


def test_a_folder_of_the_hub_says_everything_itself(tmp_path, state):
    """timm's ra4 recipe has another mean and crop; label_names may be a list, or unusable."""
    described = {'architecture': SMALL, 'num_classes': CLASSES, 'label_names': ['n1', 'n2', 'n3', 'n4', 'n5'],
                 'crop_pct': 0.7, 'mean': [0.1, 0.1, 0.1],  # the older form, which the newer one replaces
                 'pretrained_cfg': {'input_size': [3, 24, 24], 'crop_pct': 0.9, 'interpolation': 'bilinear',
                                    'mean': [0.5, 0.5, 0.5], 'std': [0.5, 0.5, 0.25]}}
    save_file(state, str(tmp_path / 'model.safetensors'))
    out = str(tmp_path / 'model.ckpt')

    def convert(**changes):
        (tmp_path / 'config.json').write_text(json.dumps({**described, **changes}))
        return to_checkpoint(str(tmp_path / 'model.safetensors'), out)
    assert any('resized by bicubic here, so scores differ from bilinear' in line for line in convert())
    model = load_predictor(out)
    assert model.preprocessing == {
        'resolution': 16, 'crop_ratio': 0.9, 'interpolation': 'bicubic_antialiased', 'mean': [0.5, 0.5, 0.5],
        'deviation': [0.5, 0.5, 0.25], 'channels': 'RGB', 'layout': 'NCHW'}
    assert model.class_names == ('n1', 'n2', 'n3', 'n4', 'n5') and model.named
    to_safetensors(out, str(tmp_path / 'back' / 'model.safetensors'))
    back = json.loads((tmp_path / 'back' / 'config.json').read_text())
    assert back['label_names'] == described['label_names'] and back['architecture'] == SMALL
    assert (back['pretrained_cfg']['mean'], back['pretrained_cfg']['crop_pct']) == ([0.5, 0.5, 0.5], 0.9)
    for label_names in (None, ['one'], ['a'] * CLASSES, {'0': 'a'}):
        convert(label_names=label_names)
        assert load_predictor(out).class_names == ('0', '1', '2', '3', '4') and not load_predictor(out).named
    os.remove(out)
    for broken, words in (
            ({'input_size': [1, 16, 16]}, 'input_size is 1 x 16 x 16; it must be 3 channels'),
            ({'input_size': [3, 16, 24]}, '16 x 24'),
            ({'input_size': 16}, 'config.json'), ({'mean': 'grey'}, 'data.mean'), ({'crop_pct': 7}, 'crop_ratio'),
            ({'interpolation': 'bicubik'}, "'bicubik'; it must be bicubic, .* or another .* bilinear, lanczos"),
            ({'interpolation': 3}, 'interpolation is 3'), ({'interpolation': ['bicubic']}, 'interpolation is')):
        with pytest.raises(ValueError, match=words):
            convert(pretrained_cfg=broken)
        assert not os.path.exists(out)


def test_resolution_of_the_hub(tmp_path):
    save_file(state_of('tinynet_e', 3), str(tmp_path / 'model.safetensors'))
    described = {'architecture': 'tinynet_e', 'pretrained_cfg': {'input_size': [3, 64, 64]}}
    (tmp_path / 'config.json').write_text(json.dumps(described))
    for model, resolution in ((None, 64), ('tinynet_e', 64), ('tinynet_e@resolution=96', 96)):
        to_checkpoint(str(tmp_path / 'model.safetensors'), str(tmp_path / 'x.ckpt'), model)
        meta = checkpoint.load(str(tmp_path / 'x.ckpt')).meta
        assert meta['preprocessing']['resolution'] == resolution == create_model(**meta['network']).plan.resolution
    to_safetensors(str(tmp_path / 'x.ckpt'), str(tmp_path / 'back' / 'model.safetensors'))
    back = json.loads((tmp_path / 'back' / 'config.json').read_text())
    assert back['architecture'] == 'tinynet_e' and back['pretrained_cfg']['input_size'] == [3, 96, 96]
    for name, resolution in (('tinynet_e@w=0.1,d=0.1', 64), ('tinynet_e@w=0.1,d=0.1,r=0.2', 44)):  # int(224 * 0.2)
        save_file(state_of(name, 3), str(tmp_path / 'model.safetensors'))
        (tmp_path / 'config.json').write_text(json.dumps({**described, 'architecture': name}))
        to_checkpoint(str(tmp_path / 'model.safetensors'), str(tmp_path / 'x.ckpt'))
        assert load_predictor(str(tmp_path / 'x.ckpt')).preprocessing['resolution'] == resolution


def test_a_run_goes_out_with_its_classes(tmp_path, trained):
    for kind in ('ema', 'raw'):
        out = tmp_path / kind / 'model.safetensors'
        assert f'{kind} weights' in to_safetensors(str(trained / 'best.ckpt'), str(out), kind)[0]
        network, _ = restore.restore_network(checkpoint.load(str(trained / 'best.ckpt')), kind)
        arrays, params = load_file(str(out)), {p.name: p.asnumpy() for p in network.get_parameters()}
        for name, theirs in torch_names(network).items():
            np.testing.assert_array_equal(arrays[theirs], params[name], err_msg=name)
        assert not any('counter' in name for name in arrays)
        described = json.loads((out.parent / 'config.json').read_text())
        assert described['label_names'] == list('0123456789') and described['num_classes'] == 10
    to_checkpoint(str(out), str(tmp_path / 'again.ckpt'))
    assert load_predictor(str(tmp_path / 'again.ckpt')).class_names == tuple('0123456789')


def test_a_killed_writer_leaves_no_weights_with_the_description_of_others(tmp_path, trained, monkeypatch):
    out = tmp_path / 'model.safetensors'
    to_safetensors(str(trained / 'best.ckpt'), str(out), 'ema')
    before = out.read_bytes()

    def killed(source, target):
        if str(target).endswith('config.json'):
            raise KeyboardInterrupt
        os.rename(source, target)
    monkeypatch.setattr('tinynets.deploy.convert.os.replace', killed)
    with pytest.raises(KeyboardInterrupt):
        to_safetensors(str(trained / 'best.ckpt'), str(out), 'raw')
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ['model.safetensors'] and out.read_bytes() != before
    to_safetensors(str(trained / 'best.ckpt'), str(out), 'ema')
    assert out.read_bytes() == before and sorted(os.listdir(tmp_path)) == ['config.json', 'model.safetensors']


def test_class_names(tmp_path, state):
    source, names = str(tmp_path / 'x.safetensors'), tmp_path / 'names.txt'
    save_file(state, source)
    names.write_text('rot\n grün \nblau\ngelb\nkein, keins\n', encoding='utf-8')
    to_checkpoint(source, str(tmp_path / 'x.ckpt'), SMALL, classes=read_class_names(str(names)))
    assert load_predictor(str(tmp_path / 'x.ckpt')).class_names == ('rot', 'grün', 'blau', 'gelb', 'kein, keins')
    for text, words in (('a\n\nb\n', 'line 2 is empty'), ('a\nb\na\n', "'a' is on lines 1 and 3")):
        names.write_text(text)
        with pytest.raises(ValueError, match=words):
            read_class_names(str(names))
    with pytest.raises(ValueError, match='2 names, the network has 5'):
        to_checkpoint(source, str(tmp_path / 'y.ckpt'), SMALL, classes=['a', 'b'])
    assert not (tmp_path / 'y.ckpt').exists()


def test_from_a_pth_to_a_score(entry, tmp_path, state):
    """Class folders named as ImageNet's: a checkpoint without names takes them in their order."""
    archives.write_state(tmp_path / 'x.pth', state)
    done = entry('convert_weights.py', '--from', tmp_path / 'x.pth', '--model', SMALL, '--out', tmp_path / 'x.ckpt')
    assert done.returncode == 0 and 'named by their indices' in done.stdout, done.stderr
    wordnet, model = [f'n0{i}' for i in range(CLASSES)], load_predictor(str(tmp_path / 'x.ckpt'))
    right = total = 0
    for label, name in enumerate(reversed(wordnet)):
        folder = tmp_path / 'data' / 'val' / name
        folder.mkdir(parents=True)
        for i in range(6):
            pixels = np.random.default_rng((label, i)).integers(0, 256, (20, 24, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f'{i}.png')
            said = model.predict(model.transform(Image.fromarray(pixels))[None])[0].argmax()
            right, total = right + (said == wordnet.index(name)), total + 1
    assert 0 < right < total
    exported = entry('export.py', '--checkpoint', tmp_path / 'x.ckpt', '--format', 'ONNX')
    assert exported.returncode == 0, exported.stderr
    for file in (tmp_path / 'x.ckpt', next((tmp_path / 'export').glob('*.onnx'))):
        done = entry('eval.py', '--checkpoint', file, '--data-dir', tmp_path / 'data', '--json', tmp_path / 'e.json',
                     '--confusion', tmp_path / 'c.png')
        assert done.returncode == 0, done.stderr
        result = json.loads((tmp_path / 'e.json').read_text())
        assert (result['top1'], result['count']) == (round(100 * right / total, 4), total)
    named = entry('predict.py', '--model', tmp_path / 'x.ckpt', '--images', tmp_path / 'data' / 'val' / 'n00' / '0.png')
    assert named.returncode == 0 and named.stdout.rpartition('0.png: ')[2].split()[0] in '01234', named.stderr
    save_file(state, str(tmp_path / 'model.safetensors'))
    described = {'architecture': SMALL, 'num_classes': CLASSES,
                 'label_names': ['tench', 'goldfish', 'shark', 'ray', 'cock']}
    (tmp_path / 'config.json').write_text(json.dumps(described))
    (tmp_path / 'names.txt').write_text('\n'.join(wordnet))
    convert = ('convert_weights.py', '--from', tmp_path / 'model.safetensors', '--out', tmp_path / 'y.ckpt')
    score = ('eval.py', '--checkpoint', tmp_path / 'y.ckpt', '--data-dir', tmp_path / 'data')
    assert entry(*convert).returncode == 0
    line = one_line(entry(*score))
    assert "class 'n00' is not one of the 5 known (tench, " in line
    assert 'convert the published weights with --classes' in line
    assert entry(*convert, '--classes', tmp_path / 'names.txt').returncode == 0
    assert f'top-1 {100 * right / total:.2f} %' in entry(*score).stdout
    shutil.rmtree(tmp_path / 'data' / 'val' / 'n02')
    assert '4 classes, the model has 5 without names' in one_line(
        entry('eval.py', '--checkpoint', tmp_path / 'x.ckpt', '--data-dir', tmp_path / 'data'))


def test_names_of_others_files_cannot_steer_the_terminal(entry, tmp_path, state):
    save_file(state, str(tmp_path / 'model.safetensors'))
    red = '\x1b[31m'
    described = {'architecture': SMALL, 'num_classes': CLASSES,
                 'label_names': [f'{red}{i}\n\x9b' for i in range(CLASSES)]}
    arguments = ('convert_weights.py', '--from', tmp_path / 'model.safetensors')
    for change, words in (({'architecture': red}, "unknown model '\\x1b[31m'"),
                          ({'interpolation': red}, "interpolation is '\\x1b[31m'")):
        (tmp_path / 'config.json').write_text(json.dumps({**described, **change}))
        assert words in one_line(entry(*arguments))
    (tmp_path / 'config.json').write_text(json.dumps(described))
    done = entry(*arguments)
    assert done.returncode == 0, done.stderr
    Image.new('RGB', (20, 20)).save(tmp_path / 'a.png')
    named = entry('predict.py', '--model', tmp_path / 'model.ckpt', '--images', tmp_path / 'a.png')
    assert named.returncode == 0 and named.stdout.count('\n') == 1, named.stderr
    assert '\\x1b[31m' in named.stdout and '\\n\\x9b ' in named.stdout
    assert not any(set('\x1b\x9b') & set(run.stdout + run.stderr) for run in (done, named))


def test_refusals_are_one_line_and_write_nothing(entry, tmp_path, state):
    archives.write(tmp_path / 'bad.pth', HOSTILE['one among weights'][0], {'0': bytes(16)})
    save_file(state, str(tmp_path / 'x.safetensors'))
    (tmp_path / 'names.txt').write_text('a\nb\n')
    before = sorted(os.listdir(tmp_path))
    for arguments, words in (
            (('--from', 'bad.pth', '--model', 'tinynet_a', '--out', 'new/a.ckpt'), "it asks for 'posix.system'"),
            (('--from', 'x.safetensors', '--model', 'tinynet_a'), 'do not fit tinynet_a; missing: '),
            (('--from', 'x.safetensors'), 'give --model'),
            (('--from', 'x.safetensors', '--model', SMALL, '--classes', 'names.txt'), '2 names, the network has 5'),
            (('--from', 'x.ckpt', '--to', 'ckpt'), 'a .ckpt must become safetensors'),
            (('--from', 'x.ckpt'), 'x.ckpt: no such file')):
        assert words in one_line(entry('convert_weights.py', *arguments, cwd=tmp_path))
    assert sorted(os.listdir(tmp_path)) == before
