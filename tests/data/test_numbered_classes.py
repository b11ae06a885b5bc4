"""Numbered class folders: their order in training, and their match with classes without names."""
import itertools

import numpy as np
import pytest
from PIL import Image

from tinynets.data.classes import in_order, match_indices, numbers
from tinynets.data.classification import load_dataset


def matched(found, count):
    lines = []
    return match_indices(tuple(found), count, 'set', lines.append), lines


@pytest.mark.parametrize('count', [2, 10, 11, 12, 101, 1000])
@pytest.mark.parametrize('form', ['{}', '{:02}', '{:04}'])
def test_numbers_from_zero_are_the_classes_whatever_their_order(count, form):
    found = [form.format(i) for i in range(count)]
    for order in (sorted(found), found, found[::-1]):
        assert matched(order, count) == ([int(name) for name in order], [])


def test_fewer_numbered_folders_than_classes():
    indices, lines = matched(['11', '3', '8'], 12)
    assert indices == [11, 3, 8] and len(lines) == 1 and '3 classes 3 to 11 are matched by number, from 0' in lines[0]
    assert matched(['000', '999'], 1000) == ([0, 999], [])


@pytest.mark.parametrize('found, want', [
    ([str(i) for i in range(1, 13)], range(12)),
    (sorted(str(i) for i in range(1, 13)), [0, 9, 10, 11, 1, 2, 3, 4, 5, 6, 7, 8]),
    (['10', '20', '5'], [1, 2, 0])])
def test_other_numbers_are_matched_by_their_order_and_that_is_said(found, want):
    indices, lines = matched(found, len(found))
    assert indices == list(want) and len(lines) == 1
    assert 'in the order of the numbers' in lines[0] and '--classes' in lines[0]


@pytest.mark.parametrize('found, count, words', [
    (['0', '1', '12'], 12, '3 classes, the model has 12 .*12 is beyond the last, 11'),
    (['a', 'b'], 3, '2 classes, the model has 3'),
    (['0', '1', '2', '3'], 3, '4 classes, the model has 3'), (['1', '01'], 3, '2 classes, the model has 3')])
def test_what_cannot_be_matched_is_refused(found, count, words):
    with pytest.raises(ValueError, match=f'set has {words}.*--classes'):
        matched(found, count)


@pytest.mark.parametrize('found, line', [
    (['n01440764', 'n01443537', 'n02102040'], None), (['ant', 'bee', 'cat'], None), (['a01', 'a02', 'a10'], None),
    (['t-shirt', 'trouser', 'pullover'], None),  # an order of its own
    (['class_1', 'class_10', 'class_2'], 'class 1 of the model is class_10; in natural order it would be class_2'),
    (['B', 'a', 'c'], 'class 0 of the model is B; in natural order it would be a'),
    (['1', '10', 'x2'], 'class 0 of the model is 1;'), (['01', '1', 'a'], 'class 0 of the model is 01;'),
    (['0', '1', '2', 'other'], None), (['0', '1', '3', 'other'], 'class 2 of the model is 3;'),
    ([' 3', '0', '1', '2'], 'class 0 of the model is  3; in natural order it would be 0'),
    (['0', '1', '2', '4 '], 'class 3 of the model is 4 ;'), (['1st', '2nd', '3rd'], None),
    (['10th', '1st', '2nd'], 'class 0 of the model is 10th; in natural order it would be 1st'),
    ([chr(0x966 + i) for i in range(10)], None), (['\u0967', '\u0968'], 'class 0 of the model is \u0967;'),
    (['\u0966', '\u0967', '\u0967\u0966', '\u0968'], 'is \u0967\u0966; in natural order it would be \u0968'),
    (['background'] + [f'c{i:03}' for i in range(1, 11)], 'class 0 of the model is background;'),
    ([f'c{i:03}' for i in range(1, 11)] + ['other'], 'class 10 of the model is other;'),
    ([f'c{i:03}' for i in range(10)] + ['other'], None), (['background', 'c000', 'c001'], 'is background;'),
    (['001.ak47', '002.flag', '003.bag', 'clutter'], 'class 3 of the model is clutter;'),
    (['#none', '1', '2'], 'class 0 of the model is #none;'), (['bird', 'cat1', 'dog1'], None),
    (['cat1', 'cat2', 'dog1', 'dog2'], None), (['bird', 'cat', 'dog', 'f16'], None)])
