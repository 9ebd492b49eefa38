from __future__ import annotations

from math import inf, nan

import pytest

from uat_lightning.app.evaluation.intervals import clip_values, with_intervals
from uat_lightning.app.evaluation.record import ClipScores, Evaluation, Protocol


def evaluation(scores: dict[str, float], own: dict[str, list], shares: dict[str, list] | None = None) -> Evaluation:
    count = max(map(len, [*own.values(), *(shares or {}).values()]))
    clips = [
        ClipScores(
            str(row),
            {name: values[row] for name, values in own.items()},
            {},
            {name: values[row] for name, values in (shares or {}).items()},
        )
        for row in range(count)
    ]
    return Evaluation("captions", Protocol({}, {}), scores, {}, clips)


def test_a_mean_over_the_clips_that_have_a_score_has_an_interval():
    found = with_intervals(evaluation({"x": 2.0}, {"x": [1.0, 3.0, None, nan, -inf]}))
    assert clip_values(found, "x") == {"0": 1.0, "1": 3.0, "2": None, "3": None, "4": None}
    assert found.intervals["x"] == (1, 3)


def test_what_no_clip_has_a_share_in_has_none_nor_has_a_single_clip():
    assert with_intervals(evaluation({"x": 5.0, "y": 1.0}, {"x": [1.0, 3.0]})).intervals == {}
    assert with_intervals(evaluation({"x": 5.0}, {"x": [5.0]})).intervals == {}


def test_shares_come_first_and_their_interval_ends_where_the_clips_own_scores_do():
    own, shares = [1.0] * 8 + [0.0, 1.0], [1.1] * 8 + [-0.9, 1.1]
    low, high = with_intervals(evaluation({"x": 0.9}, {"x": own}, {"x": shares})).intervals["x"]
    assert (low, high) == (pytest.approx(0.5, abs=0.21), 1.0)
    free = with_intervals(evaluation({"x": 0.9}, {"other": own}, {"x": shares})).intervals["x"]
    assert free[1] == pytest.approx(1.1)
