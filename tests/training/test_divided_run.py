"""A run on a folder without val/ keeps its training images in checkpoints, exports and resumption."""
import dataclasses
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tinynets.config import DataConfig, from_dict
from tinynets.data import presets
from tinynets.data.division import places_of
from tinynets.data.trained import Trained
from tinynets.model import checkpoint
from tinynets.tasks.classification.starts import kept_parts, starts_of
from tinynets.tasks.classification.task import Classification

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
    saved = checkpoint.load(str(path))
    meta = {key: value for key, value in saved.meta.items() if key not in (
        'division', 'names', 'trained', 'format', 'parameters')}
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
    from tinynets.deploy.manifest import read_manifest
    path, config, pictures = copied
    train, val = presets.splits(config.data)
    made = export(str(path / 'last.ckpt'), ('ONNX',), str(path / 'export'))
    assert read_manifest(made[0].path)['trained'] == checkpoint.load(str(path / 'last.ckpt')).meta['trained']
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


def test_numbered_classes_are_in_the_order_of_their_numbers(run):
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
    meta = checkpoint.load(str(path / 'last.ckpt')).meta
    assert meta['class_names'] == ['0', '1', '10', '2'] and 'division' not in meta
    Image.new('RGB', (16, 16)).save(pictures / '0' / 'new.png')
    with pytest.raises(ValueError, match='an earlier release trained it on 32 images.* would now give 33'):
        scored(path / 'last.ckpt', pictures)


def test_a_new_run_from_the_weights_of_another_keeps_its_division(copied, light_config, tmp_path):
    path, config, pictures = copied
    own = dataclasses.replace(config, model=dataclasses.replace(config.model, pretrained=str(path / 'best.ckpt')))
    train, val = presets.splits(run_config(path))
    for label in COUNTS:
        for i in range(50, 60):
            Image.new('RGB', (16, 16)).save(pictures / label / f'{i}.png')
    as_if_there(path / 'best.ckpt', pictures)
    division, classes = kept_parts(own, starts_of(own, None, 'classification'))
    new_train, new_val = presets.splits(own.data, None, division, classes)
    assert not names(new_val) & names(train) and not names(new_train) & names(val) and len(new_train) > len(train)
    for change in ({'val_share': 0.5}, {'dir': str(tmp_path)}, {'holdout': 3}):
        other = dataclasses.replace(own, data=dataclasses.replace(own.data, **change))
        assert kept_parts(other, starts_of(other, None, 'classification')) == (None, ['0', '1', '2', '10'])
    as_of_an_earlier_release(path / 'best.ckpt')
    as_if_there(path / 'best.ckpt', pictures)
    assert kept_parts(own, starts_of(own, None, 'classification'))[0] is None
    assert kept_parts(config, starts_of(config, None, 'classification')) == (None, ())


def test_images_that_the_starting_weights_were_trained_on_are_counted(copied, tmp_path):
    """By another share, in a copy, with other classes, in a val/ of today, and through every kind of start."""
    from tinynets.deploy.convert import to_checkpoint, to_safetensors
    path, config, pictures = copied
    before = names(presets.splits(run_config(path))[0])
    start = str(path / 'best.ckpt')
    as_if_there(start, pictures)

    def said(pretrained=start, teacher=None, **changes):
        lines = []
        task = Classification(dataclasses.replace(
            config, model=dataclasses.replace(config.model, pretrained=pretrained),
            train=dataclasses.replace(config.train, teacher=teacher),
            data=dataclasses.replace(config.data, cache='off', **changes)), lambda *_: None, None, lines.append)
        return lines, task

    def check(before, *results):
        for lines, task in results:
            val = names(task.val_set)
            count = len(val & before)
            assert 0 < count < len(val) and len(lines) == 1
            assert f': was trained on images with the names of {count} of the {len(val)} images that this' in lines[0]
    lines, task = said()
    assert lines == [] and names(task.val_set) == names(presets.splits(config.data)[1])
    check(before, said(val_share=0.5))
    copy = shutil.copytree(pictures, tmp_path / 'copy')
    check(before, said(val_share=0.5, dir=str(copy)))
    Image.new('RGB', (16, 16)).save(copy / '0' / 'new.png')
    shutil.copytree(pictures / '0', pictures / '3')
    check(before, said(val_share=0.5, dir=str(copy)), said(val_share=0.5))

    made = tmp_path / 'made'
    to_safetensors(start, str(made / 'model.safetensors'))
    to_checkpoint(str(made / 'model.safetensors'), str(made / 'again.ckpt'))
    for weights in (made / 'model.safetensors', made / 'again.ckpt'):
        check(before, said(str(weights), val_share=0.5))
    lines, taught = said(None, start, val_share=0.5, dir=str(copy))
    check(before, (lines, taught))
    assert 'may be too high. Use another train.teacher' in lines[0]
    assert Trained.from_dict(taught.images['trained'], 'x').parts[0].own.tolist() == sorted(
        places_of(taught.train_set.names))  # not those of the teacher, whose weights it does not have
    lines, started = said(val_share=0.5, dir=str(copy))
    assert 'will be too high. Start from other weights' in lines[0]
    os.remove(made / 'config.json')
    assert said(str(made / 'model.safetensors'), start, val_share=0.5, dir=str(copy))[0][1].startswith(start)

    for label in COUNTS:
        for split in ('train', 'val'):
            (copy / split / label).mkdir(parents=True)
        for i, image in enumerate(sorted((copy / label).iterdir())):
            os.rename(image, copy / ('val' if i < 4 else 'train') / label / image.name)
        (copy / label).rmdir()
    check(before, said(dir=str(copy)))


