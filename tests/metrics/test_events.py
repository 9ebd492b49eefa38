from __future__ import annotations

import math

import pytest

from uat_lightning.metrics.events import detection


def test_detection_counts_labels_over_all_clips_together():
    score = detection([{"bell", "rain"}, {"dog"}, set()], [{"bell"}, {"dog", "saw"}, {"wind"}])
    assert score.precision == pytest.approx(2 / 3)
    assert score.recall == pytest.approx(2 / 4)
    assert score.f1 == pytest.approx(4 / 7)


def test_detection_is_one_where_all_is_right_and_zero_where_nothing_is():
    assert detection([{1}, {2, 3}], [{1}, {2, 3}]).f1 == 1
    assert detection([{1}], [{2}]).f1 == 0


def test_detection_says_nan_where_there_is_nothing_to_score():
    nothing_said = detection([set()], [{1}])
    assert math.isnan(nothing_said.precision)
    assert nothing_said.recall == 0
    assert nothing_said.f1 == 0
    assert math.isnan(detection([], []).f1)


def test_detection_refuses_unequal_numbers():
    with pytest.raises(ValueError, match="1 predictions for 2 clips"):
        detection([{1}], [{1}, {2}])
