"""Sound event detection, segment by segment: when events sound, and whether that was found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uat_lightning.metrics.events import Detection, detection


@dataclass(frozen=True)
class TimedEvent:
    """An event with its time.

    Args:
        label: Its class.
        onset: Where it begins, in seconds.
        offset: Where it ends, in seconds.
    """

    label: str
    onset: float
    offset: float


@dataclass(frozen=True)
class SegmentScores:
    """How well events in time agree, over all segments together (micro average).

    Args:
        detection: Precision, recall and F1 of (segment, class).
        error_rate: Substitutions, deletions and insertions over what is there, 0 or more; NaN where nothing is.
        accuracy: Share of all (segment, class) that agree, 0 to 1; it grows with silence and with classes.
    """

    detection: Detection
    error_rate: float
    accuracy: float


def segment_scores(
    predicted: Mapping[str, Sequence[TimedEvent]],
    true: Mapping[str, Sequence[TimedEvent]],
    seconds: float = 1.0,
    length: float | None = None,
) -> SegmentScores:
    """Score events in time as ``sed_eval`` does it.

    Segment-based metrics of Mesaros, Heittola & Virtanen 2016 ("Metrics for polyphonic sound event detection", section
    3.1): in each segment an event either sounds or does not; it fills the segments from its onset to its offset,
    rounded outwards.

    Args:
        predicted: Events by clip.
        true: The right events by clip, of the same clips; the classes are theirs.
        seconds: Length of a segment.
        length: Length of each clip in seconds; where the last of its events ends where None.

    Raises:
        ValueError: If the clips differ, there is no event, or segments have no length.
    """
    classes = {event.label for events in true.values() for event in events}
    if predicted.keys() != true.keys() or not classes or seconds <= 0:
        raise ValueError("segments need the same clips on both sides, a true event and a length above 0")
    said, there = [], []
    for clip, events in true.items():
        known = [event for event in predicted[clip] if event.label in classes]
        count = math.ceil((length or max(event.offset for event in [*known, *events, _NOTHING])) / seconds)
        said += _segments(known, count, seconds)
        there += _segments(events, count, seconds)
    return _scores(said, there, len(classes))


_NOTHING = TimedEvent("", 0.0, 0.0)


def _segments(events: Sequence[TimedEvent], count: int, seconds: float) -> list[set[str]]:
    segments: list[set[str]] = [set() for _ in range(count)]
    for event in events:
        for segment in segments[math.floor(event.onset / seconds) : math.ceil(event.offset / seconds)]:
            segment.add(event.label)
    return segments


def _scores(said: Sequence[set[str]], there: Sequence[set[str]], classes: int) -> SegmentScores:
    wrong, missing = ([len(a - b) for a, b in zip(x, y, strict=True)] for x, y in ((said, there), (there, said)))
    # A wrong event and a missing one in the same segment are one substitution.
    errors = sum(max(pair) for pair in zip(wrong, missing, strict=True))
    active, cells = sum(map(len, there)), classes * len(there)
    return SegmentScores(
        detection(said, there),
        errors / active if active else math.nan,
        1 - (sum(wrong) + sum(missing)) / cells if cells else math.nan,
    )
