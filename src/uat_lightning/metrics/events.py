"""Scores of what was heard or said against what is there: sets of events, their order, their attributes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import nan
from typing import TypeVar

Label = TypeVar("Label", bound=Hashable)


@dataclass(frozen=True)
class Detection:
    """How well sets agree, counted over all clips together (micro average).

    Args:
        precision: Share of the predicted labels that are true, 0 to 1; NaN where nothing was predicted.
        recall: Share of the true labels that were predicted, 0 to 1; NaN where nothing was true.
        f1: Their harmonic mean, ``2 hits / (predicted + true)``, 0 to 1; NaN where both are empty.
    """

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class RelationAccuracy:
    """How many clips have all their relations right.

    Args:
        strict: Share among all clips; a clip with wrong events is wrong. NaN without clips.
        given_events: Share among the clips whose events are right. NaN where there are none.
    """

    strict: float
    given_events: float


def detection(predicted: Sequence[AbstractSet[Label]], true: Sequence[AbstractSet[Label]]) -> Detection:
    """Score predicted sets of labels against the true ones.

    Args:
        predicted: One set of labels per clip.
        true: The right set of each clip.

    Raises:
        ValueError: If the numbers of clips differ.
    """
    _check_lengths(predicted, true)
    hits = sum(len(some & right) for some, right in zip(predicted, true, strict=True))
    said, there = sum(map(len, predicted)), sum(map(len, true))
    return Detection(_ratio(hits, said), _ratio(hits, there), _ratio(2 * hits, said + there))


def relation_accuracy(
    predicted: Sequence[AbstractSet[Label]], true: Sequence[AbstractSet[Label]], events_right: Sequence[bool]
) -> RelationAccuracy:
    """Score predicted sets of relations: a clip counts where its set is exactly the true one.

    Args:
        predicted: One set of relations per clip, such as ``("bell", "then", "rain")``.
        true: The right set of each clip.
        events_right: Whether the clip's events are exactly the true ones.

    Raises:
        ValueError: If the numbers of clips differ.
    """
    _check_lengths(predicted, true)
    _check_lengths(events_right, true)
    right = [a == b and events for a, b, events in zip(predicted, true, events_right, strict=True)]
    return RelationAccuracy(_ratio(sum(right), len(right)), _ratio(sum(right), sum(events_right)))


def attribute_detection(
    predicted: Sequence[Mapping[str, AbstractSet[str]]], true: Sequence[Mapping[str, AbstractSet[str]]]
) -> Detection:
    """Score the attributes of the events that were named rightly.

    The precision is the attribute accuracy: of all that is said about events that are there, the share that is true.
    The recall is the share of their true attributes that is said; captions need not say everything.

    Args:
        predicted: Attributes by event, one mapping per clip.
        true: The right attributes by event, one mapping per clip.

    Raises:
        ValueError: If the numbers of clips differ.
    """
    _check_lengths(predicted, true)
    shared = [(a, b, a.keys() & b.keys()) for a, b in zip(predicted, true, strict=True)]
    said = [{(event, word) for event in events for word in a[event]} for a, _, events in shared]
    there = [{(event, word) for event in events for word in b[event]} for _, b, events in shared]
    return detection(said, there)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else nan


def _check_lengths(predicted: Sequence[object], true: Sequence[object]) -> None:
    if len(predicted) != len(true):
        raise ValueError(f"{len(predicted)} predictions for {len(true)} clips: give one for each")
