"""Schedules compared with the published recipe's numbers and closed forms."""
import math

import pytest

from tinynets.training.schedule import learning_rate, table

PUBLISHED = dict(kind='exponential', base=0.048, steps_per_epoch=1000, epochs=450, warmup_epochs=3, warmup_start=1e-6,
                 decay_rate=0.97, decay_epochs=2.4)


@pytest.mark.parametrize('step, want', [
    (0, 1e-6), (1500, (1e-6 + 0.048) / 2), (2999, 1e-6 + (0.048 - 1e-6) * 2999 / 3000),
    (3000, 0.048 * 0.97), (4799, 0.048 * 0.97), (4800, 0.048 * 0.97 ** 2), (449_999, 0.048 * 0.97 ** 187)])
def test_published_recipe(step, want):
    assert learning_rate(step, **PUBLISHED) == pytest.approx(want, rel=1e-12)


def test_cosine_from_base_after_warmup_to_final_at_the_last_step():
    rates = table(1000, kind='cosine', base=0.1, steps_per_epoch=100, epochs=10, warmup_epochs=2, final=0.001)
    assert rates[0] == 0 and rates[200] == 0.1 and rates[-1] == pytest.approx(0.001, rel=1e-12)
    assert rates[200 + 799 // 2] == pytest.approx(0.001 + 0.099 * (1 + math.cos(math.pi * 399 / 799)) / 2, rel=1e-12)
    assert all(a > b for a, b in zip(rates[200:], rates[201:]))


def test_a_schedule_is_a_function_of_the_step():
    assert table(100, **PUBLISHED) == [learning_rate(s, **PUBLISHED) for s in range(100)]
    assert learning_rate(10 ** 6, **{**PUBLISHED, 'kind': 'constant'}) == 0.048


@pytest.mark.parametrize('epochs, warmup', [(1, 1), (1, 5), (2, 2)])
def test_warmup_as_long_as_the_run(epochs, warmup):
    rates = table(epochs * 10, kind='cosine', base=1.0, steps_per_epoch=10, epochs=epochs, warmup_epochs=warmup)
    assert rates == [step / (10 * warmup) for step in range(10 * epochs)]


def test_unknown_kind_is_named():
    with pytest.raises(ValueError, match="'linear'.*exponential, cosine, constant"):
        learning_rate(0, kind='linear', base=1, steps_per_epoch=1, epochs=1)
