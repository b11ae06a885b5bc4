"""A run on a folder without val/ keeps its training images in checkpoints, exports and resumption."""
import dataclasses
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tinynets.config import DataConfig, from_dict
from tinynets.data import presets

COUNTS = {'0': 12, '1': 9, '10': 7, '2': 12}


def names(part):
    return set(part.names)


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pictures')
    rng = np.random.default_rng(0)
    for name, count in COUNTS.items():
        (folder / name).mkdir()
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / name / f'{i}.png')
    return folder


@pytest.fixture(scope='module')
def run(pictures, light_config, tmp_path_factory):
    """A run of two epochs of five, stopped between them."""
    from tinynets.runtime import configure
    configure('CPU')
    from tinynets.training import loop
    config = light_config('data.name=image_folder', f'data.dir={pictures}', 'data.batch_size=16', 'train.epochs=5')
    trained = tmp_path_factory.mktemp('runs') / 'run'
    with pytest.MonkeyPatch.context() as patch:
        record = loop.RunFolder.record

        def stop(self, **fields):
            record(self, **fields)
            if fields['kind'] == 'eval' and fields['epoch'] == 2:
                raise loop.Interrupted('stopped')
        patch.setattr(loop.RunFolder, 'record', stop)
        with pytest.raises(loop.Interrupted):
            loop.train(config, 'CPU', str(trained), say=lambda line: None)
    return trained, config


@pytest.fixture
def copied(run, pictures, tmp_path):
    """A copy of (run folder, its configuration, its images), to be changed."""
    shutil.copytree(run[0], tmp_path / 'run')
    shutil.copytree(pictures, tmp_path / 'pictures')
    config = dataclasses.replace(run[1], data=dataclasses.replace(run[1].data, dir=str(tmp_path / 'pictures')))
    return tmp_path / 'run', config, tmp_path / 'pictures'


def as_of_an_earlier_release(path, **changes):
    """Rewrite a checkpoint without a division; numbered classes were in sorted order."""
    from tinynets.model import checkpoint
    saved = checkpoint.load(str(path))
    meta = {key: value for key, value in saved.meta.items() if key not in ('division', 'names', 'format', 'parameters')}
    checkpoint.save(str(path), saved.arrays, {**meta, 'class_names': sorted(COUNTS), **changes})


def resume(copied):
    from tinynets.training.loop import train
    return train(copied[1], 'CPU', str(copied[0]), resume=True, say=lambda line: None)


def scored(path, data):
    """(names it validates on, names it trains on) of a model file."""
    from tinynets.deploy.predict import load_predictor
    model = load_predictor(str(path))
    own = presets.whole_set(from_dict(model.config, str(path)).data, None, str(data))
    return names(model.dataset(own, 'val')), names(model.dataset(own, 'train'))


def test_a_model_is_never_scored_on_what_it_was_trained_on(copied, capsys):
    from tinynets.deploy.export import export
    path, config, pictures = copied
    train, val = presets.splits(config.data)
    made = export(str(path / 'last.ckpt'), ('ONNX',), str(path / 'export'))
    files = [path / 'last.ckpt', made[0].path]
    for file in files:
        assert scored(file, pictures) == (names(val), names(train))
    for name in COUNTS:
        for i in range(100, 104):
            Image.new('RGB', (16, 16)).save(pictures / name / f'{i}.png')
        (pictures / name / '0.png').unlink()
    for file in files:
        now = scored(file, pictures)
        assert not now[0] & names(train)
        assert now[0] - names(val) <= {f'{n}/{i}.png' for n in COUNTS for i in range(100, 104)}
    assert 'the images have changed since the training divided them: 52 now, 40 then' in capsys.readouterr().err


