"""Evaluation pixels compared with torchvision's and arithmetic; the random crop's geometry and distribution."""
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from PIL import Image

from tests.golden.generate_transforms import CROP_RATIO, RESOLUTIONS, SIZES, picture
from tinynets.config import DataConfig
from tinynets.data import presets
from tinynets.data.transforms import EvalTransform, TrainTransform, normalise

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = dict(mean=(0, 0, 0), std=(1, 1, 1))


@pytest.fixture(scope='module')
def golden(root):
    return dict(np.load(root / 'tests' / 'golden' / 'transforms.npz'))


@pytest.mark.parametrize('resolution', RESOLUTIONS)
@pytest.mark.parametrize('width, height', SIZES)
def test_evaluation_pixels_equal_torchvision(width, height, resolution, golden):
    image = Image.fromarray(picture(width, height))
    got = EvalTransform(resolution, CROP_RATIO, MEAN, DEVIATION).pixels(image)
    want = golden[f'{resolution}/{width}x{height}']
    assert want.shape == (resolution, resolution, 3) and np.array_equal(np.asarray(got), want)


@pytest.mark.parametrize('size', [(200, 90), (90, 200), (64, 64), (1, 1), (1, 50), (50, 1), (2, 300), (32, 33)])
@pytest.mark.parametrize('resolution, crop_ratio', [(32, 0.875), (27, 0.95), (32, 1.0), (1, 0.875)])
def test_evaluation_has_one_size(size, resolution, crop_ratio):
    tensor = EvalTransform(resolution, crop_ratio, MEAN, DEVIATION)(Image.new('RGB', size, (255, 0, 51)))
    assert tensor.shape == (3, resolution, resolution) and tensor.dtype == np.float32 and tensor.flags.c_contiguous
    want = (np.array([1, 0, 0.2]) - MEAN) / DEVIATION  # without a border
    assert np.abs(tensor - want[:, None, None]).max() < 1e-6


@pytest.mark.parametrize('longer, first', [(24, 0), (25, 0), (26, 1), (27, 2), (31, 4), (100, 38)])
def test_the_cut_is_central_and_halves_go_to_even(longer, first):
    ramp = np.tile(np.arange(longer, dtype=np.uint8), (24, 1))
    transform = EvalTransform(24, 1.0, **PLAIN)
    wide, tall = (np.asarray(transform.pixels(Image.fromarray(a).convert('RGB'))) for a in (ramp, ramp.T))
    assert (wide[..., 0] == np.arange(first, first + 24)).all()
    assert (tall[..., 0] == np.arange(first, first + 24)[:, None]).all()


def test_crop_ratio_leaves_the_border_out():
    image = np.zeros((32, 32, 3), np.uint8)
    image[2:-2, 2:-2] = np.random.default_rng(0).integers(1, 256, (28, 28, 3))
    got = EvalTransform(28, 0.875, **PLAIN).pixels(Image.fromarray(image))
    assert np.array_equal(np.asarray(got), image[2:-2, 2:-2])


def test_normalisation_equals_float64():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    pixels[0, 0], pixels[0, 1] = 0, 255
    got = normalise(Image.fromarray(pixels), MEAN, DEVIATION)
    want = ((pixels / 255.0 - MEAN) / DEVIATION).transpose(2, 0, 1)
    assert got.dtype == np.float32 and np.abs(got - want).max() < 5e-7


def test_presets_carry_the_configuration_through_json():
    data = DataConfig(crop_ratio=0.9, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), crop_area=(0.3, 0.4),
                      crop_aspect=(0.9, 1.0), flip=0.25)
    image = Image.fromarray(picture(61, 47))
    transform = presets.eval_transform(json.loads(json.dumps(presets.preprocessing(data, 40))))
    assert np.array_equal(transform(image), EvalTransform(40, 0.9, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))(image))
    assert presets.train_transform(data, 40) == TrainTransform(
        40, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), (0.3, 0.4), (0.9, 1.0), 0.25)


