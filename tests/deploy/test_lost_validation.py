"""It is said of every folder how many of its validation images a model was trained on; none is scored without val/."""
import dataclasses
import shutil

import pytest
from PIL import Image

from tinynets.config import Config, to_dict
from tinynets.data import presets
from tinynets.data.origin import Origin
from tinynets.deploy.predict import Predictor

CLASSES = ('cat', 'dog')


@pytest.fixture
def folder(tmp_path):
    for split in ('train', 'val'):
        for name in CLASSES:
            (tmp_path / 'set' / split / name).mkdir(parents=True)
            for i in range(5):
                Image.new('RGB', (8, 8), (i, 0, 0)).save(tmp_path / 'set' / split / name / f'{split}{i}.png')
    return tmp_path / 'set'


def trained_on(data, **changes):
    """A model as a training with this data configuration writes it."""
    train, val = presets.splits(data)
    meta = {'config': to_dict(dataclasses.replace(Config(), data=data)), 'class_names': CLASSES, 'train_images': 1,
            'names': presets.digest(train, val), 'trained': presets.trained(data, train, val).to_dict(),
            'division': train.division.to_dict() if hasattr(train, 'division') else None, **changes}
    return Predictor(lambda images: images, {}, CLASSES, {}, meta['config'], 'raw', True, Origin.of(meta, 'x'))


@pytest.fixture
def data(folder):
    return dataclasses.replace(Config().data, name='image_folder', dir=str(folder))


@pytest.fixture
def said(capsys):
    """A function (model, data configuration, folder) -> (number of validation images, what is printed)."""
    def score(model, data, folder):
        capsys.readouterr()
        part = model.dataset(dataclasses.replace(data, dir=str(folder)), 'val')
        return len(part), capsys.readouterr().err
    return score


def move(folder, *moved, to='val'):
    for name in moved:
        (folder / to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / 'train' / name, folder / to / name)


def line(folder, found):
    return f'{folder}: the model was trained on images with the names of {found} images that are scored; if they'


def test_without_val_the_training_images_are_not_scored(folder, data, said):
    model = trained_on(data)
    assert said(model, data, folder) == (10, '')
    assert len(model.dataset(data, 'train')) == 10
    with pytest.raises(ValueError, match='was trained on all images in it'):
        said(model, data, folder / 'train')
    shutil.move(folder / 'val', folder.parent / 'elsewhere')
    for given in (folder, folder / 'train', f'{folder}/.'):
        with pytest.raises(ValueError, match='the model was trained on all images in it; put val/ back'):
            said(model, data, given)


def test_models_trained_elsewhere_are_scored_on_any_folder(folder, data, said):
    published = Predictor(lambda images: images, {}, CLASSES, {}, {}, 'raw')
    count, lines = said(published, data, folder / 'train')
    assert 0 < count < 10 and 'trained on' not in lines


@pytest.mark.parametrize('change', ['none', 'one less', 'one more', 'one class less'])
def test_in_a_copy_training_images_in_val_are_counted(change, folder, data, said):
    model = trained_on(data)
    copy = shutil.copytree(folder, folder.parent / 'copy')
    assert said(model, data, copy) == (10, '')
    move(copy, 'cat/train0.png', 'dog/train3.png', 'dog/train4.png')
    if change == 'one less':
        (copy / 'train' / 'cat' / 'train1.png').unlink()
    elif change == 'one more':
        Image.new('RGB', (8, 8)).save(copy / 'val' / 'cat' / 'new.png')
    count = 13 + (change == 'one more')
    if change == 'one class less':
        shutil.rmtree(copy / 'val' / 'cat')
        count = 7
    found = f'{2 if change == "one class less" else 3} of the {count}'
    scored, lines = said(model, data, copy)
    assert scored == count and line(copy, found) in lines


