"""Data sets: the splits of the embedded one, valid and damaged IDX files, folders with all kinds of files."""
import gzip
import re
import struct
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tinynets.config import DataConfig
from tinynets.data import presets
from tinynets.data.classification import ArrayDataset, load_dataset
from tinynets.data.embedded import FASHION_CLASSES


def test_digits_split_whole_disjoint_and_stratified():
    train, val = (load_dataset('digits', split) for split in ('train', 'val'))
    assert (len(train), len(val)) == (1437, 360)
    assert train.class_names == val.class_names == tuple('0123456789')
    assert train.labels.dtype == val.labels.dtype == np.int32
    data = load_digits()
    pixels = np.round(data.images * 255 / 16).astype(np.uint8)
    # every image of the source exactly once, in one split or the other, with its label
    assert Counter((p.tobytes(), int(y)) for p, y in zip(pixels, data.target)) == Counter(
        (p.tobytes(), int(y)) for part in (train, val) for p, y in zip(part.pixels, part.labels))
    for digit in range(10):
        assert abs((val.labels == digit).sum() - 0.2 * (data.target == digit).sum()) < 1


def test_digits_are_the_same_each_time_and_span_the_grey_levels():
    first, again = load_dataset('digits', 'val'), load_dataset('digits', 'val')
    assert np.array_equal(first.pixels, again.pixels) and np.array_equal(first.labels, again.labels)
    assert (first.pixels.min(), first.pixels.max(), len(np.unique(first.pixels))) == (0, 255, 17)


def test_images_in_memory_are_rgb():
    grey = ArrayDataset(np.arange(8, dtype=np.uint8).reshape(2, 2, 2), np.array([0, 1]), ['a', 'b'])
    colour = ArrayDataset(np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3), np.array([0, 1]), ['a', 'b'])
    assert np.asarray(grey.image(1)).tolist() == [[[4] * 3, [5] * 3], [[6] * 3, [7] * 3]]
    assert np.array_equal(np.asarray(colour.image(1)), colour.pixels[1]) and len(colour) == 2


# Fashion-MNIST

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
LABELS = np.array([0, 9, 3, 3, 1, 5], np.uint8)


def idx(array, kind=8):
    return struct.pack(f'>HBB{array.ndim}I', 0, kind, array.ndim, *array.shape) + array.tobytes()


def write_fashion(folder, images=idx(PIXELS), labels=idx(LABELS), stem='t10k', packed=True):
    for name, data in (('images-idx3', images), ('labels-idx1', labels)):
        if data is not None:
            path = folder / f'{stem}-{name}-ubyte{".gz" if packed else ""}'
            path.write_bytes(gzip.compress(data) if packed else data)
    return str(folder)


@pytest.mark.parametrize('packed', [True, False], ids=['gz', 'unpacked'])
def test_fashion_mnist_reads_what_is_there(packed, tmp_path):
    write_fashion(tmp_path, packed=packed)
    write_fashion(tmp_path, idx(PIXELS[:2]), idx(LABELS[:2]), 'train', packed)
    val, train = (load_dataset('fashion_mnist', split, str(tmp_path)) for split in ('val', 'train'))
    assert np.array_equal(val.pixels, PIXELS) and val.labels.tolist() == LABELS.tolist() and len(train) == 2
    assert val.labels.dtype == np.int32 and val.class_names == FASHION_CLASSES and len(FASHION_CLASSES) == 10
    assert np.array_equal(np.asarray(val.image(3))[..., 1], PIXELS[3])


def test_fashion_mnist_half_unpacked(tmp_path):
    write_fashion(tmp_path, labels=None)
    write_fashion(tmp_path, images=None, packed=False)
    assert load_dataset('fashion_mnist', 'val', str(tmp_path)).labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize('images', [
    idx(PIXELS)[:-1], idx(PIXELS)[:1000], idx(PIXELS)[:10], idx(PIXELS)[:3], b'', idx(PIXELS) + b'\0',
    b'\0\1' + idx(PIXELS)[2:], idx(PIXELS, kind=13), b'<html>not found</html>'],
    ids=['a byte short', 'a part', 'half a header', 'half a magic', 'empty', 'a byte long', 'magic', 'type', 'a page'])
