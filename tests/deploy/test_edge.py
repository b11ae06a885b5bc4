"""The C++ programs compared with Python: pixels and logits, bad images, models, manifests and options.

The images' part needs only a compiler; the networks' part needs MindSpore Lite, in MINDSPORE_LITE_HOME or
where scripts/get_mindspore_lite.sh puts it.
"""
import copy
import csv
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import time
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.conftest import ROOT
from tests.data.test_images import png
from tests.deploy.conftest import SDK, build_programs, needs_sdk
from tinynets.data import images
from tinynets.data.presets import eval_transform
from tinynets.files import write_json

MANIFEST = {
    'format': 1, 'kind': 'MINDIR', 'file': 'x.mindir', 'sha256': '0', 'network': {'name': 'tinynet_e'},
    'class_names': ['a', 'b'], 'input': {'name': 'images'}, 'output': {}, 'weights': 'raw', 'config': {},
    'preprocessing': {'resolution': 32, 'crop_ratio': 0.875, 'interpolation': 'bicubic_antialiased',
                      'mean': [0.485, 0.456, 0.406], 'deviation': [0.229, 0.224, 0.225], 'channels': 'RGB',
                      'layout': 'NCHW'}}


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, **options)


def is_error(done, *words):
    """Assert that a command failed with one line, exit code 2, and these words."""
    assert done.returncode == 2 and done.stdout == '', (done.returncode, done.stdout, done.stderr)
    assert done.stderr.startswith('error: ') and done.stderr.count('\n') == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def write_manifest(path, **preprocessing):
    manifest = copy.deepcopy(MANIFEST)
    manifest['preprocessing'].update(preprocessing)
    path.write_text(json.dumps(manifest))
    return path


def tensors(build, manifest, files, folder):
    """Return the program's tensors of the files, and its output."""
    output = folder / f'{len(list(folder.iterdir()))}.f32'
    done = run(build / 'tinynet_preprocess', manifest, output, *files)
    side = json.loads(manifest.read_text())['preprocessing']['resolution']
    return np.fromfile(output, np.float32).reshape(-1, 3, side, side), done


def same_as_python(build, files, folder, **preprocessing):
    manifest = write_manifest(folder / 'manifest.json', **preprocessing)
    got, done = tensors(build, manifest, files, folder)
    assert done.returncode == 0 and len(got) == len(files), done.stderr
    transform = eval_transform(json.loads(manifest.read_text())['preprocessing'])
    for path, tensor in zip(files, got):
        np.testing.assert_array_equal(tensor, transform(images.decode(path)), err_msg=str(path))


def photograph(width, height, seed=0):
    """Waves, edges and noise, so that every tap of the filter matters."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([127 + 120 * np.sin(x / 7 + y / 11), 127 + 120 * np.cos(x / 5 - y / 13),
                      (3 * x + 5 * y) % 256], -1)
    noise = np.random.default_rng(seed).normal(0, 20, waves.shape)
    return Image.fromarray(np.clip(waves + noise, 0, 255).astype(np.uint8))


SIZES = [(1, 1), (2, 3), (1, 40), (5000, 3), (3, 5000), (1000, 50), (17, 19), (31, 33), (32, 32), (36, 36), (257, 256),
         (500, 375), (375, 500), (300, 900), (1600, 1200), (1, 9), (9, 1), (20, 161), (57, 7), (1, 60_000)]


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp('photographs')
    for width, height in SIZES:
        photograph(width, height).save(folder / f'{width}x{height}.png')
        photograph(width, height).save(folder / f'{width}x{height}.jpg', quality=88)
    return sorted(folder.iterdir())


@pytest.mark.parametrize('resolution, crop_ratio', [(32, 1.0), (32, 0.875), (33, 0.9), (106, 0.875), (224, 0.95)])
def test_every_size_gives_pythons_pixels(resolution, crop_ratio, build, photographs, tmp_path):
    same_as_python(build, photographs, tmp_path, resolution=resolution, crop_ratio=crop_ratio)


def test_an_image_whose_resized_whole_has_billions_of_rows(build, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (1_000_000, 1, 3), dtype=np.uint8)
    for name, array in (('tall', pixels), ('wide', pixels.transpose(1, 0, 2))):  # short side 4000: 4,000,000,000 rows
        Image.fromarray(array.copy()).save(tmp_path / f'{name}.png')
    same_as_python(build, sorted(tmp_path.glob('*.png')), tmp_path, resolution=400, crop_ratio=0.1)


def test_every_kind_of_jpeg_gives_pythons_pixels(build, tmp_path):
    folder, picture = tmp_path / 'images', photograph(67, 45)
    folder.mkdir()
    for sampling in range(3):
        picture.save(folder / f'{sampling}.jpg', subsampling=sampling)
        picture.save(folder / f'progressive{sampling}.jpg', subsampling=sampling, progressive=True, quality=50)
    picture.convert('L').save(folder / 'grey.jpg')
    picture.convert('CMYK').save(folder / 'cmyk.jpg')
    shutil.copy(folder / '0.jpg', folder / 'wrong_ending.png')
    for orientation in range(10):
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture.save(folder / f'exif{orientation}.jpg', exif=exif)
        picture.save(folder / f'xmp{orientation}.jpg',
                     xmp=f'<x:xmpmeta><rdf tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode())
    assert images.decode(folder / 'exif6.jpg').size == (45, 67)
    same_as_python(build, sorted(folder.iterdir()), tmp_path)


@pytest.mark.filterwarnings('ignore:Palette images with Transparency')
def test_every_kind_of_png_gives_pythons_pixels(build, tmp_path):
    folder, picture = tmp_path / 'images', photograph(67, 45)
    folder.mkdir()
    alpha = picture.convert('L').transpose(Image.Transpose.ROTATE_180)
    for mode in ('1', 'L', 'P', 'RGB'):
        picture.convert(mode).save(folder / f'{mode}.png')
    for bits in (1, 2, 4):
        picture.quantize(2 ** bits).save(folder / f'palette{bits}.png', bits=bits)
    picture.quantize(16).save(folder / 'transparent_palette.png', transparency=bytes(range(0, 160, 10)))
    picture.convert('L').save(folder / 'transparent_grey.png', transparency=17)
    for mode in ('LA', 'RGBA'):
        layers = picture.convert(mode)
        layers.putalpha(alpha)
        layers.save(folder / f'{mode}.png')
    deep = np.random.default_rng(1).integers(0, 65536, (45, 67, 3)).astype(np.uint16)
    png(folder / 'deep_grey.png', deep[..., 0])
    png(folder / 'deep_rgb.png', deep)
    for orientation in (1, 5, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture.save(folder / f'exif{orientation}.png', exif=exif)
    picture.save(folder / 'animated.png', save_all=True, append_images=[photograph(67, 45, 1)])
    shutil.copy(folder / 'RGB.png', folder / 'wrong_ending.jpg')
    same_as_python(build, sorted(folder.iterdir()), tmp_path)


def test_orientations_in_texts_of_a_png_are_pillows(build, tmp_path):
    """Orientations in ImageMagick's text and XMP, compressed or not, before or after the pixels, and precedence."""
    folder, picture = tmp_path / 'images', photograph(67, 45)
    folder.mkdir()

    def exif(orientation):
        held = Image.Exif()
        if orientation:
            held[0x0112] = orientation
        return held.tobytes()

    def profile(orientation, upper=False):
        digits = exif(orientation).hex()
        lines = [digits[at:at + 72] for at in range(0, len(digits), 72)]
        shown = [line.upper() for line in lines] if upper else lines
        return '\n'.join(['', 'exif', f'{len(digits) // 2:8}', *shown, ''])

    def packet(orientation):
        return f'<x:xmpmeta><rdf tiff:Orientation="{orientation}"/></x:xmpmeta>'
    raw, xmp = 'Raw profile type exif', 'XML:com.adobe.xmp'
    element = '<tiff:Orientation>none</tiff:Orientation><tiff:Orientation>5</tiff:Orientation>'
    files = {  # name: what Pillow makes of it, whether eXIf is there, and texts (key, text, kind of chunk)
        'plain': (6, None, [(raw, profile(6), 'tEXt')]), 'packed': (8, None, [(raw, profile(8), 'zTXt')]),
        'international': (3, None, [(raw, profile(3), 'iTXt')]), 'upper': (5, None, [(raw, profile(5, True), 'zTXt')]),
        'packed international': (7, None, [(raw, profile(7), 'packed iTXt')]),
        'last profile': (2, None, [(raw, profile(6), 'zTXt'), (raw, profile(2), 'tEXt')]),
        'last packet': (8, None, [(xmp, packet(6), 'iTXt'), (xmp, packet(3), 'packed iTXt'), (xmp, packet(8), 'iTXt')]),
        'packet as text': (6, None, [(xmp, packet(6), 'zTXt')]), 'element': (5, None, [(xmp, element, 'iTXt')]),
        'profile before packet': (6, None, [(raw, profile(6), 'zTXt'), (xmp, packet(8), 'iTXt')]),
        'profile without': (8, None, [(raw, profile(0), 'zTXt'), (xmp, packet(8), 'iTXt')]),
        'chunk before profile': (3, 3, [(raw, profile(6), 'zTXt'), (xmp, packet(8), 'iTXt')]),
        'chunk without': (8, 0, [(raw, profile(6), 'zTXt'), (xmp, packet(8), 'iTXt')]),
        'after many': (6, None, [(f'n{i}', 'text', 'tEXt') for i in range(200)] + [(raw, profile(6), 'zTXt')]),
        'other keys': (1, None, [('Raw profile type xmp', profile(6), 'zTXt'), ('comment', packet(6), 'iTXt')])}
    for name, (wanted, chunk, texts) in files.items():
        for after in (False, True):
            held = PngImagePlugin.PngInfo()
            for key, text, kind in texts:
                if kind.endswith('iTXt'):
                    data = text.encode()
                    held.add(b'iTXt', key.encode() + (b'\0\1\0en\0\0' + zlib.compress(data) if 'packed' in kind
                                                      else b'\0\0\0en\0\0' + data), after)
                else:
                    data = text.encode() if kind == 'tEXt' else b'\0' + zlib.compress(text.encode())
                    held.add(kind.encode(), key.encode() + b'\0' + data, after)
            path = folder / f'{name} {after}.png'
            picture.save(path, pnginfo=held, **({} if chunk is None else {'exif': exif(chunk)}))
            assert Image.open(path).getexif().get(0x0112, 1) == wanted, path
    same_as_python(build, sorted(folder.iterdir()), tmp_path)


