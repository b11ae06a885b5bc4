"""What the C++ program reads of others' files, under the compiler's sanitizers and over hostile files: no access out of
bounds, no undefined behaviour, no leak, no exception but its own, little memory."""
import hashlib
import io
import json
import os
import re
import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.conftest import ROOT
from tests.deploy.conftest import json_reader, skip_where_unbuildable
from tests.deploy.damaged import damaged
from tests.deploy.test_edge import MANIFEST, photograph
from tinynets.data import images

SANITIZERS = 'address,undefined,float-cast-overflow'


@pytest.fixture(scope='module')
def hostile(tmp_path_factory):
    """hostile(kind, {name: bytes}) -> {name: what the program says of the file}; fails on any report."""
    folder = tmp_path_factory.mktemp('hostile')
    (folder / 'empty.cc').write_text('int main() { return 0; }')
    tried = subprocess.run(f'${{CXX:-c++}} -fsanitize={SANITIZERS} empty.cc -o empty && ./empty', shell=True,
                           cwd=folder, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f'no program with -fsanitize={SANITIZERS} here: {tried.stderr.strip()[-200:]}')
    made = subprocess.run(['bash', ROOT / 'ascend310_infer/build.sh', f'-DSANITIZE={SANITIZERS}', json_reader(),
                           '-DMINDSPORE_LITE_HOME='], env={**os.environ, 'BUILD': str(folder / 'build')},
                          capture_output=True, text=True)
    skip_where_unbuildable(made)
    assert made.returncode == 0, made.stderr[-5000:]

    def call(kind, files):
        for name, data in files.items():
            (folder / name).write_bytes(data)
        done = subprocess.run([folder / 'build' / 'hostile', kind, *files], cwd=folder, timeout=120,
                              env={**os.environ, 'ASAN_OPTIONS': 'hard_rss_limit_mb=1024'}, capture_output=True,
                              text=True, errors='replace')
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and not done.stderr, f'{list(files)[len(lines)]}: {done.stderr[:5000]}'
        assert len(lines) == len(files)
        return dict(zip(files, lines))
    return call


def chunk(kind, data=b'', length=None, check=0):
    return struct.pack('>I', len(data) if length is None else length) + kind + data + struct.pack(
        '>I', zlib.crc32(kind + data) ^ check)


def header(width=9, height=7, depth=8, colour=2, compression=0, filtering=0, interlace=0):
    return chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, colour, compression, filtering, interlace))


PIXELS = chunk(b'IDAT', zlib.compress(b'\0' * 1000))
END = chunk(b'IEND')


def png(*chunks):
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunks)


