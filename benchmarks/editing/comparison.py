"""Methods at equal adherence: how far from the true result, where another does what was asked for as often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import nan
from statistics import fmean
from typing import Any

from editing.trial import Row, mean
from uat_lightning.metrics.bootstrap import paired_bootstrap

DISTANCES = ("to_target_db", "latents")


@dataclass(frozen=True)
class Trial:
    """The scores of a trial.

    Args:
        name: The method's name.
        strength: Its strength.
        rows: The scores of each edit.
    """

    name: str
    strength: float
    rows: Sequence[Row]

    @property
    def asked_for(self) -> float:
        """How often what was asked for is heard, 0 to 1."""
        return mean(self.rows, "asked_for")


def at_adherence(curve: Sequence[Trial], wanted: float, score: str) -> tuple[list[float], bool]:
    """Return a score of each edit by a method where its mean adherence is as wanted, and whether it gets there.

    Between the strengths of its curve the score is on a straight line, as the adherence is; beyond its ends it is that
    of the end.

    Args:
        curve: Trials of one method.
        wanted: Adherence, 0 to 1.
        score: The score.
    """
    ordered = sorted(curve, key=lambda trial: trial.asked_for)
    for low, high in pairwise(ordered):
        if low.asked_for <= wanted <= high.asked_for:
            share = (wanted - low.asked_for) / max(high.asked_for - low.asked_for, 1e-12)
            pairs = zip(low.rows, high.rows, strict=True)
            return [a[score] + share * (b[score] - a[score]) for a, b in pairs], True
    end = ordered[0] if wanted < ordered[0].asked_for else ordered[-1]
    return [row[score] for row in end.rows], False


def against(curve: Sequence[Trial], trial: Trial) -> dict[str, Any]:
    """Return how much nearer to the true result a trial is than a curve at equal adherence, with 95 % intervals."""
    compared: dict[str, Any] = {"name": trial.name, "strength": trial.strength, "asked_for": trial.asked_for}
    for score in DISTANCES:
        theirs, reached = at_adherence(curve, trial.asked_for, score)
        compared[score] = relative(theirs, [row[score] for row in trial.rows])
        compared["reached"] = reached
    return compared


def relative(theirs: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """Return two mean distances, their paired difference with its interval, and all of that as shares of the first."""
    interval, base = paired_bootstrap(theirs, ours), fmean(theirs)
    whole = base or nan
    shares = {f"{end}_share": value / whole for end, value in asdict(interval).items() if end in ("low", "high")}
    both = {"theirs": base, "ours": base + interval.difference, "share": interval.difference / whole}
    return {**both, **asdict(interval), **shares}


def recommended(trials: Sequence[Trial], baseline: Trial, operation: str, slack: float = 0.02) -> Trial:
    """Return the trial that is nearest to the true results of an operation, by the log-spectral distance.

    Only those count that do what was asked for as often as a baseline does, but for some slack.
    """
    least = mean(baseline.rows, "asked_for", operation) - slack
    able = [trial for trial in trials if mean(trial.rows, "asked_for", operation) >= least]
    return min(able, key=lambda trial: mean(trial.rows, "to_target_db", operation))
