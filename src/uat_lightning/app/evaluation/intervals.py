"""How sure the scores of an evaluation are: intervals over clips like these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isclose, isfinite

import numpy as np

from uat_lightning.app.evaluation.record import Evaluation
from uat_lightning.metrics.bootstrap import mean_intervals

FEWEST = 2  # clips that an interval needs


def clip_values(evaluation: Evaluation, name: str) -> dict[str, float | None] | None:
    """Return a number of each clip whose mean is a score; None where there is no such thing.

    Args:
        evaluation: Scores with those of every clip.
        name: The score. It is the mean of the clips' own scores, or of their shares in it.
    """
    shares = {clip.id: clip.shares.get(name) for clip in evaluation.clips}
    own = {clip.id: clip.scores.get(name) for clip in evaluation.clips}
    for table in (shares, own):
        values = {clip: value if value is not None and isfinite(value) else None for clip, value in table.items()}
        known = [value for value in values.values() if value is not None]
        if known and isclose(sum(known) / len(known), evaluation.scores[name], rel_tol=1e-6, abs_tol=1e-9):
            return values
    return None


def with_intervals(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation with the 95 % interval of each score that is a mean over clips."""
    found: dict[str, tuple[float, float]] = {}
    columns: dict[tuple[str, ...], list[str]] = {}
    values = {name: clip_values(evaluation, name) or {} for name in evaluation.scores}
    for name, some in values.items():  # those that the same clips have are drawn together
        known = tuple(clip for clip, value in some.items() if value is not None)
        if len(known) >= FEWEST:
            columns.setdefault(known, []).append(name)
    for known, names in columns.items():
        rows = np.array([[values[name][clip] for name in names] for clip in known], float)
        found |= dict(zip(names, mean_intervals(rows), strict=True))
    found = {name: _within(ends, evaluation.per_clip.get(name, ())) for name, ends in found.items()}
    return replace(evaluation, intervals={name: found[name] for name in evaluation.scores if name in found})


def _within(ends: tuple[float, float], own: Sequence[float | None]) -> tuple[float, float]:
    """Return an interval without what lies beyond all clips' own scores, as what is true to first order may."""
    known = [value for value in own if value is not None and isfinite(value)]
    if not known:
        return ends
    return max(ends[0], min(known)), min(ends[1], max(known))
