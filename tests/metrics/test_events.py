from __future__ import annotations

import math

import pytest

from uat_lightning.metrics.events import attribute_detection, detection, relation_accuracy


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


def test_relations_of_a_clip_count_only_all_together_and_only_with_the_right_events():
    a, b = ("bell", "then", "rain"), ("rain", "while", "wind")
    predicted = [{a, b}, {a}, {b}, {a}]
    true = [{a, b}, {a, b}, {b}, {a}]
    score = relation_accuracy(predicted, true, events_right=[True, True, False, True])
    assert score.strict == pytest.approx(2 / 4)
    assert score.given_events == pytest.approx(2 / 3)


def test_relation_accuracy_is_nan_among_no_clips_with_right_events():
    score = relation_accuracy([{1}], [{1}], events_right=[False])
    assert score.strict == 0
    assert math.isnan(score.given_events)


def test_attributes_count_only_for_events_that_are_there():
    predicted = [{"bell": {"low", "twice"}, "dog": {"loud"}}, {"rain": set()}]
    true = [{"bell": {"low", "once"}, "saw": {"fast"}}, {"rain": {"quiet"}}]
    score = attribute_detection(predicted, true)
    assert score.precision == pytest.approx(1 / 2)  # low is right, twice is wrong; the dog is not there
    assert score.recall == pytest.approx(1 / 3)  # low of low, once, quiet; the saw was not named
