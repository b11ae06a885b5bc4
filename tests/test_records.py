"""The benchmarks' records: tables checked by hand, every table under docs/ remade, sentences that quote them."""
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

PAGES = ('docs/lab/README.md', 'docs/lab/edge.md', 'docs/lab/performance.md', 'docs/edge.md', 'docs/quantize.md',
         'docs/performance.md', 'docs/input.md', 'docs/results.md')


@pytest.fixture(scope='module')
def benchmarks(root):
    """The modules of benchmarks/ by name."""
    sys.path.insert(0, str(root / 'benchmarks'))
    try:
        import photographs
        import study_tables
        import tables
        import turns
    finally:
        sys.path.pop(0)
    return {'tables': tables, 'turns': turns, 'photographs': photographs, 'studies': study_tables}


@pytest.fixture(scope='module')
def tables(benchmarks):
    return benchmarks['tables']


@pytest.fixture(scope='module')
def records(root, tables):
    return tables.read(*sorted((root / 'docs/lab').glob('*.jsonl')))


def cells(text):
    """A Markdown table's rows, without its head."""
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines()[2:]]


SETTING = {'CPU': 'Chip', 'family': 'model 3', 'cores': 2, 'python': '3.11', 'mindspore': 'not used', 'timm': '1.0'}


def record(benchmark, row, **found):
    return {'benchmark': benchmark, 'date': '2026-01-02', 'revision': 'abc', 'setting': SETTING, 'row': row, **found}


def test_what_networks_learn_is_by_epoch_and_by_the_checkpoint_on_the_test_images(tables):
    def of(network, benchmark, row, top1):
        setting = {**SETTING, 'data': 'fashion_mnist', 'network': network}
        return {**record(benchmark, row, top1=top1), 'setting': setting}
    records = [of('b', 'epochs', '1', 40.0), of('a', 'epochs', '1', 50.126), of('a', 'epochs', '2', 60.0),
               of('tinynet_e', 'epochs', '1', 1.0), of('a', 'compare_exports', 'best.ckpt', 55.0),
               of('a', 'compare_exports', 'a.onnx', 54.0), of('b', 'compare_exports', 'best.ckpt', 33.0)]
    assert cells(tables.learning(tables.other_bases(records))) == [
        ['`b`', '40.00', '33.00'], ['`a`', '50.13, 60.00', '55.00']]


def test_a_revision_is_marked_where_more_than_records_has_changed(benchmarks, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmarks['turns'], 'ROOT', tmp_path)
    files = [tmp_path / 'docs' / 'lab' / 'a.jsonl', tmp_path / 'docs' / 'x.md']
    files[0].parent.mkdir(parents=True)
    for command in ('init -q', 'add .', '-c user.name=a -c user.email=a@b commit -qm first'):
        for file in files:
            file.touch()
        subprocess.run(['git', '-C', str(tmp_path), *command.split()], check=True)
    marked = []
    for file in files:
        file.write_text('changed')
        marked.append(benchmarks['turns'].revision().endswith('+'))
    assert marked == [False, True]


def test_the_front_of_a_study_has_what_is_dearer_only_where_it_is_better(benchmarks):
    rows = [{'flag': flag, 'macs': str(macs), 'top1': str(top1), 'resolution': str(px), 'd': '0.5', 'w': '1'}
            for px, macs, top1, flag in ((1, 3_000_000, 70.0, ''), (2, 2_000_000, 70.0, ''), (3, 4_000_000, 69.0, ''),
                                         (4, 4_000_000, 71.5, ''), (5, 1_000_000, 99.0, 'chance'),
                                         (6, 2_000_000, 60.0, ''))]
    assert cells(benchmarks['studies'].front(rows, 8_000_000)) == [
        ['2 px, d 0.50, w 1.00', '2.00M', '0.250', '70.00'], ['4 px, d 0.50, w 1.00', '4.00M', '0.500', '71.50']]


def engine(ms, images_per_s):
    return {'ms': ms, 'images_per_s': images_per_s}