@pytest.mark.parametrize('change', [False, True])
def test_a_copy_without_val_is_named(change, folder, data, said):
    model = trained_on(data)
    copy = shutil.copytree(folder / 'train', folder.parent / 'copy')
    if change:
        (copy / 'cat' / 'train0.png').unlink()
    count, lines = said(model, data, copy)
    assert 0 < count < 10 and line(copy, f'{count} of the {count}') in lines
    other = shutil.copytree(folder / 'val', folder.parent / 'other')
    assert 'trained on' not in said(model, data, other)[1]


def test_a_folder_that_got_a_val_later_is_counted_wherever_it_is(folder, data, said):
    plain = dataclasses.replace(data, dir=str(shutil.copytree(folder / 'train', folder.parent / 'plain')))
    model, (train, val) = trained_on(plain), presets.splits(plain)
    count, lines = said(model, plain, plain.dir)
    assert count == len(val) and 'trained on' not in lines
    copy = folder.parent / 'copy'
    shutil.copytree(plain.dir, copy / 'train')
    move(copy, *val.names, *train.names[:3])
    (copy / 'train' / train.names[-1]).unlink()
    count, lines = said(model, data, copy)
    assert count == len(val) + 3 and line(copy, f'3 of the {count}') in lines


def test_of_a_part_held_out_only_images_trained_on_are_counted(folder, data, said):
    """Such a run does not use val/; an image that was left out for damage since then changes nothing."""
    held = dataclasses.replace(data, holdout=2)
    model, whole = trained_on(held), presets.whole_set(held)
    assert said(model, whole, folder) == (10, '')
    (folder / 'train' / 'cat' / 'broken.png').write_bytes(b'no image')
    assert said(model, whole, folder) == (10, '')
    train, val = presets.splits(held)
    move(folder, train.names[0], val.names[0])
    assert line(folder, '1 of the 12') in said(model, whole, folder)[1]
    move(folder, train.names[1])
    shutil.rmtree(folder / 'train')
    assert line(folder, '2 of the 13') in said(model, whole, folder)[1]


def test_names_of_both_parts_tell_nothing_in_a_val_folder(folder, data, said):
    for split in ('train', 'val'):
        for name in CLASSES:
            for i in range(5):
                (folder / split / name / f'{split}{i}.png').rename(folder / split / name / f'{i}.png')
    model = trained_on(data)
    assert said(model, data, shutil.copytree(folder, folder.parent / 'copy')) == (10, '')
    count, lines = said(model, data, shutil.copytree(folder / 'train', folder.parent / 'alone'))
    assert f'{count} of the {count}' in lines


def test_of_a_part_held_out_names_of_both_folders_tell_nothing(folder, data, said):
    for split in ('train', 'val'):
        for name in CLASSES:
            for i in range(5):
                (folder / split / name / f'{split}{i}.png').rename(folder / split / name / f'{i}.png')
    held = dataclasses.replace(data, holdout=2)
    assert said(trained_on(held), presets.whole_set(held), folder) == (10, '')
    (folder / 'val' / 'cat' / '9.png').write_bytes((folder / 'val' / 'cat' / '1.png').read_bytes())
    (folder / 'train' / 'cat' / '9.png').write_bytes(b'no image')
    shutil.rmtree(folder / 'val')
    trained_on(held)  # without val/ as well


def test_a_model_of_an_earlier_release_says_that_it_cannot_tell(folder, data, said):
    import tinynets.deploy.predict as module
    model = trained_on(data)
    earlier = dataclasses.replace(model, origin=dataclasses.replace(model.origin, trained=None, earlier=True))
    assert said(earlier, data, folder) == (10, '')
    copy = shutil.copytree(folder, folder.parent / 'copy')
    assert said(earlier, data, copy) == (10, '')
    move(copy, 'cat/train0.png')
    told = (f'{copy}: an earlier release wrote the model or what it started from, without the names of the training '
            'images; if some of these 11 are')
    assert told in said(earlier, data, copy)[1]
    assert module.Predictor(lambda images: images, {}, CLASSES, {}, {}, 'raw').origin == Origin()
