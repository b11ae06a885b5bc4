"""Mixup and cutmix compared with their definitions; the stream with them is still a function of the step."""
import types

import numpy as np
import pytest

from tinynets.config import AugmentConfig
from tinynets.data import presets
from tinynets.data.mixing import Mixing
from tinynets.data.pipeline import TrainStream

SHAPE = 6, 3, 20, 30
LABELS = np.array([0, 1, 2, 3, 4, 4], np.int32)


def numbered():
    """Image i holds the number i everywhere."""
    return np.arange(6, dtype=np.float32)[:, None, None, None] * np.ones(SHAPE, np.float32)


def test_mixup_mixes_pixels_and_classes_by_one_share():
    kept = set()
    for step in range(50):
        images, shares = Mixing(5, 0, mixup=0.8)(numbered(), LABELS, step)
        assert images.shape == SHAPE and images.dtype == shares.dtype == np.float32 and shares.shape == (6, 5)
        assert (images == images[:, :1, :1, :1]).all()
        np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-6)
        # image i has become k i + (1 - k) j: the classes 0 to 3 say k and j
        k = next((shares[i, i] for i in range(4) if (shares[i] > 0).sum() == 2), None)
        if k is None:
            continue
        kept.add(float(k))
        partners = [round(float((images[i, 0, 0, 0] - k * i) / (1 - k))) for i in range(6)]
        assert sorted(partners) == list(range(6))
        want = k * np.eye(5)[LABELS] + (1 - k) * np.eye(5)[LABELS[partners]]
        np.testing.assert_allclose(shares, want, atol=1e-6)
    assert len(kept) > 40  # drawn anew each step


def test_shares_are_of_the_beta_distribution():
    """Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1))."""
    for alpha in (0.2, 1.0, 4.0):
        draws = [Mixing(2, 1, mixup=alpha)(np.arange(2, dtype=np.float32).reshape(2, 1, 1, 1), np.arange(2), s)[1]
                 for s in range(3000)]
        k = np.array([d[0, 0] for d in draws if 0 < d[0, 0] < 1])  # the two swapped; else each is its own partner
        assert len(k) == pytest.approx(1500, abs=150)
        assert k.mean() == pytest.approx(0.5, abs=0.03) and k.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_cutmix_pastes_a_rectangle_whose_area_is_the_other_class_share():
    areas = []
    for step in range(200):
        before = numbered()
        images, shares = Mixing(5, 3, cutmix=1.0)(before, LABELS, step)
        assert np.array_equal(before, numbered())
        own = np.arange(6, dtype=np.float32)[:, None, None, None]
        changed = images != own
        for i in range(6):
            rows, columns = np.flatnonzero(changed[i, 0].any(1)), np.flatnonzero(changed[i, 0].any(0))
            if not len(rows):
                continue
            area = len(rows) * len(columns)
            assert changed[i].sum() == 3 * area == 3 * (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
            other = int(images[i, 0, rows[0], columns[0]])
            want = np.zeros(5)
            want[LABELS[i]] += 1 - area / 600
            want[LABELS[other]] += area / 600
            np.testing.assert_allclose(shares[i], want, atol=1e-6)
        areas.append(changed[:, 0].any(0).mean())
    assert 0.2 < np.mean(areas) < 0.45 and max(areas) > 0.6


def test_an_uncut_box_has_the_area_of_lambda():
    class Central:
        @staticmethod
        def integers(length):
            return length // 2
    for kept in (0.0, 0.19, 0.5, 0.75, 0.99):
        top, bottom, left, right = Mixing.box((200, 400), kept, Central())
        assert (bottom - top) * (right - left) / 80000 == pytest.approx(1 - kept, abs=0.02)
        assert top + bottom == 200 and left + right == 400


def test_switch_and_probability():
    """The images show which of the three happened: unchanged, a single number, or two numbers."""
    counts = {'plain': 0, 'mixup': 0, 'cutmix': 0}
    for step in range(1000):
        images, shares = Mixing(5, 0, 1.0, 1.0, switch=0.25, probability=0.8)(numbered(), LABELS, step)
        if np.array_equal(images, numbered()):
            counts['plain'] += 1
            assert np.array_equal(shares, np.eye(5)[LABELS])
        else:
            counts['mixup' if (images == images[:, :, :1, :1]).all() else 'cutmix'] += 1
    assert counts['plain'] == pytest.approx(200, abs=45)
    assert counts['cutmix'] == pytest.approx(200, abs=45)


@pytest.mark.parametrize('switch, probability, kind',
                         [(0, 1, 'mixup'), (1, 1, 'cutmix'), (1, 0, 'plain'), (0, 0, 'plain')])
def test_the_configuration_chooses_by_the_keys_of_these_names(switch, probability, kind):
    augment = AugmentConfig(mixup=1.0, cutmix=1.0, mix_switch=switch, mix_probability=probability)
    mix = presets.mixing(augment, 5, seed=0)
    for step in range(30):
        images, _ = mix(numbered(), LABELS, step)
        if kind == 'plain':
            assert np.array_equal(images, numbered())
        elif kind == 'mixup':
            assert (images == images[:, :, :1, :1]).all()
        else:  # whole numbers: pasted, not mixed
            assert np.array_equal(images, images.round())


def test_the_configuration_is_handed_on_by_name():
    augment = AugmentConfig(mixup=0.3, cutmix=0.7, mix_switch=0.25, mix_probability=0.8)
    assert presets.mixing(augment, 5, seed=6) == Mixing(classes=5, seed=6, mixup=0.3, cutmix=0.7, switch=0.25,
                                                        probability=0.8)


class Digits:
    labels = np.arange(12, dtype=np.int32) % 5

    def __len__(self):
        return 12

    def image(self, index):
        return index


def test_a_mixed_stream_is_a_function_of_the_step():
    def stream(**options):
        return TrainStream(Digits(), lambda image, rng: np.full((3, 8, 8), image + rng.random(), np.float32), 4,
                           mix=presets.mixing(AugmentConfig(mixup=0.5, cutmix=0.5), 5, seed=7), **options)
    whole = [stream().batch(step) for step in range(9)]
    for start in (0, 4):
        for (a, b), (c, d) in zip(stream(workers=3).batches(start, 9), whole[start:]):
            assert np.array_equal(a, c) and np.array_equal(b, d)
    assert len({b[1].tobytes() for b in whole}) == 9
    assert presets.mixing(AugmentConfig(), 5, 0) is None


def test_the_sides_of_a_box_are_whole_pixels_as_timm_rounds_them():
    """A quarter of 20 x 31 pixels: 10 x 15, of which whole halves lie on both sides of the centre."""
    middle = types.SimpleNamespace(integers=lambda length: length // 2)
    assert Mixing.box((20, 31), 0.75, middle) == (5, 15, 8, 22)