EDGE = record('edge_latency', 'net', macs=50_000_000, peak=100.0, others=0.031, layouts={
    '1,1,1': {'ours': engine([2.0, 2.0, 6.0], [500, 500, 166]),
              'onnxruntime': engine([4.0, 2.5, 8.0], [250, 400, 125]),
              'openvino': engine([4.5, 4.5, 4.5], [222, 222, 222]),
              'openvino_bf16': engine([1.0, 1.0, 1.0], [999, 999, 999])},
    '4,1,2': {'ours': engine([6.0, 6.0, 6.0], [1300, 1200, 1300]),
              'onnxruntime': engine([8.0, 8.0, 8.0], [900, 600, 1000]),
              'openvino': engine([8.0, 8.0, 8.0], [800, 900, 950]),
              'openvino_bf16': engine([8.0, 8.0, 8.0], [990, 990, 990])}},
    call={'onnxruntime_call': engine([0.5, 0.4, 0.6], [1, 1, 1]), 'openvino_call': engine([0.1, 0.1, 0.1], [1, 1, 1])})


def test_the_edge_tables_by_hand(tables):
    # rounds' ratios 2/4, 2/2.5, 6/8: the median is 0.75; less the call of 0.5 ms 2/3.5, 2/2, 6/7.5: 0.8.
    # 2 * 50e6 operations in 2 ms are 50 GFLOP/s, half the peak
    assert cells(tables.edge_latency([EDGE])) == [
        ['net', '1', '1', '2.00', '4.00', '4.50', '1.00', 'ONNX Runtime', '**0.75**', '0.80', '50 %']]
    # the peer's best layout by its median, 900 both: the first; 1300/900, 1200/600, 1300/1000: 1.44
    assert cells(tables.edge_throughput([EDGE])) == [
        ['net', '1300 (4·1·2)', '900 (4·1·2)', '900 (4·1·2)', '999 (1·1·1)', 'ONNX Runtime', '**1.44**']]
    assert cells(tables.edge_calls([EDGE])) == [['net', '0.500', '0.100']]
    assert tables.others([EDGE, {**EDGE, 'others': 0.009}]) == '3 %'


def test_the_files_table_by_hand(tables):
    def part(ms, parts, rate):
        return {'ms': ms, 'parts': parts, 'images_per_s': rate}
    one = {'ours': part([2.0, 4.0], [[1, 0.2, 0.8], [3, 0.2, 0.8]], [500, 250]),
           'pillow': part([6.0, 8.0], [[2, 3, 1], [4, 3, 1]], [160, 125])}
    many = {'ours': part([2.0, 4.0], [[1, 0.2, 0.8]] * 2, [900, 600]),
            'pillow': part([6.0, 8.0], [[2, 3, 1]] * 2, [300, 300])}
    found = record('edge_latency', 'net,files', macs=1, peak=1.0, others=0.0, layouts={'1,1,1': one, '1,1,2': many})
    assert cells(tables.edge_files([found, EDGE])) == [
        ['net', 'this package', '2.00', '0.20', '0.80', '3.00', '750', '1.00, 1.00'],
        ['net', 'Pillow', '3.00', '3.00', '1.00', '7.00', '300', '2.50, 2.50']]
    assert len(cells(tables.edge_latency([found, EDGE]))) == 1