def test_images_of_the_training_in_a_val_made_later_are_counted(copied, capsys):
    from tinynets.deploy.predict import load_predictor
    from tinynets.model import checkpoint
    path, config, pictures = copied
    train, val = presets.splits(config.data)
    saved = checkpoint.load(str(path / 'last.ckpt'))
    own = {**saved.meta['config'], 'data': {**saved.meta['config']['data'], 'dir': str(pictures)}}
    checkpoint.save(str(path / 'last.ckpt'), saved.arrays, {**saved.meta, 'config': own})
    for name in COUNTS:
        (pictures / 'val' / name).mkdir(parents=True)
        shutil.move(pictures / name, pictures / 'train' / name)
    for name in sorted(names(train))[:2] + sorted(names(val))[:5]:
        shutil.move(pictures / 'train' / name, pictures / 'val' / name)
    model = load_predictor(str(path / 'last.ckpt'))
    data = presets.whole_set(from_dict(model.config, 'x').data, None, str(pictures))
    assert len(model.dataset(data, 'val')) == 7
    said = f'{pictures}: had no val/ when the model was trained on it; by their names, 2 of the 7 images'
    assert said in capsys.readouterr().err


def test_numbered_classes_are_in_the_order_of_their_numbers(run):
    from tinynets.model import checkpoint
    assert checkpoint.load(str(run[0] / 'last.ckpt')).meta['class_names'] == ['0', '1', '2', '10']


def test_a_run_resumes_on_its_images_only(copied):
    path, config, pictures = copied
    Image.new('RGB', (16, 16)).save(pictures / '0' / 'new.png')
    swapped = next(name for name in presets.splits(config.data)[0].names if not name.endswith('new.png'))
    with pytest.raises(ValueError, match='train_images was 32 and is|are not those that the run was started with'):
        resume(copied)
    (pictures / swapped).unlink()
    with pytest.raises(ValueError, match='train_images was 32 and is|are not those that the run was started with'):
        resume(copied)
    shutil.rmtree(pictures)
    shutil.copytree(run_config(path).dir, pictures)
    assert resume(copied).last['epoch'] == 5


def test_an_exchanged_image_ends_a_resumption(copied):
    path, config, pictures = copied
    train, _ = presets.splits(config.data)
    from tinynets.data.division import division_of
    from tinynets.model import checkpoint
    division = division_of(checkpoint.load(str(path / 'last.ckpt')).meta, 'x')
    (pictures / train.names[0]).unlink()
    label = train.names[0].split('/')[0]
    for i in range(1000):  # until one is trained on
        if len(division.indices([f'{label}/new{i}.png'], np.array([['0', '1', '2', '10'].index(label)]), 'train')):
            Image.new('RGB', (16, 16)).save(pictures / label / f'new{i}.png')
            break
    with pytest.raises(ValueError, match='the training and validation images are not those that the run was'):
        resume(copied)


def test_a_run_of_an_earlier_release_is_read_as_it_was_divided(copied, capsys):
    from tinynets.data.classification import balanced_order, load_dataset
    path, config, pictures = copied
    for name in ('last.ckpt', 'best.ckpt'):
        as_of_an_earlier_release(path / name)
    whole = load_dataset('image_folder', 'train', str(pictures))
    want = {whole.names[i] for i in balanced_order(whole.labels)[:8]}
    assert scored(path / 'best.ckpt', pictures) == (want, names(whole) - want)
    assert resume(copied).last['epoch'] == 5  # and its classes keep their order
    from tinynets.model import checkpoint
    meta = checkpoint.load(str(path / 'last.ckpt')).meta
    assert meta['class_names'] == ['0', '1', '10', '2'] and 'division' not in meta
    Image.new('RGB', (16, 16)).save(pictures / '0' / 'new.png')
    with pytest.raises(ValueError, match='an earlier release trained it on 32 images.* would now give 33'):
        scored(path / 'last.ckpt', pictures)


