"""Samples of 12 and 16 bits, and the results kept by a stopped image check."""
import struct

import numpy as np
import pytest
from PIL import Image

from tests.data.test_images import png
from tinynets.data import images
from tinynets.data.classification import ImageFolder

RAMP = np.arange(64, dtype=np.uint16).reshape(8, 8) * 65  # up to 4,095


def tiff(path, samples, bits=16, largest=None):
    """Return a grey TIFF of 12 or 16 bits per sample, little endian, perhaps with a MaxSampleValue."""
    height, width = samples.shape
    if bits == 12:
        pairs = samples.reshape(-1, 2).astype(int)
        data = bytes(b for a, c in pairs for b in (a >> 4, (a & 15) << 4 | c >> 8, c & 255))
    else:
        data = samples.astype('<u2').tobytes()
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1), (278, height)]
    tags += [(279, len(data))] + [(281, largest)] * bool(largest)
    entries = b''.join(struct.pack('<HHIHH', tag, 3, 1, value, 0) for tag, value in tags)
    head = b'II*\0' + struct.pack('<I', 8 + len(data))
    path.write_bytes(head + data + struct.pack('<H', len(tags)) + entries + bytes(4))


def grey(path):
    return np.asarray(images.decode(path))[..., 0].tolist()


@pytest.mark.parametrize('options, shift', [
    ({'bits': 12}, 4), ({}, 8), ({'largest': 4095}, 4), ({'largest': 16383}, 6), ({'largest': 65535}, 8),
    ({'largest': 4000}, 8), ({'largest': 1023}, 8)],  # not a power of two minus one; smaller than the samples
    ids=['12 bits', '16 bits', 'largest 4095', 'largest 16383', 'largest 65535', 'largest 4000', 'largest too small'])
def test_a_tiff_says_how_many_bits_its_samples_use(options, shift, tmp_path):
    tiff(tmp_path / 'x.tif', RAMP, **options)
    assert grey(tmp_path / 'x.tif') == (RAMP >> shift).tolist()


@pytest.mark.parametrize('bits', [7, 8, 9, 15])
def test_a_tiff_whose_largest_value_fills_few_bits(bits, tmp_path):
    """Samples of 8 bits are the pixels; what says fewer than a pixel has is not believed."""
    samples = np.minimum(RAMP, 2 ** min(bits, 12) - 1)
    tiff(tmp_path / 'x.tif', samples, largest=2 ** bits - 1)
    assert grey(tmp_path / 'x.tif') == (samples >> (8 if bits < 8 else bits - 8)).tolist()


