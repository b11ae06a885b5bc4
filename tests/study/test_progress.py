"""A study's estimated cost, progress and remaining time, computed by hand from its trials."""
import pathlib
import re
import time

import pytest

from tests.conftest import ROOT
from tinynets import native
from tinynets.arch import COSTS, expand, measure, resolve
from tinynets.formula.records import base_of, read
from tinynets.study.config import candidates, check_same, flat, load_study
from tinynets.study.export import columns, draw_rules, networks, write_tables
from tinynets.study.run import Pool, estimate, left, plan, run, seconds_of
from tinynets.study.show import networks_table, status
from tinynets.study.store import Store

CONFIG = str(ROOT / 'configs' / 'study' / 'digits.yaml')
NAMES = ['efficientnet_b0@resolution=16,d=0.1,w=0.1', 'efficientnet_b0@resolution=24,d=0.3,w=0.2']


@pytest.fixture
def planned():
    return plan(load_study(CONFIG, ['study.trials=0', f'study.networks={NAMES}'.replace("'", '"'), 'study.seeds=2',
                                    'train.epochs=5', 'train.eval_every=2', 'data.images=300', 'data.holdout=100']))


def test_a_trial_is_three_passes_over_what_it_trains_on_and_one_over_what_it_is_scored_on(planned):
    """Five epochs of 300 images, a backward pass as two forward ones; scored after the epochs 2, 4 and 5."""
    assert planned.images == 5 * 300 * 3 + 3 * 100 and (planned.train_images, planned.val_images) == (300, 100)


def test_rows_are_the_networks_counted_once_for_each_seed(planned):
    rows = planned.rows()
    assert [(row['name'], row['seed']) for row in rows] == [(name, seed) for name in NAMES for seed in (0, 1)]
    for row in rows:
        spec = resolve(row['name'], num_classes=10)
        counted = measure(expand(spec))
        assert (row['macs'], row['params'], row['peak_memory']) == (counted.macs, counted.params, counted.peak_memory)
        assert {name: row[name] for name in COSTS} == {name: cost.of(spec) for name, cost in COSTS.items()}
        assert (row['r'], row['d'], row['w'], row['resolution']) == (spec.resolution / 32, spec.d, spec.w,
                                                                     spec.resolution)
    total = sum(row['macs'] for row in rows) * planned.images
    assert estimate(planned).startswith(f'4 trials of 2 networks, 300 training and 100 validation images, 5 epochs: '
                                        f'{total / 1e12:,.3f} T')


def test_seeds_begin_at_the_trainings_own():
    planned = plan(load_study(CONFIG, ['study.trials=1', 'study.networks=[]', 'study.seeds=3', 'train.seed=7']))
    assert [row['seed'] for row in planned.rows()] == [7, 8, 9]


def test_drawn_networks_names_are_their_own_digits():
    study = load_study(CONFIG, ['study.trials=12', 'study.networks=[]']).study
    for candidate in candidates(study, 10):
        named = resolve(candidate.name, num_classes=10)
        assert (named.d, named.w) == (candidate.spec.d, candidate.spec.w)
        assert list(expand(named).blocks) == list(expand(candidate.spec).blocks)


def test_the_table_of_networks_has_the_counted_costs(planned):
    for line, name in zip(networks_table(planned).splitlines()[1:], NAMES):
        spec = resolve(name, num_classes=10)
        words = line.split()
        assert words[0] == name and float(words[1]) == pytest.approx(spec.r, abs=6e-4)
        assert words[2:] == [f'{spec.d:.3f}', f'{spec.w:.3f}', str(spec.resolution),
                             *(f'{cost.of(spec):,}' for cost in COSTS.values()), name]


def trial(number, macs, status='pending', seconds=None, started=None, **more):
    return {'id': number, 'macs': macs, 'status': status, 'seconds': seconds, 'started': started, **more}


TIMED = [trial(1, 1e6, 'done', 12.0), trial(2, 2e6, 'done', 14.0), trial(3, 4e6, 'done', 18.0)]  # 10 s + 2 s a million


def test_trials_to_come_take_what_the_finished_ones_say_but_no_less_than_half_the_shortest():
    seconds = seconds_of(TIMED, 1, 1)
    assert [seconds({'macs': m}) for m in (0, 3e6, 10e6)] == pytest.approx([10, 16, 30])
    steep = [trial(1, 1e6, 'done', 2.0), trial(2, 2e6, 'done', 30.0), trial(3, 3e6, 'done', 58.0)]
    assert [seconds_of(steep, 1, 1)({'macs': m}) for m in (0, 4e6)] == pytest.approx([1, 60])


