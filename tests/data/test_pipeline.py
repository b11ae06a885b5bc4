"""The training stream is a function of the step; evaluation yields every image once."""
import threading
import time

import numpy as np
import pytest

from tinynets.data.images import ImageError
from tinynets.data.pipeline import TrainStream, eval_batches


class Numbers:
    """Image i is the number i, its label 100 + i; reading an index of `broken` fails."""

    def __init__(self, count, broken=(), error=ImageError):
        self.labels = np.arange(100, 100 + count, dtype=np.int32)
        self.broken, self.error, self.read = set(broken), error, []

    def __len__(self):
        return len(self.labels)

    def image(self, index):
        self.read.append(index)
        if index in self.broken:
            raise self.error(f'folder/{index}.jpg: gone')
        return index


def draw(image, rng):
    """(image, a draw) in the shape of a tensor."""
    return np.array([image, rng.random()]).reshape(2, 1, 1)


def as_tensor(image):
    return np.full((3, 2, 2), image + 1, np.float32)


def indices(batch):
    return batch[0][:, 0, 0, 0].astype(int).tolist()


def equal(batches, others):
    batches, others = list(batches), list(others)
    return len(batches) == len(others) and all(
        np.array_equal(a, b) for pair in zip(batches, others) for a, b in zip(*pair))


@pytest.mark.parametrize('count, size, steps', [(10, 3, 3), (12, 4, 3), (5, 5, 1), (5, 1, 5), (4, 9, 1), (1, 128, 1)])
def test_an_epoch_gives_each_image_at_most_once(count, size, steps):
    stream = TrainStream(Numbers(count), draw, size)
    assert stream.steps_per_epoch == steps and stream.batch_size == min(size, count)
    for epoch in range(3):
        batches = list(stream.batches(epoch * steps, (epoch + 1) * steps))
        seen = sum((indices(b) for b in batches), [])
        assert len(set(seen)) == len(seen) == steps * min(size, count)
        for images, labels in batches:
            assert images.shape == (min(size, count), 2, 1, 1) and labels.dtype == np.int32
            assert labels.tolist() == [100 + i for i in indices((images, labels))]


def test_epochs_differ_in_order_in_draws_and_in_what_they_leave_out():
    stream = TrainStream(Numbers(11), draw, 5)
    epochs = [[stream.batch(step) for step in (2 * e, 2 * e + 1)] for e in range(30)]
    orders = [tuple(indices(a) + indices(b)) for a, b in epochs]
    assert len(set(orders)) == 30
    assert len({frozenset(range(11)) - set(order) for order in orders}) > 5
    assert all(len({*a[0][:, 1, 0, 0], *b[0][:, 1, 0, 0]}) == 10 for a, b in epochs)
    draws = [float(b[0][k, 1, 0, 0]) for e in epochs for b in e for k in range(5) if indices(b)[k] == 4]
    assert len(draws) > 20 and len(set(draws)) == len(draws)


@pytest.mark.parametrize('workers', [1, 2, 5])
@pytest.mark.parametrize('start', [0, 1, 3, 4, 11])
def test_a_resumed_stream_equals_the_uninterrupted_one(start, workers):
    whole = [TrainStream(Numbers(10), draw, 3, seed=7).batch(step) for step in range(14)]
    resumed = TrainStream(Numbers(10), draw, 3, seed=7, workers=workers)
    assert equal(resumed.batches(start, 14), whole[start:])
    assert equal(resumed.batches(2, 5), whole[2:5])


def test_the_seed_decides():
    first, again, other = ([TrainStream(Numbers(10), draw, 5, seed=s).batch(k) for k in range(4)] for s in (1, 1, 2))
    assert equal(first, again) and not equal(first, other)
    assert [indices(b) for b in first] != [indices(b) for b in other]


