"""The names of training images that travel with a network's weights: hashes, samples of large sets, their union."""
import base64
import hashlib
import itertools

import numpy as np
import pytest

from tinynets.data import trained as module
from tinynets.data.origin import Origin
from tinynets.data.trained import KEPT, Trained

CONFIG = {'data': {'name': 'image_folder'}}


def place(name):
    return int(hashlib.blake2b(name.encode(), digest_size=6).hexdigest(), 16)


def names(prefix, count):
    return [f'{prefix}/{i}.png' for i in range(count)]


class Part:
    """A validation set with names; `division` as of a folder without val/."""

    def __init__(self, own, division=None):
        self.names = own
        if division is not None:
            self.division = division


def test_the_text_holds_the_hashes_in_six_bytes_each():
    kept = Trained.of(['b/1.png', 'a/2.png', 'c/3.png'], ['c/3.png', 'd/4.png'])
    tree = kept.to_dict()
    data = base64.b64decode(tree['own'])
    assert [data[i:i + 6].hex() for i in range(0, len(data), 6)] == [
        f'{p:012x}' for p in sorted(map(place, ('b/1.png', 'a/2.png')))]
    assert base64.b64decode(tree['shared']).hex() == f'{place("c/3.png"):012x}' and tree['end'] == 2 ** 48
    again = Trained.from_dict(tree, 'x')
    assert again.own.tolist() == kept.own.tolist() and again.shared.tolist() == kept.shared.tolist()
    assert again.to_dict() == tree and again.own.dtype == np.int64
    nothing = Trained.of([], [])
    assert nothing.to_dict() == {'own': '', 'shared': '', 'end': 2 ** 48}
    assert Trained.from_dict(nothing.to_dict(), 'x').share(['a/1.png'], True) == 0


def test_known_names_are_counted_wherever_they_are():
    kept = Trained.of(names('a', 30), names('b', 10))
    mixed = names('a', 3) + names('b', 5) + names('c', 2)
    assert kept.share(mixed, False) == kept.share(mixed, True) == 0.3
    assert kept.share(names('b', 5), True) == 0 and kept.share(names('a', 5), False) == 1 and kept.share([], True) == 0
    assert Trained.of(['e\u0301/1.png'], []).share(['\xe9/1.png'], False) == 1  # two forms of one name


def test_a_name_in_both_parts_tells_nothing_where_there_is_a_val_folder():
    kept = Trained.of(names('a', 10), names('a', 4))
    assert kept.share(names('a', 8), False) == 0.5 and kept.share(names('a', 8), True) == 1


def test_of_a_large_set_a_sample_is_kept_that_gives_an_estimate(monkeypatch):
    monkeypatch.setattr(module, 'KEPT', 500)
    everything = names('a', 20_000)
    kept = Trained.of(everything, [])
    assert len(kept.own) == 500 and kept.sampled
    ordered = sorted(map(place, everything))
    assert kept.own.tolist() == ordered[:500] and kept.end == ordered[500]
    val = everything[:6_000] + names('b', 14_000)
    found = np.isin(kept.own, [place(name) for name in everything[:6_000]]).sum()
    share = kept.share(val, False)
    assert share == found / sum(place(name) < kept.end for name in val) and abs(share - 0.3) < 0.1
    assert Origin(trained=kept).overlap(Part(val)) == f'about {round(share * 20_000):,} of the 20,000'
    assert Origin(trained=kept).overlap(Part(everything)) == '20,000 of the 20,000'
    again = Trained.from_dict(kept.to_dict(), 'x')
    assert again.own.tolist() == kept.own.tolist() and again.end == kept.end


def test_names_up_to_the_limit_are_all_kept(monkeypatch):
    monkeypatch.setattr(module, 'KEPT', 50)
    assert not Trained.of(names('a', 30) + names('b', 20), names('b', 20)).sampled
    kept = Trained.of(names('a', 30) + names('b', 21), names('b', 21))
    assert kept.sampled and len(kept.own) + len(kept.shared) == 50
    assert len(Trained.of(['a/1.png'] * 60, []).own) == 1
    assert KEPT == 20_000


def test_a_union_is_that_of_all_names_in_any_order(monkeypatch):
    monkeypatch.setattr(module, 'KEPT', 64)
    parts = [Trained.of(names('a', 60), names('a', 20)), Trained.of(names('a', 10) + names('b', 90), []),
             Trained.of(names('c', 5), [])]
    ordered = sorted(set(map(place, names('a', 60) + names('b', 90) + names('c', 5))))
    for one, two, three in itertools.permutations(parts):
        both = one.merged(two).merged(three)
        assert sorted([*both.own, *both.shared]) == ordered[:64] and both.end == ordered[64]
        assert sorted(both.shared) == sorted(p for p in map(place, names('a', 20)[10:]) if p < both.end)
    assert parts[0].merged(None) is parts[0]


@pytest.mark.parametrize('change', [
    {'own': None}, {'own': 'AAAA'}, {'own': 'AAAAAAA='}, {'own': 'AAAA AAA'}, {'own': 'AAAAAAA\n'}, {'own': 7},
    {'own': 'AAAAAAAA' * (KEPT + 1)}, {'shared': 'AAAA'}, {'end': -1}, {'end': 2 ** 48 + 1}, {'end': 1.0}])
def test_other_texts_are_refused(change):
    whole = {'own': 'AAAAAAAB', 'shared': '', 'end': 2 ** 48}
    assert Trained.from_dict(whole, 'x').own.tolist() == [1]
    with pytest.raises(ValueError, match='^x: its names of training images cannot be read'):
        Trained.from_dict({**whole, **change}, 'x')
    for tree in ([], 'x', 7, {}):
        with pytest.raises(ValueError, match='^x: its names'):
            Origin.of({'trained': tree}, 'x')


def test_an_origin_counts_images_and_knows_when_it_cannot():
    kept = Trained.of(names('a', 4), [])
    origin = Origin.of({'trained': kept.to_dict(), 'config': CONFIG, 'score': {'top1': 1}}, 'x')
    assert origin.overlap(Part(names('a', 5))) == '4 of the 5' and origin.overlap(Part(names('b', 5))) == ''
    assert not origin.unknown(Part(names('a', 5))) and origin.overlap(object()) == ''
    for meta in ({'trained': None, 'config': CONFIG, 'score': {'top1': 1}}, {'config': CONFIG}, {'score': {'top1': 1}},
                 {'config': {'data': {'name': 'digits'}}, 'score': {'top1': 1}}):
        origin = Origin.of(meta, 'x')
        assert not origin.unknown(Part(names('a', 5))) and origin.overlap(Part(names('a', 5))) == ''


def test_a_file_of_an_earlier_release_knows_its_own_validation_images_only():
    from tinynets.data.division import digest_of, divide
    division = divide(names('a', 20), np.zeros(20, int), 1, 5, None)
    meta = {'config': CONFIG, 'score': {'top1': 1}, 'class_names': ['a'], 'names': f'0-{digest_of(names("v", 5))}'}
    with_val = Origin.of(meta, 'x')
    assert not with_val.unknown(Part(names('v', 5))) and with_val.unknown(Part(names('v', 6)))
    assert with_val.unknown(Part(names('a', 5), division))
    without = Origin.of({**meta, 'division': division.to_dict()}, 'x')
    assert not without.unknown(Part(names('a', 5), division)) and not without.unknown(object())
    assert without.unknown(Part(names('a', 5), divide(names('a', 20), np.zeros(20, int), 1, 6, None)))
    for other in (7, None, 'x'):
        assert Origin.of({**meta, 'names': other}, 'x').unknown(Part(names('v', 5)))
