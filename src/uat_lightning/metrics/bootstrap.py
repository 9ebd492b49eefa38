"""How sure a difference between two systems is: paired bootstrap intervals over clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_ind

AT_ONCE = 1 << 22  # counts drawn at once
Statistic = Callable[[NDArray[np.int64]], float]


@dataclass(frozen=True)
class Interval:
    """A mean difference and where it lies.

    Args:
        difference: The mean over the clips, second system less first.
        low: Lower end of the interval.
        high: Upper end.
        p_value: Two-sided, the share of resampled means on the other side of 0, at least ``1 / (resamples + 1)``.
        clips: Clips there were.
    """

    difference: float
    low: float
    high: float
    p_value: float
    clips: int


def paired_bootstrap(
    first: Sequence[float],
    second: Sequence[float],
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Return the mean difference of two systems' scores of the same clips, with its percentile interval.

    Clips are drawn with replacement, the same for both systems (Efron & Tibshirani 1993, chapter 13; for systems that
    are compared Koehn 2004). The interval tells of other clips like these, not of other seeds of training.

    Args:
        first: A score of each clip (clips,).
        second: The same of the other system, in the same order.
        confidence: Share of resampled means within the interval, above 0 and below 1.
        resamples: Times that clips are drawn.
        seed: Seed of the draws.

    Raises:
        ValueError: If the clips are not equally many, or there are none, or a number is out of range.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"{len(first)} and {len(second)} clips make no pairs: give the same clips of both systems")
    if not 0 < confidence < 1 or resamples < 1:
        raise ValueError(f"confidence must lie within 0 and 1 and resamples above 0, got {confidence} and {resamples}")
    apart = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    means = _resampled_means(apart, resamples, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    tail = min((means <= 0).sum(), (means >= 0).sum())
    p_value = min(1.0, 2 * (int(tail) + 1) / (resamples + 1))
    return Interval(float(apart.mean()), float(low), float(high), p_value, len(apart))


def paired_bootstrap_of(
    first: Statistic,
    second: Statistic,
    clips: int,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the difference of two systems in a score that is no mean over clips, with an interval.

    Clips are drawn as in ``paired_bootstrap``. Scores such as the Frechet distance are biased where clips repeat: the
    interval is the resampled one, moved so that its mean is the difference itself.

    Args:
        first: The score of a system as a function of how often each clip counts, int64 (clips,).
        second: The same of the other system.
        clips: Number of clips.
        confidence: Share of resampled differences within the interval, above 0 and below 1.
        resamples: Times that clips are drawn.
        seed: Seed of the draws.
    """
    difference = second(np.ones(clips, np.int64)) - first(np.ones(clips, np.int64))
    counts = np.random.default_rng(seed).multinomial(clips, np.full(clips, 1 / clips), resamples)
    drawn = np.array([second(row) - first(row) for row in counts])
    centred = drawn - drawn.mean() + difference
    low, high = np.quantile(centred, [(1 - confidence) / 2, (1 + confidence) / 2])
    tail = min((centred <= 0).sum(), (centred >= 0).sum())
    return Interval(difference, float(low), float(high), min(1.0, 2 * (int(tail) + 1) / (resamples + 1)), clips)


def over_trainings(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a difference over other seeds of training: Welch's t (1947), which few seeds make wide.

    Args:
        first: A score of each training of a system, two or more.
        second: The same of the other system, less which the first is taken.
        confidence: Share of intervals that hold the true difference, above 0 and below 1.

    Returns:
        Its ends; NaN for fewer than two trainings of either, or where nothing varies.
    """
    if min(len(first), len(second)) < 2 or np.ptp(first) + np.ptp(second) == 0:
        return float("nan"), float("nan")
    interval = ttest_ind(second, first, equal_var=False).confidence_interval(confidence)
    return float(interval.low), float(interval.high)


def mean_intervals(
    values: NDArray[np.float64], confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> list[tuple[float, float]]:
    """Return the percentile interval of the mean of each column: where it lies for other clips like these.

    Args:
        values: Some scores of each clip, (clips, scores).
        confidence: Share of resampled means within an interval, above 0 and below 1.
        resamples: Times that clips are drawn, the same for all columns.
        seed: Seed of the draws.
    """
    means = _resampled_means(values, resamples, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _resampled_means(values: NDArray[np.float64], resamples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return the means over resampled rows: how often each was drawn is all that matters."""
    count = len(values)
    step = max(1, AT_ONCE // count)
    sizes = [min(step, resamples - first) for first in range(0, resamples, step)]
    shares = np.full(count, 1 / count)
    # Taken around the mean, so that equal values have an interval of no width.
    around = values - values.mean(0)
    sums = [random.multinomial(count, shares, size) @ around for size in sizes]
    means: NDArray[np.float64] = values.mean(0) + np.concatenate(sums) / count
    return means
