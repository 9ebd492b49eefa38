"""Scores of what was heard against what is there: sets of events."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeVar

from uat_lightning.metrics.shares import Ratio

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
class Agreement:
    """What a detection is made of, clip by clip.

    Args:
        precision: Hits over predicted labels.
        recall: Hits over true labels.
        f1: Twice the hits over both.
    """

    precision: Ratio
    recall: Ratio
    f1: Ratio


def agreement(predicted: Sequence[AbstractSet[Label]], true: Sequence[AbstractSet[Label]]) -> Agreement:
    """Count how well predicted sets of labels agree with the true ones, clip by clip.

    Args:
        predicted: One set of labels per clip.
        true: The right set of each clip.

    Raises:
        ValueError: If the numbers of clips differ.
    """
    if len(predicted) != len(true):
        raise ValueError(f"{len(predicted)} predictions for {len(true)} clips: give one for each")
    hits = [len(some & right) for some, right in zip(predicted, true, strict=True)]
    said, there = list(map(len, predicted)), list(map(len, true))
    both = Ratio([2 * hit for hit in hits], [sum(pair) for pair in zip(said, there, strict=True)])
    return Agreement(Ratio(hits, said), Ratio(hits, there), both)


def detection(predicted: Sequence[AbstractSet[Label]], true: Sequence[AbstractSet[Label]]) -> Detection:
    """Score predicted sets of labels against the true ones; arguments as of ``agreement``."""
    found = agreement(predicted, true)
    return Detection(found.precision.value, found.recall.value, found.f1.value)
