"""Every kind of image file becomes the right RGB pixels or an error that names it; results are cached."""
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tinynets.data import images as module
from tinynets.data.images import ImageError, decode, examine, find, open_image

GREY = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)
COLOUR = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
DEEP = (np.arange(12 * 16, dtype=np.uint16) * 341 + 255).reshape(12, 16)  # up to 65,386


def rgb(grey):
    return np.stack([grey] * 3, axis=-1)


def pixels(path):
    image = decode(path)
    assert image.mode == 'RGB'
    return np.asarray(image)


def png(path, samples):
    """A 16-bit PNG, grey (H, W) or RGB (H, W, 3): Pillow writes no wide RGB."""
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    header = struct.pack('>IIBBBBB', samples.shape[1], samples.shape[0], 16, 2 if samples.ndim == 3 else 0, 0, 0, 0)
    rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in samples)
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows))
                     + chunk(b'IEND', b''))


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.tiff', '.pgm', '.gif'])
def test_grey_is_repeated(suffix, tmp_path):
    Image.fromarray(GREY).save(tmp_path / f'x{suffix}')
    assert (pixels(tmp_path / f'x{suffix}') == rgb(GREY)).all()


def test_grey_jpeg(tmp_path):
    Image.fromarray(GREY).save(tmp_path / 'x.jpg', quality=100)
    got = pixels(tmp_path / 'x.jpg').astype(int)
    assert np.ptp(got, axis=-1).max() == 0 and np.abs(got[..., 0] - GREY).max() <= 2


@pytest.mark.parametrize('ink, want', [((0, 0, 0, 0), (255, 255, 255)), ((0, 255, 255, 0), (255, 0, 0)),
                                       ((255, 0, 255, 0), (0, 255, 0)), ((0, 0, 0, 255), (0, 0, 0))])
def test_cmyk_jpeg(ink, want, tmp_path):
    Image.new('CMYK', (16, 16), ink).save(tmp_path / 'x.jpg', quality=100)
    assert Image.open(tmp_path / 'x.jpg').mode == 'CMYK'
    assert np.abs(pixels(tmp_path / 'x.jpg').astype(int) - want).max() <= 3


@pytest.mark.parametrize('transparency', [None, 0, b'\x00\x80\xff'], ids=['opaque', 'one index', 'by index'])
@pytest.mark.filterwarnings('ignore:Palette images with Transparency')
def test_palette_is_looked_up_and_transparency_dropped(transparency, tmp_path):
    palette = [(10, 20, 30), (200, 100, 50), (0, 255, 1)]
    image = Image.fromarray(GREY % 3)
    image.putpalette(sum(palette, ()))
    image.save(tmp_path / 'x.png', **({} if transparency is None else {'transparency': transparency}))
    assert Image.open(tmp_path / 'x.png').mode == 'P'
    assert (pixels(tmp_path / 'x.png') == np.array(palette)[GREY % 3]).all()


