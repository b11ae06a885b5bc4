"""The share of waiting is computed from a clock; a slow input is reported once."""
import json

import pytest

from tinynets.training.waiting import Waiting


class Clock:
    """A clock that only work advances."""
    now = 100.0

    def __call__(self):
        return self.now

    def batches(self, seconds):
        for index, needed in enumerate(seconds):
            self.now += needed
            yield index


def test_the_share_is_of_the_time_and_the_first_batch_does_not_count():
    clock = Clock()
    waiting = Waiting(clock)
    epoch, part = waiting.watch(), waiting.watch()
    assert epoch.share() is None  # nothing measured, as with data sinking
    for index in waiting.timed(clock.batches([7, 1, 1, 4])):
        clock.now += 2  # the step
        if index == 0:
            epoch.restart()
        if index == 2:
            part.restart()
    assert waiting.seconds == 6
    assert epoch.share() == pytest.approx(6 / 12, abs=1e-3) and part.share() == pytest.approx(4 / 6, abs=1e-3)


def test_too_much_is_said_once():
    lines = []
    waiting = Waiting()
    for share in (None, 0.0, 0.2, 0.31, 0.9):
        waiting.complain(share, lines.append)
    assert len(lines) == 1 and lines[0].startswith('31 % of the epoch was spent waiting for images')
    assert all(word in lines[0] for word in ('data.workers', 'scripts/pack_dataset.py', 'data.cache_mb'))


def test_a_slow_input_is_in_the_records_and_in_the_log(tmp_path, light_config, monkeypatch):
    from tinynets.data.pipeline import TrainStream
    from tinynets.runtime import configure
    from tinynets.training import loop
    configure('CPU')
    draw = TrainStream.batches
    clock = Clock()

    def slow(self, start, stop):
        for batch in draw(self, start, stop):
            clock.now += 30
            yield batch
    monkeypatch.setattr(TrainStream, 'batches', slow)
    monkeypatch.setattr(loop, 'Waiting', lambda: Waiting(clock))
    lines = []
    loop.train(light_config(), 'CPU', str(tmp_path / 'run'), say=lines.append)
    records = [json.loads(line) for line in (tmp_path / 'run' / 'metrics.jsonl').read_text().splitlines()]
    waits = [r['wait'] for r in records if r['kind'] == 'train']
    assert waits == [0.8, 1.0]  # of five batches per epoch, with only waiting
    assert sum('waiting for images' in line for line in lines) == 1
