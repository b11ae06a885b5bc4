"""A packed set has the folder's content byte for byte; incomplete sets are refused."""
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tinynets.data.classification import load_dataset
from tinynets.data.images import ImageError
from tinynets.data.pipeline import TrainStream
from tinynets.data.transforms import TrainTransform

FILES = {'train/b/it\'s "2".jpg': 1, 'train/b/sub/é.png': 2, 'train/a c/10.jpg': 3, 'train/a c/9.jpg': 4,
         'train/b/broken.jpg': b'<html>', 'train/ä/x.jpg': 5, 'val/b/1.jpg': 6, 'val/a c/2.png': 7}


@pytest.fixture(scope='module')
def pack(root):
    """Run the command line."""
    def run(*arguments):
        return subprocess.run([sys.executable, str(root / 'scripts' / 'pack_dataset.py'), *map(str, arguments)],
                              capture_output=True, text=True, timeout=120)
    return run


@pytest.fixture(scope='module')
def sets(tmp_path_factory, pack):
    """(folder of class folders, packed folder, output of packing)."""
    base = tmp_path_factory.mktemp('sets')
    for name, content in FILES.items():
        path = base / 'set' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pixels = np.random.default_rng(content).integers(0, 256, (40 + content, 60, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
    said = pack('--data-dir', base / 'set', '--out', base / 'packed', '--shards', 3)
    assert said.returncode == 0, said.stderr
    return base / 'set', base / 'packed', said


@pytest.fixture
def copied(sets, tmp_path):
    """A copy of a packed set, to be damaged."""
    shutil.copytree(sets[1], tmp_path / 'packed')
    return tmp_path / 'packed'


def folder_set(sets, split='train'):
    return load_dataset('image_folder', split, str(sets[0]), report=lambda line: None)


def packed_set(place, split='train', **options):
    return load_dataset('mindrecord', split, str(place), **options)


@pytest.mark.parametrize('split', ['train', 'val'])
def test_bytes_labels_names_classes_and_order_are_the_folders(split, sets):
    there, here = folder_set(sets, split), packed_set(sets[1], split)
    assert here.class_names == there.class_names and len(here) == len(there) == {'train': 5, 'val': 2}[split]
    assert here.labels.tolist() == there.labels.tolist() and here.labels.dtype == np.int32
    for index, path in enumerate(there.paths):
        with open(path, 'rb') as file:
            assert here.encoded(index) == file.read()
        assert here.name(index) == str(sets[1] / split / os.path.relpath(path, sets[0] / split))
        assert here.image(index).tobytes() == there.image(index).tobytes()
        assert here.size(index) == there.size(index) == here.image(index).size


def test_a_training_stream_is_the_folders(sets):
    streams = [TrainStream(data, TrainTransform(16, (0, 0, 0), (1, 1, 1)), 2, seed=1, fast=fast)
               for fast in (True, False) for data in (folder_set(sets), packed_set(sets[1]))]
    for step in range(6):
        for mine, packed in (streams[:2], streams[2:]):
            assert all(np.array_equal(a, b) for a, b in zip(mine.batch(step), packed.batch(step)))


def test_what_cannot_be_decoded_is_named_and_left_out(sets):
    _, packed, said = sets
    assert said.stderr.splitlines() == [f"left out: {sets[0]}/train/b/broken.jpg: not an image that Pillow reads"]
    assert [line.split(',')[0] for line in said.stdout.splitlines()] == [
        f'{packed}/train: 5 images', f'{packed}/val: 2 images']


def test_mindspore_reads_the_same_rows(sets):
    from mindspore.mindrecord import FileReader
    here = packed_set(sets[1])
    rows = list(FileReader(str(sets[1] / 'train' / 'images.mindrecord0')).get_next())  # and of its sisters
    assert len(rows) == 5
    for row in rows:
        assert bytes(row['image']) == here.encoded(row['index']) and row['label'] == here.labels[row['index']]
        assert here.name(row['index']).endswith(row['name'])


def test_given_classes_fix_the_order(sets):
    own, here = packed_set(sets[1]), packed_set(sets[1], class_names=['b', 'z', 'ä', 'a c'])
    assert [here.class_names[label] for label in here.labels] == [own.class_names[label] for label in own.labels]
    with pytest.raises(ValueError, match="packed/train: class 'a c' is not one of the 2 known"):
        packed_set(sets[1], class_names=['b', 'ä'])


def test_a_packed_set_is_not_packed_again(sets, pack):
    before = (sets[1] / 'train' / 'pack.json').stat().st_mtime_ns
    again = pack('--data-dir', sets[0], '--out', sets[1], '--split', 'train')
    assert again.returncode == 0 and again.stdout == f'{sets[1]}/train: packed already; remove it to pack it again\n'
    assert (sets[1] / 'train' / 'pack.json').stat().st_mtime_ns == before


def test_shrunk_images(sets, tmp_path):
    from tinynets.data.packing import pack
    count, size = pack(str(sets[0] / 'val'), str(tmp_path / 'val'), 1, size=30, report=lambda line: None)
    small, large = packed_set(tmp_path, 'val'), folder_set(sets, 'val')
    assert count == 2 and [small.size(i) for i in range(2)] == [(38, 30), (39, 30)]  # of 60 x 47 and 60 x 46
    for index in range(2):
        want = np.asarray(large.image(index).resize(small.size(index), Image.BICUBIC).convert('L'), float)
        assert np.abs(np.asarray(small.image(index).convert('L')) - want).mean() < 5  # noise, at quality 92
        assert Image.open(io.BytesIO(small.encoded(index))).format == 'JPEG'


@pytest.mark.parametrize('shards, size', [(1, None), (3, None), (2, 500)])
def test_images_of_every_size_are_packed(shards, size, tmp_path):
    """From a hundred bytes to some megabytes, as they are or shrunk; noise, which JPEG makes no smaller."""
    from tinynets.data.packing import pack
    rng, files = np.random.default_rng(0), {}
    for i, side in enumerate((2, 60, 120, 500, 700, 1100)):
        path = tmp_path / 'set' / 'ab'[i % 2] / f'{i}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (side, side, 3)).astype(np.uint8)).save(path)
        files[f'{"ab"[i % 2]}/{i}.png'] = path.read_bytes()
    count, total = pack(str(tmp_path / 'set'), str(tmp_path / 'packed' / 'val'), shards, size, report=lambda line: None)
    packed = packed_set(tmp_path / 'packed', 'val')
    assert count == len(packed) == 6 and total < 30e6 * shards  # pages are not sized for a set a hundred times as large
    for index in range(6):
        name = os.path.relpath(packed.name(index), tmp_path / 'packed' / 'val')
        assert packed.labels[index] == 'ab'.index(name[0])
        if size is None or min(Image.open(io.BytesIO(files[name])).size) <= size:
            assert packed.encoded(index) == files[name]
        else:
            assert packed.size(index) == (size, size)


def cut(path, size):
    with open(path, 'r+b') as file:
        file.truncate(size)


SPOILT = {
    'a file cut short': (lambda p: cut(p / 'images.mindrecord1', 1000), 'images.mindrecord1: holds 1,000 bytes of '),
    'a file that goes on': (lambda p: cut(p / 'images.mindrecord1', (p / 'images.mindrecord1').stat().st_size + 1),
                            'images.mindrecord1: holds '),
    'a file missing': (lambda p: os.remove(p / 'images.mindrecord2'),
                       'images.mindrecord2: missing from the packed set'),
    'an index cut short': (lambda p: cut(p / 'images.mindrecord0.db', 5000),
                           'images.mindrecord0.db: holds 5,000 bytes'),
    'an index of the same size': (lambda p: (p / 'images.mindrecord0.db').write_bytes(
        b'x' * (p / 'images.mindrecord0.db').stat().st_size), 'images.mindrecord0: not a MindRecord file'),
    'a header of the same size': (lambda p: (p / 'images.mindrecord0').write_bytes(
        b'\xff' * (p / 'images.mindrecord0').stat().st_size), 'images.mindrecord0: not a MindRecord file'),
    'broken contents': (lambda p: cut(p / 'pack.json', 30), 'pack.json: not the contents of a packed set'),
    'other contents': (lambda p: (p / 'pack.json').write_text('[]'), 'pack.json: not the contents of a packed set'),
    'no contents': (lambda p: os.remove(p / 'pack.json'), 'pack.json: no such file; python scripts/pack_dataset.py'),
    'another count': (lambda p: (p / 'pack.json').write_text(json.dumps(
        {**json.loads((p / 'pack.json').read_text()), 'count': 6})), 'the index has 5 images, pack.json 6'),
}


@pytest.mark.parametrize('kind', SPOILT)
def test_what_is_not_whole_is_an_error_of_one_line(kind, copied):
    spoil, message = SPOILT[kind]
    spoil(copied / 'train')
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        packed_set(copied)
    assert message in str(error.value) and '\n' not in str(error.value)


def test_a_file_that_shrinks_meanwhile_is_an_image_error(copied):
    data = packed_set(copied)
    for index in range(3):
        cut(copied / 'train' / f'images.mindrecord{index}', 2 ** 24)
    with pytest.raises(ImageError, match='train/a c/10.jpg: the packed file has become shorter'):
        data.source(0)


def test_a_failure_leaves_nothing_and_leftovers_of_a_kill_do_no_harm(sets, tmp_path, monkeypatch):
    from tinynets.data import packing
    target = tmp_path / 'out' / 'train'
    with monkeypatch.context() as patch:
        patch.setattr(packing, 'write_json', lambda *_: (_ for _ in ()).throw(RuntimeError('disk full')))
        with pytest.raises(OSError, match='out/train: cannot be written .disk full.'):
            packing.pack(str(sets[0] / 'train'), str(target), 1, report=lambda line: None)
    assert os.listdir(tmp_path / 'out') == []
    (tmp_path / 'out' / '.tinynets-killed' / 'train').mkdir(parents=True)
    (tmp_path / 'out' / '.tinynets-killed' / 'train' / 'images.mindrecord7').write_bytes(b'half')
    (tmp_path / 'out' / '.train.packing').mkdir()  # of an earlier release
    (tmp_path / 'out' / '.train.packing' / 'images.mindrecord').write_bytes(b'half')
    packing.pack(str(sets[0] / 'train'), str(target), 1, report=lambda line: None)
    assert sorted(os.listdir(target)) == ['images.mindrecord', 'images.mindrecord.db', 'pack.json']
    assert os.listdir(tmp_path / 'out') == ['train'] and len(packed_set(tmp_path / 'out')) == 5
    with pytest.raises(FileExistsError, match='out/train: exists already'):
        packing.pack(str(sets[0] / 'train'), str(target))


def test_two_packings_at_a_time_do_no_harm_to_each_other(sets, tmp_path):
    """The second starts and ends while the first writes; the first then leaves the result as it is."""
    from tinynets.data import packing
    target, seen = tmp_path / 'out' / 'train', []

    def meanwhile(done, total):
        if done == 2:
            packing.pack(str(sets[0] / 'train'), str(target), 1, report=lambda line: None)
            seen.append({path.name: path.stat().st_mtime_ns for path in target.iterdir()})
        seen.append(len([name for name in os.listdir(tmp_path / 'out') if name.startswith('.')]))
    with pytest.raises(FileExistsError, match='out/train: another process made it in the meantime'):
        packing.pack(str(sets[0] / 'train'), str(target), 1, report=lambda line: None, progress=meanwhile)
    assert {path.name: path.stat().st_mtime_ns for path in target.iterdir()} == seen[1] and seen[-1] == 1
    assert os.listdir(tmp_path / 'out') == ['train'] and len(packed_set(tmp_path / 'out')) == 5


def test_the_hidden_folder_cannot_be_guessed_and_the_packed_one_can_be_read_as_others(sets, tmp_path):
    from tinynets.data.packing import pack
    names = []
    for place in 'ab':
        pack(str(sets[0] / 'val'), str(tmp_path / place / 'val'), 1, report=lambda line: None,
             progress=lambda done, total: names.append(os.listdir(tmp_path / place)[0]))
    (tmp_path / 'plain').mkdir()
    assert len(set(names)) == 2 and all(name.startswith('.tinynets-') for name in names)
    assert (tmp_path / 'a' / 'val').stat().st_mode == (tmp_path / 'plain').stat().st_mode


@pytest.mark.parametrize('out', ['', 'new/packed'])
def test_a_folder_is_not_packed_into_itself(out, pack, sets):
    """The packed splits would be taken for classes."""
    before = sorted(os.listdir(sets[0]))
    done = pack('--data-dir', sets[0], '--out', os.path.join(sets[0], out))
    assert (done.returncode, done.stderr.count('\n')) == (2, 1) and 'is in --data-dir' in done.stderr
    assert sorted(os.listdir(sets[0])) == before


@pytest.mark.parametrize('arguments, message', [
    (['--split', 'test'], '--split test: must be train, val or train,val'),
    (['--shards', '0'], '--shards 0: must be 1 to 1000'),
    (['--split', 'train'], 'no class folders in it; expected'),
    (['--split', 'train,val'], 'has no val/; leave --split')])
def test_mistakes_are_one_line(arguments, message, pack, tmp_path):
    (tmp_path / 'data').mkdir()
    done = pack('--data-dir', tmp_path / 'data', '--out', tmp_path / 'out', *arguments)
    assert done.returncode == 2 and done.stderr.startswith('error: ') and message in done.stderr
    assert done.stderr.count('\n') == 1 and not (tmp_path / 'out').exists()


def edited(change):
    def spoil(folder):
        contents = json.loads((folder / 'pack.json').read_text())
        change(contents)
        (folder / 'pack.json').write_text(json.dumps(contents))
    return spoil


def reindexed(statement):
    def spoil(folder):
        import sqlite3
        path = folder / 'images.mindrecord0.db'
        with sqlite3.connect(path) as index:
            index.execute(statement)
        index.close()
        edited(lambda c: c['files'].update({path.name: path.stat().st_size}))(folder)
    return spoil


HOSTILE = {
    **{f'count {count!r}': edited(lambda c, count=count: c.update(count=count))
       for count in (10 ** 18, -1, 0, 5.0, '5', True, None, float('inf'), float('nan'), [5], 4)},
    **{f'classes {names!r}': edited(lambda c, names=names: c.update(class_names=names))
       for names in ('abc', [], ['a'], [1, 2, 3], ['a', 'a', 'b'], None, {'a': 1})},
    **{f'file {name!r}': edited(lambda c, name=name: c['files'].update({name: 5}))
       for name in ('../outside', '/etc/hostname', 'a/b', '', '.', '..', 'none', 'a\0b')},
    **{f'size {size!r}': edited(lambda c, size=size: c['files'].update({'images.mindrecord0': size}))
       for size in (-1, '12', 1e400, True, None)},
    'files a list': edited(lambda c: c.update(files=['images.mindrecord0'])),
    'nested': lambda folder: (folder / 'pack.json').write_text('[' * 100_000),
    'bytes': lambda folder: (folder / 'pack.json').write_bytes(b'\xff\xfe{}'),
    **{f'index: {what}': reindexed(f'UPDATE INDEXES SET {what} WHERE INDEX_0 >= 0')
       for what in ('label_0 = 99', 'label_0 = -1', "label_0 = 'x'", 'label_0 = NULL', 'name_0 = NULL',
                    'PAGE_ID_BLOB = 1000000', 'PAGE_ID_BLOB = 9223372036854775807', 'PAGE_OFFSET_BLOB = -99999999999',
                    'PAGE_OFFSET_BLOB_END = 0', "PAGE_OFFSET_BLOB = 'x'", 'index_0 = 1', "name_0 = x'ff'")},
}


@pytest.mark.parametrize('kind', HOSTILE)
def test_hostile_contents_are_an_error_of_one_line(kind, copied):
    HOSTILE[kind](copied / 'train')
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        packed_set(copied)
    assert '\n' not in str(error.value) and len(str(error.value)) < 400 and 'pack' in str(error.value)


def test_a_folder_without_val_is_packed_as_train(pack, sets, tmp_path):
    shutil.copytree(sets[0] / 'train', tmp_path / 'set')
    done = pack('--data-dir', tmp_path / 'set', '--out', tmp_path / 'out')
    assert done.returncode == 0 and 'has no val/' in done.stdout, done.stderr
    assert os.listdir(tmp_path / 'out') == ['train']
    there, here = packed_set(sets[1]), packed_set(tmp_path / 'out')
    assert here.names == there.names and here.labels.tolist() == there.labels.tolist()


def test_splits_by_other_names_are_packed_under_the_usual_ones(pack, sets, tmp_path):
    shutil.copytree(sets[0] / 'train', tmp_path / 'set' / 'Training')
    shutil.copytree(sets[0] / 'val', tmp_path / 'set' / 'valid')
    done = pack('--data-dir', tmp_path / 'set', '--out', tmp_path / 'out', '--shards', 1)
    assert done.returncode == 0 and 'valid/ is taken as val/' in done.stdout, done.stderr
    assert [len(packed_set(tmp_path / 'out', split)) for split in ('train', 'val')] == [5, 2]


def change(path, statement, *values):
    with sqlite3.connect(path) as index:
        assert index.execute(statement, values).rowcount == 1


@pytest.mark.parametrize('what', ['label', 'name', 'class'])
def test_a_label_a_name_or_a_class_that_changed_is_seen(what, copied):
    """Each file is still valid, and the images decode."""
    index = next((copied / 'train').glob('*.db'))
    if what == 'label':
        change(index, 'UPDATE INDEXES SET label_0 = (label_0 + 1) % 3 WHERE rowid = 1')
    elif what == 'name':
        change(index, "UPDATE INDEXES SET name_0 = name_0 || '2' WHERE rowid = 1")
    else:
        contents = json.loads((copied / 'train' / 'pack.json').read_text())
        contents['class_names'][0] = 'c a'
        (copied / 'train' / 'pack.json').write_text(json.dumps(contents))
    with pytest.raises(ValueError, match='is damaged: classes, labels or names differ from the packed ones'):
        packed_set(copied)


def test_a_set_packed_by_an_earlier_release_is_read(copied, sets):
    contents = json.loads((copied / 'train' / 'pack.json').read_text())
    del contents['digest']
    (copied / 'train' / 'pack.json').write_text(json.dumps(contents))
    assert packed_set(copied).names == packed_set(sets[1]).names


@pytest.mark.parametrize('kilobytes, size, page', [(500, None, 2 ** 20), (700, None, 2 ** 21), (700, 400, 2 ** 22)])
def test_a_page_holds_the_largest_image_twice(kilobytes, size, page, tmp_path):
    """Shrunk to 400 px an image is taken as 4 x 400 x 400 x 3 bytes."""
    from tinynets.data import packing
    for name, length in (('a', kilobytes * 1000), ('b', 10)):
        (tmp_path / name).write_bytes(bytes(length))
    assert packing._page_size([str(tmp_path / name) for name in 'ab'], 1, size) == page


def test_a_pipe_among_the_images_is_left_out(pack, tmp_path):
    (tmp_path / 'set' / 'a').mkdir(parents=True)
    Image.new('RGB', (9, 9)).save(tmp_path / 'set' / 'a' / '0.png')
    os.mkfifo(tmp_path / 'set' / 'a' / 'pipe.png')
    said = pack('--data-dir', tmp_path / 'set', '--out', tmp_path / 'packed')
    assert said.returncode == 0 and 'pipe.png: is a folder, a pipe or a device' in said.stderr, said.stderr
    assert 'train: 1 image, ' in said.stdout + said.stderr