@pytest.mark.parametrize('error', [ImageError, FileNotFoundError, PermissionError])
def test_an_unreadable_image_gives_way_to_the_next_and_is_named_once(error, capsys):
    plain = [TrainStream(Numbers(8), draw, 4, seed=3).batch(step) for step in range(6)]
    got = list(TrainStream(Numbers(8, broken=[2, 6, 7], error=error), draw, 4, seed=3, workers=1).batches(0, 6))
    replaced = {2: 3, 6: 0, 7: 0}  # after the last comes the first
    for before, after in zip(plain, got):
        assert indices(after) == [replaced.get(i, i) for i in indices(before)]
        assert after[1].tolist() == [100 + i for i in indices(after)]
        kept = [k for k, i in enumerate(indices(before)) if i not in replaced]
        assert np.array_equal(before[0][kept], after[0][kept])
    draws = [{i: value for batch in plain[2 * epoch:2 * epoch + 2]
              for i, value in zip(indices(batch), batch[0][:, 1, 0, 0])} for epoch in range(3)]
    for step, after in enumerate(got):  # the image in its place is drawn as it is in its own place in that epoch
        assert after[0][:, 1, 0, 0].tolist() == [draws[step // 2][i] for i in indices(after)]
    out, err = capsys.readouterr()
    assert out == '' and sorted(err.splitlines()) == [
        f'skipped, unreadable since the check: folder/{i}.jpg: gone' for i in (2, 6, 7)]


def test_no_readable_image_and_no_image_are_errors():
    stream = TrainStream(Numbers(4, broken=range(4)), draw, 2)
    with pytest.raises(ValueError, match='no training image can be read any more'):
        next(stream.batches(0, 2))
    with pytest.raises(ValueError, match='the training set is empty'):
        TrainStream(Numbers(0), draw, 2)


def test_a_fault_of_the_transform_is_not_hidden():
    def faulty(image, rng):
        raise ValueError('fault')
    with pytest.raises(ValueError, match='^fault$'):
        next(TrainStream(Numbers(4), faulty, 2).batches(0, 2))


@pytest.mark.parametrize('workers', [1, 3])
@pytest.mark.parametrize('count, size, shapes', [
    (10, 4, [4, 4, 2]), (8, 4, [4, 4]), (9, 4, [4, 4, 1]), (3, 128, [3]), (1, 1, [1]), (3, 1, [1, 1, 1])])
def test_evaluation_gives_every_image_once_in_order(count, size, shapes, workers):
    data = Numbers(count)
    batches = list(eval_batches(data, as_tensor, size, workers))
    assert [len(labels) for _, labels in batches] == shapes
    assert {images.shape for images, _ in batches} == {(min(size, count), 3, 2, 2)}
    assert {images.dtype for images, _ in batches} == {np.dtype(np.float32)}
    seen = np.concatenate([images[:len(labels)] for images, labels in batches])
    assert seen[:, 0, 0, 0].tolist() == list(range(1, count + 1)) and (seen == seen[:, :1, :1, :1]).all()
    assert np.concatenate([labels for _, labels in batches]).tolist() == data.labels.tolist()
    assert not any(images[len(labels):].any() for images, labels in batches)
    assert sorted(data.read) == list(range(count))


def test_evaluation_keeps_the_order_when_the_first_image_is_slow():
    second = threading.Event()

    class Slow(Numbers):
        def image(self, index):
            if index == 0:
                assert second.wait(20)
            result = super().image(index)
            if index == 1:
                second.set()
            return result
    data = Slow(6)
    assert [int(labels[0]) for _, labels in eval_batches(data, as_tensor, 1, 4)] == list(range(100, 106))
    assert data.read.index(1) < data.read.index(0)


def test_evaluation_does_not_skip_what_it_cannot_read():
    with pytest.raises(ImageError, match='folder/5.jpg'):
        list(eval_batches(Numbers(8, broken=[5]), as_tensor, 2))


@pytest.mark.parametrize('workers', [1, 3])
def test_batches_are_prepared_a_bounded_number_ahead_by_the_threads(workers):
    threads, data = set(), Numbers(100)

    def note(image):
        threads.add(threading.current_thread().name)
        time.sleep(0.002)
        return as_tensor(image)
    stream = eval_batches(data, note, 1, workers)
    for taken in range(1, 6):
        next(stream)
        time.sleep(0.01)
        assert len(data.read) <= taken + 2 * workers
    stream.close()
    assert threading.current_thread().name not in threads and len(threads) <= workers
    assert len(data.read) <= 5 + 2 * workers


def test_an_unreadable_file_of_a_strict_set_is_an_error(tmp_path):
    from tinynets.data.classification import ImageFolder
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'x.png').write_bytes(b'broken')
    dataset = ImageFolder(str(tmp_path), strict=True, check=False)
    with pytest.raises(ValueError, match='x.png'):
        TrainStream(dataset, lambda image, rng: np.zeros((3, 2, 2)), 1).batch(0)
