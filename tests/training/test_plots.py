"""Pictures and cards, read back from the saved figures and the written text."""
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from tinynets.arch import expand, measure, resolve
from tinynets.config import load_config
from tinynets.tasks.classification.task import Classification
from tinynets.training.card import model_card
from tinynets.training.plots import confusion_matrix, predictions, runs_together, training_curve

NAMES = ('ant', 'bee', 'cow')
TOP1 = Classification.metric
RECORDS = [{'kind': 'train', 'step': 5, 'epoch': 0.5, 'loss': 2.0, 'learning_rate': 0.1, 'images_per_s': 70},
           {'kind': 'train', 'step': 10, 'epoch': 1, 'loss': 1.5, 'learning_rate': 0.2, 'images_per_s': 80},
           {'kind': 'eval', 'step': 10, 'epoch': 1, 'top1': 62.5, 'top5': 90.0, 'loss': 1.25},
           {'kind': 'train', 'step': 20, 'epoch': 2, 'loss': 1.0, 'learning_rate': 0.05, 'images_per_s': 75},
           {'kind': 'eval', 'step': 20, 'epoch': 2, 'top1': 87.5, 'top5': 95.0, 'loss': 0.75},
           {'kind': 'eval', 'step': 30, 'epoch': 3, 'top1': 75.0, 'top5': 97.5, 'loss': 0.5}]


class Animals(Classification):
    """A task with a data set of three classes."""

    @staticmethod
    def outputs():
        return 'classes', NAMES


def lines(axis):
    """(x, y) of every line of an axis."""
    return [tuple(map(list, line.get_data())) for line in axis.lines]


def test_the_curve_draws_every_record(drawn, tmp_path):
    training_curve(RECORDS, TOP1, title='a title', path=str(tmp_path / 'c.png'))
    loss, accuracy, speed, rate = drawn[0].axes
    assert lines(loss) == [([0.5, 1, 2], [2.0, 1.5, 1.0])] and lines(rate) == [([0.5, 1, 2], [0.1, 0.2, 0.05])]
    assert lines(accuracy) == [([1, 2, 3], [62.5, 87.5, 75.0])] and lines(speed) == [([0.5, 1, 2], [70, 80, 75])]
    assert accuracy.get_title() == 'best 87.50 % at epoch 2' and loss.get_title() == 'a title'
    assert (loss.get_ylabel(), accuracy.get_ylabel(), rate.get_ylabel()) == ('training loss', 'top-1, %',
                                                                             'learning rate')
    assert Image.open(tmp_path / 'c.png').format == 'PNG'


def test_runs_are_drawn_under_their_names(drawn, tmp_path):
    other = [{**r, 'loss': r['loss'] + 1} for r in RECORDS]
    runs_together({'one': RECORDS, 'two': other}, TOP1, path=str(tmp_path / 'r.png'))
    panels = {axis.get_ylabel(): axis for axis in drawn[0].axes}
    assert lines(panels['top-1, %']) == 2 * [([1, 2, 3], [62.5, 87.5, 75.0])]
    assert lines(panels['validation loss']) == [([1, 2, 3], [1.25, 0.75, 0.5]), ([1, 2, 3], [2.25, 1.75, 1.5])]
    assert lines(panels['training loss'])[1] == ([0.5, 1, 2], [3.0, 2.5, 2.0])
    assert lines(panels['learning rate'])[0] == ([0.5, 1, 2], [0.1, 0.2, 0.05])
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ['one', 'two']
    assert [line.get_label() for line in panels['training loss'].lines] == ['one', 'two']


def test_the_matrix_is_in_percent_of_the_true_class(drawn, tmp_path):
    """Rows are true classes: of four ants one was called a bee and three a cow."""
    confusion_matrix(np.array([[0, 1, 3], [0, 5, 0], [0, 0, 0]]), NAMES, title='title', path=str(tmp_path / 'm.png'))
    axis = drawn[0].axes[0]
    np.testing.assert_allclose(axis.images[0].get_array(), [[0, 25, 75], [0, 100, 0], [0, 0, 0]])
    assert {(text.get_position(), text.get_text()) for text in axis.texts} == {((1, 0), '25'), ((2, 0), '75'),
                                                                               ((1, 1), '100')}
    dark = {text.get_text(): text.get_color() for text in axis.texts}
    assert dark == {'25': 'black', '75': 'white', '100': 'white'}  # on white to dark blue
    assert (axis.get_xlabel(), axis.get_ylabel()) == ('predicted', 'true')
    for ticks in (axis.get_xticklabels(), axis.get_yticklabels()):
        assert [tick.get_text() for tick in ticks] == list(NAMES)


@pytest.mark.parametrize('classes, numbers, names', [(20, True, True), (21, False, True), (50, False, True),
                                                     (51, False, False)])