def test_networks_of_nearly_one_cost_say_little_of_others():
    """Between a constant and a time in proportion to the multiply-adds, for any times."""
    for times in ((195, 128, 89), (89, 128, 195), (100, 300, 100)):
        alike = [trial(i, (5.1 + 0.1 * i) * 1e6, 'done', float(times[i])) for i in range(3)]
        mean = sum(times) / 3
        for cost in (2e6, 5.2e6, 10e6):
            ends = sorted((mean, mean * cost / 5.2e6))
            assert min(ends[0], min(times) / 2) - 1e-9 <= seconds_of(alike, 1, 1)({'macs': cost}) <= ends[1] + 1e-9


def test_what_is_left_is_shared_by_the_workers_and_lasts_as_long_as_the_longest(monkeypatch):
    monkeypatch.setattr(native, 'default_threads', lambda: 4)
    monkeypatch.setattr(time, 'time', lambda: 1000.0)
    waiting = [trial(4, 3e6), trial(5, 5e6), trial(6, 5e6, 'running', started=994.0)]
    assert left(TIMED + waiting, 1, 1) == pytest.approx(16 + 20 + 20)
    assert left(TIMED + waiting, 1, 2) == pytest.approx(56 / 2)
    assert left(TIMED + waiting, 1, 2, lambda number: number == 6) == pytest.approx((16 + 20 + 14) / 2)
    assert left(TIMED + [trial(4, 45e6), trial(5, 0)], 1, 4) == pytest.approx(100)
    assert left(TIMED, 1, 3) == 0
    # before any is timed: 12 s and 12 G multiply-adds a second and processor, of which each of two workers has two
    assert left([trial(1, 6e6)], 1e4, 2) == pytest.approx(12 + 6e6 * 1e4 / 24e9)


def test_the_state_of_a_study_names_the_best_first(tmp_path):
    store = Store(str(tmp_path / 's'))
    rows = [{'name': f'n{i}', 'label': 'drawn', 'seed': i, 'r': 0.5, 'd': 0.6, 'w': 0.7, 'resolution': 16,
             'macs': 1000 + i, 'params': 10 + i, 'peak_memory': 7} for i in range(9)]
    store.start({'study.retries': 0, 'study.workers': 2}, {'images': 1000, 'chance': 10.0}, rows, lambda *_: None)
    for top1 in (50.0, 90.0, 20.0, 70.0, 60.0, 80.0):
        with store.taken() as taken:
            store.finish(taken['id'], 3.0, top1=top1)
    with store.taken() as taken:
        store.finish(taken['id'], 3.0, top1=99.0, flag='chance', reason='')
    with store.taken() as taken:
        store.fail(taken['id'], 'a full disk', retries=0)
    with store.taken():
        pass  # its process is gone, so it waits
    found, text = status(str(tmp_path / 's'))
    assert [(t['id'], t['top1']) for t in found['best']] == [(2, 90.0), (6, 80.0), (4, 70.0), (5, 60.0), (1, 50.0)]
    assert (found['done'], found['failed'], found['flagged'], found['trials']) == (7, 1, 1, 9)
    assert (found['pending'], found['running'], found['alive']) == (0, 1, 0)
    assert {(t['id'], t['flag'], t['reason']) for t in found['problems']} == {(7, 'chance', ''), (8, '', 'a full disk')}
    assert text.startswith('7 of 9 trials done, 1 failed, 1 flagged, 0 running, 1 waiting')
    best = next(line for line in text.splitlines() if re.match(r'2 +n1 ', line))
    amounts = {'macs': '1,001', 'params': '11', 'peak_memory': '7'}
    assert best.split() == ['2', 'n1', '1', *(amounts.get(name, '-') for name in COSTS), '90.00']
    assert 'trial 8, n7: failed a full disk' in text.splitlines()


def test_a_line_of_progress_names_the_best_of_the_trials_that_count(tmp_path):
    store, said = Store(str(tmp_path / 'study')), []
    row = {'name': 'a', 'label': 'drawn', 'r': 0.5, 'd': 0.6, 'w': 0.7, 'resolution': 16, 'params': 1, 'peak_memory': 7}
    store.start({}, {'images': 1000.0}, [{**row, 'seed': seed, 'macs': (seed + 1) * 1_230_000} for seed in range(4)],
                lambda *_: None)
    store.finish(1, 1.0, top1=70.0)
    store.finish(2, 1.0, top1=99.0, flag='chance')
    store.fail(3, 'x', retries=0)
    pool = Pool(store, 1, said.append)
    pool._report(store.trials())
    assert re.fullmatch(r'3 of 4 trials, 1 failed, 1 flagged, best 70\.00 % at 1\.2M, \d.* left', said[0])
    pool._report(store.trials())  # nothing new so soon
    store.finish(4, 1.0, top1=71.0)
    pool._report(store.trials())
    assert said[1:] == ['4 of 4 trials, 1 failed, 1 flagged, best 71.00 % at 4.9M']