def hostile_pngs():
    bomb = zlib.compress(b'a' * 7_900_000, 9)  # 8 kB
    texts = chunk(b'zTXt', b'a\0\0' + bomb) * 500
    packets = chunk(b'iTXt', b'XML:com.adobe.xmp\0\1\0\0\0' + bomb) * 200
    palette = dict(colour=3)
    files = {f'{w}x{h}': png(header(w, h), PIXELS, END) for w, h in (
        (0, 0), (0, 9), (60000, 60000), (2 ** 31 - 1, 2 ** 31 - 1), (2 ** 31 - 1, 1), (2 ** 32 - 1, 7), (13000, 13000))}
    files.update({f'depth{depth}colour{colour}': png(header(depth=depth, colour=colour), PIXELS, END)
                  for depth in (0, 1, 3, 8, 16, 255) for colour in (0, 1, 2, 3, 4, 6, 255)})
    files.update({
        'interlaced': png(header(interlace=1), PIXELS, END), 'interlace': png(header(interlace=2), PIXELS, END),
        'compression': png(header(compression=1), PIXELS, END), 'filtering': png(header(filtering=64), PIXELS, END),
        'filter9': png(header(), chunk(b'IDAT', zlib.compress(b'\x09' * 1000)), END),
        'no palette': png(header(**palette), PIXELS, END),
        'index': png(header(**palette), chunk(b'PLTE', bytes(6)), chunk(b'IDAT', zlib.compress(b'\0' + b'\xff' * 999)),
                     END),
        'long palette': png(header(**palette), chunk(b'PLTE', bytes(3 * 257)), PIXELS, END),
        'odd palette': png(header(**palette), chunk(b'PLTE', bytes(7)), PIXELS, END),
        'long transparency': png(header(**palette), chunk(b'PLTE', bytes(6)), chunk(b'tRNS', bytes(300)), PIXELS),
        'header twice': png(header(), header(), PIXELS, END), 'no header': png(PIXELS, END),
        'no end': png(header(), PIXELS), 'no pixels': png(header(), END),
        'few pixels': png(header(), chunk(b'IDAT', zlib.compress(b'\0' * 9)), END),
        'noise': png(header(), chunk(b'IDAT', bytes(range(256))), END), 'cut': png(header(), PIXELS)[:-9],
        'checksum': png(header(), chunk(b'IDAT', zlib.compress(b'\0' * 1000), check=1), END),
        'header checksum': png(header(), chunk(b'gAMA', bytes(4), check=1), PIXELS, END),
        'critical length': png(header(), chunk(b'ABCD', b'x', length=99), PIXELS, END),
        'length': png(header(), chunk(b'IDAT', b'x', length=2 ** 31 - 1), END),
        'length32': png(header(), chunk(b'tEXt', b'x', length=2 ** 32 - 1), PIXELS, END),
        'kind': png(header(), chunk(b'\0\xff\n\r'), PIXELS, END),
        'critical': png(header(), chunk(b'ABCD'), PIXELS, END),
        'texts': png(header(), texts, PIXELS, texts, END), 'packets': png(header(), packets, PIXELS, packets, END),
        'profile': png(header(), chunk(b'iCCP', b'a\0\0' + bomb), PIXELS, END),
        'empty packet': png(header(), chunk(b'iTXt', b'XML:com.adobe.xmp\0\0\0\0\0'), PIXELS, END),
        'unended packet': png(header(), chunk(b'iTXt', b'XML:com.adobe.xmp\0\0\0\0\0tiff:Orientation="'), PIXELS, END),
        'half packet': png(header(), chunk(b'iTXt', b'XML:com.adobe.xmp'), PIXELS, END)})
    files.update({f'exif {name}': png(header(), chunk(b'eXIf', data), PIXELS, END) for name, data in exifs().items()})
    raw = b'Raw profile type exif'
    files.update({f'exif text {name}': png(header(), chunk(b'zTXt', raw + b'\0\0' + zlib.compress(
        b'\nexif\n%8d\n%s\n' % (len(data), data.hex().encode()))), PIXELS, END) for name, data in exifs().items()})
    files.update({f'exif text{i}': png(header(), PIXELS, chunk(kind, data), END) for i, (kind, data) in enumerate([
        (kind, raw + rest) for kind in (b'tEXt', b'zTXt', b'iTXt') for rest in (
            b'', b'\0', b'\0\0', b'\0\1', b'\0\1\0', b'\0\1\0\0', b'\0\1\0\0\0', b'\0\0\0\0\0', b'\0\0' + bomb,
            b'\0\1\0\0\0' + bomb, b'\0\0' + bomb[:99], b'\0\n\n\n', b'\0\n\n\n4', b'\0\n\n\n4 9\xff', b'\0\n\n\n\0')])})
    files['exif many texts'] = png(header(), chunk(b'zTXt', raw + b'\0\0' + bomb) * 500, PIXELS, END)
    files['cut text'] = png(header(), PIXELS, chunk(b'zTXt', raw + b'\0\0' + bomb, length=2 ** 32 - 1))
    return {f'{name}.png': data for name, data in files.items()}


