from __future__ import annotations

import math

import pytest

from uat_lightning.metrics.scenes import SCORES, ToldScene, scene_ratios


def scene(*relations: tuple[str, str, str], **events: str) -> ToldScene:
    return ToldScene({name: frozenset(words.split()) for name, words in events.items()}, frozenset(relations))


def values(said: list[ToldScene], true: list[ToldScene]) -> dict[str, float]:
    return {name: ratio.value for name, ratio in scene_ratios(said, true).items()}


def test_relations_of_a_clip_count_only_all_together_and_only_with_the_right_events():
    a, b = ("bell", "then", "rain"), ("rain", "while", "wind")
    said = [scene(a, b, bell="", rain="", wind=""), scene(a, bell="", rain="", wind=""), scene(b, rain="")]
    true = [scene(a, b, bell="", rain="", wind="")] * 2 + [scene(b, rain="", wind="")]
    found = values(said, true)
    assert found["relations_right"] == pytest.approx(1 / 3)
    assert found["relations_right_given_events"] == pytest.approx(1 / 2)
    assert found["relation_f1"] == pytest.approx(2 * 4 / (4 + 5))


def test_a_single_event_has_no_relations_and_may_be_said_to_have_some():
    said = [scene(("bell", "then", "rain"), bell="", rain="")]
    found = values(said, [scene(bell="")])
    assert math.isnan(found["relations_right"]) and math.isnan(found["relation_f1"])
    assert (found["event_precision"], found["event_recall"]) == (0.5, 1.0)


def test_attributes_count_only_for_events_that_are_there():
    said = [scene(bell="low twice", dog="loud"), scene(rain="")]
    found = values(said, [scene(bell="low once", saw="fast"), scene(rain="quiet")])
    assert found["attributes_right"] == pytest.approx(1 / 2)  # low is right, twice is wrong; the dog is not there
    assert found["attributes_named"] == pytest.approx(1 / 3)  # low of low, once, quiet; the saw was not named


def test_every_score_has_a_ratio_of_every_clip():
    found = scene_ratios([scene(bell="")] * 3, [scene(bell="")] * 3)
    assert tuple(found) == SCORES
    assert {len(ratio.parts) for ratio in found.values()} == {len(ratio.wholes) for ratio in found.values()} == {3}


def test_unequal_numbers_are_refused():
    with pytest.raises(ValueError, match="1 predictions for 2 clips"):
        scene_ratios([scene(bell="")], [scene(bell="")] * 2)