def test_bad_images_are_named_and_skipped(build, tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    picture = photograph(67, 45)
    picture.save(folder / 'good.png')
    picture.save(folder / 'good.jpg')
    (folder / 'empty.jpg').write_bytes(b'')
    (folder / 'text.jpg').write_text('no image')
    (folder / 'noise.png').write_bytes(np.random.default_rng(0).bytes(5000))
    picture.save(folder / 'animation.gif')
    for suffix in ('jpg', 'png'):
        whole = (folder / f'good.{suffix}').read_bytes()
        (folder / f'half.{suffix}').write_bytes(whole[:len(whole) // 2])
        (folder / f'start.{suffix}').write_bytes(whole[:40])
    header = struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0)  # 10 GB as RGB
    (folder / 'huge.png').write_bytes(b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + b'IHDR' + header +
                                      struct.pack('>I', zlib.crc32(b'IHDR' + header)))
    with open(folder / 'vast.jpg', 'wb') as file:
        file.truncate(2 ** 40)
    os.mkfifo(folder / 'pipe.jpg')
    files = sorted(folder.iterdir()) + [folder / 'absent.jpg', folder]
    got, done = tensors(build, write_manifest(tmp_path / 'manifest.json'), files, tmp_path)
    assert done.returncode == 1 and len(got) == 2
    lines = done.stderr.splitlines()
    assert len(lines) == len(files) - 2 and all(line.startswith('skipped ') for line in lines), done.stderr
    assert 'empty.jpg: the file is empty' in done.stderr and 'half.jpg: the file is truncated' in done.stderr
    assert 'vast.jpg: the file is larger' in done.stderr and 'pipe.jpg: is a pipe' in done.stderr
    for path in files:
        if 'good' not in path.name and path.suffix != '.gif':
            with pytest.raises(images.ImageError):
                images.decode(path)


def test_names_cannot_steer_the_terminal(build, tmp_path):
    for name, shown in ((b'a\x1b[2J\n\x7f.png', 'a\\x1b[2J\\x0a\\x7f.png'),
                        (b'b\xc2\x9b\xff\xc3.png', 'b\\x9b\\xff\\xc3.png'),
                        ('c\u00df\u2013\U0001f431.png'.encode(), 'c\u00df\u2013\U0001f431.png')):
        path = os.path.join(os.fsencode(tmp_path), name)
        open(path, 'wb').close()
        done = subprocess.run([build / 'tinynet_preprocess', write_manifest(tmp_path / 'm.json'), tmp_path / name.hex(),
                               path], capture_output=True, timeout=120)
        assert done.stderr.decode() == f'skipped {tmp_path}/{shown}: the file is empty\n'
    (tmp_path / 'm.json').write_text(json.dumps({**MANIFEST, 'format': '\x9b2J'}, ensure_ascii=False), encoding='utf-8')
    is_error(run(build / 'tinynet_preprocess', tmp_path / 'm.json', tmp_path / 'out', 'x.png'), 'format is "\\x9b2J"')


def test_damaged_images_crash_nothing(build, photographs, tmp_path):
    rng = np.random.default_rng(0)
    files = []
    for name in ('31x33.jpg', '31x33.png', '257x256.jpg', '17x19.png'):
        whole = next(path for path in photographs if path.name == name).read_bytes()
        for i in range(100):
            data = bytearray(whole if i % 2 else whole[:rng.integers(8, len(whole))])
            for at in rng.integers(2, min(len(data), 700), rng.integers(1, 8)):
                data[at] = rng.integers(256)
            files.append(tmp_path / f'{i}_{name}')
            files[-1].write_bytes(data)
    manifest = write_manifest(tmp_path / 'manifest.json')
    done = run(build / 'tinynet_preprocess', manifest, tmp_path / 'out.f32', *files)
    assert done.returncode in (0, 1), done.stderr[-500:]


def damage(change):
    manifest = copy.deepcopy(MANIFEST)
    change(manifest['preprocessing'])
    return json.dumps(manifest)


@pytest.mark.parametrize('text, word', [
    ('', 'not a manifest'), ('{', 'not a manifest'), ('[' * 300000, 'not a manifest'), ('[]', 'not a manifest'),
    ('[' * 100000 + ']' * 100000, 'not a manifest'), ('{"format": 2}', 'format is 2'), ('\0\xff', 'not a manifest'),
    (json.dumps({**MANIFEST, 'class_names': []}), 'class_names'),
    (json.dumps({**MANIFEST, 'class_names': 3}), 'manifest'),
    (damage(lambda p: p.update(interpolation='nearest')), 'nearest'), (damage(lambda p: p.update(mean=[1])), 'mean'),
    (damage(lambda p: p.update(resolution=0)), 'resolution'),
    (damage(lambda p: p.update(resolution=1e12)), 'resolution'),
    (damage(lambda p: p.update(resolution=32.5)), 'resolution'),
    (damage(lambda p: p.update(crop_ratio=0)), 'crop_ratio'),
    (damage(lambda p: p.update(crop_ratio=1e-9)), 'crop_ratio'),
    (damage(lambda p: p.update(crop_ratio='x')), 'manifest'),
    (damage(lambda p: p.update(crop_ratio=1.001)), 'crop_ratio'),
    (damage(lambda p: p.update(crop_ratio=-1)), 'crop_ratio'),
    (damage(lambda p: p.update(crop_ratio=None)), 'manifest'),
    (damage(lambda p: p.update(crop_ratio=5e-324)), 'crop_ratio'),
    (damage(lambda p: p.update(crop_ratio=float('nan'))), 'not a manifest'),
    (damage(lambda p: p.update(crop_ratio=float('inf'))), 'not a manifest'),
    (damage(lambda p: p.update(resolution=4097, crop_ratio=1)), 'resolution'),
    (damage(lambda p: p.update(resolution=-32)), 'resolution'),
    (damage(lambda p: p.update(resolution=True)), 'manifest'),
    (damage(lambda p: p.update(deviation=[0, 1, 1])), 'deviation'), (damage(lambda p: p.clear()), 'not a manifest'),
    (damage(lambda p: p.update(layout='NHWC')), 'layout')], ids=lambda value: value[:20] if len(value) < 400 else '')
def test_a_bad_manifest_is_one_line(text, word, build, tmp_path):
    (tmp_path / 'm.json').write_text(text)
    is_error(run(build / 'tinynet_preprocess', tmp_path / 'm.json', tmp_path / 'out', 'x.png'), 'm.json', word)
    is_error(run(build / 'tinynet_preprocess', tmp_path / 'absent.json', tmp_path / 'out', 'x.png'), 'no such manifest')


@pytest.fixture(scope='module')
def deployed(trained, tmp_path_factory):
    """Files of a network that has learnt to tell digits apart (on others a wrong layout hardly shows), digits as images
    with labels, and the path of the MINDIR."""
    from tinynets.data.classification import load_dataset
    from tinynets.deploy.export import export
    from tinynets.runtime import configure
    configure('CPU')
    folder = tmp_path_factory.mktemp('deployed files')
    exported = export(str(trained / 'best.ckpt'), ['MINDIR', 'ONNX'], str(folder))
    made = {item.format: item.path for item in exported}
    dataset = load_dataset('digits', 'val')
    (folder / 'images').mkdir()
    with open(folder / 'labels.csv', 'w', newline='', encoding='utf-8') as file:
        rows = csv.writer(file)
        rows.writerow(['file', 'class'])
        for i in range(50):
            dataset.image(i).save(folder / 'images' / f'{i:02}.png')
            rows.writerow([f'{i:02}.png', dataset.class_names[dataset.labels[i]]])
    return folder, made, pathlib.Path(made['MINDIR'])


@pytest.fixture(scope='module')
def python_logits(deployed):
    from tinynets.deploy.predict import load_predictor
    folder, made, _ = deployed
    model = load_predictor(made['MINDIR'])
    return np.concatenate([model.predict(model.transform(images.decode(path))[None])
                           for path in images.find(str(folder / 'images')).files])


def logits_of(report):
    return np.array([row['logits'] for row in json.loads(report.read_text())['results']], np.float32)


@pytest.mark.parametrize('options', [[], ['--batch', 7, '--workers', 2], ['--batch', 64],
                                     ['--threads', 2, '--repeat', 3]])
def test_logits_are_pythons(options, build, deployed, python_logits, tmp_path):
    folder, _, model = deployed
    done = run(build / 'tinynet_infer', '--model', model, '--images', folder / 'images', '--output',
               tmp_path / 'o.json', '--logits', '--labels', folder / 'labels.csv', '--topk', 3, *options)
    assert done.returncode == 0 and done.stderr == '', done.stderr
    assert np.abs(logits_of(tmp_path / 'o.json') - python_logits).max() < 1e-4 * np.abs(python_logits).max()
    report = json.loads((tmp_path / 'o.json').read_text())
    with open(folder / 'labels.csv', encoding='utf-8') as file:
        wanted = np.array([int(row['class']) for row in csv.DictReader(file)])
    order = np.argsort(-python_logits, axis=1, kind='stable')
    assert report['accuracy'] == {'labelled': 50, 'top1': pytest.approx(100 * (order[:, 0] == wanted).mean()),
                                  'top5': pytest.approx(100 * (order[:, :5] == wanted[:, None]).any(1).mean())}
    assert report['accuracy']['top1'] > 50  # a network that has learnt
    shares = np.exp(python_logits[0].astype(np.float64))
    assert [c['name'] for c in report['results'][0]['classes']] == [str(i) for i in order[0, :3]]
    assert report['results'][0]['classes'][0]['probability'] == pytest.approx(shares.max() / shares.sum(), rel=1e-3)
    for stage in ('decode', 'preprocess', 'inference', 'total'):
        times = report['ms_a_call'][stage]
        assert 0 < times['p50'] <= times['p90'] <= times['p99'] and stage in done.stdout
    assert report['images_per_s'] > 0 and f"top-1 {report['accuracy']['top1']:.2f} %" in done.stdout


def test_the_five_first_classes_are_the_top_five(build, deployed, python_logits, tmp_path):
    folder, _, model = deployed
    order, falling = np.argsort(-python_logits, axis=1), -np.sort(-python_logits, axis=1)
    clear = np.argsort(falling[:, 5] - falling[:, 4])[:10]  # where the fifth class and the sixth are far apart
    lines = [f'{image:02}.png,{order[image, 4 + i % 2]}\n' for i, image in enumerate(clear)]
    (tmp_path / 'l.csv').write_text(''.join(lines))
    done = run(build / 'tinynet_infer', '--model', model, '--images', folder / 'images', '--labels', tmp_path / 'l.csv')
    assert done.returncode == 0 and 'top-1 0.00 %, top-5 50.00 % of 10 labelled images' in done.stdout, done.stderr


@pytest.mark.parametrize('batch', [1, 7, 8])  # 50 images, eight times: with 7 the last call is not full
def test_reported_times_are_those_of_the_calls(batch, build, deployed, tmp_path):
    folder, _, model = deployed
    began = time.monotonic()
    done = run(build / 'tinynet_infer', '--model', model, '--images', folder / 'images',
               '--output', tmp_path / 'o.json', '--calls', '--repeat', 8, '--batch', batch)
    elapsed = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / 'o.json').read_text())
    each = {stage: np.array(times['each']) for stage, times in report['ms_a_call'].items()}
    assert {len(times) for times in each.values()} == {report['calls']} == {-(-8 * 50 // batch)}
    for stage, times in report['ms_a_call'].items():
        assert times['mean'] == pytest.approx(each[stage].mean())
        for name, share in (('p50', 50), ('p90', 90), ('p99', 99)):
            assert times[name] == pytest.approx(np.percentile(each[stage], share)), (stage, name)
        words = next(line for line in done.stdout.splitlines() if line.startswith(stage)).split()
        shown = [times[name] for name in ('mean', 'p50', 'p90', 'p99')]
        assert [float(word) for word in words[1:]] == pytest.approx(shown, abs=1e-3)
    parts = each['decode'] + each['preprocess'] + each['inference']
    assert (parts <= each['total']).all() and (parts / each['total']).max() > 0.7  # every image of a call is in it
    assert each['total'].sum() / 1000 <= report['seconds'] <= elapsed
    assert report['images_per_s'] == pytest.approx(400 / report['seconds'])
    assert f'{report["images_per_s"]:.1f} images/s' in done.stdout


@pytest.mark.parametrize('count, shown', [(1, True), (20, True), (21, False)])
def test_up_to_twenty_images_are_named_with_their_classes(count, shown, build, deployed, tmp_path):
    folder, _, model = deployed
    (tmp_path / 'l.txt').write_text(''.join(f'{folder}/images/{i:02}.png\n' for i in range(count)))
    done = run(build / 'tinynet_infer', '--model', model, '--images', tmp_path / 'l.txt')
    assert done.returncode == 0 and f'{count} images, 0 skipped' in done.stdout, done.stderr
    assert sum('.png' in line for line in done.stdout.splitlines()) == count * shown, done.stdout


def flags_of_processor():
    try:
        return set(re.search(r'^flags\s*:(.*)', pathlib.Path('/proc/cpuinfo').read_text(), re.M)[1].split())
    except (OSError, TypeError):
        return set()


@pytest.fixture(scope='module')
def mindir(tmp_path_factory):
    """A function from a network's name to its plan, its MINDIR and a function of its logits by MindSpore, with fresh
    weights and ten classes. The MINDIR may be changed by a function of its message. Each file is made once."""
    made = {}

    def make(name, change=None):
        if name not in made:
            made[name] = exported(name)
        plan, path = made[name]
        return plan, changed(path, change) if change else path

    def exported(name):
        from tinynets.config import from_dict, to_dict
        from tinynets.data.presets import preprocessing
        from tinynets.deploy.export import export
        from tinynets.model import checkpoint, create_model
        folder, network = tmp_path_factory.mktemp('mindir'), create_model(name, num_classes=10)
        config = from_dict({'model': {'name': name}, 'data': {'name': 'digits'}}, 'a test')
        checkpoint.save(str(folder / 'net.ckpt'), {p.name: p.asnumpy() for p in network.get_parameters()}, {
            'network': {'name': name, 'num_classes': 10}, 'class_names': list('0123456789'), 'score': None,
            'preprocessing': preprocessing(config.data, network.plan.resolution), 'config': to_dict(config)})
        return network.plan, pathlib.Path(export(str(folder / 'net.ckpt'), ['MINDIR'], str(folder))[0].path)

    def changed(original, change):
        from mindspore.train.mind_ir_pb2 import ModelProto
        path, model = tmp_path_factory.mktemp('mindir') / 'x.mindir', ModelProto()
        model.ParseFromString(original.read_bytes())
        change(model)
        path.write_bytes(model.SerializeToString())
        manifest = json.loads(pathlib.Path(f'{original}.json').read_text())
        manifest.update(file='x.mindir', sha256=hashlib.sha256(path.read_bytes()).hexdigest(), probe=None)
        pathlib.Path(f'{path}.json').write_text(json.dumps(manifest))
        return path
    return make


@pytest.fixture
def by_python(photographs):
    """A function from a MINDIR to MindSpore's logits of seven photographs."""
    def answer(path):
        from tinynets.deploy.predict import load_predictor
        model = load_predictor(str(path))
        return np.concatenate([model.predict(model.transform(images.decode(photograph))[None])
                               for photograph in photographs[-7:]])
    return answer


@pytest.fixture
def infer(build, photographs, tmp_path):
    """A function from a model and options to the report on seven photographs and their logits."""
    (tmp_path / 'images.txt').write_text('\n'.join(str(path) for path in photographs[-7:]))

    def answer(model, *options):
        done = run(build / 'tinynet_infer', '--model', model, '--images', tmp_path / 'images.txt', '--logits',
                   '--output', tmp_path / 'o.json', '--force', *options)
        assert done.returncode == 0 and done.stderr == '', done.stderr
        return json.loads((tmp_path / 'o.json').read_text()), logits_of(tmp_path / 'o.json')
    return answer


def own_kernels():
    """Return the kernels that this processor supports, the best first."""
    flags = flags_of_processor()
    needs = {'avx512': {'avx512f'}, 'avx2': {'avx2', 'fma'}}
    return [name for name in needs if needs[name] <= flags]


def test_the_benchmark_times_the_programs_network(build, deployed, python_logits, tmp_path):
    made = run('cmake', '--build', build, '--target', 'tinynet_calls')
    assert made.returncode == 0, made.stdout + made.stderr
    folder, _, model = deployed
    files = sorted((folder / 'images').rglob('*.png'))[:3]
    run(build / 'tinynet_preprocess', f'{model}.json', tmp_path / 'inputs-3.f32', *files)
    (tmp_path / 'images').symlink_to(folder / 'images')

    def calls(lines, *files):
        done = run(build / 'tinynet_calls', model, 'best', tmp_path, *files, input='\n'.join(lines) + '\n',
                   env={**os.environ, 'GLOG_v': '4'})
        return [json.loads(line) for line in done.stdout.splitlines()]
    first, one, two, short, memory = calls(['3,1,1,5,60', '3,1,2,4,60', '3,2,1,50,0'])
    assert first == {'engine': 'best'} and memory > 1
    for answer in (one, two, short):
        assert np.abs(np.array(answer['logits']) - python_logits[0]).max() < 1e-4 * np.abs(python_logits).max()
    assert [len(answer['ms']) for answer in (one, two, short)] == [5, 8, 2]  # two copies; no time: two calls
    assert sum(one['ms']) <= 1000 * one['seconds']
    assert max(sum(two['ms'][:4]), sum(two['ms'][4:])) <= 1000 * two['seconds']
    _, whole, _ = calls(['1,1,2,3,60'], 'files')
    assert 'logits' not in whole and len(whole['parts']) == len(whole['ms']) == 6
    np.testing.assert_allclose([sum(parts) for parts in whole['parts']], whole['ms'], rtol=1e-6)
    assert all(part > 0 for parts in whole['parts'] for part in parts)
    assert 'inputs of a batch of 2 are missing' in calls(['2,1,1,1,1'])[-1]['failed']


@pytest.mark.parametrize('resolution', [58, 150])
def test_every_kernel_and_division_gives_pythons_logits(resolution, mindir, infer, by_python):
    plan, model = mindir(f'tinynet_e@w=0.3,d=0.5,resolution={resolution}')
    plain = by_python(model)
    runs = [(own_kernels()[0], options) for options in ((), ('--batch', 3), ('--workers', 2), ('--threads', 2),
                                                        ('--threads', 2, '--batch', 7))]
    runs += [(name, ('--kernels', name)) for name in own_kernels()]
    for kernels, options in runs:
        report, logits = infer(model, *options)
        assert np.abs(logits - plain).max() < 1e-5 * np.abs(plain).max()
        # A block: three convolutions (the first has two), two activations (one), six operators of
        # squeeze-and-excitation, the sum where its shape stays. Beyond them the stem's and the head's convolution and
        # activation, the last mean, the classifier, and a change of layout.
        blocks = [block for block in plan.blocks if block.se_channels]
        operators = sum(9 + 2 * (block.kind == 'mbconv') + block.residual for block in blocks) + 7
        assert (report['kernels'], report['own_kernels']) == (kernels, operators)


@pytest.mark.parametrize('name', ['mobilenetv3_small@w=0.5,resolution=65', 'ghostnet@w=0.4,d=0.5,resolution=65',
                                  'resnet50@w=0.25,d=0.5,resolution=65', 'resnet50@w=0.25,resolution=64'])
def test_other_bases_give_pythons_logits_as_well(name, mindir, infer, by_python):
    _, model = mindir(name)
    plain = by_python(model)
    for kernels in own_kernels():
        for options in ((), ('--threads', 2), ('--batch', 4)):
            report, logits = infer(model, '--kernels', kernels, *options)
            assert report['kernels'] == kernels and report['own_kernels'] > 40
            assert np.abs(logits - plain).max() < 1e-4 * np.abs(plain).max()


def node_of(model, kind):
    return next(node for node in model.graph.node if f'::{kind}:' in node.op_type)


def attribute_of(model, kind, key):
    """An attribute of the first kind of operator of that name."""
    primitive = next(p for p in model.primitives if p.name == node_of(model, kind).op_type[5:])
    return next(a for a in primitive.attribute if a.name == key)


def rename(kind, other):
    def change(model):
        node_of(model, kind).op_type = f'REF::{other}:1'
    return change


def set_first(kind, key, place, value):
    def change(model):
        attribute_of(model, kind, key).values[place].ints[0] = value
    return change


def shape_of_weights(*dims):
    def change(model):
        next(p for p in model.graph.parameter if p.name.endswith('stem.conv.weight')).dims[:] = dims
    return change


def text_of(kind, key, value):
    def change(model):
        attribute_of(model, kind, key).s = value.encode()
    return change


def reverse(model):
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes[::-1])


def own_input(model):
    node = node_of(model, 'SiLU')
    node.input[0] = node.output[0]


def twice(model):
    model.graph.node.append(node_of(model, 'SiLU'))


def without_weights(model):
    next(p for p in model.graph.parameter if p.name.endswith('stem.conv.weight')).raw_data = b''


def other_axes(model):
    axes = node_of(model, 'ReduceMean').input[1]
    next(n for n in model.graph.node if n.output[0] == axes).attribute[0].values[0].ints[0] = 1


def second_reader(model):
    model.graph.node.add(op_type='REF::ReLU:900', input=[node_of(model, 'Conv2D').output[0]], output=['more'])


def gate_first(model):
    for node in model.graph.node:
        if '::Mul:' in node.op_type:
            node.input[:] = node.input[::-1]


def test_a_gate_may_be_the_first_factor(mindir, infer, by_python):
    name = 'tinynet_e@w=0.3,d=0.5,resolution=34'
    plain = by_python(mindir(name)[1])
    _, logits = infer(mindir(name, gate_first)[1])
    assert np.abs(logits - plain).max() < 1e-5 * np.abs(plain).max()


def wide_input(model):
    model.graph.input[0].tensor[0].dims[3] += 1


@pytest.mark.parametrize('change, words', [
    (rename('Sigmoid', 'Tanh'), ['Tanh (Default', 'does not know']), (rename('BiasAdd', 'Exp'), ['Exp (Default']),
    (rename('MatMul', 'Gemm'), ['Gemm (Default']),
    (set_first('Conv2D', 'stride', 3, 0), ['Conv2D (Default/stem', 'stride']),
    (set_first('Conv2D', 'stride', 2, 1), ['Conv2D (Default/stem', 'stride']),
    (set_first('Conv2D', 'dilation', 2, 2), ['Conv2D (Default/stem', 'dilation']),
    (set_first('Conv2D', 'pad_list', 0, 0), ['Conv2D (Default/stem', 'padding']),
    (text_of('Conv2D', 'pad_mode', 'valid'), ['Conv2D (Default/stem', 'padding']),
    (text_of('Conv2D', 'format', 'NHWC'), ['Conv2D (Default/stem', 'not supported']),
    (shape_of_weights(2 ** 31, 2 ** 31, 3, 3), ['another size than its shape']),
    (shape_of_weights(-1, 3, 3, 3), ['another size than its shape']),
    (shape_of_weights(*[1] * 9), ['more than 8 sides']), (without_weights, ['no float32 weights']),
    (reverse, ['BiasAdd (Default', 'is not after a convolution']),
    (second_reader, ['BiasAdd (Default', 'whose only reader']),
    (own_input, ['not computed before it']), (twice, ['two operators write']),
    (other_axes, ['ReduceMean (Default', 'pixels']), (wide_input, ['takes another input']),
    (lambda model: model.graph.ClearField('input'), ['has 0 inputs']),
    (lambda model: model.graph.ClearField('node'), ['does not depend on its input']),
    (lambda model: model.functions.add(), ['several graphs']),
    (lambda model: [model.graph.node.add(op_type='REF::ReLU:9') for _ in range(5000)], ['more than 5000 operators']),
    (lambda model: model.ClearField('little_endian'), ['little-endian']),
    (lambda model: model.ClearField('graph'), ['no graph'])])
def test_a_graph_that_cannot_run_is_one_line(change, words, mindir, build, tmp_path):
    _, model = mindir('tinynet_e@w=0.3,d=0.5,resolution=34', change)
    is_error(run(build / 'tinynet_infer', '--model', model, '--check'), 'x.mindir', *words)


def test_the_logits_in_the_manifest_are_compared(mindir, build, tmp_path):
    from tinynets.deploy.manifest import PROBE_SEED, probe_image
    from tinynets.deploy.predict import load_predictor
    _, model = mindir('tinynet_e@w=0.3,d=0.5,resolution=34')
    manifest = json.loads(pathlib.Path(f'{model}.json').read_text())
    wanted = load_predictor(str(model)).predict(probe_image(PROBE_SEED, (1, 3, 34, 34)))[0]
    np.testing.assert_allclose(manifest['probe']['logits'], wanted, atol=1e-4 * np.abs(wanted).max())
    for share, same in ((1, True), (1.0005, True), (1.003, False), (-1, False)):
        logits = list(manifest['probe']['logits'])
        largest = int(np.argmax(np.abs(logits)))
        logits[largest] *= share
        path = write_probe(tmp_path, manifest, {'seed': manifest['probe']['seed'], 'logits': logits})
        done = run(build / 'tinynet_infer', '--model', model, '--check', '--manifest', path)
        assert (done.returncode == 0) == same, done.stderr
        if not same:
            is_error(done, 'gives other logits than export.py wrote into its manifest')
    path = write_probe(tmp_path, manifest, {'seed': 2, 'logits': manifest['probe']['logits']})
    is_error(run(build / 'tinynet_infer', '--model', model, '--check', '--manifest', path), 'gives other logits')


def write_probe(folder, manifest, probe):
    write_json(folder / 'm.json', {**manifest, 'probe': probe})
    return folder / 'm.json'


def test_unknown_kernels_are_one_line(build, tmp_path):
    done = run(build / 'tinynet_infer', '--model', tmp_path / 'absent', '--images', tmp_path, '--kernels', 'sse')
    assert done.returncode == 2
    assert done.stderr == "error: --kernels 'sse': must be best, avx512 or avx2\n"


def test_bad_images_are_counted_and_good_ones_classified(build, deployed, tmp_path):
    folder, _, model = deployed
    shutil.copytree(folder / 'images', tmp_path / 'images')
    (tmp_path / 'images' / '01.png').write_bytes(b'')
    (tmp_path / 'images' / 'notes.txt').write_text('no image')
    done = run(build / 'tinynet_infer', '--model', model, '--images', tmp_path / 'images', '--output',
               tmp_path / 'o.json', '--batch', 4)
    assert done.returncode == 1 and done.stderr.splitlines() == [
        f'{tmp_path}/images: left out, not images by their endings: 1 .txt',
        f'skipped {tmp_path}/images/01.png: the file is empty']
    report = json.loads((tmp_path / 'o.json').read_text())
    assert (report['images'], report['skipped']) == (50, 1) and report['results'][1]['failure'] == 'the file is empty'
    assert '49 images, 1 skipped' in done.stdout
    (tmp_path / 'list').write_text('images/01.png\nabsent.png\n')
    done = run(build / 'tinynet_infer', '--model', model, '--images', tmp_path / 'list')
    assert done.returncode == 1 and '0 images, 2 skipped' in done.stdout


def test_mistakes_are_one_line(build, deployed, tmp_path):
    folder, made, model = deployed
    infer = build / 'tinynet_infer'

    def refused(options, *words):
        is_error(run(infer, *options), *words)
    usual = ['--model', model, '--images', folder / 'images']
    refused([], '--model')
    refused(['--model', model], '--images')
    refused([*usual, '--speed', 3], '--speed', '--help')
    refused([*usual, '--batch'], '--batch', 'value')
    for option, value in (('--batch', 0), ('--threads', 'two'), ('--workers', -1), ('--repeat', 1e99), ('--topk', '')):
        refused([*usual, option, value], option)
    for option in ('--threads', '--workers'):
        refused([*usual, option, 1025], '--threads and --workers: at most 1024')
    refused([*usual, '--topk', 11], '10 classes')
    refused([*usual, '--device', 'npu'], 'cpu or ascend')
    refused([*usual, '--device', 'ascend'], 'ascend 0')
    refused(['--model', tmp_path / 'x.mindir', '--images', folder, '--manifest', f'{model}.json'], 'no such model file')
    refused(['--model', tmp_path / 'x.mindir', '--images', folder], 'x.mindir.json', 'no such manifest')
    refused(['--model', model, '--images', tmp_path / 'absent'], 'absent', 'no such')
    refused(['--model', model, '--images', tmp_path], 'no images')
    refused([*usual, '--labels', folder / 'absent.csv'], 'absent.csv')
    (tmp_path / 'labels.csv').write_text('00.png,0\n01.png,eleven\n')
    refused([*usual, '--labels', tmp_path / 'labels.csv'], 'line 2')
    names = [f'\x1b[{i}m\n' for i in range(10)]
    manifest = json.loads(pathlib.Path(f'{model}.json').read_text())
    manifest.update(class_names=names, network={'name': '\x9b'})
    (tmp_path / 'names.json').write_text(json.dumps(manifest))
    done = run(infer, '--model', model, '--images', folder / 'images' / '00.png', '--manifest', tmp_path / 'names.json')
    assert done.returncode == 0 and re.search(r'00\.png: \\x1b\[\dm\\x0a [\d.]+ %\n\\x9b at ', done.stdout), done.stdout
    for name, change in (('classes', {'class_names': ['a', 'b']}), ('size', {'preprocessing': {
            **MANIFEST['preprocessing'], 'resolution': 48}})):
        manifest = {**json.loads(pathlib.Path(f'{model}.json').read_text()), **change}
        (tmp_path / f'{name}.json').write_text(json.dumps(manifest))
        refused([*usual, '--manifest', tmp_path / f'{name}.json'], 'manifest')
    for suffix in ('', '.json'):
        shutil.copy(f'{model}{suffix}', f'{tmp_path}/{model.name}{suffix}')
    with open(tmp_path / model.name, 'ab') as file:
        file.write(b'x')
    refused(['--model', tmp_path / model.name, '--images', folder], model.name, 'sha256')
    (tmp_path / 'there.json').write_text('mine')
    refused([*usual, '--output', tmp_path / 'there.json'], 'exists', '--force')
    assert (tmp_path / 'there.json').read_text() == 'mine'
    refused([*usual, '--output', tmp_path / 'no' / 'there.json'], 'there.json')
    refused(['--model', 'absent.mindir', '--images', folder, '--output', tmp_path, '--force'], 'is a folder')  # at once
    assert run(infer, *usual, '--output', tmp_path / 'there.json', '--force').returncode == 0
    assert json.loads((tmp_path / 'there.json').read_text())['images'] == 50


def test_damaged_models_crash_nothing(build, deployed, tmp_path):
    _, _, model = deployed
    whole = model.read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / 'x.mindir'
    shutil.copy(f'{model}.json', f'{path}.json')
    for i in range(12):
        data = bytearray(whole[:rng.integers(1, len(whole))] if i % 3 == 0 else whole)
        for at in rng.integers(0, len(data), 20 * i):
            data[at] = rng.integers(256)
        path.write_bytes(data if i else b'')
        done = run(build / 'tinynet_infer', '--model', path, '--check')
        if done.returncode != 0:  # a weight may have changed
            is_error(done)


@pytest.mark.parametrize('kind', ['MINDIR', 'ONNX'])
def test_the_wrapper_runs_the_mindir_as_it_is(kind, build, deployed, python_logits, tmp_path):
    folder, made, _ = deployed
    command = ['bash', ROOT / 'scripts/run_infer_310.sh', made[kind], folder / 'images', 'cpu', '--logits', '--output']
    done = run(*command, tmp_path / 'o.json', env={**os.environ, 'BUILD': str(build)})
    assert done.returncode == 0 and done.stderr == '' and 'images/s' in done.stdout, done.stderr
    assert np.abs(logits_of(tmp_path / 'o.json') - python_logits).max() < 1e-4 * np.abs(python_logits).max()


def program(path, *lines):
    path.write_text('\n'.join(['#!/usr/bin/env bash', *lines, '']))
    path.chmod(0o755)


@pytest.fixture
def wrapper(tmp_path):
    """The wrapper's command and environment with programs in tmp_path/build that say what they are asked: x.mindir is
    not read, x.onnx is converted."""
    folder = tmp_path / 'build'
    folder.mkdir()
    program(folder / 'tinynet_infer', '[ "$1" != --check ] || { echo "error: $3 does not load" >&2; exit 2; }',
            'cat "$2"')
    program(folder / 'lite_convert', 'echo half > "$2"; touch "$1.started"; sleep "${SLOW:-0}"; echo whole > "$2"')
    for name in ('x.mindir', 'x.onnx', 'x.onnx.json'):
        (tmp_path / name).write_text(name)
    return (['bash', ROOT / 'scripts/run_infer_310.sh', tmp_path / 'x.mindir', 'images'],
            {**os.environ, 'BUILD': str(folder)})


def test_the_wrapper_looks_for_the_mindir_of_an_onnx(wrapper, tmp_path):
    command, environment = wrapper
    command = [*command[:2], tmp_path / 'x.onnx', 'images']
    for name in ('x.mindir.json', 'x.onnx.json'):
        (tmp_path / name).write_text('{\n "weights": "ema",\n "checkpoint": "abc"\n}')
    assert run(*command, env=environment).stdout == 'x.mindir'
    (tmp_path / 'x.onnx.json').write_text('{\n "weights": "ema",\n "checkpoint": "abd"\n}')
    is_error(run(*command, env=environment), 'x.mindir was exported from another checkpoint than', 'x.onnx')
    (tmp_path / 'x.mindir').unlink()
    is_error(run(*command, env=environment), 'x.onnx: a CPU runs MINDIR files; export one')


def test_the_wrapper_says_why_nothing_is_converted(wrapper, tmp_path):
    command, environment = wrapper
    (tmp_path / 'build' / 'lite_convert').unlink()  # an SDK without the converter's library
    is_error(run(*command, 'ascend', env=environment), 'x.mindir does not load', 'no converter of', 'x.onnx')
    for name in ('x.onnx.json', 'x.onnx'):  # nothing to convert: the program itself says what is wrong
        (tmp_path / name).unlink()
        done = run(*command, 'ascend', env=environment)
        assert (done.returncode, done.stdout, done.stderr) == (0, 'x.mindir', '')


@pytest.mark.parametrize('theirs, ours, same', [
    ({'weights': 'ema', 'checkpoint': 'abc'}, {'weights': 'ema', 'checkpoint': 'abc'}, True),
    ({'weights': 'ema', 'checkpoint': 'abc'}, {'weights': 'ema', 'checkpoint': 'abd'}, False),
    ({'weights': 'ema', 'checkpoint': 'abc'}, {'weights': 'raw', 'checkpoint': 'abc'}, False),
    ({'weights': 'ema', 'score': {'top1': 50, 'step': 3}}, {'weights': 'ema', 'score': {'top1': 50, 'step': 3}}, True),
    ({'weights': 'ema', 'score': {'top1': 50, 'step': 3}}, {'weights': 'ema', 'score': {'top1': 50, 'step': 4}}, False),
    ({'weights': 'ema', 'score': None}, {'weights': 'ema', 'score': None}, True)])
def test_the_wrapper_converts_no_file_of_another_checkpoint(theirs, ours, same, wrapper, tmp_path):
    """Manifests of earlier releases name no checkpoint; their scores tell."""
    command, environment = wrapper
    write_json(tmp_path / 'x.mindir.json', {'format': 1, 'kind': 'MINDIR', **theirs, 'config': {'weights': 'x'}})
    write_json(tmp_path / 'x.onnx.json', {'format': 1, 'kind': 'ONNX', **ours, 'config': {'weights': 'y'}})
    done = run(*command, 'ascend', env=environment)
    if same:
        assert done.returncode == 0 and done.stdout == 'whole\n', done.stderr
    else:
        is_error(done, 'x.onnx was exported from another checkpoint than', 'x.mindir; export both again')


def test_the_wrapper_asks_the_device_it_is_told(wrapper, tmp_path):
    command, environment = wrapper
    program(tmp_path / 'build' / 'tinynet_infer', f'echo "$*" >> "{tmp_path}/asked"')
    for options, device in (([], 0), (['--device-id', 3], 3), (['--topk', 2, '--device-id', 12, '--force'], 12),
                            (['--device-id', 1, '--device-id', 2], 2), (['--device-id', 'one'], 0)):
        assert run(*command, 'ascend', *options, env=environment).returncode == 0
        check, classify = (tmp_path / 'asked').read_text().splitlines()[-2:]
        assert check == f'--check --model {tmp_path}/x.mindir --device ascend --device-id {device}'
        usual = f'--model {tmp_path}/x.mindir --images images --device ascend'
        assert classify == ' '.join(map(str, [usual, *options]))


def test_a_conversion_for_another_sdk_is_not_used(wrapper, tmp_path):
    command, environment = wrapper
    sdk, tools = tmp_path / 'an SDK', tmp_path / 'tools'
    sdk.mkdir(), tools.mkdir()
    program(tools / 'ldd', f'[ "$1" = "{tmp_path}/build/lite_convert" ] || exit 1',
            'printf "\\t%s => %s\\n" libc.so.6 "/none (0x7)" libmindspore_none.so "not found" '
            f'libmindspore_core.so "{sdk}/libmindspore_core.so (0x7)"')

    def conversions():
        done = run(*command, 'ascend', env={**environment, 'PATH': f'{tools}:{environment["PATH"]}'})
        assert (done.returncode, done.stdout) == (0, 'whole\n'), done.stderr
        return done.stderr == f'converting {tmp_path}/x.onnx for MindSpore Lite on an Ascend\n'
    (sdk / 'libmindspore_core.so').write_text('2.0')
    assert [conversions(), conversions()] == [True, False]
    (sdk / 'libmindspore_core.so').write_text('2.0.1')
    assert [conversions(), conversions()] == [True, False]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_conversion_leaves_nothing_to_use(number, wrapper, tmp_path):
    command, environment = wrapper
    conversion = subprocess.Popen([str(word) for word in (*command, 'ascend')], env={**environment, 'SLOW': '60'},
                                  stderr=subprocess.DEVNULL, start_new_session=True)
    while not (tmp_path / 'x.onnx.started').exists():
        assert conversion.poll() is None
        time.sleep(0.01)
    os.killpg(conversion.pid, number)
    assert conversion.wait(60) != 0
    deadline = time.monotonic() + 10
    while number != signal.SIGKILL and list((tmp_path / 'build' / 'models').iterdir()):  # its shell cleans up after it
        assert time.monotonic() < deadline
        time.sleep(0.01)
    done = run(*command, 'ascend', env=environment)
    assert (done.returncode, done.stdout) == (0, 'whole\n'), done.stderr
    program(tmp_path / 'build' / 'lite_convert', 'exit 1')  # is not asked again
    assert run(*command, 'ascend', env=environment).stdout == 'whole\n'


def test_a_fetched_sdk_is_whole_or_not_there(tmp_path):
    place = tmp_path / 'place'
    command = ['bash', str(ROOT / 'scripts/get_mindspore_lite.sh'), str(place / 'sdk')]
    os.mkfifo(tmp_path / 'slow.whl')
    fetching = subprocess.Popen(command, env={**os.environ, 'WHEEL': str(tmp_path / 'slow.whl')},
                                start_new_session=True)
    while not place.exists() or not list(place.iterdir()):
        assert fetching.poll() is None
        time.sleep(0.01)
    os.killpg(fetching.pid, signal.SIGTERM)
    assert fetching.wait(60) != 0 and not list(place.iterdir())
    (tmp_path / 'damaged.whl').write_bytes(b'PK')
    is_error(run(*command, env={**os.environ, 'WHEEL': str(tmp_path / 'damaged.whl')}), 'damaged.whl')
    assert not list(place.iterdir())
    with zipfile.ZipFile(tmp_path / 'whole.whl', 'w') as wheel:
        wheel.writestr('mindspore_lite/include/api/model.h', 'text')
    done = run(*command, env={**os.environ, 'WHEEL': str(tmp_path / 'whole.whl')})
    assert done.returncode == 0 and [path.name for path in place.iterdir()] == ['sdk'], done.stderr
    assert (place / 'sdk/include/api/model.h').read_text() == 'text'
    assert 'exists already' in run(*command).stdout


def test_a_build_without_its_tools_says_what_to_install(tmp_path):
    for tool in ('bash', 'dirname', 'realpath'):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    command = ['bash', ROOT / 'scripts/run_infer_310.sh', tmp_path / 'x.mindir', 'images']
    environment = {**os.environ, 'BUILD': str(tmp_path / 'build')}
    is_error(run(*command, env={**environment, 'PATH': str(tmp_path)}), 'no cmake', 'apt-get install')
    if shutil.which('cmake'):
        done = run(*command, env={**environment, 'CXX': '/no/compiler'})
        last = done.stderr.splitlines()[-1]
        assert done.returncode == 2 and last.startswith('error: ') and 'apt-get install' in last, done.stderr


@needs_sdk
def test_an_sdk_laid_out_as_the_archive_works(build, deployed, tmp_path):
    folder, made, model = deployed
    runtime, converter = tmp_path / 'sdk' / 'runtime', tmp_path / 'sdk' / 'tools' / 'converter'
    for part, kinds in ((runtime, ('api', 'mindapi')), (converter, ('registry',))):
        (part / 'include').mkdir(parents=True)
        (part / 'lib').mkdir()
        for kind in kinds:
            (part / 'include' / kind).symlink_to(pathlib.Path(SDK) / 'include' / kind)
    for library in (pathlib.Path(SDK) / 'lib').iterdir():
        part = runtime if '_python' in library.name or 'dnnl' in library.name else converter
        (part / 'lib' / library.name).symlink_to(library)
    build = shutil.copytree(build, tmp_path / 'build')  # only what sees the SDK is compiled anew
    (build / 'CMakeCache.txt').unlink()
    build_programs(build, tmp_path / 'sdk')
    linked = run('ldd', build / 'tinynet_infer').stdout
    assert f'{runtime}/lib/' in linked and f'{converter}/lib/' in linked and 'not found' not in linked
    done = run(build / 'lite_convert', made['ONNX'], tmp_path / 'lite.mindir', 'ascend')
    assert done.returncode == 0 and (tmp_path / 'lite.mindir').is_file(), done.stderr
    done = run(build / 'tinynet_infer', '--model', model, '--images', folder / 'images')
    assert done.returncode == 0 and '50 images, 0 skipped' in done.stdout, done.stderr


def test_a_network_of_grey_images_gives_pythons_logits(small_config, photographs, infer, tmp_path):
    from tinynets.config import to_dict
    from tinynets.data.presets import preprocessing
    from tinynets.deploy.export import export
    from tinynets.deploy.predict import load_predictor
    from tinynets.model import checkpoint, create_model
    arguments = {'name': 'tinynet_e@w=0.3,d=0.5,resolution=58', 'num_classes': 4, 'in_channels': 1}
    config, network = small_config('model.in_channels=1'), create_model(**arguments)
    checkpoint.save(str(tmp_path / 'net.ckpt'), {p.name: p.asnumpy() for p in network.get_parameters()}, {
        'network': arguments, 'class_names': list('abcd'), 'score': {},
        'preprocessing': preprocessing(config.data, 58, 1), 'config': to_dict(config)})
    path = export(str(tmp_path / 'net.ckpt'), ['MINDIR'], str(tmp_path))[0].path
    model = load_predictor(path)
    wanted = np.concatenate([model.predict(model.transform(images.decode(path))[None]) for path in photographs[-7:]])
    for kernels in own_kernels():
        for options in ((), ('--batch', 3), ('--threads', 2)):
            report, logits = infer(path, '--kernels', kernels, *options)
            assert report['kernels'] == kernels and report['own_kernels'] > 40
            assert np.abs(logits - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_logits_that_are_no_numbers_end_the_program(build, mindir, photographs, tmp_path):
    def spoil(model):
        weight = next(p for p in model.graph.parameter if p.name.endswith('classifier.dense.weight'))
        weight.raw_data = np.full(weight.dims, np.nan, np.float32).tobytes()

    _, model = mindir('tinynet_e@w=0.3,d=0.5,resolution=58', spoil)
    done = run(build / 'tinynet_infer', '--model', model, '--images', photographs[-1], '--output', tmp_path / 'o.json')
    is_error(done, 'gives logits that are NaN or infinite')
    assert not (tmp_path / 'o.json').exists()


@pytest.mark.parametrize('batch', [1, 2, 3])
def test_every_image_of_a_batch_must_give_numbers(batch, build, mindir, tmp_path):
    def spoil(model):  # adds infinity where the mean of the pixels is negative, as for black
        graph, (integer, real, flag, several) = model.graph, (7, 1, 9, 20)
        weight = graph.parameter.add(name='ones', dims=[10, 3], data_type=1)
        weight.raw_data = np.ones((10, 3), np.float32).tobytes()
        for name, kind, value in (('no', flag, 0), ('yes', flag, 1), ('minus', real, -1), ('large', real, 1e30)):
            graph.node.add(op_type='Constant', output=[name]).attribute.add(
                name='value', type=kind, **{'f' if kind == real else 'i': value})
        pixels = graph.node.add(op_type='Constant', output=['pixels']).attribute.add(name='value', type=several)
        for axis in (2, 3):
            pixels.values.add(type=integer, ints=[axis])
        for kind, inputs, output in (
                ('ReduceMean', [graph.input[0].name, 'pixels', 'no'], 'mean'), ('Muls', ['mean', 'minus'], 'dark'),
                ('MatMul', ['dark', 'ones', 'no', 'yes'], 'all'), ('ReLU', ['all'], 'black'),
                ('Muls', ['black', 'large'], 'more'), ('Mul', ['more', 'more'], 'most'),
                ('Add', [graph.output[0].name, 'most'], 'sum')):
            graph.node.add(op_type=f'REF::{kind}:900', input=inputs, output=[output])
        graph.output[0].name = 'sum'

    _, model = mindir('tinynet_e@w=0.3,d=0.5,resolution=58', spoil)
    for name, colour in (('a', 'white'), ('b', 'white'), ('c', 'black')):
        Image.new('RGB', (60, 60), colour).save(tmp_path / f'{name}.png')
    command = build / 'tinynet_infer', '--model', model, '--batch', batch, '--images'
    assert run(*command, tmp_path / 'a.png').returncode == 0
    (tmp_path / 'l.txt').write_text('a.png\nb.png\nc.png\n')
    is_error(run(*command, tmp_path / 'l.txt'), f'{tmp_path}/c.png: the network gives logits that are NaN or infinite')


def test_lists_and_labels_of_other_systems_are_the_same(build, deployed, tmp_path):
    folder, _, model = deployed
    listed, labels = (folder / 'images').iterdir(), (folder / 'labels.csv').read_text().splitlines()[1:]
    listed = '\n'.join(sorted(map(str, listed))) + '\n'
    rows = '\n'.join(labels) + '\n'  # without a header: the first row counts

    def scored(images, csv_):
        (tmp_path / 'l.txt').write_bytes(images)
        (tmp_path / 'l.csv').write_bytes(csv_)
        return run(build / 'tinynet_infer', '--model', model, '--images', tmp_path / 'l.txt',
                   '--labels', tmp_path / 'l.csv', '--output', tmp_path / 'o.json', '--force')

    def accuracy(*texts):
        done = scored(*texts)
        assert done.returncode == 0 and done.stderr == '', done.stderr
        return json.loads((tmp_path / 'o.json').read_text())['accuracy']

    wanted = accuracy(listed.encode(), rows.encode())
    assert wanted['labelled'] == 50 and wanted['top1'] > 50
    for mark in ('', '\ufeff'):
        for end in ('\n', '\r\n', '\r'):
            assert accuracy(*((mark + text.replace('\n', end)).encode() for text in (listed, rows))) == wanted
    for coding in ('utf-16', 'utf-32', 'utf-16-le'):
        is_error(scored(listed.encode(coding), rows.encode()), 'l.txt', 'save it as UTF-8')
        is_error(scored(listed.encode(), rows.encode(coding)), 'l.csv', 'save it as UTF-8')
    done = scored(listed.encode(), '\n'.join(labels[1:]).encode())
    assert done.returncode == 0 and done.stderr.startswith('not scored, without a label: 1 of 50 images, the first ')
    assert done.stderr.endswith('/00.png\n') and 'of 49 labelled images' in done.stdout
    is_error(scored(listed.encode(), (rows + '\n\nx.png,nothing').encode()), 'l.csv: line 53: must be file,class')
    is_error(scored(listed.encode(), (rows + '"x.png,0\n1.png,1').encode()), 'line 51: a quotation mark is not closed')
    odd = folder / 'images' / 'a "b",\nc.png'
    shutil.copy(folder / 'images' / '00.png', odd)
    try:
        text = rows.encode() + f'"a ""b"",\nc.png",{labels[0].split(",")[1]}\n'.encode()
        (tmp_path / 'l.csv').write_bytes(text)
        done = run(build / 'tinynet_infer', '--model', model, '--images', folder / 'images',
                   '--labels', tmp_path / 'l.csv')
        assert done.returncode == 0 and done.stderr == '' and 'of 51 labelled images' in done.stdout
    finally:
        odd.unlink()


def test_folders_are_searched_as_python_searches_them(build, deployed, tmp_path):
    folder, _, model = deployed
    tree, outside = tmp_path / 'tree', tmp_path / 'outside'
    for inside in (outside, tree / 'x.jpg', tree / 'b' / '.hidden', tree / 'b' / '@eaDir', tree / 'lost+found'):
        inside.mkdir(parents=True)
        shutil.copy(folder / 'images' / '00.png', inside / '0.png')
    for link, target in (('circle', '.'), ('b/above', '..'), ('b/again', '../x.jpg'), ('out', outside),
                         ('out2', outside),
                         ('self.png', 'self.png'), ('file.png', 'x.jpg/0.png'), ('nowhere.png', 'none'),
                         ('through.png', 'x.jpg/0.png/y'), ('long.png', 'x' * 300)):
        (tree / link).symlink_to(target)
    for name in ('notes.txt', 'more.TXT', 'no_ending', 'Thumbs.db'):
        (tree / name).write_text('no image')
    found = images.find(str(tree))
    assert [os.path.relpath(path, tree) for path in found.files] == [
        'file.png', 'long.png', 'nowhere.png', 'out/0.png', 'self.png', 'through.png', 'x.jpg/0.png']
    done = run(build / 'tinynet_infer', '--model', model, '--images', tree, '--output', tmp_path / 'o.json')
    assert [row['image'] for row in json.loads((tmp_path / 'o.json').read_text())['results']] == found.files
    said = [line for line in done.stderr.splitlines() if not line.startswith('skipped ')]
    assert done.returncode == 1 and len(said) == 3 and said[1:] == found.left_out(str(tree))[1:], done.stderr
    assert said[0] == f'{tree}: left out, not images by their endings: 2 .txt, 1 without an ending'
    for kinds in (10, 11):  # ten are named
        shutil.copy(folder / 'images' / '00.png', outside / '0.png')
        for i in range(kinds):
            (outside / f'notes.x{i:02}').touch()
        done = run(build / 'tinynet_infer', '--model', model, '--images', outside)
        named = ', '.join(f'1 .x{i:02}' for i in range(10))
        assert done.stderr == (f'{outside}: left out, not images by their endings: {named}'
                               f'{", ..." if kinds > 10 else ""}\n')


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read every folder')
def test_a_closed_folder_is_not_passed_over(build, deployed, tmp_path):
    shutil.copytree(deployed[0] / 'images', tmp_path / 'images')
    (tmp_path / 'images' / 'closed').mkdir(mode=0)
    is_error(run(build / 'tinynet_infer', '--model', deployed[2], '--images', tmp_path / 'images'), '/closed', 'denied')


@pytest.mark.parametrize('tops', [[65535, 50000], [255, 255], [4095, 4095, 65535, 1000], [16383, 9000], [1023, 60000]])
def test_images_that_stay_dark_are_said_as_in_python(tops, build, deployed, tmp_path):
    (tmp_path / 'images').mkdir()
    photograph(8, 8).save(tmp_path / 'images' / 'eight bits.png')
    for i, top in enumerate(tops):
        samples = np.full((4, 4) + (3,) * (i % 2), top // 2, np.uint16)
        samples[1, 2] = top
        png(tmp_path / 'images' / f'{i}.png', samples)
    highest = {str(path): images.decode_wide(path)[1] for path in (tmp_path / 'images').iterdir()}
    line = images.dark_images({path: value for path, value in highest.items() if value is not None})
    assert (line is None) == (tops == [65535, 50000])
    done = run(build / 'tinynet_infer', '--model', deployed[2], '--images', tmp_path / 'images', '--repeat', 2)
    assert done.returncode == 0 and done.stderr == (f'{line}\n' if line else '')


def test_a_row_of_two_images_is_refused(build, deployed, tmp_path):
    """Rows are found by the end of an image's path."""
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        shutil.copy(deployed[0] / 'images' / '00.png', tmp_path / name / '0.png')

    def done(rows):
        (tmp_path / 'l.csv').write_text(rows)
        return run(build / 'tinynet_infer', '--model', deployed[2], '--labels', tmp_path / 'l.csv', '--images',
                   tmp_path)
    is_error(done('0.png,1\n'), f'the row 0.png is that of {tmp_path}/a/0.png and of {tmp_path}/b/0.png')
    scored = done('a/0.png,1\nb/0.png,2\n')
    assert scored.returncode == 0 and 'of 2' in scored.stdout, scored
    assert done('a/0.png,1\n0.png,2\n').returncode == 0  # the longer end counts


def test_a_device_is_written_and_not_replaced(build, deployed, tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    command = [build / 'tinynet_infer', '--model', deployed[2], '--images', deployed[0] / 'images' / '00.png',
               '--output', tmp_path / 'pipe', '--force']
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    with open(tmp_path / 'pipe') as pipe:
        assert json.load(pipe)['results'][0]['image'].endswith('00.png')
    assert process.wait(60) == 0 and (tmp_path / 'pipe').is_fifo()


@pytest.mark.parametrize('names, label, wanted', [
    ('abcdefghij', 'c', 2), ('abcdefghij', '2', 2), ('abcdefghij', '10', None), ('0123456789', '07', 7),
    ([f'{i:03}' for i in range(10)], '7', 7), ([str(i) for i in range(1, 11)], '1', 0),
    ([str(i) for i in range(1, 11)], '0', None), ([str(10 * i) for i in range(10)], '3', None),
    (['1', '01', *'abcdefgh'], '001', None), (['7', *'abcdefghi'], '0', None),
    (['caf\u00e9', *'abcdefghi'], 'cafe\u0301', None), ('0123456789', 'background', None), ('0123456789', 'c001', None),
    (['background', *(f'c{i:03}' for i in range(1, 10))], '1', 1)])
def test_labels_are_names_or_numbers_but_never_both(names, label, wanted, build, deployed, tmp_path):
    manifest = {**json.loads(pathlib.Path(f'{deployed[2]}.json').read_text()), 'class_names': list(names)}
    (tmp_path / 'm.json').write_text(json.dumps(manifest))

    def done(text):
        (tmp_path / 'l.csv').write_text(text, encoding='utf-8')
        return run(build / 'tinynet_infer', '--model', deployed[2], '--manifest', tmp_path / 'm.json', '--labels',
                   tmp_path / 'l.csv', '--images', deployed[0] / 'images' / '00.png')
    if wanted is None:
        words = ['byte by byte'] if not label.isascii() else []
        return is_error(done(f'file,class\n00.png,{label}\n'), 'line 2: must be file,class', *words)
    scored = done(f'00.png,{label}\n')
    best = re.search(r'00\.png: (.*) [\d.]+ %\n', scored.stdout)[1]
    assert f'top-1 {100 * (list(names).index(best) == wanted):.2f} %' in scored.stdout
    is_error(done(f'00.png,{label}\n00.png,{names[wanted - 1]}\n'), 'line 2: 00.png has another class before')