@pytest.mark.parametrize('packed', [True, False], ids=['gz', 'unpacked'])
def test_a_broken_idx_file_is_named(images, packed, tmp_path):
    write_fashion(tmp_path, images, packed=packed)
    with pytest.raises(ValueError, match='t10k-images-idx3-ubyte.*not a complete IDX file .*fetch the data set again'):
        load_dataset('fashion_mnist', 'val', str(tmp_path))


@pytest.mark.parametrize('broken', [lambda z: z[:-4], lambda z: z[:len(z) // 2], lambda z: b'plain' + z,
                                    lambda z: z[:5], lambda z: z[:-8] + b'\0\0\0\0' + z[-4:]],
                         ids=['end', 'half', 'no gzip', 'head', 'checksum'])
def test_a_broken_gz_file_is_named(broken, tmp_path):
    write_fashion(tmp_path)
    path = tmp_path / 't10k-labels-idx1-ubyte.gz'
    path.write_bytes(broken(path.read_bytes()))
    with pytest.raises(ValueError, match=re.escape(f'{path}: not a complete IDX file')):
        load_dataset('fashion_mnist', 'val', str(tmp_path))


def test_a_gz_file_with_a_flipped_byte_is_named(tmp_path):
    write_fashion(tmp_path)
    path = tmp_path / 't10k-images-idx3-ubyte.gz'
    data = bytearray(path.read_bytes())
    data[12] ^= 0xff
    path.write_bytes(data)
    with pytest.raises(ValueError, match='not a complete IDX file'):
        load_dataset('fashion_mnist', 'val', str(tmp_path))


def test_images_and_labels_that_differ_in_number(tmp_path):
    folder = write_fashion(tmp_path, labels=idx(LABELS[:4]))
    with pytest.raises(ValueError, match=f'{re.escape(folder)}: 6 images .* but 4 labels'):
        load_dataset('fashion_mnist', 'val', folder)


def test_missing_fashion_mnist_says_how_to_get_it(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=f'no train-images-idx3-ubyte.gz in {re.escape(str(tmp_path))}; run '
                                                'bash scripts/get_fashion_mnist.sh'):
        load_dataset('fashion_mnist', 'train', str(tmp_path))
    monkeypatch.setattr('tinynets.data.embedded.FASHION_FOLDERS', (f'{tmp_path}/a', f'{tmp_path}/b'))
    with pytest.raises(FileNotFoundError, match='/a or .*/b; run bash scripts/get_fashion_mnist.sh'):
        load_dataset('fashion_mnist', 'val')


def test_fashion_mnist_without_its_labels(tmp_path):
    with pytest.raises(FileNotFoundError, match='t10k-labels-idx1-ubyte.gz: no such file'):
        load_dataset('fashion_mnist', 'val', write_fashion(tmp_path, labels=None))


def test_fashion_mnist_is_found_in_the_usual_places(tmp_path, monkeypatch):
    monkeypatch.setattr('tinynets.data.embedded.FASHION_FOLDERS', (f'{tmp_path}/none', write_fashion(tmp_path)))
    assert len(load_dataset('fashion_mnist', 'val')) == 6


# image_folder

@pytest.fixture
def folder(tmp_path):
    """make({'train/cat/a.png': grey level, ... or bytes}) -> the data folder."""
    def make(files):
        for name, content in files.items():
            path = tmp_path / 'set' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                Image.new('L', (8, 8), content).save(path)
        return str(tmp_path / 'set')
    return make


FILES = {'train/dog/1.png': 11, 'train/cat/2.jpg': 22, 'train/cat/1.PNG': 21, 'train/ant/deep/er/1.bmp': 1,
         'val/dog/9.png': 90, 'val/cat/9.png': 91}
FOREIGN = {'train/readme.txt': b'x', 'train/cat/.hidden.png': b'x', 'train/cat/notes.txt': b'x',
           'train/cat/Thumbs.db': b'x', 'train/.cache/1.png': b'x', 'train/cat/png': b'x',
           'train/cat/1.png.part': b'x', 'train/loose.png': b'x'}


def load(folder, split='train', **options):
    lines = []
    return load_dataset('image_folder', split, folder, report=lines.append, **options), lines


@pytest.mark.parametrize('check', [True, False])
def test_classes_are_the_sorted_folders_and_foreign_files_are_passed_over(check, folder):
    data, lines = load(folder({**FILES, **FOREIGN}), check=check)
    assert data.class_names == ('ant', 'cat', 'dog') and [line.split('set/train: ')[1] for line in lines] == [
        'left out, not images that Pillow reads by their endings: 1 without an ending, 1 .part, 1 .txt',
        'left out, images outside of class folders: 1']
    assert [(path.split('/train/')[1], label) for path, label in zip(data.paths, data.labels)] == [
        ('ant/deep/er/1.bmp', 0), ('cat/1.PNG', 1), ('cat/2.jpg', 1), ('dog/1.png', 2)]
    assert data.labels.dtype == np.int32 and len(data) == 4
    assert [data.image(i).getpixel((3, 3)) for i in range(4)] == [(v,) * 3 for v in (1, 21, 22, 11)]
    assert data.name(3) == data.paths[3]


def test_hidden_folders_of_a_class_are_passed_over(folder):
    assert len(load(folder({**FILES, 'train/cat/.ipynb_checkpoints/1-checkpoint.png': 5}))[0]) == 4


@pytest.mark.parametrize('workers', [1, 3])
def test_bad_images_are_left_out_and_reported(workers, folder):
    place = folder({**FILES, 'train/cat/0.jpg': b'', 'train/cat/11.jpg': b'text', 'train/dog/5.png': 55})
    data, lines = load(place, workers=workers)
    assert [(path.split('/train/')[1], label) for path, label in zip(data.paths, data.labels)] == [
        ('ant/deep/er/1.bmp', 0), ('cat/1.PNG', 1), ('cat/2.jpg', 1), ('dog/1.png', 2), ('dog/5.png', 2)]
    assert lines[0] == f'left out: {place}/train/cat/0.jpg: the file is empty'
    assert lines[1].startswith(f'left out: {place}/train/cat/11.jpg: ')
    assert lines[2].startswith('2 of 7 images left out') and len(lines) == 3


def test_bad_images_of_a_relative_folder(folder, monkeypatch):
    monkeypatch.chdir(folder({**FILES, 'train/cat/0.jpg': b''}))
    data, lines = load('.')
    assert len(data) == 4 and lines[-1].startswith('1 of 5')


def test_the_report_goes_to_stderr(folder, capsys):
    load_dataset('image_folder', 'train', folder({**FILES, 'train/cat/0.jpg': b''}))
    out, err = capsys.readouterr()
    assert out == '' and 'cat/0.jpg: the file is empty' in err


def test_a_broken_link_is_left_out_and_reported(folder, tmp_path):
    place = folder(FILES)
    (tmp_path / 'set' / 'train' / 'cat' / '0.jpg').symlink_to(tmp_path / 'gone.jpg')
    data, lines = load(place)
    assert len(data) == 4 and 'cat/0.jpg' in lines[0]


def test_strict_fails_and_names_the_first(folder):
    place = folder({**FILES, 'train/cat/0.jpg': b'', 'train/cat/11.jpg': b'text'})
    with pytest.raises(ValueError, match=f'2 of 6 images cannot be .*{re.escape(place)}/train/cat/0.jpg: the file is'):
        load(place, strict=True)
    assert len(load(folder({}), split='val', strict=True)[0]) == 2


def test_given_classes_fix_the_order_and_may_lack_a_folder(folder):
    data, _ = load(folder(FILES), split='val', class_names=['dog', 'ant', 'cat'])
    assert data.class_names == ('dog', 'ant', 'cat')
    assert [(path[-9:], label) for path, label in zip(data.paths, data.labels)] == [('cat/9.png', 2), ('dog/9.png', 0)]


def test_a_folder_that_is_no_given_class_is_named(folder):
    with pytest.raises(ValueError, match=r"train: class 'ant' is not one of the 6 known \(cat, dog, e, f, g, \.\.\.\)"):
        load(folder(FILES), class_names=['cat', 'dog', 'e', 'f', 'g', 'h'])
    with pytest.raises(ValueError, match=r"class 'ant' is not one of the 2 known \(cat, dog\)"):
        load(folder(FILES), class_names=['cat', 'dog'])


def test_an_empty_class_folder_is_a_class(folder, tmp_path):
    place = folder(FILES)
    (tmp_path / 'set' / 'train' / 'bee').mkdir()
    data, lines = load(place)
    assert data.class_names == ('ant', 'bee', 'cat', 'dog') and data.labels.tolist() == [0, 2, 2, 3]
    assert len(lines) == 1 and lines[0].endswith('bee: a class folder without images')


@pytest.mark.parametrize('files', [{'train/cat/a.jpg': b''}, {'train/cat/a.txt': b'x'}], ids=['broken', 'foreign'])
def test_a_folder_without_one_image_is_an_error(files, folder):
    with pytest.raises(ValueError, match='set/train: no image that can be decoded in it .*.png'):
        load(folder(files))


def test_missing_folders_are_named_with_what_is_expected(folder, tmp_path):
    with pytest.raises(ValueError, match='image_folder needs data.dir'):
        load(None)
    with pytest.raises(FileNotFoundError, match=f'{tmp_path}/none: no such folder; it must hold train/<class>/ and'):
        load(f'{tmp_path}/none')
    with pytest.raises(FileNotFoundError, match='/set/val: no such folder; expected .*/set/val/<class>/<image>'):
        load(folder({'train/cat/1.png': 1}), split='val')


def test_a_split_without_class_folders_is_an_error(folder):
    reason = '/set: train/ has the name of a split but holds images, not class folders; exp'
    with pytest.raises(ValueError, match=reason):
        load(folder({'train/1.png': 1, 'train/.hidden/1.png': 1}))
    with pytest.raises(ValueError, match='/set/val: no class folders in it; expected .*<class>/<image>'):
        load(folder({'val/.hidden/1.png': 1, 'val/notes.txt': b'x', 'train/1/1.png': 1, 'train/1.png': 1}), 'val')


def test_progress_counts_the_files(folder):
    calls = []
    load(folder(FILES), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize('name, split, message', [
    ('imagenet', 'train', "data set 'imagenet': must be one of digits, fashion_mnist, image_folder, mindrecord"),
    ('digits', 'test', "split 'test': must be one of train, val")])
def test_unknown_names(name, split, message):
    with pytest.raises(ValueError, match=message):
        load_dataset(name, split)


def test_a_folder_in_two_classes_or_in_both_splits_is_said(tmp_path, capsys):
    for split, name, count in (('train', 'cat', 3), ('train', 'dog', 2), ('val', 'cat', 1), ('val', 'dog', 1)):
        (tmp_path / split / name).mkdir(parents=True)
        for i in range(count):
            Image.new('RGB', (8, 8), (i, 9, 9)).save(tmp_path / split / name / f'{split}{i}.png')
    data = DataConfig(name='image_folder', dir=str(tmp_path))

    def said():
        presets.splits(data)
        return [line for line in capsys.readouterr().err.splitlines() if 'by a link' in line]
    assert said() == []
    (tmp_path / 'train' / 'dog' / 'more').symlink_to(tmp_path / 'train' / 'cat')
    assert [f'{tmp_path}/train/cat is in the classes cat and dog' in line for line in said()] == [True]
    (tmp_path / 'train' / 'dog' / 'more').unlink()
    (tmp_path / 'val' / 'dog' / 'more').symlink_to('../../train/dog')
    assert [f'{tmp_path}/train/dog is in the training and in the validation images' in line
            for line in said()] == [True]
