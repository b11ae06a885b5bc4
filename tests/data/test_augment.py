"""RandAugment's operations compared with Pillow and arithmetic, its draws; erased rectangles' area and content."""
import math

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageEnhance, ImageOps

from tests.golden.generate_transforms import picture
from tinynets.config import AugmentConfig, DataConfig
from tinynets.data import presets
from tinynets.data.augment import OPERATIONS, RandAugment, RandomErasing

FILL = (10, 20, 30)
IMAGE = Image.fromarray(picture(40, 20))


def apply(name, s, image=IMAGE, fill=FILL):
    return OPERATIONS[name](image, s, fill)


def equal(image, other):
    return image.size == other.size and not ImageChops.difference(image, other).getbbox()


@pytest.mark.parametrize('name, s, want', [
    ('autocontrast', 0.3, ImageOps.autocontrast(IMAGE)), ('equalize', 1, ImageOps.equalize(IMAGE)),
    ('invert', 0, ImageOps.invert(IMAGE)),
    ('rotate', 1, IMAGE.rotate(30, Image.Resampling.BICUBIC, fillcolor=FILL)),
    ('rotate', -0.5, IMAGE.rotate(-15, Image.Resampling.BICUBIC, fillcolor=FILL)),
    ('posterize', 0.9, ImageOps.posterize(IMAGE, 1)), ('posterize', -0.1, ImageOps.posterize(IMAGE, 4)),
    ('posterize', 1, ImageOps.posterize(IMAGE, 1)),
    ('solarize', 0.5, ImageOps.solarize(IMAGE, 128)), ('solarize', 1, ImageOps.invert(IMAGE)),
    ('color', 1, ImageEnhance.Color(IMAGE).enhance(1.9)), ('color', -0.5, ImageEnhance.Color(IMAGE).enhance(0.55)),
    ('contrast', 0.5, ImageEnhance.Contrast(IMAGE).enhance(1.45)),
    ('brightness', -1, ImageEnhance.Brightness(IMAGE).enhance(0.1)),
    ('sharpness', 1, ImageEnhance.Sharpness(IMAGE).enhance(1.9))])
def test_operations_are_pillows(name, s, want):
    assert equal(apply(name, s), want)


def test_solarize_add_brightens_the_darker_half():
    ramp = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, 2))
    got = np.asarray(apply('solarize_add', -0.9, ramp))[:, 0, 1]
    assert got[:128].tolist() == list(range(99, 227)) and got[128:].tolist() == list(range(128, 256))


def test_translations_and_shears_move_pixels_and_fill():
    pixels = np.asarray(IMAGE)
    right = np.asarray(apply('translate_x', -1 / 1.8))  # a quarter of 40 pixels
    assert np.array_equal(right[:, 10:], pixels[:, :-10]) and (right[:, :9] == FILL).all()
    up = np.asarray(apply('translate_y', 1 / 1.8))  # a quarter of 20
    assert np.array_equal(up[:-5], pixels[5:]) and (up[-4:] == FILL).all()
    stripe = np.zeros((21, 61, 3), np.uint8)
    stripe[:, 30] = 255
    sheared = np.asarray(apply('shear_x', 1, Image.fromarray(stripe), (0, 0, 0)))[..., 0].astype(float)
    centres = (sheared * np.arange(61)).sum(1) / sheared.sum(1)
    assert np.polyfit(np.arange(4, 21), centres[4:], 1)[0] == pytest.approx(-0.3, abs=0.02)
    level = Image.fromarray(stripe.transpose(1, 0, 2))
    across = np.asarray(apply('shear_y', -1, level, (0, 0, 0)))[..., 0].astype(float)
    rows = (across * np.arange(61)[:, None]).sum(0) / across.sum(0)
    assert np.polyfit(np.arange(21), rows, 1)[0] == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize('name', OPERATIONS)
def test_severity_grows_with_the_magnitude(name):
    """At strength 0 the image is unchanged, except by operations without strength, and posterize with 4 bits."""
    weak, strong = (np.abs(np.asarray(apply(name, s), float) - np.asarray(IMAGE)).mean() for s in (0.0, 1.0))
    assert np.asarray(apply(name, -1.0)).shape == (20, 40, 3)
    if name in ('autocontrast', 'equalize', 'invert'):
        assert weak == strong
    else:
        assert weak < strong and (weak == 0 or name == 'posterize')


