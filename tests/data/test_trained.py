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


def share(kept, own, divided):
    return kept.found(own, divided)[0]


def test_the_text_holds_the_hashes_in_six_bytes_each():
    kept = Trained.of(['b/1.png', 'a/2.png', 'c/3.png'], ['c/3.png', 'd/4.png'])
    tree = kept.to_dict()
    part, = tree['parts']
    data = base64.b64decode(part['own'])
    assert [data[i:i + 6].hex() for i in range(0, len(data), 6)] == [
        f'{p:012x}' for p in sorted(map(place, ('b/1.png', 'a/2.png')))]
    assert base64.b64decode(part['shared']).hex() == f'{place("c/3.png"):012x}' and part['end'] == 2 ** 48
    again = Trained.from_dict(tree, 'x')
    assert again.to_dict() == tree and again.parts[0].own.dtype == np.int64 and tree['complete'] is True
    assert again.parts[0].own.tolist() == kept.parts[0].own.tolist()
    nothing = Trained.of([], [])
    assert nothing.to_dict() == {'complete': True, 'parts': [{'own': '', 'shared': '', 'end': 2 ** 48}]}
    assert Trained.from_dict(nothing.to_dict(), 'x').found(['a/1.png'], True) == (0, False, 0)
    assert Trained.from_dict(Trained.unknown().to_dict(), 'x').to_dict() == {'complete': False, 'parts': []}


def test_known_names_are_counted_wherever_they_are():
    kept = Trained.of(names('a', 30), names('b', 10))
    mixed = names('a', 3) + names('b', 5) + names('c', 2)
    assert kept.found(mixed, False) == kept.found(mixed, True) == (0.3, False, 10)
    assert share(kept, names('b', 5), True) == 0 and share(kept, names('a', 5), False) == 1
    assert share(kept, [], True) == 0
    assert share(Trained.of(['e\u0301/1.png'], []), ['\xe9/1.png'], False) == 1  # two forms of one name


def test_a_name_in_both_parts_tells_nothing_where_there_is_a_val_folder():
    kept = Trained.of(names('a', 10), names('a', 4))
    assert share(kept, names('a', 8), False) == 0.5 and share(kept, names('a', 8), True) == 1


def test_of_a_large_set_a_sample_is_kept_that_gives_an_estimate(monkeypatch):
    monkeypatch.setattr(module, 'KEPT', 500)
    everything = names('a', 20_000)
    kept = Trained.of(everything, [])
    part, = kept.parts
    ordered = sorted(map(place, everything))
    assert part.sampled and part.own.tolist() == ordered[:500] and part.end == ordered[500]
    val = everything[:6_000] + names('b', 14_000)
    hits = np.isin(part.own, [place(name) for name in everything[:6_000]]).sum()
    count = sum(place(name) < part.end for name in val)
    assert kept.found(val, False) == (hits / count, True, count) and abs(hits / count - 0.3) < 0.1
    origin = Origin(trained=kept)
    assert origin.overlap(Part(val)) == f'about {round(hits / count * 20_000):,} of the 20,000'
    assert origin.overlap(Part(everything)) == 'about 20,000 of the 20,000'
    few = [name for name in everything if place(name) < part.end][:19]
    assert origin.overlap(Part(few)) == 'some of the 19'
    assert origin.overlap(Part([name for name in everything if place(name) < part.end][:20])) == 'about 20 of the 20'
    again, = Trained.from_dict(kept.to_dict(), 'x').parts
    assert again.own.tolist() == part.own.tolist() and again.end == part.end


def test_names_up_to_the_limit_are_all_kept(monkeypatch):
    monkeypatch.setattr(module, 'KEPT', 50)
    assert not Trained.of(names('a', 30) + names('b', 20), names('b', 20)).parts[0].sampled
    part, = Trained.of(names('a', 30) + names('b', 21), names('b', 21)).parts
    assert part.sampled and len(part) == 50
    assert len(Trained.of(['a/1.png'] * 60, []).parts[0].own) == 1
    assert KEPT == 20_000


