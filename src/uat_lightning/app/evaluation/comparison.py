"""Two evaluations side by side: whether they compare at all, and how they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from uat_lightning.app.evaluation.intervals import clip_values
from uat_lightning.app.evaluation.record import Evaluation
from uat_lightning.metrics.bootstrap import Interval, paired_bootstrap

MOST = 5  # disagreements that are named
TOGETHER = "of all clips together, in which no single clip's share is known"


@dataclass(frozen=True)
class Difference:
    """How a score differs.

    Args:
        score: Its name.
        first: Its value in the first evaluation.
        second: In the other.
        interval: The difference with its interval; None where clips cannot be drawn anew.
        reason: Why there is no interval.
    """

    score: str
    first: float
    second: float
    interval: Interval | None
    reason: str = ""


@dataclass(frozen=True)
class Drawing:
    """How clips are drawn anew.

    Args:
        confidence: Share of resampled differences within an interval.
        resamples: Times that clips are drawn.
        seed: Seed of the draws.
    """

    confidence: float = 0.95
    resamples: int = 10_000
    seed: int = 0


def check_comparable(first: Evaluation, second: Evaluation, places: tuple[str, str]) -> None:
    """See that two evaluations agree in all that must be equal.

    Args:
        first: An evaluation.
        second: Another one.
        places: Where they are, for the complaint.

    Raises:
        ValueError: If they do not; it says where.
    """
    if first.kind != second.kind:
        raise ValueError(f"{places[0]} scores {first.kind}, {places[1]} {second.kind}: they do not compare")
    methods = first.protocol.method, second.protocol.method
    shared = _of_both(*methods), _of_both(*reversed(methods))
    found = [*disagreements(first.protocol.data, second.protocol.data, "data"), *disagreements(*shared, "method")]
    if found:
        more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
        raise ValueError(f"{places[0]} and {places[1]} do not compare: {'; '.join(found[:MOST])}{more}")


def _of_both(method: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return a method without the means that it alone has used: they give no score that both have."""
    return {
        name: _of_both(value, other[name]) if isinstance(value, Mapping) and isinstance(other[name], Mapping) else value
        for name, value in method.items()
        if value is not None and other.get(name) is not None
    }


def disagreements(first: Any, second: Any, place: str) -> Iterator[str]:  # noqa: ANN401
    """Yield a line for each place where two plain values differ."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for name in dict.fromkeys([*first, *second]):
            yield from disagreements(first.get(name), second.get(name), f"{place}.{name}")
    elif first != second:
        yield f"{place} is {_short(first)} and {_short(second)}"


def differences(first: Evaluation, second: Evaluation, drawing: Drawing) -> list[Difference]:
    """Return how the scores that both have differ, second less first."""
    return [_difference(name, first, second, drawing) for name in first.scores if name in second.scores]


def one_sided(first: Evaluation, second: Evaluation) -> list[str]:
    """Return a line for each score that one side alone has."""
    return [
        f"{name} is in {here.name} alone; {there.name}: {there.not_computed.get(name, 'not there')}"
        for here, there in ((first, second), (second, first))
        for name in here.scores
        if name not in there.scores
    ]


def _difference(name: str, first: Evaluation, second: Evaluation, drawing: Drawing) -> Difference:
    values = first.scores[name], second.scores[name]
    sides = [clip_values(evaluation, name) for evaluation in (first, second)]
    reason = _no_interval(*sides)
    if reason:
        return Difference(name, *values, None, reason)
    one, other = (side or {} for side in sides)
    shared = [clip for clip, value in one.items() if value is not None and other[clip] is not None]
    before, after = ([float(side[clip] or 0.0) for clip in shared] for side in (one, other))
    interval = paired_bootstrap(before, after, drawing.confidence, drawing.resamples, drawing.seed)
    return Difference(name, *values, interval)


def _no_interval(one: Mapping[str, float | None] | None, other: Mapping[str, float | None] | None) -> str:
    """Return why clips cannot be drawn anew for a score; empty where they can."""
    if one is None or other is None:
        return TOGETHER
    if one.keys() != other.keys():
        return "the clips have other names on the other side"
    if not any(value is not None and other[clip] is not None for clip, value in one.items()):
        return "no clip has it on both sides"
    return ""


def _short(value: object) -> str:
    text = "absent" if value is None else str(value)
    head, hashed, digits = text.partition("sha256 ")
    text = f"{head}{hashed}{digits[:8]}" if hashed else text[:8] if len(text) == 64 and text.isalnum() else text
    return text if len(text) <= 100 else f"{text[:97]}..."