def test_the_step_and_input_tables_by_hand(tables):
    step = record('training_step', 'net,64,8', others=0.07, variants={
        'ours': {'seconds': [0.01, 0.02, 0.01]}, 'ours_stock': {'seconds': [0.001] * 3},
        'torch_eager': {'seconds': [0.04, 0.04, 0.04]}, 'torch_compiled': {'seconds': [0.02, 0.06, 0.02]},
        'torch_channels_last': {'failed': 'no | memory'}})
    assert cells(tables.summary([step], tables.step_rates, '')) == [
        ['net, 64, 8', '800', '400, PyTorch, compiled', '**2.00**', '7 % (too much)']]
    found = cells(tables.variants([step], tables.step_rates, ''))
    assert found[2] == ['net, 64, 8', 'PyTorch, eager', '200', '200, 200', '4.00']
    assert found[3] == ['net, 64, 8', 'PyTorch, compiled', '400', '133, 400', '2.00']
    assert found[4][:3] == ['net, 64, 8', 'PyTorch, channels last', 'failed: no / memory']
    rates = record('input_pipeline', '224,1', others=0.0, variants={'ours': [900, 1000], 'ours_whole': [2000, 2000],
                                                                      'timm': [450, 250], 'torchvision': [200, 200]})
    assert cells(tables.summary([rates], tables.input_rates, '')) == [['224, 1', '950', '350, timm', '**3.00**', '0 %']]
    sets = record('cpu_instruction_set', 'net,64,8', variants={'DEFAULT': [0.4, 0.8], 'AVX2': [0.1, 0.4]})
    assert cells(tables.instruction_sets([sets])) == [['net, 64, 8', 'DEFAULT', '600', '13', '1.00'],
                                                      ['net, 64, 8', 'AVX2', '250', '32', '3.00']]


def test_a_row_measured_again_counts_once(tables, tmp_path):
    (tmp_path / 'a.jsonl').write_text('\n'.join(json.dumps(record('b', 'row', value=i)) for i in (1, 2)))
    (tmp_path / 'b.jsonl').write_text('\n'.join(json.dumps(r) for r in (
        record('b', 'other', value=3), {**record('b', 'row', value=4), 'setting': {**SETTING, 'mode': 'x'}})))
    assert [r['value'] for r in tables.read(tmp_path / 'a.jsonl', tmp_path / 'b.jsonl')] == [2, 3, 4]
    assert tables.machine([record('b', 'r')] * 2) == (
        'Chip (model 3), 2 cores; Python 3.11, timm 1.0; 2026-01-02, revision abc.')


def test_benchmarks_write_records_and_find_them(benchmarks, tmp_path):
    turns, path = benchmarks['turns'], tmp_path / 'r.jsonl'
    made = turns.record(str(path), 'b', SETTING, 'row', {'seconds': [1.23456789, 2], 'of': {'x': (0.1234567,)}})
    turns.record(str(path), 'b', {**SETTING, 'cores': 3}, 'row', {})
    assert made['seconds'] == [1.2346, 2] and made['of'] == {'x': [0.12346]}
    assert re.fullmatch(r'[0-9a-f]{12}\+?', made['revision']) and re.fullmatch(r'\d{4}-\d\d-\d\d', made['date'])
    assert turns.records(str(path), 'b', SETTING) == [made] and turns.records(str(path), 'c', SETTING) == []
    path.write_text('no record\n')
    with pytest.raises(ValueError, match='r.jsonl: is not a file of the benchmarks'):
        turns.records(str(path), 'b', SETTING)


def test_disturbed_rounds_are_made_again(benchmarks, monkeypatch):
    turns = benchmarks['turns']

    def measured(shares, rounds, extra=1):
        left, count = iter(shares), iter(range(99))

        class Others:
            def __init__(self, ours):
                pass

            def share(self):
                return next(left)
        monkeypatch.setattr(turns, 'Others', Others)
        monkeypatch.setattr(turns, 'idle', lambda: True)
        return turns.undisturbed(rounds, None, lambda: next(count), extra)
    assert measured([0.01, 0.02, 0.0], 3) == ([0, 1, 2], 0.02)
    assert measured([0.01, 0.5, 0.02, 0.3, 0.0], 3) == ([0, 2, 4], 0.02)
    assert measured([0.5, 0.2, 0.01, 0.3], 2, 1) == ([1, 2], 0.2)  # no more than twice as many


