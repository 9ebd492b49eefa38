from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from uat_lightning.metrics.bootstrap import (
    Statistic,
    mean_intervals,
    over_trainings,
    paired_bootstrap,
    paired_bootstrap_of,
)

RANDOM = np.random.default_rng(1)
FIRST = RANDOM.normal(size=60)
SECOND = FIRST + RANDOM.normal(0.3, 0.5, size=60)


def test_the_interval_is_that_of_scipy():
    ours = paired_bootstrap(FIRST.tolist(), SECOND.tolist(), resamples=20_000)
    theirs = stats.bootstrap((SECOND - FIRST,), np.mean, n_resamples=20_000, method="percentile", random_state=0)
    assert ours.difference == pytest.approx(np.mean(SECOND - FIRST))
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)
    assert ours.clips == 60


def test_intervals_of_several_means_are_those_of_each():
    both = mean_intervals(np.stack([FIRST, SECOND], 1))
    for column, values in zip(both, (FIRST, SECOND), strict=True):
        alone = paired_bootstrap(np.zeros(60).tolist(), values.tolist(), resamples=2000)
        assert column == pytest.approx((alone.low, alone.high))


def test_a_clear_difference_is_not_chance_and_none_is():
    assert paired_bootstrap(FIRST.tolist(), (FIRST + 1 + 0.1 * SECOND).tolist()).p_value < 0.001
    noise = RANDOM.normal(size=60)
    assert paired_bootstrap(FIRST.tolist(), (FIRST + noise - noise.mean()).tolist()).p_value > 0.5


def test_equal_differences_have_an_interval_of_no_width():
    same = paired_bootstrap([1.0, 2.0, 3.0], [1.5, 2.5, 3.5])
    assert (same.low, same.difference, same.high) == (0.5, 0.5, 0.5)
    assert paired_bootstrap([1.0, 2.0], [1.0, 2.0]).p_value == 1


def test_the_seed_alone_decides(monkeypatch):
    once = paired_bootstrap(FIRST.tolist(), SECOND.tolist(), seed=3)
    assert once == paired_bootstrap(FIRST.tolist(), SECOND.tolist(), seed=3)
    assert once != paired_bootstrap(FIRST.tolist(), SECOND.tolist(), seed=4)
    monkeypatch.setattr("uat_lightning.metrics.bootstrap.AT_ONCE", 7)
    in_pieces = paired_bootstrap(FIRST.tolist(), SECOND.tolist(), resamples=50, seed=3)
    monkeypatch.undo()
    at_once = paired_bootstrap(FIRST.tolist(), SECOND.tolist(), resamples=50, seed=3)
    assert asdict(in_pieces) == pytest.approx(asdict(at_once))


def test_a_wider_confidence_has_a_wider_interval():
    narrow, wide = (paired_bootstrap(FIRST.tolist(), SECOND.tolist(), share) for share in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("first", "second", "confidence", "says"),
    [([1.0], [1.0, 2.0], 0.95, "make no pairs"), ([], [], 0.95, "make no pairs"), ([1.0], [1.0], 1.0, "confidence")],
)
def test_what_makes_no_pairs_is_refused(first, second, confidence, says):
    with pytest.raises(ValueError, match=says):
        paired_bootstrap(first, second, confidence)


def weighted(values: np.ndarray) -> Statistic:
    return lambda counts: float(counts @ values / counts.sum())


def test_of_means_the_general_interval_is_the_usual_one():
    random = np.random.default_rng(3)
    first, second = random.normal(size=200), random.normal(0.3, 1, size=200)
    usual = paired_bootstrap(first, second, resamples=4000)
    general = paired_bootstrap_of(weighted(first), weighted(second), 200, resamples=4000)
    assert general.difference == pytest.approx(usual.difference)
    assert (general.low, general.high) == pytest.approx((usual.low, usual.high), abs=0.02)


def test_a_bias_of_repeated_clips_does_not_move_the_general_interval():
    values = np.random.default_rng(0).normal(size=300)

    def repeated(counts: np.ndarray) -> float:
        return float(counts @ values / counts.sum()) + (counts > 1).mean()

    found = paired_bootstrap_of(weighted(np.zeros(300)), repeated, 300)
    assert found.low < found.difference < found.high
    assert found.difference == pytest.approx(values.mean())


def test_the_clips_drawn_are_the_same_for_both_systems():
    values = np.random.default_rng(0).normal(size=50)
    found = paired_bootstrap_of(weighted(values), weighted(values + 1), 50, resamples=50)
    assert (found.low, found.high) == pytest.approx((1, 1))


def test_the_interval_over_trainings_is_welchs():
    low, high = over_trainings([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    error = (1 / 3 + 4 / 3) ** 0.5
    degrees = (5 / 3) ** 2 / ((1 / 3) ** 2 / 2 + (4 / 3) ** 2 / 2)
    half = float(stats.t.ppf(0.975, degrees)) * error
    assert (low, high) == pytest.approx((2 - half, 2 + half))
    assert all(math.isnan(end) for end in over_trainings([1.0], [2.0, 3.0]))
    assert all(math.isnan(end) for end in over_trainings([1.0, 1.0], [2.0, 2.0]))