def test_numbers_are_written_up_to_20_classes_and_names_up_to_50(classes, numbers, names, drawn, tmp_path):
    labels = [f'class {i}' for i in range(classes)]
    confusion_matrix(np.eye(classes, dtype=int), labels, title='', path=str(tmp_path / 'm.png'))
    axis = drawn[0].axes[0]
    assert len(axis.texts) == classes * numbers
    assert ([tick.get_text() for tick in axis.get_xticklabels()] == labels) is names
    assert axis.images[0].get_clim() == (0, 100)
    side = min(12, 2.5 + 0.45 * classes)
    assert Image.open(tmp_path / 'm.png').size == (int(120 * (side + 1)), int(120 * side))


def test_a_half_is_written_in_black_and_the_colours_are_percent(drawn, tmp_path):
    confusion_matrix(np.array([[1, 1], [49, 51]]), NAMES[:2], title='', path=str(tmp_path / 'm.png'))
    found = [(text.get_text(), text.get_color()) for text in drawn[0].axes[0].texts]
    assert found == [('50', 'black'), ('50', 'black'), ('49', 'black'), ('51', 'white')]


def test_at_most_eight_predictions_stand_in_a_row_of_equal_ones(drawn, tmp_path):
    for count, shape in ((1, (1, 1)), (5, (1, 5)), (8, (1, 8)), (9, (2, 5)), (17, (3, 6)), (64, (8, 8))):
        predictions([Image.new('RGB', (2, 2))] * count, [''] * count, [None] * count, path=str(tmp_path / 'p.png'))
        assert drawn[-1].axes[0].get_gridspec().get_geometry() == shape
        assert sum(bool(axis.images) for axis in drawn[-1].axes) == count
        assert not any(axis.axison for axis in drawn[-1].axes)


def test_few_scores_are_marked_and_many_are_not(drawn, tmp_path):
    for count, marker in ((29, 'o'), (30, 'None')):
        scores = [{'kind': 'eval', 'step': i, 'epoch': i, 'top1': 1.0, 'loss': 1.0} for i in range(count)]
        runs_together({'a': scores}, TOP1, path=str(tmp_path / 'r.png'))
        assert drawn[-1].axes[0].lines[0].get_marker() == marker


def test_predictions_are_green_where_right_and_red_where_wrong(drawn, tmp_path):
    images = [Image.new('RGB', (4, 4), (shade, 0, 0)) for shade in (10, 20, 30)]
    predictions(images, ['a', 'b', 'c'], [True, False, None], columns=2, path=str(tmp_path / 'p.png'))
    found = [(int(axis.images[0].get_array()[0, 0, 0]), axis.get_title(), to_hex(axis.title.get_color()))
             for axis in drawn[0].axes if axis.images]
    assert [row[:2] for row in found] == [(10, 'a'), (20, 'b'), (30, 'c')]
    (right, wrong, unknown) = (tuple(int(row[2][i:i + 2], 16) for i in (1, 3, 5)) for row in found)
    assert right[1] == max(right) > right[0] and wrong[0] == max(wrong) > wrong[1] and unknown == (0, 0, 0)
    assert len(drawn[0].axes) == 4  # two rows of two


def test_every_row_of_a_card_is_its_own_number(tmp_path):
    """All numbers differ, so that none can be in another's place."""
    (tmp_path / 'best.ckpt').write_bytes(b'x' * 1234)
    config = load_config(None, ['train.epochs=9', 'train.ema_decay=0.5', 'model.name=tinynet_d',
                                'data.name=fashion_mnist'])
    plan = expand(resolve('tinynet_d', num_classes=3))
    score = {'count': 4321, 'top1': 71.25, 'top5': 93.5, 'loss': 0.6875, 'epoch': 7, 'step': 3500}
    card = model_card(str(tmp_path / 'best.ckpt'), plan, config, score, Animals, 56789, 4500,
                      {'mindspore': '2.x', 'numpy': '1.y'})
    rows = dict(line.strip('| ').split(' | ', 1)
                for line in card.splitlines() if line.startswith('| ') and line != '| | |')
    cost = measure(plan)
    assert rows['network'] == 'tinynet_d (efficientnet_b0, r=0.68, d=0.695, w=0.54)'
    assert rows['input'] == '3 x 152 x 152 px' and rows['classes'] == '3: ant, bee, cow'
    assert rows['data'] == 'fashion_mnist, 56,789 training and 4,321 validation images'
    assert (rows['top-1'], rows['top-5'], rows['loss']) == ('71.25 %', '93.50 %', '0.6875')
    assert rows['weights'] == 'moving average' and rows['trained'] == '7 of 9 epochs, 3,500 of 4,500 steps'
    assert rows['multiply-adds'] == f'{cost.macs:,}' and rows['parameters'] == f'{cost.params:,}'
    assert rows['peak memory of maps'].startswith(f'{cost.peak_memory:,} bytes')
    assert rows['checkpoint'] == 'best.ckpt, 1,234 bytes' and rows['versions'] == 'mindspore 2.x, numpy 1.y'
    plain = model_card(str(tmp_path / 'best.ckpt'), plan, load_config(None, ['train.ema_decay=0']), score, Animals, 1,
                       1, {})
    assert '| weights | as trained |' in plain
