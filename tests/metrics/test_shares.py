from __future__ import annotations

import math

import numpy as np
import pytest

from uat_lightning.metrics.shares import Ratio


def counts(clips: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    wholes = random.integers(0, 5, clips)
    return random.binomial(wholes, 0.6), wholes


def test_shares_average_to_the_ratio_and_spread_as_it_does_when_clips_are_drawn_anew():
    parts, wholes = counts(400)
    ratio = Ratio(parts.tolist(), wholes.tolist())
    shares = np.array(ratio.shares)
    assert shares.mean() == pytest.approx(ratio.value, abs=1e-12)
    drawn = np.random.default_rng(1).integers(0, 400, (4000, 400))
    again = parts[drawn].sum(1) / wholes[drawn].sum(1)
    assert shares.std() / 20 == pytest.approx(again.std(), rel=0.05)
    assert np.corrcoef(shares[drawn].mean(1), again)[0, 1] > 0.999


def test_a_share_is_what_more_weight_on_a_clip_changes():
    parts, wholes = counts(50)
    ratio, weight = Ratio(parts.tolist(), wholes.tolist()), 1e-6
    for clip in (0, 7, 49):
        more = Ratio([*parts, weight * parts[clip]], [*wholes, weight * wholes[clip]]).value
        assert ratio.shares[clip] - ratio.value == pytest.approx(50 * (more - ratio.value) / weight, abs=1e-4)


def test_clips_on_their_own_and_what_has_no_ratio():
    ratio = Ratio([1, 0, 0], [2, 1, 0])
    assert ratio.value == pytest.approx(1 / 3)
    assert ratio.each[:2] == [0.5, 0.0] and math.isnan(ratio.each[2])
    empty = Ratio([0, 0], [0, 0])
    assert math.isnan(empty.value) and all(map(math.isnan, empty.shares))
