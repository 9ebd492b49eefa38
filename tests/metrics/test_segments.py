from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from uat_lightning.metrics.segments import TimedEvent, segment_scores


def listed(file: Path) -> dict[str, list[TimedEvent]]:
    """Return the events of a list whose last three columns are onset, offset and label."""
    events = defaultdict(list)
    for line in file.read_text().splitlines():
        clip, *_, onset, offset, label = line.split("\t")
        events[clip].append(TimedEvent(label, float(onset), float(offset)))
    return dict(events)


def test_the_published_scores_of_a_street(shared):
    folder = shared / "cases" / "sed_eval"
    expected = json.loads((folder / "expected.json").read_text())
    true, predicted = (listed(folder / f"street_fold1_{name}.txt") for name in ("reference", "detected"))
    predicted |= {clip: [] for clip in true.keys() - predicted.keys()}
    scores = segment_scores(predicted, true)
    published, measured = expected["segment_based_1s"], expected["measured"]
    assert scores.accuracy == pytest.approx(published["accuracy"], abs=1e-7)
    assert scores.error_rate == pytest.approx(published["error_rate"], abs=1e-7)
    found = scores.detection
    assert (found.f1, found.precision, found.recall) == pytest.approx(
        (measured["f_measure"], measured["precision"], measured["recall"]), abs=1e-7
    )
    longer, published = segment_scores(predicted, true, length=1200), expected["segment_based_1s_eval_len_1200"]
    assert longer.accuracy == pytest.approx(published["accuracy"], abs=1e-7)
    assert longer.error_rate == pytest.approx(published["error_rate"], abs=1e-7)


def test_a_wrong_event_in_the_place_of_a_missing_one_is_one_error():
    true = {"clip": [TimedEvent("dog", 0.2, 2.9), TimedEvent("cat", 2.0, 3.0)]}
    scores = segment_scores({"clip": [TimedEvent("dog", 0, 1), TimedEvent("cat", 1, 3)]}, true)
    # Second 1 has the cat for the dog, second 2 misses the dog: two errors over four true cells.
    assert scores.error_rate == pytest.approx(2 / 4)
    assert scores.accuracy == pytest.approx(3 / 6)
    assert (scores.detection.precision, scores.detection.recall) == (2 / 3, 2 / 4)


def test_perfect_and_silent_predictions():
    true = {"clip": [TimedEvent("dog", 0.5, 1.5)]}
    assert segment_scores(true, true).error_rate == 0
    assert segment_scores({"clip": []}, true).error_rate == 1


def test_clips_must_be_the_same_on_both_sides():
    with pytest.raises(ValueError, match="same clips"):
        segment_scores({}, {"clip": [TimedEvent("dog", 0, 1)]})
