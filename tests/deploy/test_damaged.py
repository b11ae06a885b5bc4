"""Damaged PNG and JPEG files: C++ and the compiled crops accept those that Python accepts, with the same pixels."""
import itertools
import struct
import warnings
import zlib

import numpy as np
import pytest

from tests.deploy.damaged import chunks, damaged, encoded, from_chunks, picture, raw_png, segment
from tests.deploy.test_edge import MANIFEST, run, write_manifest
from tinynets.data import images, native
from tinynets.data.presets import eval_transform
from tinynets.data.transforms import TrainTransform

PRESET = {**MANIFEST['preprocessing'], 'resolution': 20, 'crop_ratio': 0.8}


def disagreements(program, files, folder):
    """Return the differences for files {name: bytes}, one line each, and the number that Python accepts."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    done = run(program, write_manifest(folder / 'manifest.json', **PRESET), folder / 'out.f32',
               *(folder / name for name in files))
    assert done.returncode in (0, 1), done.stderr[-500:]
    refused = {line.split(': ')[0].rsplit('/', 1)[1]: line for line in done.stderr.splitlines()}
    tensors = iter(np.fromfile(folder / 'out.f32', np.float32).reshape(-1, 3, 20, 20))
    transform, lines, taken = eval_transform(PRESET), [], 0
    for name in files:
        got = None if name in refused else next(tensors)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                want = transform(images.decode(folder / name))
            taken += 1
        except images.ImageError as error:
            if got is not None:
                lines.append(f'{name}: only Python refuses it: {error}')
            continue
        if got is None:
            lines.append(f'{name}: only C++ refuses it: {refused[name]}')
        elif not np.array_equal(got, want):
            lines.append(f'{name}: other pixels, up to {np.abs(got - want).max():.3f}')
    return lines, taken


@pytest.mark.parametrize('seed', [1, 2])
def test_damaged_files_are_taken_and_refused_alike(seed, build, tmp_path):  # noqa: F811
    lines, taken = disagreements(build / 'tinynet_preprocess', damaged(seed, 400), tmp_path)
    assert not lines, lines
    assert 100 < taken < 300  # both kinds were tried


def rare_files():
    """Return files that encoders rarely write and random damage hardly produces: {name: bytes}."""
    rng, files = np.random.default_rng(0), {}
    jpeg = encoded(picture(40, 30), 'JPEG')
    names = itertools.product(range(4), range(4), (b'', b'8BIM\4\4', b'8BIM\4\4\1', b'8BIM\4'))
    segments = {f'resource {name} {size} {len(end)}': [segment(0xed, b'Photoshop 3.0\0' + b''.join(
        part + bytes(len(part) % 2) for part in (b'8BIM\4\4', bytes([name]) + b'n' * name)) + struct.pack('>I', size)
        + b'd' * size + bytes(size % 2) + end)] for name, size, end in names}
    parts = [b'', b'\1', b'\1\2', b'\2\2profile', b'\1\1profile']
    segments.update({f'profile {i} {k}': [segment(0xe2, b'ICC_PROFILE\0' + part) for part in (parts[i], parts[k])]
                     for i in range(5) for k in range(5)})
    # Entries that are each within the structure, but together larger than it, before an orientation that lies apart.
    for length, count in itertools.product((8, 30, 40, 60), range(3)):
        entries = [(271 + i, 2, length, 8) for i in range(count)] + [(0x0112, 5, 1, 8 + 2 + 12 * (count + 1) + 4)]
        start = b'II*\0' + struct.pack('<IH', 8, count + 1)
        exif = start + b''.join(struct.pack('<HHII', *e) for e in entries) + bytes(4) + struct.pack('<II', 6, 1)
        segments[f'exif {length} {count}'] = [segment(0xe1, b'Exif\0\0' + exif)]
        files[f'exif {length} {count}.png'] = from_chunks([*(found := chunks(encoded(picture(40, 30), 'PNG')))[:1],
                                                           [b'eXIf', exif], *found[1:]])
    tiff = b'II*\0' + struct.pack('<IHHHII', 8, 1, 0x0112, 3, 1, 6) + bytes(4)
    segments.update({f'two exifs {cut}': [segment(0xe1, b'Exif\0\0' + part) for part in (tiff[:cut], tiff[cut:])]
                     for cut in (0, 4, 8, 10, 20, len(tiff))})
    segments.update({f'exif of {size} bytes': [segment(0xe1, b'Exif\0\0' + tiff[:size])]
                     for size in range(len(tiff) + 1)})
    for marks in range(4):
        segments[f'marks {marks}'] = [segment(0xe1, b'Exif\0\0' * marks + tiff)]
        files[f'marks {marks}.png'] = from_chunks([*(found := chunks(encoded(picture(40, 30), 'PNG')))[:1],
                                                   [b'eXIf', b'Exif\0\0' * marks + tiff], *found[1:]])
    segments.update({f'tables {kind} {length}': [segment(0xdb, bytes([kind]) + b'\1' * length)]
                     for kind in (3, 19) for length in (0, 63, 64, 65, 127, 128, 129)})
    segments.update({f'marker {marker:02x}': [bytes([0xff, marker])] for marker in range(256)})
    files.update({f'{name}.jpg': jpeg[:2] + b''.join(parts) + jpeg[2:] for name, parts in segments.items()})
    tables = segment(0xdb, b'\3' + b'\1' * 64)  # a stream of tables alone may come before the image
    files.update({f'tables before {len(held)}.jpg': b'\xff\xd8' + held + b'\xff\xd9' + jpeg for held in (b'', tables)})
    for colour, size in itertools.product((0, 2), range(8)):
        header, *rest = chunks(raw_png(rng.integers(0, 256, (5, 6, 3 if colour else 1)), 8, colour, rng=rng))
        files[f'transparency {colour} {size}.png'] = from_chunks([header, [b'tRNS', bytes(size)], *rest])
    for interlaced, (left, top) in itertools.product((False, True), ((0, 0), (11, 0), (5, 3), (11, 7), (12, 7))):
        header, *rest = chunks(raw_png(rng.integers(0, 256, (7, 9, 3)), 8, 2, interlaced, rng))
        header[1] = struct.pack('>II', 20, 14) + header[1][8:]
        frame = struct.pack('>IIIIIHHBB', 0, 9, 7, left, top, 1, 1, 0, 0)
        files[f'frame {interlaced} {left} {top}.png'] = from_chunks([header, [b'acTL', struct.pack('>II', 1, 0)],
                                                                     [b'fcTL', frame], *rest])
    # An orientation as each of TIFF's types, in both orders of bytes, within its entry and outside of it.
    for order, mark in (('<', b'II*\0'), ('>', b'MM\0*')):
        packed = {1: 'B', 2: 'B', 3: 'H', 4: 'I', 5: 'II', 6: 'b', 7: 'B', 8: 'h', 9: 'i', 10: 'ii', 11: 'f', 12: 'd',
                  13: 'I', 16: 'Q', 0: 'H', 14: 'H', 17: 'H'}
        for (kind, form), value in itertools.product(packed.items(), (6, 8, 9, 0)):
            held = struct.pack(order + form, *((value, 1) if len(form) > 1 else (value,)))
            inside = held.ljust(4, b'\0') if len(held) <= 4 else struct.pack(order + 'I', 26)
            exif = mark + struct.pack(order + 'IHHHI', 8, 1, 0x0112, kind, 1) + inside + bytes(4) + held
            segments[f'type {kind} {value} {mark[:1].decode()}'] = [segment(0xe1, b'Exif\0\0' + exif)]
    files.update({f'{name}.jpg': jpeg[:2] + b''.join(parts) + jpeg[2:] for name, parts in segments.items()})
    # ImageMagick's hexadecimal digits with each kind of space between two bytes, or in one.
    header, *rest = chunks(encoded(picture(40, 30), 'PNG'))
    digits = (b'Exif\0\0' + tiff).hex()
    for space, odd in itertools.product('\t\n\v\f\r \x1c\x1f\x85\xa0_', (0, 1)):
        held = f'\nexif\n{len(digits) // 2:8}\n{digits[:8 + odd]}{space}{digits[8 + odd:]}\n'
        text = b'Raw profile type exif\0' + held.encode('latin-1')
        files[f'space {ord(space)} {odd}.png'] = from_chunks([header, [b'tEXt', text], *rest])
    # International texts of which one part is no UTF-8, before another of the same key or none.
    for bad, key, twice in itertools.product(range(4), ('Raw profile type exif', 'XML:com.adobe.xmp', 'exif'), (0, 1)):
        body = f'\nexif\n{len(digits) // 2:8}\n{digits}\n' if key[0] == 'R' else '<x tiff:Orientation="8"/>'
        parts = [part + b'\xff' * (i == bad) for i, part in enumerate((b'en', b'translated', body.encode()))]
        held = [[b'iTXt', key.encode() + b'\0\0\0' + b'\0'.join(parts)]]
        held += [[b'iTXt', key.encode() + b'\0\0\0en\0\0<x tiff:Orientation="3"/>']] * twice
        files[f'text {bad} {key} {twice}.png'] = from_chunks([header, *held, *rest])
    # Texts and profiles of the most bytes, and all texts together: Pillow's limits are a megabyte and 64.
    header, *rest = chunks(encoded(picture(40, 30), 'PNG'))
    for length in (2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1):
        body = zlib.compress(b'a' * length, 9)
        for kind, start in ((b'zTXt', b'a\0\0'), (b'iTXt', b'a\0\1\0\0\0'), (b'iCCP', b'a\0\0')):
            files[f'{kind.decode()} {length}.png'] = from_chunks([header, [kind, start + body], *rest])
    megabyte = [b'zTXt', b'a\0\0' + zlib.compress(b'a' * 2 ** 20, 9)]
    for more in (b'', b'a'):
        files[f'texts {len(more)}.png'] = from_chunks([header, *[megabyte] * 64, [b'tEXt', b'b\0' + more], *rest])
    # Where the pixels are not of the animation it has a frame more; what follows the next frame's start is not read.
    header, *rest, end = chunks(encoded(picture(20, 14), 'PNG'))
    for default, frames in itertools.product((False, True), range(3)):
        starts = [[b'fcTL', struct.pack('>IIIIIHHBB', i, 20, 14, 0, 0, 1, 1, 0, 0)] for i in range(2)]
        before, after = ([], starts[:1]) if default else (starts[:1], starts[1:])
        files[f'animation {default} {frames}.png'] = from_chunks(
            [header, [b'acTL', struct.pack('>II', frames, 0)], *before, *rest, *after, [b'eXIf', tiff], end])
    return files


def test_rare_files_are_taken_and_refused_alike(build, tmp_path):  # noqa: F811
    lines, taken = disagreements(build / 'tinynet_preprocess', rare_files(), tmp_path)
    assert not lines, lines
    assert 50 < taken < len(rare_files()) - 20


def test_compiled_crops_take_and_refuse_what_pillow_does(monkeypatch):
    if native.library() is None:
        pytest.skip('no C++ compiler, or no headers of libjpeg-turbo')
    transform = TrainTransform(16, (0, 0, 0), (1, 1, 1), flip=0.5)

    def crop(name, data, seed):
        try:
            return transform(images.open_image(name, data), np.random.default_rng(seed))
        except images.ImageError:
            return None
    tried = [0, 0]
    for seed, (name, data) in enumerate(damaged(3, 400).items()):
        if not name.endswith('.jpg'):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            got = crop(name, data, seed)
            with monkeypatch.context() as patch:
                patch.setattr(native, 'library', lambda: None)
                want = crop(name, data, seed)
        tried[want is None] += 1
        assert (got is None) == (want is None), name
        assert want is None or np.array_equal(got, want), name
    assert min(tried) > 20
