"""Which folders are splits or classes, which layouts are ambiguous, and which files are left out."""
import itertools
import os
import re

import pytest
from PIL import Image

from tinynets.data.classification import has_validation, load_dataset
from tinynets.data.layout import find_layout, kind_of


@pytest.fixture
def make(tmp_path):
    """make('train/cat/0.png', 'docs/') -> the folder, with an image at every path, a folder at those that end in /."""
    def build(*paths):
        for i, name in enumerate(paths):
            path = tmp_path / 'set' / name
            if name.endswith('/'):
                path.mkdir(parents=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == '.txt':
                path.write_text('x')
            else:
                Image.new('L', (4, 4), i).save(path, path.suffix[1:].replace('jpg', 'jpeg'))
        return str(tmp_path / 'set')
    return build


def load(folder, split='train', **options):
    lines = []
    data = load_dataset('image_folder', split, folder, report=lines.append, **options)
    return data, [line.replace(folder, '.') for line in lines]


def classes_of(*splits):
    return [f'{split}/{name}/{i}.png' for split in splits for name in ('cat', 'dog') for i in range(2)]


@pytest.mark.parametrize('name, kind', [
    *[(name, 'train') for name in ('train', 'Train', 'TRAIN', 'training', 'Training', 'training_set', 'train data')],
    *[(name, 'val') for name in ('val', 'Val', 'valid', 'VALID', 'validation', 'Validation', 'dev', 'val-images')],
    *[(name, 'test') for name in ('test', 'Test', 'testing', 'test_set')],
    *[(name, None) for name in ('trains', 'values', 'validated', 'pretrain', 'attest', 'cat', 'trainer', 'deval')]])
def test_names_of_splits(name, kind):
    assert kind_of(name) == kind


@pytest.mark.parametrize('train, val, line', [
    ('train', 'val', []), ('Train', 'Val', ['.: Train/ is taken as train/; Val/ is taken as val/']),
    ('training', 'validation', ['.: training/ is taken as train/; validation/ is taken as val/']),
    ('train', 'valid', ['.: valid/ is taken as val/']), ('TRAIN', 'val', ['.: TRAIN/ is taken as train/'])])
def test_usual_names_are_splits_and_what_is_not_as_documented_is_said(train, val, line, make):
    folder = make(*classes_of(train, val), f'{val}/cat/9.png')
    assert has_validation('image_folder', folder)
    for split, count in (('train', 4), ('val', 5)):
        data, lines = load(folder, split)
        assert data.class_names == ('cat', 'dog') and len(data) == count and lines == line
        assert {path.split(os.sep)[-3] for path in data.paths} == {{'train': train, 'val': val}[split]}


def test_a_test_folder_is_named_and_not_used(make):
    folder = make(*classes_of('Train', 'Test'))
    data, lines = load(folder)
    assert len(data) == 4 and lines == ['.: Train/ is taken as train/; not used: Test/']
    assert not has_validation('image_folder', folder)


def test_what_is_beside_both_splits_is_named_and_not_used(make):
    folder = make(*classes_of('train', 'val', 'extra'), 'docs/', 'notes/x.txt', '__MACOSX/train/cat/0.png', '.git/')
    assert load(folder)[1] == load(folder, 'val')[1] == ['.: not used: __MACOSX/, extra/']


@pytest.mark.parametrize('paths, message', [
    (classes_of('val', 'valid', 'train'), 'val/, valid/ are both names of the val split'),
    (classes_of('train', 'Train'), 'Train/, train/ are both names of the train split'),
    ([*classes_of('train'), 'cat/0.png', 'dog/0.png'], 'cat/, dog/ next to train/ may be classes or splits'),
    (classes_of('train', 'holdout'), 'holdout/ next to train/ may be a class or a split'),
    (classes_of('val', 'fold1'), 'fold1/ next to val/ may be a class or a split'),
    (['train/0.png', 'val/1.png'], 'train/ has the name of a split but holds images, not class folders'),
    ([*classes_of('train'), 'val/1.png'], 'val/ has the name of a split but holds images, not class folders'),
    ([*classes_of('test'), 'cat/0.png'], 'test/ may be a class, or the test split next to classes'),
    (['test/0.png', 'testing/1.png'], 'test/ may be a class, or the test split'),
    (classes_of('Test'), 'has Test/ but neither train/ nor val/'),
    (classes_of('fold1', 'fold2'), 'the classes may be fold1/, fold2/, or cat/, dog/ in fold1/'),
    (classes_of('images'), 'the classes may be images/, or cat/, dog/ in images/'),
    ([*classes_of('data/train', 'data/val'), 'other/0.png'], 'or train/, val/ in data/'),
    ([f'train/{name}' for name in classes_of('train')], 'train: the classes may be train/, or cat/, dog/ in train/'),
    (['cat/0.png', 'dog/0.png', *classes_of('more')], 'the classes may be cat/, dog/, more/, or cat/, dog/ in more/')])
def test_what_can_be_read_in_two_ways_is_refused(paths, message, make):
    folder = make(*paths)
    for check in (True, False):
        with pytest.raises(ValueError, match=message) as error:
            load(folder, check=check)
        said = str(error.value)
        assert '\n' not in said and ('expected' in said.lower() or 'rename' in said)


@pytest.mark.parametrize('names', [('train', 'plane'), ('Test', 'exam'), ('val', 'hill', 'train'), ('test', 'x')])
def test_a_class_may_be_called_like_a_split(names, make):
    folder = make(*(f'{name}/{i}.png' for name in names for i in range(2)))
    data, lines = load(folder)
    assert data.class_names == tuple(sorted(names)) and len(data) == 2 * len(names)
    assert len(lines) == 1 and 'images, so ' in lines[0] and not has_validation('image_folder', folder)


def test_classes_called_like_splits_inside_a_split(make):
    folder = make(*(f'{split}/{name}/0.png' for split in ('train', 'val') for name in ('train', 'val', 'test')))
    assert load(folder)[0].class_names == ('test', 'train', 'val') and load(folder)[1] == []


def test_folders_in_class_folders_are_fine_where_some_class_holds_images_and_where_classes_are_known(make):
    folder = make('train/cat/a/0.png', 'train/cat/b/1.png', 'train/dog/2.png')
    assert load(folder)[0].labels.tolist() == [0, 0, 1]
    nested = make('val/cat/a/0.png', 'val/dog/a/1.png')
    assert load(nested, 'val', class_names=['dog', 'cat'])[0].labels.tolist() == [1, 0]
    with pytest.raises(ValueError, match='the classes may be cat/, dog/, or a/ in cat/'):
        load(nested, 'val')


@pytest.mark.parametrize('junk', ['__MACOSX', '@eaDir', '$RECYCLE.BIN', 'lost+found', 'System Volume Information'])
@pytest.mark.parametrize('where', ['', 'train/', 'train/cat/'])
def test_folders_of_the_system_are_no_classes_and_are_named(where, junk, make):
    plain = make(*classes_of('train', 'val'), f'{where}{junk}/a/0.png')
    data, lines = load(plain)
    assert data.class_names == ('cat', 'dog') and len(data) == 4 and len(lines) == 1 and junk in lines[0]


def test_a_layout_is_read_without_looking_at_every_image(make, monkeypatch):
    folder = make(*(f'train/{i}/{j}.png' for i in range(20) for j in range(3)), 'val/0/0.png')
    looked, scandir = [], os.scandir
    monkeypatch.setattr(os, 'scandir', lambda path: looked.append(path) or scandir(path))
    assert find_layout(folder).val.endswith('val') and len(looked) <= 5


def test_a_packed_folder_may_have_no_val(tmp_path):
    (tmp_path / 'train').mkdir()
    assert not has_validation('mindrecord', str(tmp_path))
    (tmp_path / 'val').mkdir()
    assert has_validation('mindrecord', str(tmp_path)) and has_validation('digits', None)


def test_of_a_folder_that_is_not_there_the_kind_of_the_data_set_decides(tmp_path):
    """The error that names the folder is raised when its images are read."""
    for folder in (None, '', str(tmp_path / 'none')):
        assert not has_validation('image_folder', folder)
        assert has_validation('mindrecord', folder) and has_validation('fashion_mnist', folder)


# what is left out

def test_every_ending_that_pillow_reads_is_taken_and_the_others_are_counted(make):
    taken = [f'train/cat/x{i}{end}' for i, end in enumerate(
        ('.jfif', '.JPE', '.jp2', '.tga', '.ppm', '.apng', '.webp', '.ico', '.pcx', '.sgi', '.tif', '.avif'))]
    formats = {'.jfif': 'JPEG', '.jpe': 'JPEG', '.jp2': 'JPEG2000', '.apng': 'PNG', '.tif': 'TIFF'}
    folder = make('train/dog/0.png')
    for name in taken:
        path, end = os.path.join(folder, name), os.path.splitext(name)[1].lower()
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Image.new('RGB', (16, 16), (200, 10, 10)).save(path, formats.get(end, end[1:].upper()))
    for name in ('a.heic', 'b.heic', 'c.mp4', 'd.pdf', 'e.eps', 'f.mpg', 'g.h5', 'plain', 'Thumbs.db', '.hidden.jpg'):
        with open(os.path.join(folder, 'train', 'dog', name), 'wb') as file:
            file.write(b'x')
    data, lines = load(folder)
    assert sorted(os.path.basename(path) for path in data.paths) == sorted(
        ['0.png', *map(os.path.basename, taken)])
    assert len(lines) == 1 and '2 .heic' in lines[0] and '1 without an ending' in lines[0] and 'pillow-heif' in lines[0]
    assert all(f'1 {end}' in lines[0] for end in ('.mp4', '.pdf', '.eps', '.mpg', '.h5')) and '.db' not in lines[0]


@pytest.fixture
def few_folders(monkeypatch):
    """A search in a cycle of links fails at its hundredth folder instead of hanging."""
    count, scandir = itertools.count(), os.scandir

    def limited(path):
        assert next(count) < 100, f'{path}: walked in a circle'
        return scandir(path)
    monkeypatch.setattr(os, 'scandir', limited)


def test_links_to_folders_are_followed_once_and_never_in_circles(make, tmp_path, few_folders):
    folder = make('train/cat/0.png', 'train/cat/in/1.png', 'train/dog/2.png')
    far = tmp_path / 'far'
    (far / 'deeper').mkdir(parents=True)
    for name in ('8.png', 'deeper/9.png'):
        Image.new('L', (4, 4)).save(far / name)
    cat = os.path.join(folder, 'train', 'cat')
    for name, target in (('far', far), ('again', far), ('round', cat), ('up', folder), ('in2', f'{cat}/in')):
        os.symlink(target, os.path.join(cat, name))
    os.symlink('self', os.path.join(cat, 'self'))
    os.symlink(cat, far / 'deeper' / 'back')
    data, lines = load(folder)
    assert [path.split('/cat/')[-1] for path in data.paths if '/cat/' in path] == [
        '0.png', 'again/8.png', 'again/deeper/9.png', 'in/1.png']
    assert len(data) == 5 and any('taken already' in line and '(5 such links)' in line for line in lines)


def test_the_program_looks_at_the_same_endings(root):
    """The program must report images that it cannot decode, not ignore them."""
    from tinynets.data.images import endings
    source = (root / 'ascend310_infer' / 'src' / 'folder.cc').read_text().split('SUFFIXES = {')[1].split('}')[0]
    assert endings() <= set(re.findall(r'"(\.\w+)"', source))


@pytest.mark.parametrize('name', ['val', 'Train', 'test', 'training_set'])
@pytest.mark.parametrize('target', ['nowhere', None])
def test_a_split_that_is_a_link_to_nowhere_is_refused(name, target, make):
    folder = make(*classes_of('train' if name == 'val' else 'val'))
    os.symlink(target or name, os.path.join(folder, name))  # or to itself
    with pytest.raises(ValueError, match=f'{name} is a link that leads nowhere'):
        has_validation('image_folder', folder)


@pytest.mark.parametrize('target', ['nowhere', 'owl'])
def test_a_class_that_is_a_link_to_nowhere_is_named(target, make):
    folder = make(*classes_of('train', 'val'))
    for place in ('train', '.'):
        os.symlink(target, os.path.join(folder, place, 'owl'))
    data, lines = load(folder)
    assert data.class_names == ('cat', 'dog') and lines == [
        '.: links that lead nowhere: owl', './train: left out, 1 links that lead nowhere, the first: owl']


def test_images_beside_the_splits_are_counted(make):
    folder = make(*classes_of('train', 'val'), '0.png', '1.jpg', '2.txt', 'train/3.png')
    os.symlink('nowhere', os.path.join(folder, '4.png'))
    assert load(folder)[1] == ['.: not used, images outside of the splits: 3',
                               './train: left out, images outside of class folders: 1']


def test_a_closed_folder_beside_the_splits_is_named_and_not_needed(make, monkeypatch):
    folder = make('train/cat/0.png', 'train/dog/0.png', 'val/cat/0.png', 'private/')
    real = os.scandir

    def scandir(path):
        if os.path.basename(path) == 'private':
            raise PermissionError(13, 'Permission denied', path)
        return real(path)
    monkeypatch.setattr(os, 'scandir', scandir)
    layout = find_layout(str(folder))
    assert layout.split('train') == os.path.join(str(folder), 'train') and 'not used: private/' in layout.line
    os.rename(os.path.join(folder, 'val'), os.path.join(folder, '.val'))
    with pytest.raises(ValueError, match='private/ next to train/ may be a class or a split'):
        find_layout(str(folder))