def test_draws_depend_on_the_generator_alone_and_every_operation_comes():
    changes = RandAugment(2, 9.0, 0.5, 0.5, FILL)
    first, again = ([np.asarray(changes(IMAGE, np.random.default_rng(i))) for i in range(40)] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    same = sum(np.array_equal(a, np.asarray(IMAGE)) for a in first)
    assert 3 <= same <= 20  # a quarter has neither operation


def test_probability_number_and_strength_are_as_drawn(monkeypatch):
    seen = []
    for name in OPERATIONS:
        monkeypatch.setitem(OPERATIONS, name, lambda image, s, fill, name=name: seen.append((name, s)) or image)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        RandAugment(3, 8.0, 1.5, 0.4)(IMAGE, rng)
    strengths = np.array([s for _, s in seen])
    assert len(seen) == pytest.approx(2400, abs=4 * math.sqrt(6000 * 0.24))
    assert {name for name, _ in seen} == set(OPERATIONS)
    assert np.abs(strengths).max() == 1  # clipped, not drawn again
    assert np.median(np.abs(strengths)) == pytest.approx(0.8, abs=0.02)
    assert np.mean(strengths > 0) == pytest.approx(0.5, abs=0.05)
    seen.clear()
    RandAugment(5, 3.0, 0.0, 1.0)(IMAGE, rng)
    assert [abs(s) for _, s in seen] == [pytest.approx(0.3)] * 5


def test_erased_rectangles_have_the_area_and_aspect_asked_for():
    erase, rng = RandomErasing(1.0, (0.1, 0.3), (0.5, 2.0), noise=False), np.random.default_rng(0)
    areas = []
    for _ in range(300):
        gone = erase(np.ones((3, 60, 80), np.float32), rng)[0] == 0
        rows, columns = np.flatnonzero(gone.any(1)), np.flatnonzero(gone.any(0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert gone.sum() == height * width  # one whole rectangle
        assert 0.47 <= height / width <= 2.1
        areas.append(gone.mean())
    assert 0.09 < min(areas) < 0.12 and 0.28 < max(areas) < 0.31 and np.mean(areas) == pytest.approx(0.2, abs=0.012)


@pytest.mark.parametrize('aspect', [(2.0, 3.0), (0.25, 0.5)])
def test_the_aspect_of_an_erased_rectangle_is_its_height_over_its_width(aspect):
    erase, rng = RandomErasing(1.0, (0.1, 0.1), aspect, noise=False), np.random.default_rng(0)
    for _ in range(50):
        gone = erase(np.ones((3, 100, 100), np.float32), rng)[0] == 0
        height, width = (np.ptp(np.flatnonzero(gone.any(axis))) + 1 for axis in (1, 0))
        assert aspect[0] - 0.1 < height / width < aspect[1] + 0.1 and gone.mean() == pytest.approx(0.1, abs=0.005)


def test_erasing_fills_with_noise_a_value_and_as_often_as_asked():
    erase, rng = RandomErasing(0.25, (0.3, 0.3), (1.0, 1.0)), np.random.default_rng(0)
    results = [erase(np.full((3, 40, 40), 9, np.float32), rng) for _ in range(400)]
    noise = np.concatenate([r[r != 9] for r in results])
    assert sum((r != 9).any() for r in results) == pytest.approx(100, abs=30)
    assert noise.mean() == pytest.approx(0, abs=0.02) and noise.std() == pytest.approx(1, abs=0.02)
    assert results[0].dtype == np.float32
    assert (RandomErasing(1.0, (1.0, 1.0))(np.ones((3, 8, 8), np.float32), rng) == 1).all()  # no such rectangle fits


def test_the_preset_changes_after_the_flip_and_erases_after_the_normalisation():
    data = DataConfig(crop_area=(1.0, 1.0), crop_aspect=(1.0, 1.0), flip=0.0)
    off, on = (presets.train_transform(data, 24, a) for a in (AugmentConfig(), AugmentConfig(
        num_ops=1, magnitude=7, magnitude_std=0, probability=1, erase=1.0, erase_with='mean')))
    assert off.augment is None and off.erase is None and on.augment.fill == (124, 116, 104)
    square = IMAGE.resize((24, 24))
    got = on(square, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    plain = off(square, rng)
    changed = off(on.augment(square, rng), np.random.default_rng(3))
    assert np.array_equal(got, on.erase(changed.copy(), rng)) and not np.array_equal(got, changed)
    assert (got == 0).sum() > 0 and not np.array_equal(changed, plain)
    assert np.array_equal(got, on(square, np.random.default_rng(3)))
