"""Class balance, early stopping, chance level; a run's events, card and comparison."""
import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SMALL
from tinynets.arch import expand, measure, resolve
from tinynets.runtime import configure
from tinynets.tasks.classification import watch
from tinynets.tasks.classification.task import Classification
from tinynets.training import patience
from tinynets.training.card import model_card
from tinynets.training.loop import train
from tinynets.training.patience import patience_over
from tinynets.training.run import RunFolder


def test_class_balance():
    line = watch.class_balance(np.repeat([0, 1, 2], [10, 50, 20]), ('a', 'b', 'c'))
    assert line == ('images per class: 10 (a) to 50 (b), median 20; the largest has 5 times the smallest, whose '
                    'accuracy may suffer')
    assert watch.class_balance(np.repeat([0, 1], 1234), ('a', 'b')) == 'images per class: 1,234'
    assert 'times' not in watch.class_balance(np.repeat([0, 1], [10, 49]), ('a', 'b'))
    assert 'never learnt' in watch.class_balance(np.repeat([0, 1], [10, 10]), ('a', 'b', 'c'))


def test_chance_is_the_frequent_class_and_luck():
    labels = np.repeat([0, 1], [75, 25])
    assert watch.chance_level(labels) == pytest.approx(77)
    assert watch.chance_level(np.tile(labels, 1000)) == pytest.approx(75 + 200 * np.sqrt(0.75 * 0.25 / 100000))
    watch.check_chance(90, labels, 10, 3)
    watch.check_chance(50, labels, 2, 3)
    watch.check_chance(50, labels, 10, 0)
    watch.check_chance(50, labels, 33, 3, steps=99)  # three updates per epoch
    with pytest.raises(watch.AtChance, match='50.00 % after 3 epochs'):
        watch.check_chance(50, labels, 3, 3, steps=100)


@pytest.mark.parametrize('epoch, patience, over', [(9, 5, False), (10, 5, True), (99, 0, False)])
def test_patience(epoch, patience, over):
    assert patience_over({'epoch': 5}, epoch, patience) is over
    assert patience_over({'epoch': 5}, epoch, patience, steps=100) is over
    assert not patience_over({'epoch': 5}, epoch, patience, steps=99)
    assert not patience_over({}, epoch, patience)


def test_a_run_that_gets_no_better_ends_and_resumes_to_nothing(light_config, tmp_path, monkeypatch):
    configure('CPU')
    monkeypatch.setattr(patience, 'SETTLED', 1)
    config = light_config('train.epochs=9', 'train.patience=2', 'optim.learning_rate=1e-12', 'optim.schedule=constant',
                          'optim.warmup_start=1e-12', 'train.ema_decay=0', 'data.batch_size=1024')
    lines = []
    outcome = train(config, 'CPU', str(tmp_path / 'run'), say=lines.append)
    early = 'stopped early: no better top-1 for 2 epochs'
    assert lines.count(early) == 1
    last = RunFolder.open(str(tmp_path / 'run')).records()[-1]
    assert last['epoch'] == outcome.best['epoch'] + 2 < 9
    train(config, 'CPU', str(tmp_path / 'run'), resume=True, say=lines.append)
    assert RunFolder.open(str(tmp_path / 'run')).records()[-1] == last and lines.count(early) == 2


@pytest.fixture
def random_labels(tmp_path):
    """Noise in two indistinguishable classes, in class folders without train/ and val/."""
    rng = np.random.default_rng(0)
    for name, count in (('one', 30), ('two', 30)):
        (tmp_path / 'noise' / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / 'noise' / name / f'{i}.png')
    return tmp_path / 'noise'


def test_a_run_at_chance_stops_and_says_what_to_look_at(random_labels, light_config, tmp_path, monkeypatch):
    configure('CPU')
    monkeypatch.setattr(watch, 'SETTLED', 2)
    run = tmp_path / 'run'
    config = light_config('data.name=image_folder', f'data.dir={random_labels}', 'data.batch_size=48', 'train.epochs=9',
                          'train.chance_epochs=2', 'optim.learning_rate=1e-9', 'optim.warmup_start=0')
    with pytest.raises(watch.AtChance, match='after 2 epochs') as caught:
        train(config, 'CPU', str(run), say=lambda line: None)
    assert '\n' not in str(caught.value) and (run / 'last.ckpt').exists()