@pytest.mark.parametrize('largest', [1023, 4095, 65535])
def test_a_pgm_is_scaled_by_its_largest_value(largest, tmp_path):
    samples = (RAMP.astype(int) * largest // 4095)
    (tmp_path / 'x.pgm').write_bytes(b'P5\n8 8\n%d\n' % largest + samples.astype('>u2').tobytes())
    want = np.floor(samples / largest * 65535 / 256)
    assert np.abs(np.array(grey(tmp_path / 'x.pgm')) - want).max() <= 1


def test_significant_bits_of_a_png_change_nothing(tmp_path):
    """sBIT counts the upper bits of samples that fill 16, as the format's specification says."""
    png(tmp_path / 'x.png', RAMP * 16)
    data = (tmp_path / 'x.png').read_bytes()
    import zlib
    body = b'sBIT\x0c'
    chunk = struct.pack('>I', 1) + body + struct.pack('>I', zlib.crc32(body))
    (tmp_path / 'y.png').write_bytes(data[:33] + chunk + data[33:])
    assert grey(tmp_path / 'y.png') == grey(tmp_path / 'x.png') == (RAMP >> 4).tolist()


def folder(tmp_path, tops, colour=()):
    """A set with one 16-bit PNG for each of the highest samples, and an ordinary image; (the set, its lines)."""
    for i, top in enumerate(tops):
        path = tmp_path / 'ab'[i % 2] / f'{i}.png'
        path.parent.mkdir(exist_ok=True)
        samples = np.full((4, 4), top // 2, np.uint16)
        samples[1, 2] = top
        png(path, np.stack([samples] * 3, -1) if i in colour else samples)
    Image.new('L', (4, 4), 3).save(tmp_path / 'a' / 'plain.png')
    lines = []
    return ImageFolder(str(tmp_path), report=lines.append), lines


@pytest.mark.parametrize('tops, want', [
    ([65535, 4096, 50000], None), ([32768, 16384], None),
    ([255, 255], '2 of 2 images with 16-bit samples have none above 255 '),
    ([4095, 3000, 4095], '3 of 3 images with 16-bit samples have none above 4,095 (12 bits) '),
    ([4095, 65535, 1000], '2 of 3 images with 16-bit samples have none above 4,095 (12 bits) '),
    ([16383, 9000], '2 of 2 images with 16-bit samples have none above 16,383 (14 bits) '),
    ([1023, 60000], '1 of 2 images with 16-bit samples have none above 1,023 (10 bits) '), ([], None)])
@pytest.mark.parametrize('colour', [(), (0, 1, 2)], ids=['grey', 'colour'])
def test_images_that_stay_dark_are_counted_in_a_line(tops, want, colour, tmp_path):
    (tmp_path / 'a').mkdir()
    for _ in range(2):  # the second time from memory
        data, lines = folder(tmp_path, tops, colour) if _ == 0 else (None, [])
        if _:
            ImageFolder(str(tmp_path), report=lines.append)
        assert len(lines) == (want is not None) and (want is None or want in lines[0]), lines


def test_a_12_bit_tiff_is_not_dark(tmp_path):
    (tmp_path / 'a').mkdir()
    tiff(tmp_path / 'a' / 'x.tif', RAMP, bits=12)
    lines = []
    ImageFolder(str(tmp_path), report=lines.append)
    assert lines == []


class Stopped(BaseException):
    pass


def count(paths, stop_after=None):
    """Return the number of files that a check decodes; it may be stopped after some."""
    calls = []

    def progress(done, total):
        calls.append(total)
        if done == stop_after:
            raise Stopped
    try:
        images.examine(paths, 1, progress)
    except Stopped:
        pass
    return calls


def many(tmp_path, number=12):
    paths = [str(tmp_path / f'{i:02}.png') for i in range(number)]
    for path in paths:
        Image.new('L', (4, 4)).save(path)
    return paths


def test_a_stopped_check_continues_where_it_was(tmp_path):
    paths = many(tmp_path)
    assert count(paths, stop_after=5) == [12] * 5
    assert count(paths, stop_after=3) == [7] * 3  # the five are remembered, and these three with them
    assert count(paths) == [4] * 4 and count(paths) == []


def test_a_killed_check_has_saved_what_it_did(tmp_path, monkeypatch, cache_folder):
    monkeypatch.setattr(images, '_SAVE_EVERY', 0.0)
    paths, saved = many(tmp_path), []

    def progress(done, total):
        saved.append([len(images._read_cache(path)) for path in cache_folder.rglob('*.json')])
    images.examine(paths, 1, progress)
    assert saved[0] == [] and 1 <= saved[-1][0] < 12


@pytest.mark.parametrize('entry', ['x', [1], [1, 2, 3, 4], [1, 2, 'a'], [1, 2, 256], [1, 2, -1], None, {}])
def test_a_broken_memory_is_not_believed(entry, tmp_path, cache_folder):
    paths = many(tmp_path, 3)
    images.examine(paths)
    cached, = cache_folder.rglob('*.json')
    import json
    known = json.loads(cached.read_text())
    known[paths[1]] = known[paths[1]] + entry[2:] if isinstance(entry, list) and len(entry) > 2 else entry
    cached.write_text(json.dumps(known))
    assert count(paths) == [1]