@pytest.mark.parametrize('size', [(1000, 800), (640, 480), (300, 900), (57, 43), (8, 8), (3, 2), (1, 1), (1, 90),
                                  (90, 1)])
def test_the_crop_lies_in_the_image(size):
    rng = np.random.default_rng(1)
    transform = TrainTransform(16, MEAN, DEVIATION)
    for _ in range(500):
        left, top, width, height = transform.crop_box(size, rng)
        assert left >= 0 and top >= 0 and width >= 1 and height >= 1
        assert left + width <= size[0] and top + height <= size[1]


@pytest.mark.parametrize('area, aspect', [((0.08, 1.0), (0.75, 4 / 3)), ((0.6, 0.7), (1.0, 1.0)),
                                          ((0.2, 0.2), (2.0, 3.0))])
def test_area_and_aspect_stay_in_their_ranges(area, aspect):
    rng = np.random.default_rng(2)
    transform = TrainTransform(16, MEAN, DEVIATION, area, aspect)
    boxes = np.array([transform.crop_box((1000, 800), rng) for _ in range(1000)])
    width, height = boxes[:, 2], boxes[:, 3]
    # sides are rounded to pixels: half a pixel either way
    assert ((width + 0.5) * (height + 0.5) >= area[0] * 8e5).all()
    assert ((width - 0.5) * (height - 0.5) <= area[1] * 8e5).all()
    assert ((width + 0.5) / (height - 0.5) >= aspect[0]).all() and ((width - 0.5) / (height + 0.5) <= aspect[1]).all()


def assert_uniform(values, low, high):
    """Kolmogorov and Smirnov at 0.1 percent."""
    ordered = (np.sort(values) - low) / (high - low)
    n = len(ordered)
    assert np.abs(ordered - (np.arange(n) + 0.5) / n).max() < 1.95 / math.sqrt(n)


def test_area_log_aspect_and_place_are_uniform():
    rng = np.random.default_rng(3)
    transform = TrainTransform(16, MEAN, DEVIATION, area=(0.1, 0.5))  # always fits a square: no draw is rejected
    side = 4000
    boxes = np.array([transform.crop_box((side, side), rng) for _ in range(4000)])
    left, top, width, height = boxes.T
    assert_uniform(width * height / side ** 2, 0.1, 0.5)
    assert_uniform(np.log(width / height), math.log(0.75), math.log(4 / 3))
    assert_uniform(left / (side - width), 0, 1)
    assert_uniform(top / (side - height), 0, 1)
    assert np.mean(width * height / side ** 2) == pytest.approx(0.3, abs=0.007)  # 4 standard errors


def test_the_crop_reaches_every_corner():
    rng = np.random.default_rng(8)
    transform = TrainTransform(16, MEAN, DEVIATION, area=(4 / 9, 4 / 9), aspect=(1, 1))
    assert {transform.crop_box((3, 3), rng) for _ in range(100)} == {(x, y, 2, 2) for x in (0, 1) for y in (0, 1)}


@pytest.mark.parametrize('size, want', [((1000, 10), (493, 0, 13, 10)), ((10, 1000), (0, 493, 10, 13)),
                                        ((2000, 3), (998, 0, 4, 3))])
def test_an_extreme_image_gives_its_largest_central_crop(size, want):
    transform = TrainTransform(16, MEAN, DEVIATION)
    assert {transform.crop_box(size, np.random.default_rng(seed)) for seed in range(20)} == {want}


def test_a_square_that_no_try_fits_is_cut_to_the_aspect():
    transform = TrainTransform(16, MEAN, DEVIATION, area=(1.0, 1.0), aspect=(0.5, 0.9))
    assert transform.crop_box((200, 200), np.random.default_rng(0)) == (10, 0, 180, 200)


@pytest.mark.parametrize('flip', [0.0, 1.0])
def test_flip_never_and_always(flip):
    image = picture(24, 24)
    transform = TrainTransform(24, area=(1, 1), aspect=(1, 1), flip=flip, **PLAIN)
    want = (image[:, ::-1] if flip else image).transpose(2, 0, 1) / 255.0
    for seed in range(20):
        assert np.abs(transform(Image.fromarray(image), np.random.default_rng(seed)) - want).max() < 1e-6


