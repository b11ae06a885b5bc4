"""data.images and data.holdout: which images a search trains on and scores."""
import dataclasses

import numpy as np
import pytest

from tinynets.config import DataConfig
from tinynets.data import presets
from tinynets.data.classification import ArrayDataset, balanced_order, load_dataset

DIGITS = DataConfig(name='digits')


def parts(**changes):
    data = dataclasses.replace(DIGITS, **changes)
    return presets.dataset(data, 'train'), presets.dataset(data, 'val')


def pixels(dataset):
    return [dataset.image(i).tobytes() for i in range(len(dataset))]


def test_without_either_the_splits_are_the_data_sets_own():
    train, val = parts()
    assert isinstance(train, ArrayDataset) and isinstance(val, ArrayDataset)
    assert (len(train), len(val)) == (1437, 360)


def test_images_and_holdout_share_no_image_and_come_from_the_training_set():
    train, val = parts(images=500, holdout=200)
    assert (len(train), len(val)) == (500, 200)
    whole = load_dataset('digits', 'train')
    assert not set(train.indices) & set(val.indices)
    for part in (train, val):
        assert len(set(part.indices)) == len(part)
        assert part.labels.tolist() == whole.labels[part.indices].tolist() and part.class_names == whole.class_names
        assert pixels(part) == [whole.image(int(i)).tobytes() for i in part.indices]
        assert part.name(3) == whole.name(part.indices[3])


@pytest.mark.parametrize('images, holdout', [(500, 200), (100, 0), (None, 300), (37, 13)])
def test_classes_have_their_shares(images, holdout):
    whole = np.bincount(load_dataset('digits', 'train').labels) / 1437
    for part in parts(images=images, holdout=holdout)[:2 if holdout else 1]:
        counts = np.bincount(part.labels, minlength=10)
        assert np.abs(counts - whole * len(part)).max() <= 2, counts


def test_the_holdout_is_the_same_whatever_is_trained_on_and_the_rest_is_all_the_others():
    small, large = parts(images=100, holdout=200), parts(holdout=200)
    assert small[1].indices.tolist() == large[1].indices.tolist()
    assert sorted([*large[0].indices, *large[1].indices]) == list(range(1437))
    assert set(small[0].indices) <= set(large[0].indices)
    assert parts(images=100, holdout=200)[0].indices.tolist() == small[0].indices.tolist()


@pytest.mark.parametrize('changes', [{'holdout': 1437}, {'holdout': 1400, 'images': 38}, {'images': 1438}])
def test_more_images_than_there_are_is_an_error_that_names_them(changes):
    with pytest.raises(ValueError, match='1,?437|37 images'):
        parts(**changes)
    train = parts(**{**changes, **({'images': 37} if 'images' in changes else {'holdout': 1436})})[0]
    assert len(train) in (1, 37)


@pytest.mark.parametrize('changes, train, val', [
    ({'images': 200, 'holdout': 50}, 1437, 360), ({'images': 10}, 1437, 360), ({'holdout': 100}, 1437, 360),
    ({}, 1437, 360)])
def test_the_whole_set_is_every_image_of_either_split(changes, train, val):
    whole = presets.whole_set(dataclasses.replace(DIGITS, **changes))
    assert (len(presets.dataset(whole, 'train')), len(presets.dataset(whole, 'val'))) == (train, val)


@pytest.mark.parametrize('first, second', [(90, 10), (70, 30), (501, 499), (3, 200)])
def test_every_beginning_of_the_order_has_the_nearest_number_of_each_class(first, second):
    labels = np.array([0] * first + [1] * second)
    order = balanced_order(labels)
    shares = np.arange(1, len(labels) + 1) * second / len(labels)
    assert sorted(order) == list(range(len(labels)))
    assert np.abs(np.cumsum(labels[order]) - shares).max() <= 0.5 + 1e-9