def test_a_run_keeps_the_images_of_what_it_started_from(copied, tmp_path):
    path, config, pictures = copied
    start, other = str(path / 'best.ckpt'), tmp_path / 'other'
    for label in COUNTS:
        (other / label).mkdir(parents=True)
        for i in range(6):
            Image.new('RGB', (16, 16)).save(other / label / f'other{i}.png')
    again = dataclasses.replace(config, model=dataclasses.replace(config.model, pretrained=start),
                                data=dataclasses.replace(config.data, dir=str(other), cache='off'))
    task = Classification(again, lambda *_: None, None, print)
    kept = Trained.from_dict(task.images['trained'], 'x')
    before = presets.splits(run_config(path))[0].names
    assert kept.parts[0].own.tolist() == sorted(places_of([*before, *task.train_set.names]))
    saved = checkpoint.load(start)
    resumed = dataclasses.replace(saved, meta={**saved.meta, 'trained': task.images['trained']})
    lines = []
    task = Classification(config, lambda *_: None, resumed, lines.append)  # with more than its own images
    assert task.images['trained'] == kept.to_dict() and lines == []


def test_a_pipe_has_no_names(tmp_path):
    from tinynets.model.pretrained import read_trained
    os.mkfifo(tmp_path / 'x.safetensors')
    assert read_trained(str(tmp_path / 'x.safetensors')) is None


def test_damaged_names_are_a_damaged_checkpoint(copied):
    """A study begins such a trial again."""
    from tinynets.tasks.restore import check_meta
    saved = checkpoint.load(str(copied[0] / 'last.ckpt'))
    with pytest.raises(checkpoint.CheckpointError, match='last.ckpt: its names of training images cannot be read'):
        check_meta(dataclasses.replace(saved, meta={**saved.meta, 'trained': []}))


def test_an_earlier_release_s_weights_are_named_where_they_tell_nothing(copied, tmp_path):
    path, config, pictures = copied
    start = str(path / 'best.ckpt')
    saved = checkpoint.load(start)
    checkpoint.save(start, saved.arrays, {key: value for key, value in saved.meta.items() if key not in (
        'format', 'parameters', 'trained')})
    as_if_there(start, pictures)

    def said(**changes):
        lines = []
        Classification(dataclasses.replace(
            config, model=dataclasses.replace(config.model, pretrained=start),
            data=dataclasses.replace(config.data, cache='off', **changes)), lambda *_: None, None, lines.append)
        return lines
    assert said() == []
    line, = said(val_share=0.5)
    assert line.startswith(f'{start}: an earlier release wrote it or what it started from, without the names of the '
                           'training images; if some of the 20 that')


def run_config(path):
    return from_dict(checkpoint.load(str(path / 'last.ckpt')).meta['config'], 'x').data


def as_if_there(path, folder):
    """Rewrite a checkpoint as if its run had had its images in a folder."""
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