def test_half_of_the_flips():
    image = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).convert('RGB')
    transform = TrainTransform(4, area=(1, 1), aspect=(1, 1), flip=0.5, **PLAIN)
    rng = np.random.default_rng(4)
    tensors = [transform(image, rng) for _ in range(1000)]
    flipped = sum(t[0, 0, 0] > t[0, 0, 3] for t in tensors)
    assert 437 <= flipped <= 563  # 4 standard deviations


def test_the_generator_alone_decides():
    image = Image.fromarray(picture(61, 47))
    transform = TrainTransform(20, MEAN, DEVIATION)
    first, again, other = (transform(image, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.shape == (3, 20, 20) and first.dtype == np.float32
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_crop_is_what_the_box_says():
    image = Image.fromarray(picture(61, 47))
    transform = TrainTransform(20, MEAN, DEVIATION, flip=0)
    left, top, width, height = transform.crop_box(image.size, np.random.default_rng(7))
    cut = Image.fromarray(picture(61, 47)[top:top + height, left:left + width])
    cut = cut.resize((20, 20), Image.Resampling.BICUBIC)
    assert np.array_equal(transform(image, np.random.default_rng(7)), normalise(cut, MEAN, DEVIATION))


@pytest.mark.parametrize('size', [(1, 60_000), (60_000, 2), (3, 27)])
def test_a_thin_image_gives_its_middle(size):
    """Noise except for a blue middle three times as long as wide; resizing the whole would need a gigabyte."""
    short, long = min(size), max(size)
    pixels = np.random.default_rng(0).integers(0, 256, (long, short, 3), dtype=np.uint8)
    pixels[long // 2 - 3 * short // 2 - 1:long // 2 + 3 * short // 2 + 1] = (10, 20, 200)
    image = Image.fromarray(pixels if size[1] == long else pixels.transpose(1, 0, 2).copy())
    cut = np.asarray(EvalTransform(64, 1.0, (0, 0, 0), (1, 1, 1)).pixels(image))
    assert image.size == size and cut.shape == (64, 64, 3)
    assert (cut == (10, 20, 200)).all()


def resized_whole(image, resolution, crop_ratio):
    """Torchvision's Resize and CenterCrop, in Pillow's two passes over the whole image."""
    short, (width, height) = math.floor(resolution / crop_ratio), image.size
    size = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    for step in ((size[0], height), size):
        image = image.resize(step, Image.Resampling.BICUBIC)
    left, top = (int(round((side - resolution) / 2.0)) for side in size)
    return np.asarray(image.crop((left, top, left + resolution, top + resolution)))


@settings(max_examples=150, deadline=None)
@given(strategies.integers(1, 40), strategies.floats(1, 300), strategies.booleans(), strategies.integers(1, 40),
       strategies.floats(0.4, 1), strategies.integers(0, 2 ** 32))
def test_long_images_equal_the_whole_resize(short, aspect, tall, resolution, crop_ratio, seed):
    shape = (round(short * aspect), short, 3) if tall else (short, round(short * aspect), 3)
    pixels = np.random.default_rng(seed).integers(-200, 456, shape).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    got = EvalTransform(resolution, crop_ratio, **PLAIN).pixels(image)
    assert np.array_equal(got, resized_whole(image, resolution, crop_ratio))



@pytest.mark.parametrize('long', [3, 8, 9, 5000])
def test_the_middle_of_two_halves(long):
    """Black, then white: by symmetry rows from the top and from the bottom add up to 255."""
    pixels = np.zeros((2 * long, 2, 3), np.uint8)
    pixels[long:] = 255
    for image in (pixels, pixels.transpose(1, 0, 2)):
        got = np.asarray(EvalTransform(4, 1.0, **PLAIN).pixels(Image.fromarray(image.copy()))).astype(int)
        got = got[:, 0, 0] if image is pixels else got[0, :, 0]
        assert (got + got[::-1] == 255).all() and got[1] < 128 <= got[2]
