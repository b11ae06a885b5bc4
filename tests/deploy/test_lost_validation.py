"""A model that was trained on a folder with val/ is never scored on the other images if val/ is gone."""
import dataclasses
import shutil

import pytest
from PIL import Image

from tinynets.config import Config, to_dict
from tinynets.data import presets
from tinynets.deploy.predict import Predictor, _train_digest, _val_digest

CLASSES = ('cat', 'dog')


@pytest.fixture
def folder(tmp_path):
    for split in ('train', 'val'):
        for name in CLASSES:
            (tmp_path / 'set' / split / name).mkdir(parents=True)
            for i in range(5):
                Image.new('RGB', (8, 8), (i, 0, 0)).save(tmp_path / 'set' / split / name / f'{split}{i}.png')
    return tmp_path / 'set'


@pytest.fixture
def model(folder):
    """(a model trained on the folder with val/, its data configuration)."""
    config = Config()
    data = dataclasses.replace(config.data, name='image_folder', dir=str(folder))
    tree = to_dict(dataclasses.replace(config, data=data))
    return Predictor(lambda images: images, {}, CLASSES, {}, tree, 'raw', True, None), data


def test_without_val_the_training_images_are_not_scored(folder, model):
    predictor, data = model
    assert len(predictor.dataset(data, 'val')) == 10
    shutil.move(folder / 'val', folder.parent / 'elsewhere')
    for given in (folder, folder / 'train', f'{folder}/.'):
        with pytest.raises(ValueError, match='the model was trained on all images in it; put val/ back'):
            predictor.dataset(dataclasses.replace(data, dir=str(given)), 'val')


def test_the_training_split_given_as_a_folder_is_not_scored(folder, model):
    predictor, data = model
    with pytest.raises(ValueError, match='was trained on all images in it'):
        predictor.dataset(dataclasses.replace(data, dir=str(folder / 'train')), 'val')


def test_other_folders_and_models_trained_elsewhere_are_as_before(folder, model, tmp_path, capsys):
    predictor, data = model
    other = shutil.copytree(folder / 'train', tmp_path / 'other')
    assert 0 < len(predictor.dataset(dataclasses.replace(data, dir=str(other)), 'val')) < 10
    capsys.readouterr()
    known = dataclasses.replace(predictor, train_digest='0')
    known.dataset(dataclasses.replace(data, dir=str(other)), 'val')
    assert 'other: has no val/, and the model was trained with a val/ of its own; if images' in capsys.readouterr().err
    published = dataclasses.replace(predictor, config={})
    assert 0 < len(published.dataset(dataclasses.replace(data, dir=str(folder / 'train')), 'val')) < 10


def test_it_is_said_where_the_validation_images_are_others_than_the_trainings(folder, model, capsys):
    predictor, data = model
    predictor = dataclasses.replace(predictor, val_digest=presets.digest(*presets.splits(data)).split('-')[1])
    assert len(predictor.dataset(data, 'val')) == 10 and capsys.readouterr().err == ''
    moved = next((folder / 'train' / CLASSES[0]).iterdir())
    moved.rename(folder / 'val' / CLASSES[0] / 'moved.png')
    assert len(predictor.dataset(data, 'val')) == 11
    assert f'{folder}: its 11 validation images are not the ones that the training was' in capsys.readouterr().err
    predictor.dataset(dataclasses.replace(data, dir=str(shutil.copytree(folder, folder.parent / 'other'))), 'val')
    assert capsys.readouterr().err == ''


def test_of_a_part_held_out_it_is_said_where_the_training_images_are_others(folder, model, capsys):
    """Such a run does not use val/; names alone do not say whether an image of it was trained on."""
    predictor, data = model
    held = dataclasses.replace(data, holdout=2)
    division = presets.splits(held)[0].division
    tree = to_dict(dataclasses.replace(Config(), data=held))
    predictor = dataclasses.replace(predictor, config=tree, division=division)
    assert len(predictor.dataset(presets.whole_set(held), 'val')) == 10 and capsys.readouterr().err == ''
    next((folder / 'train' / CLASSES[0]).iterdir()).rename(folder / 'val' / CLASSES[0] / 'moved.png')
    assert len(predictor.dataset(presets.whole_set(held), 'val')) == 11
    said = 'the images have changed since the training divided them; if training images are in val/ now'
    assert said in capsys.readouterr().err
    shutil.rmtree(folder / 'train')
    assert len(predictor.dataset(presets.whole_set(held), 'val')) == 11  # and the line is said once


def test_a_run_keeps_the_names_of_both_parts_and_a_model_those_of_validation():
    """What earlier releases wrote has no such names, and nothing is said of it."""
    assert _val_digest({'names': '0123-4567'}) == '4567'
    assert [_val_digest(meta) for meta in ({'names': '0123'}, {'names': '0123-'}, {'names': 7}, {})] == [None] * 4


def test_a_moved_folder_without_its_val_is_not_scored(folder, model):
    predictor, data = model
    predictor = dataclasses.replace(predictor, train_digest=presets.digest(*presets.splits(data)).split('-')[0])
    moved = dataclasses.replace(data, dir=str(shutil.copytree(folder / 'train', folder.parent / 'moved')))
    with pytest.raises(ValueError, match='moved: has no val/, and the model was trained on all images in it'):
        predictor.dataset(moved, 'val')
    assert len(predictor.dataset(moved, 'train')) == 8
    (folder.parent / 'moved' / CLASSES[0] / 'train0.png').unlink()
    assert 0 < len(predictor.dataset(moved, 'val')) < 10  # another set, by its names


def test_in_a_moved_folder_training_images_in_val_are_counted(folder, model, capsys):
    predictor, data = model
    divided = dataclasses.replace(data, dir=str(folder / 'train'))
    train, val = presets.splits(divided)
    tree = to_dict(dataclasses.replace(Config(), data=divided))
    predictor = dataclasses.replace(predictor, config=tree, division=train.division)
    moved = folder.parent / 'moved'
    shutil.copytree(folder / 'train', moved / 'train')
    for name in [*val.names, *train.names[:3]]:
        (moved / 'val' / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(moved / 'train' / name, moved / 'val' / name)
    capsys.readouterr()
    there = dataclasses.replace(data, dir=str(moved))
    assert len(predictor.dataset(there, 'val')) == len(val) + 3
    assert f'by their names, 3 of the {len(val) + 3} images in val/ may be training' in capsys.readouterr().err
    (moved / 'train' / train.names[-1]).unlink()  # another set, by its names
    predictor.dataset(there, 'val')
    assert capsys.readouterr().err == ''


def test_in_a_moved_folder_changed_validation_images_are_noticed(folder, model, capsys):
    predictor, data = model
    parts = presets.splits(data)
    predictor = dataclasses.replace(predictor, val_digest=presets.digest(*parts).split('-')[1],
                                    all_digest=presets.digest_of_both(*parts))
    moved = shutil.copytree(folder, folder.parent / 'moved')
    there = dataclasses.replace(data, dir=str(moved))
    predictor.dataset(there, 'val')
    assert capsys.readouterr().err == ''
    shutil.move(moved / 'train' / CLASSES[0] / 'train0.png', moved / 'val' / CLASSES[0])
    predictor.dataset(there, 'val')
    assert f'{moved}: its 11 validation images are not the ones that the training was' in capsys.readouterr().err


def test_a_model_keeps_the_hash_of_its_training_images():
    assert _train_digest({'names': '0123-4567'}) == '0123'
    assert [_train_digest(meta) for meta in ({'names': '0123'}, {'names': '-4567'}, {'names': 7}, {})] == [None] * 4