def test_a_folder_without_val_gives_some_of_its_images(random_labels, small_config):
    from tinynets.data import presets
    data = small_config('data.name=image_folder', f'data.dir={random_labels}', 'data.val_share=0.25').data
    parts = {split: presets.dataset(data, split) for split in ('train', 'val')}
    names = {split: {part.name(i) for i in range(len(part))} for split, part in parts.items()}
    assert len(names['train']) == 45 and len(names['val']) == 15 and not names['train'] & names['val']
    assert np.bincount(parts['val'].labels).tolist() in ([7, 8], [8, 7]) and parts['val'].class_names == ('one', 'two')
    again = presets.dataset(presets.whole_set(data), 'val')
    assert {again.name(i) for i in range(len(again))} == names['val']
    (random_labels / 'train').mkdir()
    for name in ('one', 'two'):
        shutil.move(random_labels / name, random_labels / 'train' / name)
    moved = presets.dataset(data, 'val')
    assert {moved.name(i).rsplit('/', 2)[-1] for i in range(len(moved))} == {n.rsplit('/', 2)[-1] for n in names['val']}


def test_an_undivided_folder_is_read_once_and_its_holdout_stays_apart(random_labels, small_config, capsys):
    from tinynets.data import presets
    (random_labels / 'one' / 'broken.png').write_bytes(b'')
    set_up = ['data.name=image_folder', f'data.dir={random_labels}']
    data = small_config(*set_up, 'data.val_share=0.25').data
    train_set, val_set = presets.splits(data)
    assert capsys.readouterr().err.count('left out: ') == 1
    for split, part in (('train', train_set), ('val', val_set)):
        alone = presets.dataset(data, split)
        assert [part.name(i) for i in range(len(part))] == [alone.name(i) for i in range(len(alone))]
    train_set, val_set = presets.splits(small_config(*set_up, 'data.holdout=5').data)
    again = presets.dataset(presets.whole_set(small_config(*set_up, 'data.holdout=5').data), 'val')
    assert [again.name(i) for i in range(len(again))] == [val_set.name(i) for i in range(5)]  # none was trained on
    with pytest.raises(ValueError, match='data.val_share=0.995 and data.images=None: the training set has 60'):
        presets.splits(small_config(*set_up, 'data.val_share=0.995').data)


def events_of(folder):
    """(tag, step) -> value, by the format's own framing: length, its check sum, the event, its check sum."""
    from tensorboardX.proto.event_pb2 import Event
    files, found = list(folder.glob('events.out.tfevents.*')), []
    assert len(files) == 1
    data, at = files[0].read_bytes(), 0
    while at < len(data):
        size = int.from_bytes(data[at:at + 8], 'little')
        event = Event.FromString(data[at + 12:at + 12 + size])
        found += [((value.tag, event.step), value.simple_value) for value in event.summary.value]
        at += size + 16
    assert len(dict(found)) == len(found)
    return dict(found)


def test_events_are_the_records(trained, tmp_path, small_config):
    records = RunFolder.open(str(trained)).records()
    wanted = {('train/loss', r['step']): r['loss'] for r in records if r['kind'] == 'train'}
    wanted |= {('val/top1', r['step']): r['top1'] for r in records if r['kind'] == 'eval'}
    found = events_of(trained / 'events')
    assert len(wanted) == 8 and all(found[key] == pytest.approx(value, rel=1e-6) for key, value in wanted.items())
    run = RunFolder.open(shutil.copytree(trained, tmp_path / 'run'))
    with run.locked():
        run.keep_records(44)  # like a run that resumes there
        run.record(kind='train', step=66, epoch=3, loss=7.0, learning_rate=0.1, images_per_s=1)
    steps = {step for _, step in events_of(run.path / 'events')}
    assert steps == {22, 44, 66} and events_of(run.path / 'events')['train/loss', 66] == 7


