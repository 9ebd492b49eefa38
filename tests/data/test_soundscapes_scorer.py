from __future__ import annotations

import pytest

from uat_lightning.data.soundscapes import Soundscapes
from uat_lightning.data.soundscapes.scorer import SoundscapesEvents, told
from uat_lightning.metrics.captioning import CaptionMetric, caption_scores

CLIPS = 40


@pytest.fixture(scope="module")
def scenes():
    soundscapes = Soundscapes()
    found = []
    for index in range(CLIPS):
        scene = soundscapes.scene("test", index)
        found.append((scene, soundscapes.captions(scene, 5, soundscapes._rng("test", index, 1))))
    return found


def test_references_together_tell_the_true_scene(scenes):
    for scene, captions in scenes:
        read = told(captions)
        assert read.events == {event.name: event.attributes for event in scene.events}
        assert read.relations == set(scene.relations)


def test_true_captions_are_right_and_leave_some_attributes_out(scenes):
    references = [captions for _, captions in scenes]
    found = caption_scores([captions[0] for captions in references], references, [SoundscapesEvents()])
    assert found.not_computed == {}
    named = found.scores.pop("attributes_named")
    assert 0.3 < named < 1
    assert set(found.scores.values()) == {1.0}


def test_wrong_captions_are_scored_by_hand():
    references = [["a dog barks then rain falls"], ["a bell rings"]]
    found = caption_scores(
        ["rain falls then a dog barks", "a bell rings while wind blows"], references, [SoundscapesEvents()]
    )
    assert found.scores["event_recall"] == 1 and found.scores["event_precision"] == pytest.approx(3 / 4)
    assert found.scores["relations_right"] == found.scores["relations_right_given_events"] == 0
    assert found.per_clip["event_f1"] == [1, pytest.approx(2 / 3)]
    assert sum(found.shares["event_precision"]) / 2 == pytest.approx(3 / 4)
    assert {"attributes_right", "attributes_named"} <= found.not_computed.keys()
    assert found.not_computed["attributes_named"] == "no clip has what it counts"


def test_what_knows_no_soundscapes_is_not_computed():
    found = caption_scores(["people talk"], [["a crowd chatters"]], [SoundscapesEvents()])
    assert found.scores == {}
    assert set(found.not_computed.values()) == {
        "no reference names an event of Soundscapes: score captions of Soundscapes"
    }


def test_as_a_metric_batches_and_repeated_clips_change_nothing(scenes):
    said = [scenes[(row + row % 2) % CLIPS][1][0] for row in range(CLIPS)]
    references = [captions for _, captions in scenes]
    metric = CaptionMetric([SoundscapesEvents()])
    for row in (*range(CLIPS)[::-1], 3, 0):
        metric.update([row], [said[row]], [references[row]])
    expected = caption_scores(said, references, [SoundscapesEvents()]).scores
    assert {name: float(value) for name, value in metric.compute().items()} == pytest.approx(expected, abs=1e-12)
    assert 0 < expected["event_f1"] < 1
