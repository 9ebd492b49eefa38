"""What each clip adds to a score of all clips together, so that such a score has an interval too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np


@dataclass(frozen=True)
class Ratio:
    """A ratio of two sums over clips, such as precision.

    Args:
        parts: What each clip adds to the numerator.
        wholes: What it adds to the denominator, 0 or more.
    """

    parts: Sequence[float]
    wholes: Sequence[float]

    @property
    def value(self) -> float:
        """The ratio of all clips together; NaN where the denominator is 0."""
        return sum(self.parts) / sum(self.wholes) if sum(self.wholes) else nan

    @property
    def each(self) -> list[float]:
        """The ratio of each clip on its own; NaN where its denominator is 0."""
        return [part / whole if whole else nan for part, whole in zip(self.parts, self.wholes, strict=True)]

    @property
    def shares(self) -> list[float]:
        """Each clip's share in the ratio, whose mean is the ratio; NaN where there is none.

        A share is the score, plus what more weight on the clip would change in it: to first order, the score of clips
        that are drawn anew is the mean of the shares drawn. It is made of the influence function, whose bootstrap is
        the nonparametric delta method (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", section 22.5).
        """
        parts, wholes = np.asarray(self.parts, float), np.asarray(self.wholes, float)
        scale = wholes.mean() or nan
        shares: list[float] = (self.value + (parts - self.value * wholes) / scale).tolist()
        return shares