@pytest.mark.parametrize('samples', [DEEP, np.stack([DEEP, DEEP[::-1], DEEP // 2], -1), DEEP % 256],
                         ids=['grey', 'rgb', 'dark'])
def test_16_bit_png_keeps_the_upper_eight_bits(samples, tmp_path):
    png(tmp_path / 'x.png', samples)
    want = (samples >> 8).astype(np.uint8)
    assert (pixels(tmp_path / 'x.png') == (want if want.ndim == 3 else rgb(want))).all()


def test_16_bit_tiff_and_pgm_keep_the_upper_eight_bits(tmp_path):
    Image.fromarray(DEEP).save(tmp_path / 'x.tiff')
    (tmp_path / 'x.pgm').write_bytes(b'P5 16 12 65535\n' + DEEP.astype('>u2').tobytes())
    for name in ('x.tiff', 'x.pgm'):
        assert (pixels(tmp_path / name) == rgb(DEEP >> 8)).all(), name


def test_dark_16_bit_pgm_keeps_the_upper_eight_bits(tmp_path):
    (tmp_path / 'x.pgm').write_bytes(b'P5 16 12 65535\n' + (DEEP % 256).astype('>u2').tobytes())
    assert pixels(tmp_path / 'x.pgm').max() == 0


@pytest.mark.parametrize('top', [1, 255])
def test_float_tiff_from_zero_to_one_or_to_255(top, tmp_path):
    Image.fromarray(GREY.astype(np.float32) * (top / 255)).save(tmp_path / 'x.tiff')
    assert np.abs(pixels(tmp_path / 'x.tiff').astype(int) - rgb(GREY)).max() <= 1


@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
def test_alpha_is_dropped_not_blended(suffix, tmp_path):
    Image.fromarray(np.dstack([COLOUR, GREY])).save(tmp_path / f'rgba{suffix}')
    assert (pixels(tmp_path / f'rgba{suffix}') == COLOUR).all()
    Image.fromarray(np.dstack([GREY, GREY[::-1]])).save(tmp_path / f'la{suffix}')
    assert (pixels(tmp_path / f'la{suffix}') == rgb(GREY)).all()


def test_one_bit_is_black_and_white(tmp_path):
    Image.fromarray(GREY % 5 == 0).save(tmp_path / 'x.png')
    assert Image.open(tmp_path / 'x.png').mode == '1'
    assert (pixels(tmp_path / 'x.png') == rgb((GREY % 5 == 0) * 255)).all()


@pytest.mark.parametrize('orientation, upright', [
    (1, lambda a: a), (2, lambda a: a[:, ::-1]), (3, lambda a: a[::-1, ::-1]), (4, lambda a: a[::-1]),
    (5, lambda a: a.swapaxes(0, 1)), (6, lambda a: np.rot90(a, -1)), (7, lambda a: a[::-1, ::-1].swapaxes(0, 1)),
    (8, np.rot90), (9, lambda a: a)])  # 9 does not exist
def test_exif_orientation_turns_upright(orientation, upright, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOUR).save(tmp_path / 'x.png', exif=exif)
    assert np.array_equal(pixels(tmp_path / 'x.png'), upright(COLOUR))


def test_a_jpeg_of_a_turned_camera(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.zeros((16, 48, 3), np.uint8)
    stored[:, :16] = (255, 0, 0)  # the left of the sensor is the top of the scene
    Image.fromarray(stored).save(tmp_path / 'x.jpg', exif=exif, quality=95, subsampling=0)
    image = decode(tmp_path / 'x.jpg')
    assert image.size == (16, 48)
    assert image.getpixel((8, 4))[0] > 250 and max(image.getpixel((8, 40))) < 5


@pytest.mark.parametrize('exif', [b'Exif\0\0not a tiff header', b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12'])
@pytest.mark.filterwarnings('ignore:Corrupt EXIF')
def test_corrupt_exif_costs_no_image(exif, tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / 'x.jpg', exif=exif)
    assert pixels(tmp_path / 'x.jpg').shape == COLOUR.shape


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new('RGB', (16, 12), colour) for colour in ((255, 0, 0), (0, 0, 255), (0, 255, 0))]
    frames[0].save(tmp_path / 'x.gif', save_all=True, append_images=frames[1:], duration=50)
    assert Image.open(tmp_path / 'x.gif').n_frames == 3
    assert (pixels(tmp_path / 'x.gif') == (255, 0, 0)).all()


def test_the_content_decides_not_the_name(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / 'x.png')
    os.rename(tmp_path / 'x.png', tmp_path / 'x.jpg')
    assert (pixels(str(tmp_path / 'x.jpg')) == COLOUR).all()


def write_bad(kind, folder):
    """A file that does not decode; returns its path."""
    path = folder / f'{kind} file.{"png" if "png" in kind else "jpg"}'
    if kind == 'folder':
        path.mkdir()
    elif kind.startswith('truncated'):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    elif kind != 'missing':
        path.write_bytes({'empty': b'', 'text': b'<html>404</html>', 'header of png': b'\x89PNG\r\n\x1a\n'}[kind])
    return path


BAD = {'empty': 'the file is empty', 'text': 'not an image that Pillow reads', 'truncated jpeg': 'truncated',
       'truncated png': '', 'header of png': '', 'folder': 'directory', 'missing': 'No such file'}


@pytest.mark.parametrize('kind', BAD)
def test_what_does_not_decode_is_named_with_the_reason(kind, tmp_path):
    path = write_bad(kind, tmp_path)
    for given in (path, str(path)):
        with pytest.raises(ImageError) as error:
            decode(given)
        message = str(error.value)
        assert message.startswith(f'{path}: ') and BAD[kind] in message and '\n' not in message
        assert len(message) > len(f'{path}: ')


def test_an_image_too_large_is_an_image_error(tmp_path, monkeypatch):
    Image.fromarray(COLOUR).save(tmp_path / 'x.png')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)
    with pytest.raises(ImageError, match='x.png: .*decompression bomb'):
        decode(tmp_path / 'x.png')


@pytest.fixture
def album(tmp_path):
    """Three good images and two bad ones, and a counter of decoded files."""
    paths = [tmp_path / f'{i}.png' for i in range(3)]
    for path in paths:
        Image.fromarray(COLOUR).save(path)
    paths[1:1] = [write_bad('text', tmp_path), write_bad('truncated jpeg', tmp_path)]
    return [str(path) for path in paths]


def check(paths, **options):
    """Return (names found bad, number of decoded files)."""
    calls = []
    bad = examine(paths, progress=lambda done, total: calls.append((done, total)), **options).bad
    assert calls == [(i + 1, len(calls)) for i in range(len(calls))]
    return [os.path.basename(path) for path, _ in bad], len(calls)


BAD_NAMES = ['text file.jpg', 'truncated jpeg file.jpg']


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    """Otherwise a training would start without the images in it."""
    for name in ('open', 'closed'):
        (tmp_path / name).mkdir()
        Image.new('RGB', (4, 4)).save(tmp_path / name / '0.png')
    assert len(find(str(tmp_path)).files) == 2
    scandir = os.scandir

    def refusing(path):
        if os.path.basename(path) == 'closed':
            raise PermissionError(13, 'Permission denied', path)
        return scandir(path)
    monkeypatch.setattr(os, 'scandir', refusing)
    with pytest.raises(PermissionError, match='closed'):
        find(str(tmp_path))


@pytest.mark.parametrize('workers', [1, 4])
def test_find_undecodable_gives_path_and_reason(workers, album):
    bad = examine(album, workers).bad
    assert [path for path, _ in bad] == album[1:3]
    assert bad[0][1] == 'not an image that Pillow reads' and album[2] not in bad[1][1] and 'truncated' in bad[1][1]


def test_good_files_are_remembered_and_bad_ones_checked_again(album):
    assert check(album) == (BAD_NAMES, 5)
    assert check(album) == (BAD_NAMES, 2)
    Image.fromarray(COLOUR).save(album[1])
    assert check(album) == (BAD_NAMES[1:], 2)
    assert check(album) == (BAD_NAMES[1:], 1)


@pytest.mark.parametrize('same', ['size', 'time'])
def test_a_changed_file_is_checked_again(same, album):
    check(album)
    before = os.stat(album[0])
    with open(album[0], 'wb') as file:
        file.write(b'x' * (before.st_size + (same == 'time')))
    stamp = before.st_mtime_ns + (10 ** 9 if same == 'size' else 0)
    os.utime(album[0], ns=(stamp, stamp))
    assert check(album) == (['0.png', *BAD_NAMES], 3)


def test_folders_do_not_share_their_memory(album, tmp_path):
    check(album)
    other = tmp_path / 'other' / '0.png'
    other.parent.mkdir()
    other.write_bytes(b'broken')
    assert check([str(other)]) == (['0.png'], 1)
    assert check(album) == (BAD_NAMES, 2)


def test_without_a_cache_folder_every_file_is_decoded(album, tmp_path, monkeypatch):
    (tmp_path / 'a file').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'a file'))
    assert check(album) == check(album) == (BAD_NAMES, 5)


@pytest.mark.parametrize('text', ['', '{', '[1, 2]', 'null', '{"a": 1}', '\x00'])
def test_a_broken_cache_is_not_believed(text, album, cache_folder):
    check(album)
    cached, = cache_folder.rglob('*.json')
    cached.write_text(text)
    assert check(album) == (BAD_NAMES, 5)
    assert check(album) == (BAD_NAMES, 2)


def test_paths_may_be_relative_and_none_is_fine(album, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert examine(['0.png', 'text file.jpg']).bad[0][0] == album[1]
    assert examine([]).bad == []


@pytest.mark.parametrize('target', ['x.png', 'none', 'good.png/y', 'n' * 300])
def test_a_link_that_leads_nowhere_is_a_file_that_cannot_be_decoded(target, tmp_path):
    Image.fromarray(GREY).save(tmp_path / 'good.png')
    (tmp_path / 'x.png').symlink_to(target)
    assert find(str(tmp_path)).files == [str(tmp_path / 'good.png'), str(tmp_path / 'x.png')]
    with pytest.raises(ImageError, match='x.png: '):
        decode(tmp_path / 'x.png')


def test_a_pipe_and_a_device_are_no_images(tmp_path):
    """Reading one may never end."""
    os.mkfifo(tmp_path / 'pipe.jpg')
    os.symlink('/dev/zero', tmp_path / 'zero.jpg')
    for name in ('pipe.jpg', 'zero.jpg'):
        with pytest.raises(ImageError, match=f'{name}: is a folder, a pipe or a device, not an image file'):
            open_image(tmp_path / name)
        with pytest.raises(ImageError, match=f'{name}: the file is empty'):
            decode(tmp_path / name)


def test_plug_ins_read_images_of_which_no_folder_was_listed(tmp_path, monkeypatch):
    """Images of packed files and single files: finding files by their endings registers plug-ins too."""
    calls = []
    monkeypatch.setattr(module.importlib, 'import_module', lambda name: calls.append(name) or object())
    Image.new('RGB', (4, 4)).save(tmp_path / 'a.png')
    data = (tmp_path / 'a.png').read_bytes()
    for look in (lambda: decode(tmp_path / 'a.png'), lambda: decode('x', data), lambda: open_image('x', data)):
        module.register_plugins.cache_clear()
        calls.clear()
        look()
        assert calls == list(module._PLUGINS)
