"""The one table: every score of every model, and how far it is from the joint model's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np
from tqdm import tqdm

from settle.models import JOINT
from settle.scores import LOWER_IS_BETTER, Counts, Score
from uat_lightning.metrics.bootstrap import over_trainings, paired_bootstrap_of

Found = Mapping[str, Mapping[str, Sequence[Score]]]


@dataclass(frozen=True)
class Line:
    """A score of a model.

    Args:
        score: The score's name.
        model: The model's.
        seeds: The score with every seed.
        difference: Mean over the seeds less the joint model's; None for the joint model and where that has none.
        clips: The difference's interval over clips.
        trainings: Its interval over seeds.
    """

    score: str
    model: str
    seeds: Sequence[float]
    difference: float | None = None
    clips: tuple[float, float] | None = None
    trainings: tuple[float, float] | None = None


def lines(found: Found, clips: int, resamples: int) -> list[Line]:
    """Return the table.

    Args:
        found: The score of every seed, by score and model.
        clips: Number of test clips.
        resamples: Times that clips are drawn.
    """
    asked = [(name, model) for name, models in found.items() for model in _joint_first(models)]
    bar = tqdm(asked, desc="Drawing clips anew", unit="score", leave=False)
    return [_line(name, model, found[name], clips, resamples) for name, model in bar]


def _joint_first(models: Iterable[str]) -> list[str]:
    return sorted(models, key=lambda one: one != JOINT.name)


def _line(name: str, model: str, models: Mapping[str, Sequence[Score]], clips: int, resamples: int) -> Line:
    once = np.ones(clips, np.int64)
    seeds = {one: [score(once) for score in models[one]] for one in {model, JOINT.name} & models.keys()}
    if model == JOINT.name or JOINT.name not in models:
        return Line(name, model, seeds[model])
    interval = paired_bootstrap_of(_mean(models[JOINT.name]), _mean(models[model]), clips, resamples=resamples)
    apart = over_trainings(seeds[JOINT.name], seeds[model])
    return Line(name, model, seeds[model], interval.difference, (interval.low, interval.high), apart)


@dataclass(frozen=True)
class _mean:
    """The mean of a score over seeds."""

    scores: Sequence[Score]

    def __call__(self, counts: Counts) -> float:
        return fmean(score(counts) for score in self.scores)


def markdown(table: Sequence[Line]) -> str:
    """Return the table as people read it."""
    head = ["score", "model", "mean over seeds", "each seed", "less joint", "95 % over clips", "95 % over seeds"]
    rows = [head, ["---"] * len(head), *(_row(line) for line in table)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _row(line: Line) -> list[str]:
    arrow = " ↓" if line.score in LOWER_IS_BETTER else ""
    own = [line.score + arrow, line.model, f"{fmean(line.seeds):.3f}", " ".join(f"{one:.3f}" for one in line.seeds)]
    if line.difference is None:
        return [*own, "", "", ""]
    return [*own, f"{line.difference:+.3f}", _interval(line.clips), _interval(line.trainings)]


def _interval(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None or ends[0] != ends[0] else f"{ends[0]:+.3f} to {ends[1]:+.3f}"


def plain_lines(table: Sequence[Line]) -> list[dict[str, Any]]:
    """Return the table as JSON holds it."""
    return [asdict(line) for line in table]