def test_views_are_different_images_of_the_photographs(benchmarks, tmp_path):
    import numpy as np
    from PIL import Image
    photographs = benchmarks['photographs']
    rng = np.random.default_rng(0)
    (tmp_path / 'photographs').mkdir()
    for i, size in enumerate(((1600, 1200), (1100, 1700))):
        pixels = np.zeros((*size[::-1], 3), np.uint8)
        pixels[..., i] = 200  # the first is red, the second green
        pixels[..., 2] = rng.integers(0, 40, size[::-1])
        Image.fromarray(pixels).save(tmp_path / 'photographs' / f'{i}.jpg', quality=95)
    photographs.views(tmp_path / 'views', 6, str(tmp_path / 'photographs'))
    files = sorted((tmp_path / 'views').iterdir())
    images = [np.asarray(Image.open(file)).astype(int) for file in files]
    assert [file.name for file in files] == [f'{i:04}.jpg' for i in range(6)]
    assert len({file.read_bytes() for file in files}) == 6
    assert all(image.shape == (375, 500, 3) for image in images)
    assert [int(image.mean((0, 1)).argmax()) for image in images] == [0, 1, 0, 1, 0, 1]
    with pytest.raises(FileNotFoundError, match='get_photographs.sh'):
        photographs.originals(str(tmp_path))
    assert {path.stat().st_nlink for path in files} == {1}


def test_the_photographs_come_out_of_a_package_given(root, tmp_path):
    tree = tmp_path / 'tree'
    names = ('Bridge_by_A.jpg', 'umang_by_B.jpg', 'analogpattern_by_C.jpg')
    (tree / 'usr/share/backgrounds').mkdir(parents=True)
    (tree / 'usr/share/doc/lomiri-wallpapers-16.04').mkdir(parents=True)
    (tree / 'DEBIAN').mkdir()
    (tree / 'DEBIAN/control').write_text('Package: lomiri-wallpapers-16.04\nVersion: 1\nArchitecture: all\n'
                                         'Maintainer: x <x@example.org>\nDescription: x\n')
    for name in names:
        (tree / 'usr/share/backgrounds' / name).write_bytes(b'x')
    (tree / 'usr/share/doc/lomiri-wallpapers-16.04/copyright').write_text('CC0')
    subprocess.run(['dpkg-deb', '--root-owner-group', '-b', tree, tmp_path / 'a.deb'], check=True, capture_output=True)
    done = subprocess.run(['bash', root / 'scripts/get_photographs.sh', tmp_path / 'out'], capture_output=True,
                          text=True, env={**os.environ, 'DEB': str(tmp_path / 'a.deb')})
    assert done.returncode == 0 and '1 photographs are in' in done.stdout, done.stderr
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['Bridge_by_A.jpg', 'copyright']


@pytest.mark.parametrize('page', PAGES)
def test_every_table_of_a_page_is_that_of_the_records(root, tables, records, page):
    text = (root / page).read_text()
    assert tables.PLACE.search(text) and tables.filled(text, tables.pieces(records)) == text


@pytest.mark.parametrize('page', ['README.md', 'ghostnet.md', 'resnet50.md'])
def test_every_table_of_a_study_is_that_of_its_trainings(root, tables, benchmarks, page):
    text = (root / 'docs/studies' / page).read_text()
    assert tables.PLACE.search(text) and tables.filled(text, benchmarks['studies'].pieces()) == text


def test_the_means_of_a_study_s_rules_are_those_of_its_trainings(root, benchmarks):
    read = benchmarks['studies'].read
    paths = list((root / 'docs/studies').glob('*/rules.seeds.csv'))
    assert paths
    for path in paths:
        networks = read(path.with_name('rules.csv'))
        for network in networks:
            scores = [float(row['top1']) for row in read(path) if row['name'] == network['name']]
            assert len(scores) == int(network['seeds']) > 1
            assert float(network['top1']) == pytest.approx(sum(scores) / len(scores), abs=1e-9)
        assert networks


