"""What the clips of a split have in common, added up clip by clip."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from uat_lightning.data.audio.loudness import SILENCE, decibels
from uat_lightning.data.doctor.measurement import Measurement

MOSTLY = 0.5  # share of silence from which a clip is mostly silent
CLIPPED = 0.001  # share of clipped samples from which a clip sounds clipped
NARROW = 0.75  # share of the band that sound must reach not to be called narrow
BINS = 24  # bars of a histogram


class Tally:
    """Adds up the clips of a split.

    Args:
        sample_rate: Samples per second that clips will be brought to, in Hz; each file's own where None.
    """

    def __init__(self, sample_rate: int | None = None) -> None:
        self.sample_rate = sample_rate
        self.unreadable = self.silent = self.mostly_silent = self.clipped = self.narrow = 0
        self.rates: Counter[int] = Counter()
        self.channels: Counter[int] = Counter()
        self.seconds, self.bandwidths, self.levels, self.silences = (array("d") for _ in range(4))

    def add(self, clip: Measurement) -> None:
        """Take in a clip."""
        if clip.problem:
            self.unreadable += 1
            return
        self.rates[clip.sample_rate] += 1
        self.channels[clip.channels] += 1
        for values, value in (
            (self.seconds, clip.seconds),
            (self.bandwidths, clip.bandwidth),
            (self.levels, clip.rms_dbfs),
            (self.silences, clip.silence),
        ):
            values.append(value)
        self.silent += is_silent(clip)
        self.mostly_silent += clip.silence > MOSTLY
        self.clipped += clip.clipped > CLIPPED
        self.narrow += is_narrow(clip, self.sample_rate)

    def summary(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "clips": len(self.seconds) + self.unreadable,
            "unreadable": self.unreadable,
            "hours": round(sum(self.seconds) / 3600, 4),
            "seconds": spread(self.seconds),
            "sample_rates": _by_size(self.rates),
            "channels": _by_size(self.channels),
            "bandwidth_hz": spread(self.bandwidths),
            "rms_dbfs": spread(self.levels),
            "silence_share": round(sum(self.silences) / max(1, len(self.silences)), 4),
            "silent": self.silent,
            "mostly_silent": self.mostly_silent,
            "clipped": self.clipped,
            "narrow": self.narrow,
        }


def is_silent(clip: Measurement) -> bool:
    """Say whether nobody hears anything in a clip."""
    return not clip.problem and clip.peak_dbfs < decibels(SILENCE)


def is_narrow(clip: Measurement, sample_rate: int | None) -> bool:
    """Say whether a clip's sound ends far below what a rate can hold, its own where None; silence has no such end."""
    return not is_silent(clip) and clip.bandwidth < NARROW * (sample_rate or clip.sample_rate) / 2


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the least, median, mean, 95th percentile and greatest of numbers, nothing of none."""
    if not len(values):
        return {}
    found = np.asarray(values, dtype=np.float64)
    low, middle, high, top = np.quantile(found, [0, 0.5, 0.95, 1])
    named = {"min": low, "median": middle, "mean": found.mean(), "p95": high, "max": top}
    return {name: round(float(value), 3) for name, value in named.items()}


def histogram(values: Sequence[float], low: float | None = None, high: float | None = None) -> dict[str, Any]:
    """Return the counts of numbers in bins of equal width, and the bins' edges; the outermost hold what lies beyond.

    Args:
        values: The numbers.
        low: Where the first bin begins; the least number where None.
        high: Where the last one ends; the greatest number where None.
    """
    found = np.asarray(values if len(values) else [0.0], dtype=np.float64)
    limits = (found.min() if low is None else low, found.max() if high is None else high)
    counts, edges = np.histogram(found[: len(values)].clip(*limits), BINS, limits)
    return {"counts": counts.tolist(), "edges": [round(float(edge), 4) for edge in edges]}


def _by_size(counts: Counter[int]) -> dict[str, int]:
    return {str(value): count for value, count in sorted(counts.items())}