def exifs():
    """TIFF structures with an orientation of 6, valid and damaged."""
    def tiff(offset=8, entries=1, kind=3, count=1, following=0, tag=0x0112, order='<'):
        mark = b'II*\0' if order == '<' else b'MM\0*'
        return mark + struct.pack(order + 'IHHHIHHI', offset, entries, tag, kind, count, 6, 0, following)
    files = {'whole': tiff(), 'big': tiff(order='>'), 'loop': tiff(following=8), 'many': tiff(entries=65535),
             'many others': tiff(entries=65535, tag=1), 'itself': tiff(offset=0), 'text': tiff(kind=2),
             'long': tiff(kind=4), 'count': tiff(count=2 ** 32 - 1), 'no order': b'XX' + tiff()[2:]}
    files.update({f'offset{at:x}': tiff(offset=at) for at in (7, 25, 26, 27, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1)})
    files.update({f'cut{size}': tiff()[:size] for size in range(len(tiff()))})
    return files


def encoded(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def segment(marker, data, length=None):
    return bytes([0xff, marker]) + struct.pack('>H', len(data) + 2 if length is None else length) + data


def hostile_jpegs():
    picture = photograph(41, 30)
    whole = encoded(picture, 'JPEG')
    wide, cmyk = encoded(picture, 'JPEG', progressive=True), encoded(picture.convert('CMYK'), 'JPEG')
    frame = whole.index(b'\xff\xc0')  # marker, length, precision, height, width, components, (number, sampling, table)
    tables, scan = whole.index(b'\xff\xc4'), whole.index(b'\xff\xda')

    def changed(at, *values, source=whole):
        return source[:at] + bytes(values) + source[at + len(values):]
    files = {'whole': whole, 'progressive': wide, 'cmyk': cmyk}
    files.update({f'{w}x{h}': changed(frame + 5, *struct.pack('>HH', h, w)) for w, h in (
        (0, 0), (41, 0), (0, 30), (65500, 65500), (4000, 4000), (65500, 41), (41, 65500))})
    files.update({f'progressive {w}x{h}': changed(wide.index(b'\xff\xc2') + 5, *struct.pack('>HH', h, w), source=wide)
                  for w, h in ((65500, 2), (1, 65500), (1500, 1500))})
    end = wide.rindex(b'\xff\xda')
    files['scans'] = wide[:-2] + (wide[end:end + 10] + b'\0') * 1200 + wide[-2:]
    files.update({f'frame{kind:x}': changed(frame + 1, kind) for kind in range(0xc0, 0xd0)})
    files.update({f'precision{bits}': changed(frame + 4, bits) for bits in (0, 1, 12, 16, 255)})
    files.update({f'components{count}': changed(frame + 9, count) for count in (0, 1, 2, 4, 5, 255)})
    files.update({f'sampling{factor:x}': changed(frame + 11, factor) for factor in (0, 1, 0x14, 0x44, 0x55, 0xff)})
    files.update({f'table{i}': changed(tables + 5 + i, *[255] * 9) for i in range(0, 400, 25)})
    files.update({f'scan{i}': changed(scan + i, 255) for i in range(2, 14)})
    files.update({f'length{i}': whole[:2] + segment(0xe1, bytes(20), i) + whole[2:] for i in (0, 1, 2, 21, 65535)})
    files.update({
        'no tables': whole[:tables] + whole[scan:], 'no scan': whole[:scan] + b'\xff\xd9',
        'frame twice': whole[:tables] + whole[frame:], 'scan only': whole[:2] + whole[scan:],
        'pads': whole[:2] + b'\xff' * 9999 + whole[2:],
        'restarts': whole[:scan + 14] + b'\xff\xd0\xff\xd5' * 999 + whole[scan + 14:],
        'no step': changed(whole.index(b'\xff\xdb') + 5, *bytes(64)), 'start': whole[:2], 'start3': whole[:3],
        'interval': whole[:scan] + segment(0xdd, b'\0\1') + whole[scan:],
        'packet': whole[:2] + segment(0xe1, b'http://ns.adobe.com/xap/1.0/\0tiff:Orientation="') + whole[2:],
        'adobe': whole[:2] + segment(0xee, b'Adobe\0d\0\0\0\0\2') + whole[2:]})
    files.update({f'cut{size}': whole[:size] for size in range(3, len(whole), 37)})
    for name, data in exifs().items():
        files[f'exif {name}'] = whole[:2] + segment(0xe1, b'Exif\0\0' + data) + whole[2:]
    return {f'{name}.jpg': data for name, data in files.items()}


def mutated(seed):
    """Valid files with random bytes changed; PNG chunks get the checksum of what they then hold."""
    rng = np.random.default_rng(seed)
    picture, exif = photograph(23, 17), Image.Exif()
    exif[0x0112] = 6

    def flip(data, times):
        data = bytearray(data)
        for at in rng.integers(2, len(data), times) if len(data) > 2 else ():
            data[at] = rng.integers(256)
        return bytes(data)
    files = {}
    sources = [encoded(picture, 'JPEG', exif=exif), encoded(picture, 'JPEG', progressive=True, subsampling=0),
               encoded(picture.convert('CMYK'), 'JPEG')]
    for i in range(300):
        files[f'mutated{i}.jpg'] = flip(sources[i % 3], 1 + i % 7)
    text = PngImagePlugin.PngInfo()
    text.add_text('Raw profile type exif', f'\nexif\n{36:8}\n{exif.tobytes().hex()}\n', zip=True)
    text.add_itxt('XML:com.adobe.xmp', 'tiff:Orientation="6"', zip=True)
    sources = [encoded(picture, 'PNG', exif=exif), encoded(picture, 'PNG', pnginfo=text),
               encoded(picture.quantize(16), 'PNG', transparency=bytes(16)),
               encoded(picture.convert('LA'), 'PNG')]
    for i in range(200):
        data, at = sources[i % 4], 8
        chunks = []
        while at < len(data):
            size = struct.unpack('>I', data[at:at + 4])[0]
            chunks.append((data[at + 4:at + 8], data[at + 8:at + 8 + size]))
            at += 12 + size
        victim = rng.integers(len(chunks))
        files[f'mutated{i}.png'] = png(*(chunk(kind, flip(held, 1 + i % 3) if n == victim else held)
                                         for n, (kind, held) in enumerate(chunks)))
    return files


@pytest.mark.filterwarnings('ignore')
def test_images(hostile):
    rng = np.random.default_rng(1)
    files = {**hostile_pngs(), **hostile_jpegs(), **mutated(0), **damaged(0, 300), 'empty.jpg': b'',
             'zeros.png': bytes(4096), 'png.jpg': png(header(), PIXELS, END),
             'random.jpg': b'\xff\xd8\xff' + rng.bytes(4096), 'random.png': png(rng.bytes(4096))}
    said = hostile('image', files)
    for name, data in files.items():  # accepted if Python accepts it
        try:
            images.decode(name, data)
        except images.ImageError as error:
            assert said[name] != 'ok', (name, error)
        else:
            assert said[name] == 'ok' or name == 'scans.jpg', (name, said[name])
    for name, word in {'0x0.png': '', '60000x60000.png': 'pixels are more', '65500x65500.jpg': 'pixels are more',
                       'few pixels.png': '', 'no pixels.png': '', 'header checksum.png': 'CRC',
                       'texts.png': '1 MiB', 'critical length.png': 'truncated',
                       'start.jpg': '', 'scans.jpg': 'scans', 'cut669.jpg': 'truncated', 'empty.jpg': 'empty',
                       'zeros.png': 'neither'}.items():
        assert said[name] != 'ok' and word in said[name], (name, said[name])
    assert sum(line == 'ok' for name, line in said.items() if 'mutated' in name) > 100  # more than headers were read


def test_manifests(hostile):
    whole = json.dumps({**MANIFEST, 'file': 'net.mindir', 'sha256': '0' * 64})
    rng = np.random.default_rng(2)

    def put(key, text):
        """The manifest with the value of a key, a number, as text."""
        return re.sub(rf'("{key}": )[0-9.]+', rf'\g<1>{text}', whole, count=1).encode()
    deep = '[' * 100000 + ']' * 100000
    files = {'whole': whole.encode(), 'twice': whole.replace('{', '{"format": 2, ', 1).encode(), 'empty': b'',
             'null': b'null', 'open': b'[' * 100000, 'open objects': b'{"a":' * 100000, 'deep': deep.encode(),
             'deep inside': whole.replace('"tinynet_e"', deep).encode(), 'mark': b'\xef\xbb\xbf' + whole.encode(),
             'text': whole.replace('tinynet_e', '\udc80').encode(errors='surrogateescape'), 'zero': bytes(100),
             'half': whole[:len(whole) // 2].encode(), 'surrogate': whole.replace('tinynet_e', '\\ud800').encode(),
             'name': whole.replace('tinynet_e', 'x' * 10 ** 6).encode(), 'layout': whole.replace(
                 'NCHW', 'x' * 10 ** 6).encode(), 'half name': whole.replace('tinynet_e', '\xff').encode('latin-1'),
             'many': whole.replace('["a", "b"]', json.dumps(['x'] * 100000)).encode(),
             'different': whole.replace('["a", "b"]', json.dumps([str(i) for i in range(100000)])).encode()}
    for key, value in (('format', '1'), ('mean', '[0.485, 0.456, 0.406]'), ('layout', '"NCHW"'), ('name', '"images"'),
                       ('class_names', '["a", "b"]'), ('crop_ratio', '0.875'), ('preprocessing', '{')):
        for kind, text in (('lists', deep), ('objects', '{"a":' * 100000 + '1' + '}' * 100000)):
            end = ', {' if value == '{' else ''
            files[f'{kind} at {key}'] = whole.replace(f'"{key}": {value}', f'"{key}": {text}{end}').encode()
    files['deep beside'] = whole.replace('{', f'{{"other": {deep}, ', 1).encode()
    files.update({f'{key} {text}': put(key, text) for key in ('resolution', 'crop_ratio', 'format')
                  for text in ('NaN', 'Infinity', '1e400', '-1', '9' * 100, '1e308', '5e-324', '2147483648', '-0.0',
                               'true', '4096', '4097', '[]', '0.1', '""', '18446744073709551616')})
    files.update({f'{key} {text}': whole.replace(values, f'[{text}, {text}, {text}]').encode()
                  for key, values in (('mean', '[0.485, 0.456, 0.406]'), ('deviation', '[0.229, 0.224, 0.225]'))
                  for text in ('1e39', '1e6', '-1e6', '1e-6', '2e-6', '1e-400', '[]', 'null', '"1"')})
    for i in range(100):
        data = bytearray(whole.encode())
        for at in rng.integers(0, len(data), 1 + i % 3):
            data[at] = rng.integers(256)
        files[f'mutated{i}'] = bytes(data)
    said = hostile('manifest', files)
    taken = {name for name, line in said.items() if line == 'ok' and not name.startswith('mutated')}
    assert taken == {'whole', 'mark', 'different', 'twice', 'name', 'resolution 4096', 'crop_ratio 0.1', 'mean 1e-6',
                     'mean 2e-6', 'mean 1e-400'}, (taken, said['different'])
    assert all('not a manifest' in line for name, line in said.items() if 'deep' in name or ' at ' in name)
    assert 'nested more than 64 deep' in said['deep beside'] and max(map(len, said.values())) < 400


def test_a_manifest_in_between_two_models_describes_either(hostile):
    """src/tinynets/deploy/manifest.py leaves such a manifest if it is killed between its moves."""
    def about(model, **changes):
        return {**MANIFEST, 'file': 'net', 'sha256': hashlib.sha256(model).hexdigest(), **changes}
    bad = {'preprocessing': {**MANIFEST['preprocessing'], 'crop_ratio': 0}}
    for model, outcome in ((b'old', 'ok'), (b'new', 'crop_ratio'), (b'other', 'sha256 differs')):
        text = json.dumps({**about(b'old'), 'next': about(b'new', **bad)})
        said = hostile('manifest', {'net': model, 'net.json': text.encode()})['net.json']
        assert said == outcome if outcome == 'ok' else outcome in said, (model, said)
    for following in (None, 3, [], {}, {'sha256': None}):
        text = json.dumps({**about(b'old'), 'next': following})
        assert hostile('manifest', {'net': b'old', 'net.json': text.encode()})['net.json'] == 'ok'


def test_labels_lists_and_arguments(hostile):
    rng = np.random.default_rng(3)
    files = {'whole': b'file,class\na.png,cat\nb.png,1\n', 'empty': b'', 'no class': b'a.png\n', 'three': b'a,b,c\n',
             'open': b'"a.png,cat\n', 'quotes': b'"""a"",.png",cat\n', 'quote': b'"', 'end quote': b'"a"',
             'number': b'a,9999999999999999\n', 'minus': b'a,-1\n', 'two': b'a,2\n', 'zeros': bytes(10000),
             'long': b'a' * 10 ** 6 + b',cat',
             'lines': b'\n' * 10 ** 6, 'ends': b'a,dog\r\nb,cat\r\n', 'slashes': b'/' * 10000 + b',cat',
             'digits': '\u0661,\u0661\na,\u0661'.encode()}
    files.update({f'noise{i}': rng.bytes(1 + i * 9) for i in range(100)})
    said = hostile('labels', files)
    taken = {name for name, line in said.items() if line == 'ok' and not name.startswith('noise')}
    assert taken == {'whole', 'quotes', 'long', 'ends', 'slashes'}, taken
    hostile('list', files)
    words = ['--model', '--images', 'm', '--batch', '1', '-1', '9' * 30, '1e3', '0x10', '--help', '--threads', '1025',
             '--output', 'no/folder/o', '--force', '--', '-', '\x80\xff', 'x' * 9999, '--check', '--topk', '--device',
             'cpu', '--device-id', ' 1']
    hostile('arguments', {f'words{i}': '\n'.join(rng.choice(words, i % 12)).encode() for i in range(300)})


def test_numbers_of_options_at_their_ends(hostile):
    ends = {'device-id': (0, 10 ** 6), 'threads': (1, 1024), 'workers': (1, 1024), 'batch': (1, 10 ** 6),
            'topk': (1, 10 ** 6), 'repeat': (1, 10 ** 6), 'warmup': (0, 10 ** 6)}
    files = {f'{option} {number}': f'--model\nm\n--check\n--{option}\n{number}'.encode()
             for option, (low, high) in ends.items() for number in (low - 1, low, high, high + 1)}
    for name, line in hostile('arguments', files).items():
        option, number = name.split()
        low, high = ends[option]
        if low <= int(number) <= high:
            assert line == 'ok', name
        elif high < int(number) < 10 ** 6:
            assert line == '--threads and --workers: at most 1024', name
        else:
            assert line == f"--{option} '{number}': must be a whole number from {low}", name


def test_an_image_may_have_as_many_pixels_as_pillow_takes(hostile):
    most = 2 * Image.MAX_IMAGE_PIXELS
    sizes = [(most, 1), (1, most), (most + 1, 1), (1, most + 1), (most // 2, 2), (most // 2 + 1, 2)]
    files = {f'{width} {height}.png': png(header(width, height, 1, 0), chunk(b'IDAT'), END) for width, height in sizes}
    for name, line in hostile('image', files).items():
        width, height = map(int, name[:-4].split())
        fits = width * height <= most
        assert ('pixels are more than the 178956970 allowed' in line) is not fits, (name, line)


def test_reports_of_any_logits(hostile):
    rng = np.random.default_rng(4)
    odd = np.array([np.nan, np.inf, -np.inf, 0, 3e38, -3e38, 1e-45, 1], np.float32)
    files = {'all pairs': np.stack(np.meshgrid(odd, odd), -1).tobytes(), 'none': b''}
    files.update({f'noise{i}': rng.bytes(8 * (1 + i % 30)) for i in range(50)})
    assert set(hostile('report', files).values()) == {'ok'}