def test_the_card_is_of_the_best_checkpoint(trained):
    card, plan = (trained / 'best.md').read_text(), expand(resolve(SMALL, num_classes=10))
    best = max((r for r in RunFolder.open(str(trained)).records() if r['kind'] == 'eval'), key=lambda r: r['top1'])
    assert hashlib.sha256((trained / 'best.ckpt').read_bytes()).hexdigest() in card
    assert f"| top-1 | {best['top1']:.2f} % |" in card and f'| multiply-adds | {measure(plan).macs:,} |' in card
    assert '10: 0, 1, 2' in card and '"learning_rate": 0.01' in card and '1,437 training and 360 validation' in card


class OneClass(Classification):
    """Of a data set whose only class is called a."""

    @staticmethod
    def outputs():
        return 'classes', ['a']


def test_the_card_names_no_folder_of_the_machine(trained, small_config):
    config = small_config('data.dir=/home/somebody/flowers/', 'model.pretrained=/home/somebody/tinynet_e.ckpt')
    score = {'count': 1, 'top1': 1.0, 'top5': 1.0, 'loss': 1.0, 'epoch': 1, 'step': 1}
    card = model_card(str(trained / 'best.ckpt'), expand(resolve(SMALL)), config, score, OneClass, 1, 1, {})
    assert 'somebody' not in card and '"dir": "flowers"' in card and '"pretrained": "tinynet_e.ckpt"' in card
    assert config.data.dir == '/home/somebody/flowers'


@pytest.mark.parametrize('count, more', [(19, False), (20, False), (21, True)])
def test_the_card_says_where_there_are_more_classes(count, more, trained, small_config, monkeypatch):
    monkeypatch.setattr(OneClass, 'outputs', lambda: ('classes', [f'c{i}' for i in range(count)]))
    score = {'count': 1, 'top1': 1.0, 'top5': 1.0, 'loss': 1.0, 'epoch': 1, 'step': 1}
    card = model_card(str(trained / 'best.ckpt'), expand(resolve(SMALL)), small_config(), score, OneClass, 1, 1, {})
    names = ', '.join(f'c{i}' for i in range(min(count, 20)))
    assert f'| classes | {count}: {names}{", ..." if more else ""} |' in card


def test_runs_together(trained, tmp_path, entry):
    other = shutil.copytree(trained, tmp_path / 'other')
    text = (other / 'config.yaml').read_text()
    (other / 'config.yaml').write_text(text.replace('learning_rate: 0.01', 'learning_rate: 0.5'))
    done = entry('compare_runs.py', trained, other, '--out', tmp_path / 'c.png', '--json', tmp_path / 'c.json')
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / 'c.json').read_text())
    best = max(r['top1'] for r in RunFolder.open(str(trained)).records() if r['kind'] == 'eval')
    assert [row['run'] for row in rows] == ['run', 'other'] and {row['top1'] for row in rows} == {best}
    assert 'optim.learning_rate: 0.01 (run), 0.5 (other)' in done.stdout and f'{best:.2f}' in done.stdout
    assert (tmp_path / 'c.png').read_bytes().startswith(b'\x89PNG')
    for arguments, words in (((tmp_path / 'none',), 'no run there'), ((trained, trained), 'same run twice')):
        done = entry('compare_runs.py', *arguments, '--out', tmp_path / 'd.png')
        assert done.returncode == 2 and words in done.stderr and done.stderr.count('\n') == 1
        assert not (tmp_path / 'd.png').exists()


def test_hub_entry():
    import mindspore_hub_conf
    assert mindspore_hub_conf.create_network(SMALL, num_classes=7).plan.classifier.out_channels == 7
    with pytest.raises(ValueError, match='unknown model'):
        mindspore_hub_conf.create_network('tinynet_z')