def test_names_are_matched_in_order_and_a_doubtful_one_is_said(found, line):
    indices, lines = matched(found, len(found))
    assert indices == list(range(len(found)))
    assert (lines == []) if line is None else (len(lines) == 1 and line in lines[0])


def test_numbers_and_order():
    assert numbers(['2', '10', '003']) == (2, 10, 3) and in_order(['2', '10', '003']) == ('2', '003', '10')
    for names in (['1', '01'], ['1', 'a'], ['-1', '2'], ['1.5', '2'], ['²', '1'], ['1' * 5000, '2'], ['', '1']):
        assert numbers(names) == () and in_order(names) == tuple(sorted(names))
    for names in itertools.permutations(['0', '1', '9', '10']):
        assert in_order(names) == ('0', '1', '9', '10')


@pytest.fixture
def numbered(tmp_path):
    """Twelve folders 0 to 11 under val/, an image of grey level 20 n in folder n."""
    for i in range(12):
        (tmp_path / 'val' / str(i)).mkdir(parents=True)
        Image.new('L', (8, 8), 20 * i).save(tmp_path / 'val' / str(i) / '0.png')
    return tmp_path


def test_a_new_training_has_numbered_folders_in_the_order_of_their_numbers(numbered):
    data = load_dataset('image_folder', 'val', str(numbered))
    assert data.class_names == tuple(map(str, range(12)))
    assert [data.image(i).getpixel((0, 0))[0] for i in range(12)] == [20 * label for label in data.labels]
    old = tuple(sorted(map(str, range(12))))  # that of an earlier release's checkpoint
    kept = load_dataset('image_folder', 'val', str(numbered), class_names=old)
    assert kept.paths == data.paths
    assert [old[label] for label in kept.labels] == [data.class_names[i] for i in data.labels]


def levels(images):
    """A network that classifies grey levels: class n for 20 n."""
    grey = np.round((images.mean(axis=(1, 2, 3)) * 0.225 + 0.449) * 255 / 20)
    return -np.abs(np.arange(12) - grey[:, None]).astype(np.float32)


def model(**changes):
    from tinynets.config import Config, to_dict
    from tinynets.data import presets
    from tinynets.deploy.predict import Predictor
    config = Config()
    fields = dict(predict=levels, network={'name': 'x'}, class_names=tuple(map(str, range(12))), config=to_dict(config),
                  preprocessing=presets.preprocessing(config.data, 8), weights='raw', named=False)
    return Predictor(**{**fields, **changes})


@pytest.mark.parametrize('form', ['{}', '{:03}'])
def test_nameless_classes_are_scored_and_shown_by_number(form, numbered):
    from tinynets.config import DataConfig
    from tinynets.deploy.classify import classify, samples_of_dataset
    from tinynets.tasks.classification.evaluate import evaluate
    for i in range(12):
        (numbered / 'val' / str(i)).rename(numbered / 'val' / form.format(i))
    dataset = model().dataset(DataConfig(name='image_folder', dir=str(numbered)), 'val')
    result = evaluate(levels, dataset, model().transform, 5)
    assert result.top1 == 100 and (result.confusion == np.eye(12)).all()
    assert dataset.class_names == tuple(form.format(i) for i in range(12))
    shown = list(classify(model(), samples_of_dataset(dataset, 12)))
    assert [s.right for s in shown] == [True] * 12
    assert [int(s.classes[0][0]) for s in shown] == [int(s.name.split('/')[-2]) for s in shown]
    rolled = model(predict=lambda images: np.roll(levels(images), 1, axis=1))
    wrong = list(classify(rolled, samples_of_dataset(dataset, 12)))
    assert [s.right for s in wrong] == [False] * 12 and f'is {form.format(0)})' in wrong[0].caption


def test_nameless_classes_on_some_of_the_folders(numbered):
    import shutil

    from tinynets.config import DataConfig
    from tinynets.tasks.classification.evaluate import evaluate
    for i in (0, 4, 5, 10):
        shutil.rmtree(numbered / 'val' / str(i))
    dataset = model().dataset(DataConfig(name='image_folder', dir=str(numbered)), 'val')
    assert evaluate(levels, dataset, model().transform, 5).top1 == 100 and len(dataset) == 8


def test_nameless_classes_of_a_set_in_memory(monkeypatch):
    from tinynets.config import DataConfig
    ten = model(class_names=tuple(map(str, range(10))))
    digits, whole = ten.dataset(DataConfig(name='digits'), 'val'), load_dataset('digits', 'val')
    assert (digits.labels == whole.labels).all() and digits.class_names == whole.class_names