def test_a_study_of_grey_images_counts_networks_of_one_channel(tmp_path):
    """The stem has 3 x 3 x 2 x C weights fewer, used once for each of its outputs."""
    study = load_study(CONFIG, ['study.trials=2', f'study.networks=["{NAMES[0]}", "giant:1M"]', 'model.in_channels=1',
                                'study.seeds=1', 'data.images=300', 'data.holdout=100'])
    planned = plan(study)
    store = Store(str(tmp_path))
    store.start({}, planned.facts(), planned.rows(), lambda *_: None)
    store.finish(3, 1.0, top1=50.0)
    for row, line in zip(planned.rows(), networks_table(planned).splitlines()[1:], strict=True):
        grey, coloured = (measure(expand(resolve(row['name'], num_classes=10, in_channels=n))) for n in (1, 3))
        stem = expand(resolve(row['name'], num_classes=10)).stem
        assert coloured.params - row['params'] == 9 * 2 * stem.out_channels
        assert coloured.macs - row['macs'] == 9 * 2 * stem.out_channels * stem.out_size ** 2
        assert row['peak_memory'] == grey.peak_memory and f' {row["macs"]:,} ' in line
    write_tables((str(tmp_path / 'r.csv'), networks(store)[0], columns()))
    base, known = base_of(str(tmp_path / 'r.csv'))
    assert known and (base.in_channels, base.num_classes) == (1, 10)
    [record] = read(str(tmp_path / 'r.csv'), base).records
    assert record.costs['macs'] == planned.rows()[2]['macs']


def test_a_running_trial_does_not_wait(tmp_path):
    store = Store(str(tmp_path / 's'))
    row = {'name': 'n', 'label': 'drawn', 'r': 0.5, 'd': 0.6, 'w': 0.7, 'resolution': 16, 'macs': 9, 'params': 1,
           'peak_memory': 7}
    store.start({'study.workers': 1}, {'images': 1000}, [{**row, 'seed': seed} for seed in range(3)], lambda *_: None)
    with store.taken():
        text = status(str(tmp_path / 's'))[1]
    assert text.startswith('0 of 3 trials done, 0 failed, 0 flagged, 1 running, 2 waiting; ')
    assert '1 running' not in status(str(tmp_path / 's'))[1]


def test_rules_are_drawn_with_their_deviations(drawn, tmp_path):
    rows = [dict(zip(('label', 'macs', 'top1', 'top1_deviation'), row)) for row in (
        ('tiny:5M', 5e6, 70.0, 0.5), ('drawn, giant:4M', 4e6, 60.0, ''), ('drawn', 3e6, 50.0, 1.0),
        ('tiny:9M', 9e6, '', ''))]
    draw_rules(str(tmp_path / 'x.png'), rows, 'macs')
    tiny, giant = drawn[0].axes[0].containers
    for line, at, ends in ((tiny, (5e6, 70.0), (69.5, 70.5)), (giant, (4e6, 60.0), (60.0, 60.0))):
        assert list(zip(*line[0].get_data())) == [at] and [tuple(s[:, 1]) for s in line[2][0].get_segments()] == [ends]


def test_checkpoints_that_killed_processes_left_go_also_where_another_removes_them(planned, tmp_path, monkeypatch):
    store = Store(str(tmp_path))
    store.start(flat(planned.config), planned.facts(), planned.rows(), check_same)
    for number in range(1, 5):
        (store.trial_folder(number) / 'run').mkdir(parents=True)
        (store.trial_folder(number) / 'run' / 'last.ckpt').touch()
        if number < 4:
            store.finish(number, 1.0, top1=50.0)
        else:
            store.fail(number, 'x', retries=0)
    glob = pathlib.Path.glob
    monkeypatch.setattr(pathlib.Path, 'glob', lambda path, pattern: [*glob(path, pattern), path / 'run' / 'gone.ckpt'])
    said = []
    monkeypatch.setattr(Store, 'start', lambda *_: set())  # it would try the failed trial again
    found = run(planned, str(tmp_path), said.append)
    assert (found['done'], found['failed'], found['pending']) == (3, 1, 0) and said[1] == '0 of 4 trials are left'
    left_over = [(store.trial_folder(number) / 'run' / 'last.ckpt').exists() for number in range(1, 5)]
    assert left_over == [False, False, False, True]