def test_a_small_run_after_a_large_one_keeps_all_its_names(monkeypatch):
    monkeypatch.setattr(module, 'KEPT', 100)
    large, small = Trained.of(names('a', 5_000), []), Trained.of(names('b', 90), [])
    for both in (small.merged(large), large.merged(small), small.merged(large).merged(large)):
        assert len(both.parts) == 2 and share(both, names('b', 90), False) == 1
        assert Origin(trained=both).overlap(Part(names('b', 3) + names('c', 7))) == '3 of the 10'
    assert small.merged(None) is small
    assert not small.merged(Trained.unknown()).complete and not Trained.unknown().merged(small).complete


def test_a_union_of_whole_parts_is_that_of_all_names_in_any_order(monkeypatch):
    monkeypatch.setattr(module, 'KEPT', 200)
    parts = [Trained.of(names('a', 60), names('a', 20)), Trained.of(names('a', 10) + names('b', 90), []),
             Trained.of(names('c', 5), [])]
    for one, two, three in itertools.permutations(parts):
        part, = one.merged(two).merged(three).parts
        assert sorted([*part.own, *part.shared]) == sorted(map(place, names('a', 60) + names('b', 90) + names('c', 5)))
        assert sorted(part.shared) == sorted(map(place, names('a', 20)[10:])) and not part.sampled


def test_of_many_parts_the_most_thinly_sampled_become_one(monkeypatch):
    monkeypatch.setattr(module, 'KEPT', 10)
    runs = [Trained.of(names(letter, 20 + 10 * i), []) for i, letter in enumerate('abcdef')]
    both = runs[0]
    for run in runs[1:]:
        both = both.merged(run)
    assert len(both.parts) == 4 and all(len(part) <= 10 for part in both.parts)
    assert len(Trained.from_dict(both.to_dict(), 'x').parts) == 4
    for letter in 'abcdef':
        assert share(both, names(letter, 70), False) > 0
    assert max(part.end for part in both.parts) == runs[0].parts[0].end  # of the smallest run, as it was
    first, last = runs[4].parts[0], runs[5].parts[0]
    union = sorted(map(place, names('e', 60) + names('f', 70)))
    whole = first.merged(last)
    assert whole.own.tolist() == [p for p in union if p < min(first.end, last.end)][:10]
    none = np.array([], np.int64)
    rare, more = module.Part(np.array([1, 2]), none, 10), module.Part(np.array([5, 50]), none, 100)
    for both in (rare.merged(more), more.merged(rare)):  # beyond the end of one nothing is known of the other
        assert (both.own.tolist(), both.end) == ([1, 2, 5], 10)
    assert whole.end == (union[10] if union[10] < min(first.end, last.end) else min(first.end, last.end))


@pytest.mark.parametrize('change', [
    {'own': None}, {'own': 'AAAA'}, {'own': 'AAAAAAA='}, {'own': 'AAAA AAA'}, {'own': 'AAAAAAA\n'}, {'own': 7},
    {'own': 'AAAAAAAA' * (KEPT + 1)}, {'shared': 'AAAA'}, {'end': -1}, {'end': 2 ** 48 + 1}, {'end': 1.0}])
def test_other_texts_are_refused(change):
    whole = {'own': 'AAAAAAAB', 'shared': '', 'end': 2 ** 48}
    read = Trained.from_dict({'complete': True, 'parts': [whole] * 4}, 'x')
    assert [part.own.tolist() for part in read.parts] == [[1]] * 4
    for tree in ({'complete': True, 'parts': [{**whole, **change}]}, {'complete': 1, 'parts': []}, {'complete': True},
                 {'complete': True, 'parts': [whole] * 5}, {'complete': True, 'parts': {}}, [], 'x', 7, {}):
        with pytest.raises(ValueError, match='^x: its names of training images cannot be read'):
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
    later = Origin(trained=Trained.of(names('w', 3), []).merged(with_val.kept()))
    assert later.unknown(Part(names('v', 5))) and later.overlap(Part(names('w', 4))) == '3 of the 4'
    assert with_val.kept().complete is False and Origin().kept() is None
    for other in (7, None, 'x'):
        assert Origin.of({**meta, 'names': other}, 'x').unknown(Part(names('v', 5)))