def test_a_new_run_from_the_weights_of_another_keeps_its_division(copied, light_config, tmp_path, capsys):
    from tinynets.tasks.classification.task import kept_parts
    path, config, pictures = copied
    own = dataclasses.replace(config, model=dataclasses.replace(config.model, pretrained=str(path / 'best.ckpt')))
    train, val = presets.splits(run_config(path))
    for label in COUNTS:
        for i in range(50, 60):
            Image.new('RGB', (16, 16)).save(pictures / label / f'{i}.png')
    as_if_there(path / 'best.ckpt', pictures)
    division, classes = kept_parts(own, None, print)
    new_train, new_val = presets.splits(own.data, None, division, classes)
    assert not names(new_val) & names(train) and not names(new_train) & names(val) and len(new_train) > len(train)
    for change in ({'val_share': 0.5}, {'dir': str(tmp_path)}, {'holdout': 3}):
        other = dataclasses.replace(own, data=dataclasses.replace(own.data, **change))
        assert kept_parts(other, None, print) == (None, ['0', '1', '2', '10'])
    as_of_an_earlier_release(path / 'best.ckpt')
    as_if_there(path / 'best.ckpt', pictures)
    assert kept_parts(own, None, print)[0] is None and 'are used for validation now' in capsys.readouterr().out
    assert kept_parts(config, None, print) == (None, ())


def test_images_that_the_starting_weights_were_trained_on_are_counted(copied, tmp_path):
    """By another share, in a copy, with one more class, with other images, and where all of train/ was trained on."""
    from tinynets.model import checkpoint
    from tinynets.tasks.classification.task import Classification
    path, config, pictures = copied
    before, _ = presets.splits(run_config(path))
    start = str(path / 'best.ckpt')
    as_if_there(start, pictures)

    def said(**changes):
        lines = []
        task = Classification(dataclasses.replace(
            config, model=dataclasses.replace(config.model, pretrained=start),
            data=dataclasses.replace(config.data, cache='off', **changes)), lambda *_: None, None, lines.append)
        return lines, names(task.val_set)
    assert said() == ([], names(presets.splits(config.data)[1]))
    lines, val = said(val_share=0.5)
    known = len(val & names(before))
    assert known > 5 and len(lines) == 1
    assert f'was trained on {known} of the {len(val)} images that this run validates on' in lines[0]
    copy = shutil.copytree(pictures, tmp_path / 'copy')
    assert f'was trained on {known} of the {len(val)} images' in said(val_share=0.5, dir=str(copy))[0][0]
    Image.new('RGB', (16, 16)).save(copy / '0' / 'new.png')
    assert f'; if {copy} holds some of them, they may be validated on now' in said(dir=str(copy))[0][0]
    shutil.copytree(pictures / '0', pictures / '3')
    lines, val = said(val_share=0.5)
    known = len(val & names(before))
    assert f'was trained on {known} of the {len(val)} images' in lines[0] and any(n.startswith('3/') for n in val)
    assert said(dir=str(shutil.copytree(pictures, tmp_path / 'other')))[0] == []  # other classes

    saved = checkpoint.load(start)
    meta = {key: value for key, value in saved.meta.items() if key not in ('format', 'parameters')}
    meta['config']['data']['dir'] = str(tmp_path)
    checkpoint.save(start, saved.arrays, {**meta, 'division': None})
    train = tmp_path / 'train'
    os.rename(pictures, train)
    lines, val = said(dir=str(train))
    assert f'was trained on all training images of {tmp_path}; of these, {len(val)} are validated on now' in lines[0]


