"""Damaged PNG and JPEG files by a seed: `damaged(seed, count)` gives {name: bytes}."""
import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin


def chunk(kind, data=b''):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def chunks(data):
    """The chunks of a PNG: [kind, content]."""
    found, at = [], 8
    while at < len(data):
        size = struct.unpack('>I', data[at:at + 4])[0]
        found.append([data[at + 4:at + 8], data[at + 8:at + 8 + size]])
        at += 12 + size
    return found


def from_chunks(found):
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunk(kind, data) for kind, data in found)


def picture(width, height, seed=0):
    y, x = np.mgrid[:height, :width]
    waves = np.stack([127 + 120 * np.sin(x / 7 + y / 11), 127 + 120 * np.cos(x / 5 - y / 13),
                      (3 * x + 5 * y) % 256], -1)
    noise = np.random.default_rng(seed).normal(0, 20, waves.shape)
    return Image.fromarray(np.clip(waves + noise, 0, 255).astype(np.uint8))


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def raw_png(samples, depth, colour, interlaced=False, rng=None):
    """A PNG of samples (height, width, channels) by any filters, interlaced or not."""
    def packed(part):
        if depth == 16:
            return [row.astype('>u2').tobytes() for row in part]
        if depth == 8:
            return [row.astype(np.uint8).tobytes() for row in part]
        bits = (part[..., 0, None] >> np.arange(depth)[::-1] & 1).astype(np.uint8)
        return [np.packbits(row.reshape(-1)).tobytes() for row in bits]
    height, width, channels = samples.shape
    pixel, rows = max(1, depth * channels // 8), []
    for left, top, right, down in (PASSES if interlaced else [(0, 0, 1, 1)]):
        part = samples[top::down, left::right]
        above = None
        for row in packed(part) if part.size else ():
            row = np.frombuffer(row, np.uint8).astype(int)
            above = np.zeros_like(row) if above is None else above
            kind = int(rng.integers(5))
            before, corner = (np.concatenate([np.zeros(pixel, int), line])[:len(row)] for line in (row, above))
            guess = before + above - corner
            distances = np.abs(np.stack([guess - before, guess - above, guess - corner]))
            paeth = np.choose(distances.argmin(0), [before, above, corner])
            rows.append(bytes([kind]) + ((row - [0, before, above, (before + above) // 2, paeth][kind]) % 256).astype(
                np.uint8).tobytes())
            above = row
    header = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, int(interlaced))
    body = zlib.compress(b''.join(rows), int(rng.integers(10)))
    cut = int(rng.integers(1, len(body)))
    palette = [[b'PLTE', rng.bytes(3 * int(rng.integers(1, 2 ** depth + 1)))]] if colour == 3 else []
    return from_chunks([[b'IHDR', header], *palette, [b'IDAT', body[:cut]], [b'IDAT', body[cut:]], [b'IEND', b'']])


def whole_pngs(rng):
    width, height = (int(side) for side in rng.integers(1, 60, 2))
    image, exif, text = picture(width, height), Image.Exif(), PngImagePlugin.PngInfo()
    exif[0x0112], exif[0x010f], exif[0x011a] = int(rng.integers(10)), 'a maker of cameras', 72.5
    orientation = int(rng.integers(9))
    text.add_text('comment', 'a text', zip=True)
    text.add_text('Raw profile type exif', f'\nexif\n{36:8}\n{exif.tobytes().hex()}\n', zip=bool(rng.integers(2)))
    text.add_itxt('XML:com.adobe.xmp', f'<x tiff:Orientation="{orientation}"/>', zip=bool(rng.integers(2)))
    text.add(b'tIME', bytes(7), bool(rng.integers(2)))
    text.add(b'iTXt', b'XML:com.adobe.xmp\0\0\0en\0\0<tiff:Orientation>6<', bool(rng.integers(2)))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    files = [encoded(image, 'PNG', exif=exif, dpi=(72, 72)), encoded(image, 'PNG', pnginfo=text, icc_profile=profile),
             encoded(image.quantize(16), 'PNG', transparency=bytes(range(16))),
             encoded(image.quantize(5), 'PNG', transparency=3), encoded(image.convert('L'), 'PNG', transparency=99),
             encoded(image, 'PNG', transparency=(1, 2, 3)), encoded(image.convert('1'), 'PNG'),
             encoded(image.convert('LA'), 'PNG'), encoded(image.convert('RGBA'), 'PNG'),
             encoded(image, 'PNG', save_all=True, append_images=[picture(width, height, 1)]),
             encoded(image, 'PNG', save_all=True, append_images=[picture(width, height, 1)], default_image=True)]
    for depth, colour in ((1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (1, 3), (2, 3), (4, 3), (8, 3),
                          (8, 4), (16, 4), (8, 6), (16, 6)):
        channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
        samples = rng.integers(0, 2 ** depth, (height, width, channels))
        files.append(raw_png(samples, depth, colour, bool(rng.integers(2)), rng))
    return files


def whole_jpegs(rng):
    width, height = (int(side) for side in rng.integers(1, 90, 2))
    image, exif = picture(width, height), Image.Exif()
    exif[0x0112], exif[0x010f], exif[0x011a], exif[0x0128] = int(rng.integers(10)), 'a maker of cameras', 72.5, 2
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    xmp = f'<x tiff:Orientation="{rng.integers(9)}"/>'.encode()
    resources = segment(0xed, b'Photoshop 3.0\0' + b'8BIM\x03\xed\0\0\0\0\0\x10' + bytes(16) + b'8BIM\4\4\1a\0\0\0\2ab')
    grey, inks = image.convert('L'), image.convert('CMYK')
    quality = int(rng.integers(5, 98))
    files = [encoded(image, 'JPEG', quality=quality, subsampling=i % 3, progressive=i > 2) for i in range(6)]
    files += [encoded(image, 'JPEG', exif=exif), encoded(image, 'JPEG', exif=exif, dpi=(72, 72), comment=b'a comment'),
              encoded(image, 'JPEG', xmp=xmp, icc_profile=profile), encoded(image, 'JPEG', restart_marker_rows=1),
              encoded(image, 'JPEG', restart_marker_blocks=2, quality=quality), encoded(image, 'JPEG', keep_rgb=True),
              encoded(grey, 'JPEG', quality=quality), encoded(grey, 'JPEG', progressive=True), encoded(inks, 'JPEG'),
              encoded(inks, 'JPEG', progressive=True, quality=quality), encoded(image, 'JPEG', optimize=True)]
    adobe = files[0]
    files.append(adobe[:2] + resources + segment(0xee, b'Adobe\0d\0\0\0\0' + bytes([rng.integers(3)])) + adobe[2:])
    files.append(files[14].replace(b'Adobe\0d\0\0\0\0\0', b'Adobe\0d\0\0\0\0\2'))
    plain = files[14]
    at = plain.find(b'\xff\xee')
    files.append(plain[:at] + plain[at + 16:])  # inks without Adobe's mark
    return files


def segment(marker, data):
    return bytes([0xff, marker]) + struct.pack('>H', len(data) + 2) + data


def place(rng, data):
    """Return a place in a file: anywhere, or near its start or its end."""
    kind = rng.integers(3)
    span = len(data) if kind == 0 else min(len(data), 64 if kind == 1 else 16)
    at = int(rng.integers(span))
    return len(data) - 1 - at if kind == 2 else at


def bytes_damaged(data, rng):
    """Return bytes with one random damage."""
    if not data:
        return rng.bytes(3)
    at, size = place(rng, data), int(rng.integers(1, 12))
    other = int(rng.integers(len(data)))
    kind = rng.integers(9)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1:]
    if kind == 2:
        return data[:at] + rng.bytes(1) + data[at + 1:]
    if kind == 3:
        return data[:at] + rng.bytes(size) + data[at + size:]
    if kind == 4:
        return data[:at] + data[at + size:]
    if kind == 5:
        return data[:at] + rng.bytes(size) + data[at:]
    if kind == 6:
        return data[:at] + data[other:other + size] + data[at:]
    if kind == 7:
        return data[:at] + bytes(size) + data[at + size:]
    return data[:at] + bytes([rng.choice([0, 1, 127, 128, 254, 255])]) + data[at + 1:]


def png_damaged(data, rng):
    """Return a PNG with changed chunks and correct checksums."""
    found = chunks(data)
    at, other = (int(place) for place in rng.integers(0, len(found), 2))
    kind = rng.integers(8)
    if kind < 3:
        found[at][1] = bytes_damaged(found[at][1], rng)
    elif kind == 3:
        del found[at]
    elif kind == 4:
        found.insert(other, found[at])
    elif kind == 5:
        found[at], found[other] = found[other], found[at]
    elif kind == 6:
        found[at][0] = [b'IHDR', b'PLTE', b'IDAT', b'IEND', b'tRNS', b'tEXt', b'zTXt', b'iTXt', b'eXIf', b'iCCP',
                        b'acTL', b'fcTL', b'fdAT', b'gAMA', b'pHYs', b'abCd', b'ABCD', b'DDAT'][rng.integers(18)]
    else:  # other pixels
        packed = b''.join(part for name, part in found if name == b'IDAT')
        try:
            pixels = zlib.decompress(packed)
        except zlib.error:
            return data
        again = zlib.compress(bytes_damaged(pixels, rng), int(rng.integers(10)))
        first = next((i for i, (name, _) in enumerate(found) if name == b'IDAT'), 0)
        found = [entry for entry in found if entry[0] != b'IDAT']
        found.insert(first, [b'IDAT', again])
    return from_chunks(found)


def segments(data):
    """The segments of a JPEG before its first scan, and the rest."""
    found, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xff and data[at + 1] != 0xda:
        size = struct.unpack('>H', data[at + 2:at + 4])[0]
        found.append(data[at:at + 2 + size])
        at += 2 + size
    return found, data[at:]


def jpeg_damaged(data, rng):
    """Return a JPEG with changed segments, or markers in its scans."""
    found, rest = segments(data)
    if not found:
        return bytes_damaged(data, rng)
    at, other = (int(place) for place in rng.integers(0, len(found), 2))
    kind = rng.integers(8)
    if kind == 0:
        content = bytes_damaged(found[at][4:], rng)
        found[at] = segment(found[at][1], content)
    elif kind == 1:
        del found[at]
    elif kind == 2:
        found.insert(other, found[at])
    elif kind == 3:
        found[at], found[other] = found[other], found[at]
    elif kind == 4:
        found[at] = found[at][:1] + bytes([rng.integers(0xc0, 256)]) + found[at][2:]
    elif kind == 5:
        found[at] = found[at][:2] + struct.pack('>H', int(rng.integers(70))) + found[at][4:]
    else:
        marker = bytes([0xff, int(rng.choice([0, 0xd9, 0xd8, 0xda, 0xc4, 0xff, *range(0xd0, 0xd8)]))])
        places = [i for i in range(len(rest) - 1) if rest[i] == 0xff] if kind == 6 else []
        place = int(rng.choice(places)) if places else int(rng.integers(len(rest)))
        rest = rest[:place] + marker + rest[place + (2 if kind == 6 else 0):]
    return data[:2] + b''.join(found) + rest


def damaged(seed, count):
    """Files of every kind, each damaged once to three times, and a few whole ones."""
    rng = np.random.default_rng(seed)
    files = {}
    while len(files) < count:
        for ending, made, change in (('png', whole_pngs(rng), png_damaged), ('jpg', whole_jpegs(rng), jpeg_damaged)):
            for i, data in enumerate(made):
                for _ in range(int(rng.choice([0, 1, 1, 1, 1, 2, 3]))):
                    try:
                        data = bytes_damaged(data, rng) if rng.random() < 0.5 else change(data, rng)
                    except (struct.error, IndexError, ValueError):  # damaged too much to be parsed
                        data = bytes_damaged(data, rng)
                files[f'{len(files):05}-{i}.{ending}'] = data
    return dict(list(files.items())[:count])