def test_the_tables_of_rules_by_hand(benchmarks):
    def training(label, seed, top1, macs=1_000_000, flag=''):
        return dict(label=label, seed=str(seed), top1=str(top1), macs=str(macs), flag=flag, resolution='32', d='0.5',
                    w='0.755')
    rows = [training('tiny:1M, width:1M', 0, 80.0), training('tiny:1M, width:1M', 1, 84.0),
            training('giant:1M', 1, 85.0, 800_000), training('giant:1M', 0, 82.0, 800_000),
            training('giant:1M', 2, 10.0, 800_000, 'diverged'), training('tiny:2M', 0, 90.0),
            training('tiny:2M', 1, 91.0)]
    found = cells(benchmarks['studies'].rules(rows))
    assert found[:3] == [['1M', 'tiny, refitted', '32 px, d 0.50, w 0.76', '1.00M', '82.00 ± 2.83', '80.00, 84.00'],
                         ['1M', 'inverse giant', '32 px, d 0.50, w 0.76', '0.80M', '**83.50 ± 2.12**', '85.00, 82.00'],
                         ['1M', 'resolution alone', 'not possible', '', '', '']]
    assert [row[1] for row in found if row[0] == '2M' and row[2] != 'not possible'] == ['tiny, refitted']
    assert cells(benchmarks['studies'].differences(rows)) == [
        ['1M', 'inverse giant', '-1.50', '-2.00, -1.00', '+25.0 %'],
        ['1M', 'width alone', '+0.00', '+0.00, +0.00', '+0.0 %']]


def test_the_tables_of_a_front_and_of_curves_by_hand(benchmarks):
    def network(macs, top1, flag=''):
        return dict(resolution='32', d='0.5', w='0.25', macs=str(macs), top1=str(top1), flag=flag)
    rows = [network(3_000_000, 70), network(1_000_000, 60), network(2_000_000, 59), network(2_500_000, 99, 'diverged'),
            network(3_000_000, 71)]
    assert [row[1:] for row in cells(benchmarks['studies'].front(rows, 4_000_000))] == [
        ['1.00M', '0.250', '60.00'], ['3.00M', '0.750', '71.00']]

    class Curve:
        def predict(self, c):
            return SimpleNamespace(r=2 * c, d=c, r_interval=(c, 3 * c), d_interval=(0.0, 9.0))
    found = benchmarks['studies'].curves({'A': Curve(), 'B': Curve()})
    assert found.splitlines()[0] == '| c | r, A | r, B | d, A | d, B |'
    assert cells(found)[1] == ['0.3', '0.60 (0.30 to 0.90)', '0.60', '0.30 (0.00 to 9.00)', '0.30']


def test_every_record_is_whole_and_on_a_page(root, tables, records):
    for path in (root / 'docs/lab').glob('*.jsonl'):
        for line in path.read_text().splitlines():
            found = json.loads(line)
            assert re.fullmatch(r'2\d{3}-\d\d-\d\d', found['date']), path
            assert re.fullmatch(r'[0-9a-f]{12}\+?', found['revision']), path
            assert found['setting']['CPU'] and found['setting']['cores'] and found['row']
            assert not re.search(r'"/(root|home|tmp|work)', line)
        assert path.stat().st_size < 200_000
    pages = ''.join((root / page).read_text() for page in PAGES)
    missing = [name for name, text in tables.pieces(records).items() if f'\n{text}\n' not in pages]
    assert not missing


def test_sentences_in_short_are_those_of_the_records(root, tables, records):
    text, readme = (' '.join((root / page).read_text().split()) for page in ('docs/results.md', 'README.md'))
    edge = [r for r in tables.of(records, 'edge_latency') if not r['row'].endswith('files')]
    found = tables.edge_spans(edge)
    others = {'mobilenetv3_small_100': 'MobileNetV3-Small', 'ghostnet_100': 'GhostNet'}
    assert {row for row in found if row in {r['row'] for r in edge}} == set(others)
    assert f"{found['one thread']} times" in text and f"({found['less the call']} without" in text
    assert f"{found['one thread']} times" in readme
    for row, title in others.items():
        assert f'{title} {found[row]}' in text
    files = tables.edge_files_spans([r for r in tables.of(records, 'edge_latency') if r['row'].endswith('files')])
    assert f"{files['pillow']} times as fast as with Pillow and ONNX Runtime" in text
    training = tables.speeds(tables.of(records, 'training_step', mode='training'), tables.step_rates)
    assert f'{training} times' in text and f'{training} times' in readme
    inputs = tables.speeds(tables.of(records, 'input_pipeline'), tables.input_rates)
    assert f'{inputs} times as fast as' in text
