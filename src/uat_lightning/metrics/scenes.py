"""Scores of what captions tell of scenes whose events, relations and attributes are known."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from uat_lightning.metrics.events import agreement
from uat_lightning.metrics.shares import Ratio

SCORES = (
    "event_precision",
    "event_recall",
    "event_f1",
    "relation_f1",
    "relations_right",
    "relations_right_given_events",
    "attributes_right",
    "attributes_named",
)


@dataclass(frozen=True)
class ToldScene:
    """A scene as captions tell it, or as it is.

    Args:
        events: The attributes of each event, by the event.
        relations: How events relate, such as ``("bell", "then", "rain")``.
    """

    events: Mapping[str, AbstractSet[str]]
    relations: AbstractSet[Hashable] = frozenset()


def scene_ratios(said: Sequence[ToldScene], true: Sequence[ToldScene]) -> dict[str, Ratio]:
    """Score told scenes against the true ones, each score a ratio of sums over clips.

    Args:
        said: What was told of each clip.
        true: What is so.

    Returns:
        ``event_precision``, ``event_recall`` and ``event_f1`` of the events (micro average). Of clips with two events
        or more: ``relation_f1`` of their relations; ``relations_right``, the share whose events and relations are
        exactly the true ones; ``relations_right_given_events``, that among the clips whose events are. Of the events
        that were named rightly: ``attributes_right``, the share of what is said of them that is true, and
        ``attributes_named``, the share of their true attributes that is said; captions need not say everything.

    Raises:
        ValueError: If the numbers of clips differ.
    """
    events = agreement([scene.events.keys() for scene in said], [scene.events.keys() for scene in true])
    found = dict(zip(SCORES[:3], (events.precision, events.recall, events.f1), strict=True))
    return {**found, **_relations(said, true), **_attributes(said, true)}


def _relations(said: Sequence[ToldScene], true: Sequence[ToldScene]) -> dict[str, Ratio]:
    """A single event has no relations: clips with one count nowhere."""
    several = [len(scene.events) > 1 for scene in true]
    told, there = (
        [scene.relations if counts else frozenset() for scene, counts in zip(side, several, strict=True)]
        for side in (said, true)
    )
    named = [a.events.keys() == b.events.keys() for a, b in zip(said, true, strict=True)]
    known = [counts and right for counts, right in zip(several, named, strict=True)]
    exact = [right and a == b for right, a, b in zip(known, told, there, strict=True)]
    return {
        "relation_f1": agreement(told, there).f1,
        "relations_right": Ratio(exact, several),
        "relations_right_given_events": Ratio(exact, known),
    }


def _attributes(said: Sequence[ToldScene], true: Sequence[ToldScene]) -> dict[str, Ratio]:
    pairs = [(a.events, b.events, a.events.keys() & b.events.keys()) for a, b in zip(said, true, strict=True)]
    told = [{(event, word) for event in both for word in a[event]} for a, _, both in pairs]
    there = [{(event, word) for event in both for word in b[event]} for _, b, both in pairs]
    found = agreement(told, there)
    return {"attributes_right": found.precision, "attributes_named": found.recall}
