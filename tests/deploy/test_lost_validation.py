"""A model that was trained on a folder with val/ is never scored on what is left when that is gone."""
import dataclasses
import shutil

import pytest
from PIL import Image

from tinynets.config import Config, to_dict
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
        with pytest.raises(ValueError, match='the model was trained on all its training images; put val/ back'):
            predictor.dataset(dataclasses.replace(data, dir=str(given)), 'val')


def test_the_training_split_given_as_a_folder_is_not_scored(folder, model):
    predictor, data = model
    with pytest.raises(ValueError, match='was trained on all its training images'):
        predictor.dataset(dataclasses.replace(data, dir=str(folder / 'train')), 'val')


def test_other_folders_and_models_trained_elsewhere_are_as_before(folder, model, tmp_path):
    predictor, data = model
    other = shutil.copytree(folder / 'train', tmp_path / 'other')
    assert 0 < len(predictor.dataset(dataclasses.replace(data, dir=str(other)), 'val')) < 10
    published = dataclasses.replace(predictor, config={})
    assert 0 < len(published.dataset(dataclasses.replace(data, dir=str(folder / 'train')), 'val')) < 10