def test_images_that_are_in_val_now_and_may_have_been_trained_on_are_named(copied, tmp_path):
    """A folder that got a val/, one whose val/ has other images, a copy without it, and names in another form."""
    from tinynets.model import checkpoint
    from tinynets.tasks.classification.overlap import _normal, overlap
    from tinynets.tasks.classification.task import starting_checkpoint
    path, config, pictures = copied
    start = str(path / 'best.ckpt')
    as_if_there(start, pictures)

    def said(place):
        data = dataclasses.replace(config.data, dir=str(place))
        return overlap(dataclasses.replace(config, data=data), starting_checkpoint(start), *presets.splits(data))

    def divide(place, *moved):
        for label in COUNTS:
            (place / 'train').mkdir(exist_ok=True)
            (place / 'val' / label).mkdir(parents=True, exist_ok=True)
            if (place / label).exists():
                os.rename(place / label, place / 'train' / label)
            for name in moved:
                os.rename(place / 'train' / label / name, place / 'val' / label / name)
    trained = names(presets.splits(config.data)[0])
    divide(pictures, '0.png', '3.png', '4.png')
    count = len({f'{label}/{i}.png' for label in COUNTS for i in (0, 3, 4)} & trained)
    assert 0 < count < 12 and f'their names, {count} of the 12 images in it may be training images' in said(pictures)
    saved = checkpoint.load(start)
    checkpoint.save(start, saved.arrays, {key: value for key, value in saved.meta.items() if key not in (
        'format', 'parameters', 'all_names')})  # as of a release that did not keep them
    moved = shutil.copytree(pictures, tmp_path / 'moved')
    assert f'their names, {count} of the 12 images in it may be training images' in said(moved)

    def as_if_with_val(place):
        """Rewrite the checkpoint as if the run had had this val/."""
        data = dataclasses.replace(config.data, dir=str(place))
        both, saved = presets.splits(data), checkpoint.load(start)
        meta = {key: value for key, value in saved.meta.items() if key not in ('format', 'parameters')}
        meta.update(division=None, names=presets.digest(*both), all_names=presets.digest_of_both(*both))
        meta['config']['data']['dir'] = str(place)
        checkpoint.save(start, saved.arrays, meta)
    as_if_with_val(pictures)
    assert said(pictures) is None
    copy = shutil.copytree(pictures, tmp_path / 'copy')
    assert said(copy) is None
    for place in (pictures, copy):
        divide(place, '5.png')
        assert f'was trained in {pictures} with other images in val/; if it was trained on some of these 16' in said(
            place)
    Image.new('RGB', (16, 16)).save(pictures / 'train' / '0' / 'new.png')
    assert 'if it was trained on some of these 16' in said(pictures)  # the same place with one image more
    alone = shutil.copytree(copy / 'train', tmp_path / 'alone')
    assert f'was trained on images of the same classes in {pictures}; if {alone} holds some' in said(alone)
    os.rename(alone / '2', alone / 'two')
    assert said(alone) is None  # other classes
    assert _normal(['e\u0301', 'A', 'a']) == ['\xe9', 'A', 'a']  # two forms of one name, two names


def run_config(path):
    from tinynets.model import checkpoint
    return from_dict(checkpoint.load(str(path / 'last.ckpt')).meta['config'], 'x').data


def as_if_there(path, folder):
    """Rewrite a checkpoint as if its run had had its images in a folder."""
    from tinynets.model import checkpoint
    saved = checkpoint.load(str(path))
    meta = {key: value for key, value in saved.meta.items() if key not in ('format', 'parameters')}
    meta['config']['data']['dir'] = str(folder)
    checkpoint.save(str(path), saved.arrays, meta)


def test_one_division_for_train_and_eval_entries(copied, entry):
    path, config, pictures = copied
    _, val = presets.splits(DataConfig(name='image_folder', dir=str(pictures)))
    for i in range(3):
        Image.new('RGB', (16, 16)).save(pictures / '0' / f'x{i}.png')
    done = entry('eval.py', '--checkpoint', path / 'best.ckpt', '--data-dir', pictures)
    count = int(done.stdout.split(' images ')[0].split()[-1])
    assert done.returncode == 0 and len(val) <= count <= len(val) + 3, done.stderr
    assert 'the images have changed since the training divided them: 43 now, 40 then' in done.stderr
