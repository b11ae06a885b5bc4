"""Partly decoded crops: compiled ones equal Pillow's to the bit, and agree with the whole image."""
import dataclasses
import io
import re

import numpy as np
import pytest
from PIL import Image

from tinynets.config import DataConfig
from tinynets.data import images, native, presets
from tinynets.data.buffers import Buffers
from tinynets.data.cached import Cached, cached
from tinynets.data.classification import ImageFolder, Subset, load_dataset
from tinynets.data.pipeline import TrainStream
from tinynets.data.transforms import TrainTransform, normalise
from tinynets.native import build

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def jpeg(pixels, **options):
    """Return the bytes of a JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, 'JPEG', **{'quality': 90, **options})
    return file.getvalue()


def photograph(width, height, seed=0):
    """Smooth colours and some noise."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (7, 9, 3)).astype(np.uint8))
    pixels = np.asarray(small.resize((width, height), Image.BICUBIC)) + rng.normal(0, 6, (height, width, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


@pytest.fixture
def by_pillow(monkeypatch):
    """Compute something without compiled code."""
    def run(what):
        with monkeypatch.context() as patch:
            patch.setattr(native, 'library', lambda: None)
            return what()
    return run


@pytest.fixture(scope='module')
def compiled():
    """Skip if there is nothing to compare."""
    if native.library() is None:
        pytest.skip('no C++ compiler, or no headers of libjpeg-turbo')


def boxes(width, height, count, rng):
    for _ in range(count):
        left, right = sorted(rng.choice(width + 1, 2, replace=False))
        top, bottom = sorted(rng.choice(height + 1, 2, replace=False))
        yield int(left), int(top), int(right), int(bottom)


@pytest.mark.parametrize('options', [{'subsampling': 2}, {'subsampling': 1}, {'subsampling': 0}, {'quality': 60},
                                     {'progressive': True}, {'restart_marker_rows': 2}], ids=str)
def test_compiled_crops_equal_pillow_to_the_bit(options, compiled):
    rng = np.random.default_rng(1)
    factors = TrainTransform(1, MEAN, DEVIATION)._factors
    scales = set()
    for width, height in ((331, 203), (48, 160), (17, 23), (96, 64)):
        data = jpeg(photograph(width, height), **options)
        image = images.open_image('x', data)
        for box in boxes(width, height, 25, rng):
            side, mirrored = int(rng.integers(1, 60)), bool(rng.integers(2))
            scale = image.scale(box, side)
            got = np.empty((3, side, side), np.float32)
            assert native.crop_jpeg(data, scale, box, mirrored, factors, got)
            want = image.resized(box, side)
            want = want.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else want
            assert np.array_equal(got, normalise(want, MEAN, DEVIATION)), (width, height, box, side, scale)
            scales.add(scale)
    assert scales == {1, 2, 4, 8}


@pytest.mark.parametrize('vectors, flags', [('avx2', ()), ('baseline', ()), ('baseline', ('-U__SSE2__',))],
                         ids=['avx2', 'baseline', 'portable'])
def test_all_instruction_sets_give_the_same_bits(vectors, flags, compiled, monkeypatch):
    if vectors not in build.usable_vectors()[0 if flags else 1:]:
        pytest.skip(f'{vectors} is not narrower than what is used here')
    rng = np.random.default_rng(4)
    factors, data = TrainTransform(1, MEAN, DEVIATION)._factors, jpeg(photograph(211, 149))
    wanted = [(box, int(rng.integers(1, 80))) for box in boxes(211, 149, 20, rng)]

    def make():
        made = [np.empty((3, side, side), np.float32) for _, side in wanted]
        assert all(native.crop_jpeg(data, 1, box, True, factors, out) for (box, _), out in zip(wanted, made))
        return made
    widest = make()
    monkeypatch.setenv('TINYNETS_VECTORS', vectors)
    monkeypatch.setattr(native, 'PART', dataclasses.replace(native.PART, flags=(*native.PART.flags, *flags)))
    narrower = native.library.__wrapped__()
    assert narrower._name != native.library()._name
    monkeypatch.setattr(native, 'library', lambda: narrower)
    assert all(np.array_equal(a, b) for a, b in zip(make(), widest, strict=True))


def test_compiled_crops_of_pixels_equal_pillow_to_the_bit(compiled):
    rng = np.random.default_rng(2)
    factors = TrainTransform(1, MEAN, DEVIATION)._factors
    for width, height in ((90, 70), (3, 40), (1, 1), (33, 32)):
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        for left, top, right, bottom in boxes(width, height, 15, rng):
            side = int(rng.integers(1, 50))
            got = np.empty((3, side, side), np.float32)
            assert native.crop_pixels(pixels, (left, top, right, bottom), False, factors, got)
            cut = Image.fromarray(pixels[top:bottom, left:right])
            want = cut.resize((side, bottom - top), Image.BICUBIC).resize((side, side), Image.BICUBIC)
            assert np.array_equal(got, normalise(want, MEAN, DEVIATION))


def test_only_plain_jpeg_headers_are_read_without_pillow():
    """Sizes of plain JPEGs equal Pillow's; all others, including damaged ones, give None."""
    def size(**options):
        return images._plain_size(jpeg(photograph(37, 21), **options))
    for options in ({}, {'progressive': True}, {'subsampling': 0}, {'restart_marker_rows': 1}, {'comment': b'\xff\xda'},
                    {'keep_rgb': True}, {'dpi': (300, 300)}):
        assert size(**options) == (37, 21), options
    exif = Image.Exif()
    exif[0x0112] = 6
    assert size(exif=exif) is size(icc_profile=b'x' * 70000) is size(xmp=b'<x/>') is None
    assert images._plain_size(jpeg(photograph(37, 21)[..., 0])) is None  # grey
    data = jpeg(photograph(37, 21))
    scan, frame = data.index(b'\xff\xda'), data.index(b'\xff\xc0')
    late = data[:scan] + b'\xff\xe1\0\4\0\0' + data[scan:]  # EXIF data may follow the size
    assert images._plain_size(late) is None
    huge = data[:frame + 5] + b'\xff' * 4 + data[frame + 9:]
    twelve = data[:frame + 4] + b'\x0c' + data[frame + 5:]
    empty = data[:frame + 5] + bytes(4) + data[frame + 9:]
    twice = data[:scan] + data[frame:frame + 19] + data[scan:]
    for broken in (huge, twelve, empty, twice, *(data[:n] for n in range(scan))):
        assert images._plain_size(broken) is None


@pytest.mark.parametrize('side, scale', [(26, 8), (27, 4), (51, 4), (53, 4), (54, 2), (107, 2), (108, 1), (300, 1)])
def test_the_scale_never_leaves_less_than_is_asked_for(side, scale):
    image = images.Jpeg(b'', (640, 480), 'x')
    assert image.scale((10, 20, 225, 240), side) == image.scale((10, 20, 230, 235), side) == scale


@pytest.mark.parametrize('factor', [1, 2.3, 4, 9])
def test_a_crop_shows_what_the_whole_decode_shows(factor, by_pillow):
    """The mean difference is below two levels of 255, and far larger if the box is shifted by two pixels."""
    side = 40
    data = jpeg(photograph(500, 375))
    whole, image = images.decode('x', data), images.open_image('x', data)
    shift = round(2 * factor)
    rng = np.random.default_rng(3)
    for _ in range(5):
        size = round(side * factor)
        left, top = int(rng.integers(0, 500 - size - shift)), int(rng.integers(0, 375 - size + 1))
        box = (left, top, left + size, top + size)
        cuts = (whole.crop((left + d, top, left + d + size, top + size)) for d in (0, shift))
        want, off = (np.asarray(cut.resize((side, side), Image.BICUBIC), np.float64) for cut in cuts)
        got = np.asarray(image.resized(box, side), np.float64)
        assert np.abs(got - want).mean() < 2
        assert abs((got - want).mean()) < 0.5
        if factor > 2:
            assert np.abs(got - off).mean() > 2 * np.abs(got - want).mean()


@pytest.mark.parametrize('mirrored', [0.0, 1.0])
@pytest.mark.parametrize('how', ['compiled', 'pillow'])
def test_the_quadrants_of_a_large_image(how, mirrored, by_pillow, request):
    """Crops across the middle at a known place: the borders of the colours are at the right pixels."""
    colours = np.array([[(255, 0, 0), (0, 255, 0)], [(0, 0, 255), (255, 255, 255)]], np.uint8)
    data = jpeg(colours.repeat(400, 0).repeat(400, 1), subsampling=0, quality=100)
    transform = TrainTransform(32, (0, 0, 0), (1, 1, 1), area=(0.25, 0.25), aspect=(1, 1), flip=mirrored)
    for seed in range(10):
        left, top, width, height = transform.crop_box((800, 800), np.random.default_rng(seed))

        def make():
            return transform(images.open_image('x', data), np.random.default_rng(seed))
        if how == 'compiled':
            request.getfixturevalue('compiled')
        got = make() if how == 'compiled' else by_pillow(make)
        got = got[:, :, ::-1] if mirrored else got
        middle = np.array([left, top])[:, None] + (np.arange(32) + 0.5) * width / 32
        clear = np.abs(middle - 400) > 1.5 * width / 32  # bicubic rings over a pixel or two
        x, y = (middle > 400).astype(int)
        want = colours[y][:, x].transpose(2, 0, 1) / 255
        assert np.abs(got - want)[:, clear[1]][:, :, clear[0]].max() < 0.12, seed


@pytest.mark.parametrize('kind', ['grey', 'cmyk', 'turned', 'png', 'rgb jpeg'])
def test_other_images_are_right_as_well(kind, tmp_path):
    """Images that the compiled decoder refuses are decoded by Pillow: equal to the whole image without scaling."""
    pixels, path = photograph(90, 60), tmp_path / 'x.jpg'
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {'turned': {'exif': exif}, 'rgb jpeg': {'keep_rgb': True}}.get(kind, {})
    Image.fromarray(pixels).convert({'grey': 'L', 'cmyk': 'CMYK'}.get(kind, 'RGB')).save(
        path, 'PNG' if kind == 'png' else 'JPEG', **options)
    transform = TrainTransform(50, (0, 0, 0), (1 / 255,) * 3)
    for seed in range(5):
        whole, part = (transform(image, np.random.default_rng(seed))
                       for image in (images.decode(path), images.open_image(path)))
        assert np.abs(whole - part).max() <= 2  # the order of rows and columns in resizing
    large = TrainTransform(20, (0, 0, 0), (1 / 255,) * 3, area=(1, 1), aspect=(2 / 3, 3 / 2))
    whole, part = (large(image, np.random.default_rng(0)) for image in (images.decode(path), images.open_image(path)))
    assert np.abs(whole - part).mean() < 3


@pytest.fixture
def album(tmp_path):
    """An ImageFolder of twelve JPEG images and a PNG, in two classes."""
    for index in range(12):
        path = tmp_path / 'set' / 'train' / 'ab'[index % 2] / f'{index:02}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(photograph(160 + index, 120, index)))
    Image.fromarray(photograph(70, 90)).save(tmp_path / 'set' / 'train' / 'a' / 'z.png')
    return ImageFolder(str(tmp_path / 'set' / 'train'), check=False)


TRANSFORM = TrainTransform(24, MEAN, DEVIATION)


def stream(dataset, fast=True, workers=2):
    return TrainStream(dataset, TRANSFORM, 4, seed=5, workers=workers, fast=fast)


def equal(batches, others):
    return all(np.array_equal(a, b) for pair in zip(batches, others, strict=True) for a, b in zip(*pair))


@pytest.mark.parametrize('start', [0, 2, 5])
@pytest.mark.parametrize('keep', [False, True])
def test_a_resumed_fast_stream_equals_the_uninterrupted_one(start, keep, album):
    data = Cached(album) if keep else album
    whole = [stream(data).batch(step) for step in range(8)]
    assert equal(stream(Cached(album) if keep else album, workers=3).batches(start, 8), whole[start:])


def test_streams_are_equal_with_and_without_the_compiled_crops(album, compiled, by_pillow):
    for data in (album, Cached(album)):
        def make():
            return [stream(data).batch(step) for step in range(6)]
        assert equal(make(), by_pillow(make))


def test_kept_images_change_no_pixel_of_whole_decoding(album):
    plain = [stream(album, fast=False).batch(step) for step in range(6)]
    data = Cached(album)
    assert equal([stream(data, fast=False).batch(step) for step in range(6)], plain)
    assert all(data.image(i).tobytes() == album.image(i).tobytes() for i in range(len(album)))
    fast = [stream(album).batch(step) for step in range(6)]
    assert [labels.tolist() for _, labels in fast] == [labels.tolist() for _, labels in plain]
    assert not equal(fast, plain) and max(np.abs(a[0] - b[0]).mean() for a, b in zip(fast, plain)) < 0.05  # deviations


def test_memory_of_a_batch_is_used_again_only_when_nothing_refers_to_it():
    buffers = Buffers((4, 3))
    first, second = buffers.array(), buffers.array()
    places = [array.ctypes.data for array in (first, second)]
    first[:], second[:] = 1, 2
    kept = [first[1:3, 0].reshape(2, 1), memoryview(second)]
    del first, second
    third = buffers.array()
    third[:] = 3
    assert third.ctypes.data not in places
    assert kept[0].tolist() == [[1], [1]] and np.asarray(kept[1]).tolist() == [[2] * 3] * 4
    del kept
    again = [buffers.array(), buffers.array()]
    assert sorted(array.ctypes.data for array in again) == sorted(places)
    assert again[0].shape == (4, 3) and again[0].dtype == np.float32 and again[0].flags.writeable


def test_kept_images_are_read_once(album):
    data = Cached(album)
    first = [data.source(i) for i in range(len(data))]
    for path in album.paths:
        with open(path, 'wb'):
            pass
    assert all(data.source(i) is first[i] for i in range(len(data)))
    broken = Cached(album)
    for _ in range(2):
        with pytest.raises(images.ImageError, match='the file is empty'):
            broken.source(0)


def test_what_fits_is_kept(album):
    needed = 3 * sum(160 + i for i in range(12)) * 120 + 3 * 70 * 90  # bytes: 0.73 million
    assert 0.5e6 < needed < 1e6
    assert cached(album, 'off', 1) is album
    assert isinstance(cached(album, 'auto', 1), Cached) and isinstance(cached(album, 'memory', 1), Cached)
    album.paths, album.labels = album.paths * 2, np.tile(album.labels, 2)
    assert cached(album, 'auto', 1) is album
    with pytest.raises(ValueError, match=re.escape('data.cache=memory: the first 18 of 26 decoded images take more')):
        cached(album, 'memory', 1)
    part = Subset(album, np.arange(0, 26, 2))
    assert isinstance(cached(part, 'auto', 1), Cached)
    assert np.array_equal(cached(part, 'auto', 1).source(3), np.asarray(album.image(6)))
    digits = load_dataset('digits', 'train')
    assert presets.kept(DataConfig(), digits) is digits


def test_a_file_broken_since_the_check_gives_way_in_a_fast_stream(album, capsys):
    for index in (1, 4):
        with open(album.paths[index], 'r+b') as file:
            file.truncate(700)
    batches = list(stream(album, workers=1).batches(0, 6))
    assert all(np.isfinite(images).all() and images.shape == (4, 3, 24, 24) for images, _ in batches)
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 2 and all(line.startswith('skipped, unreadable since the check: ') for line in err)
