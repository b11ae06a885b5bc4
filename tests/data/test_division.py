"""A set without validation images is divided by names: changes of one image never move another."""
import dataclasses
import os
import random
import unicodedata

import numpy as np
import pytest
from PIL import Image

from tinynets.config import DataConfig
from tinynets.data import presets
from tinynets.data.division import (
    PLACE_LIMIT,
    Division,
    EarlierDivision,
    digest_of,
    divide,
    division_of,
    places_of,
    shares,
)


def some_names(rng, classes):
    """{class: names} of random sizes."""
    return {f'c{label}': [f'c{label}/{rng.getrandbits(40):010x}.jpg' for _ in range(rng.randint(0, 40))]
            for label in range(classes)}


def flat(tree):
    names = [name for own in tree.values() for name in own]
    return names, np.array([int(name[1:name.index('/')]) for name in names], np.int32)


def parts(division, tree):
    names, labels = flat(tree)
    return {split: {names[i] for i in division.indices(names, labels, split)} for split in ('train', 'val')}


@pytest.mark.parametrize('seed', range(30))
def test_whatever_happens_to_some_images_no_other_one_moves(seed):
    rng = random.Random(seed)
    tree = some_names(rng, rng.randint(1, 6))
    names, labels = flat(tree)
    if len(names) < 4:
        return
    val, train = rng.randint(1, len(names) // 2), rng.choice([None, len(names) // 3])
    division = Division.from_dict(divide(names, labels, len(tree), val, train).to_dict(), len(tree), 'x')
    before = parts(division, tree)
    assert len(before['val']) == val and not before['val'] & before['train']
    assert len(before['train']) == (len(names) - val if train is None else train)
    for _ in range(20):
        own = tree[rng.choice(list(tree))]
        if own and rng.random() < 0.5:
            own.remove(rng.choice(own))
        else:
            own.append(f'c{list(tree.values()).index(own)}/{rng.getrandbits(40):010x}.png')
        rng.shuffle(own)
        now, there = parts(division, tree), {name for own in tree.values() for name in own}
        for split in ('train', 'val'):
            assert before[split] & there == now[split] & set(names)
        assert not now['train'] & before['val'] and not now['val'] & before['train']
        assert division.changed(flat(tree)[0]) == (there != set(names))


@pytest.mark.parametrize('seed', range(20))
def test_each_class_gives_its_share_by_brute_force(seed):
    rng = random.Random(seed)
    tree = some_names(rng, rng.randint(1, 8))
    names, labels = flat(tree)
    if len(names) < 10:
        return
    held = rng.randint(1, len(names) // 2)
    division = divide(names, labels, len(tree), held, len(names) // 3)
    val, train = (np.bincount(labels[division.indices(names, labels, split)], minlength=len(tree))
                  for split in ('val', 'train'))
    assert val.sum() == held and train.sum() == len(names) // 3
    for label in range(len(tree)):
        count = sum(labels == label)
        rest = (count - val[label]) * train.sum() / (len(names) - held)
        assert abs(train[label] - rest) < 1 and (count < 2 or val[label] < count)
        if count - 1 > held * count / len(names):  # not held back for training
            assert abs(val[label] - held * count / len(names)) <= 1.5


def test_shares_by_hand():
    assert shares(5, [10, 10, 5], [10, 10, 5]) == [2, 2, 1]
    assert shares(4, [10, 10, 10], [10, 10, 10]) == [2, 1, 1]
    assert shares(3, [1, 9, 0], [1, 9, 0]) == [0, 3, 0]
    assert shares(6, [5, 5], [1, 5]) == [1, 5] and shares(10, [5, 5], [5, 5]) == [5, 5] and shares(0, [3], [3]) == [0]


def test_a_rare_class_is_left_to_training():
    names = [f'c0/{i}' for i in range(20)] + ['c1/only']
    division = divide(names, np.array([0] * 20 + [1]), 2, 10, None)
    assert 'c1/only' in parts(division, {'c0': names[:20], 'c1': names[20:]})['train']


def test_of_a_class_of_one_image_it_is_left_to_training_though_its_share_rounds_to_one():
    """0.8 of each class is held out, which rounds to 1 of 1; c0 gives one more instead if it has enough."""
    tree = {'c0': [f'c0/{i}' for i in range(9)], 'c1': ['c1/only']}
    assert shares(8, [9, 1], [9, 1]) == [7, 1]
    found = parts(divide(*flat(tree), 2, 8, None), tree)
    assert found['train'] - set(tree['c0']) == {'c1/only'} and len(found['train']) == 2
    assert found['val'] < set(tree['c0']) and len(found['val']) == 8
    found = parts(divide(*flat(tree), 2, 9, None), tree)  # one image is left, and none can be spared of both classes
    assert len(found['val']) == 9 and len(found['train']) == 1


def test_the_same_place_on_every_machine():
    """Numbers computed independently: printf cat/1.jpg | b2sum -l 48."""
    assert [f'{place:012x}' for place in places_of(['cat/1.jpg', 'cat/ä.jpg'])] == ['f885d4c8bc69', '289977c2f062']
    decomposed = unicodedata.normalize('NFD', 'cat/ä.jpg')
    assert decomposed != 'cat/ä.jpg' and places_of([decomposed]) == places_of(['cat/ä.jpg'])
    assert places_of([os.fsdecode(b'cat/\xff.jpg')])[0] < PLACE_LIMIT and digest_of([os.fsdecode(b'a/\xff')])
    assert digest_of(['a', 'b']) == digest_of(['b', 'a']) != digest_of(['ab'])


GOOD = divide(['a/1', 'a/2', 'b/1', 'b/2'], np.array([0, 0, 1, 1]), 2, 2, None).to_dict()


@pytest.mark.parametrize('change', [
    {'rule': 'order'}, {'val': [1]}, {'val': [1, -1]}, {'val': [1, PLACE_LIMIT + 1]}, {'val': [1, 2.0]},
    {'val': [1, True]},
    {'train': None}, {'train': 'ab'}, {'images': '4'}, {'images': None}, {'digest': 5}])
def test_a_damaged_division_is_one_line(change):
    with pytest.raises(ValueError, match='x.ckpt: its division of the data set cannot be read'):
        division_of({'class_names': ['a', 'b'], 'division': {**GOOD, **change}}, 'x.ckpt')
    for tree in ([], 'x', 5, {}):
        with pytest.raises(ValueError, match='cannot be read'):
            division_of({'class_names': ['a', 'b'], 'division': tree}, 'x.ckpt')


def test_what_kind_of_division_a_file_has():
    assert division_of({'class_names': ['a', 'b'], 'division': GOOD}, 'x').to_dict() == GOOD
    assert division_of({'class_names': ['a'], 'division': None, 'score': {'top1': 1}}, 'x') is None
    earlier = {'score': {'top1': 1}, 'train_images': 8, 'config': {'data': {'name': 'image_folder'}}}
    assert division_of(earlier, 'x') == EarlierDivision('x', 8)
    assert division_of({key: earlier[key] for key in ('score', 'config')}, 'x') == EarlierDivision('x', None)
    assert division_of({**earlier, 'config': {'data': {'name': 'digits'}}}, 'x') is None
    assert division_of({'score': {}, 'config': earlier['config']}, 'x') is None  # converted by an earlier release
    images = {'score': {'top1': 1}, 'train_images': 8, 'config': {'data': {'name': 'image_folder', 'images': 8}}}
    assert division_of(images, 'x') == EarlierDivision('x', None, True)
    packed = {**earlier, 'config': {'data': {'name': 'mindrecord', 'holdout': 2}}}
    assert division_of(packed, 'x') == EarlierDivision('x', 8)


# with folders

@pytest.fixture
def place(tmp_path):
    """A folder of 40 images of three classes, without a split."""
    for name, count in (('ant', 20), ('bee', 13), ('cat', 7)):
        (tmp_path / 'set' / name).mkdir(parents=True)
        for i in range(count):
            Image.new('L', (4, 4), i).save(tmp_path / 'set' / name / f'{i}.png')
    return tmp_path / 'set'


def config(place, **changes):
    return DataConfig(name='image_folder', dir=str(place), **changes)


def names(part):
    return set(part.names)


@pytest.mark.parametrize('changes', [{}, {'val_share': 0.4}, {'holdout': 9}, {'images': 12},
                                     {'holdout': 9, 'images': 12}])
def test_a_folder_keeps_the_division_of_its_run(changes, place, capsys):
    data = config(place, **changes)
    train, val = presets.splits(data)
    assert len(val) == changes.get('holdout', round(data.val_share * 40)) and not names(train) & names(val)
    assert len(train) == changes.get('images', 40 - len(val))
    for split, part in (('train', train), ('val', val)):
        assert names(presets.dataset(data, split)) == names(part)  # a new training takes the same
        for i in (0, len(part) - 1):
            assert part.name(i).endswith(part.names[i])
            assert part.class_names[part.labels[i]] == part.names[i].split('/')[0]
    (place / 'ant' / '3.png').unlink()
    (place / 'bee' / '4.png').write_bytes(b'damaged')
    for i in range(5):
        Image.new('L', (4, 4)).save(place / 'cat' / f'new{i}.png')
    capsys.readouterr()
    whole = presets.whole_set(data)
    later = presets.dataset(whole, 'val', division=train.division)
    old = {'ant/3.png', 'bee/4.png'}
    assert names(val) - old <= names(later) and not names(later) & names(train)
    assert names(later) - names(val) <= {f'cat/new{i}.png' for i in range(5)}
    said = f'{place}: the images have changed since the training divided them: 43 now, 40 then'
    assert said in capsys.readouterr().err
    assert names(presets.dataset(whole, 'train', division=train.division)).isdisjoint(names(later))


def test_a_set_that_is_not_changed_is_not_spoken_of(place, capsys):
    train, val = presets.splits(config(place))
    assert 'is kept for validation, chosen by their names' in capsys.readouterr().err
    again = presets.dataset(presets.whole_set(config(place)), 'val', division=train.division)
    assert names(again) == names(val) and capsys.readouterr().err == ''


def test_moving_the_classes_into_train_moves_no_image(place):
    train, val = presets.splits(config(place))
    (place.parent / 'other').mkdir()
    place.rename(place.parent / 'other' / 'Train')
    again = presets.splits(config(place.parent / 'other'))
    assert [names(part) for part in again] == [names(train), names(val)]


def test_no_image_of_the_validation_is_left(place):
    train, val = presets.splits(config(place))
    for name in val.names:
        (place / name).unlink()
    with pytest.raises(ValueError, match='none of its 32 images belongs to val; give a folder that has them in val/'):
        presets.dataset(config(place), 'val', division=train.division)


def test_a_packed_folder_is_divided_as_the_folder(place, tmp_path):
    from tinynets.data.packing import pack
    pack(str(place), str(tmp_path / 'packed' / 'train'), 1, report=lambda line: None)
    packed = dataclasses.replace(config(tmp_path / 'packed'), name='mindrecord')
    assert [names(part) for part in presets.splits(packed)] == [names(part) for part in presets.splits(config(place))]
    train, val = presets.splits(config(place))
    assert names(presets.dataset(packed, 'val', division=train.division)) == names(val)


def test_the_division_of_an_earlier_release_is_read_where_it_can_be(place, capsys):
    from tinynets.data.classification import balanced_order, load_dataset
    whole = load_dataset('image_folder', 'train', str(place))
    order = balanced_order(whole.labels)
    want = {whole.names[i] for i in order[:8]}
    earlier = EarlierDivision('old.ckpt', 32)
    assert names(presets.dataset(config(place), 'val', division=earlier)) == want
    assert 'old.ckpt: an earlier release divided the folder' in capsys.readouterr().err
    assert names(presets.dataset(config(place), 'train', division=earlier)) == {*whole.names} - want
    Image.new('L', (4, 4)).save(place / 'cat' / 'new.png')
    other = 'other images: --data-dir with a folder that has val/$'
    for split in ('train', 'val'):
        for division, advice in ((earlier, f'Put back what was changed, or give {other}'),
                                 (EarlierDivision('old.ckpt', None), f'determined. Give {other}'),
                                 (EarlierDivision('old.ONNX', None), f'Export its checkpoint again, or give {other}'),
                                 (EarlierDivision('old.onnx', None, True), f'determined. Give {other}')):
            with pytest.raises(ValueError, match=f'an earlier release trained it on .* images.*{advice}'):
                presets.dataset(config(place), split, division=division)


@pytest.mark.parametrize('images', [None, 10])
def test_a_packed_set_of_an_earlier_run_is_divided_by_order(place, tmp_path, images):
    from tinynets.data.classification import balanced_order, load_dataset
    from tinynets.data.packing import pack
    pack(str(place), str(tmp_path / 'packed' / 'train'), 1, report=lambda line: None)
    data = dataclasses.replace(config(tmp_path / 'packed'), name='mindrecord', holdout=6, images=images)
    whole = load_dataset('mindrecord', 'train', data.dir)
    meta = {'score': {'top1': 1}, 'train_images': images or len(whole) - 6,
            'config': {'data': {'name': 'mindrecord', 'holdout': 6, 'images': images}}}
    order = [whole.names[i] for i in balanced_order(whole.labels)]
    train, val = presets.splits(data, division=division_of(meta, 'old.ckpt'))
    assert names(val) == {*order[:6]} and names(train) == {*order[6:6 + (images or len(order))]}


def test_known_classes_keep_their_order(place):
    train, val = presets.splits(config(place), class_names=['cat', 'ant', 'bee'])
    assert train.class_names == val.class_names == ('cat', 'ant', 'bee')
    assert all(part.class_names[label] == name.split('/')[0] for part in (train, val)
               for name, label in zip(part.names, part.labels))
    other = presets.splits(config(place))
    assert [names(part) for part in (train, val)] == [names(part) for part in other]


def test_data_sets_in_memory_are_divided_as_ever():
    """The published studies were made with these images."""
    import zlib
    train, val = presets.splits(DataConfig(name='digits', holdout=200, images=500))
    assert (zlib.crc32(train.indices.astype('<i8').tobytes()), zlib.crc32(val.indices.astype('<i8').tobytes())) == CRC
    assert presets.digest(train, val) is None and not hasattr(train, 'division')


CRC = (2613966247, 2915822708)  # of the release before the division by names
