"""Scores that are made of two others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from uat_lightning.metrics.corpus_scores import CorpusScores


def spider(cider_d: float, spice: float) -> float:
    """Return SPIDEr (Liu et al. 2017), the mean of CIDEr-D and SPICE."""
    return (cider_d + spice) / 2


def fluency_penalized(score: float, error: float, penalty: float = 0.9) -> float:
    """Return a score that a fluency error takes its share of (FENSE, Zhou et al. 2022): ``score (1 - penalty error)``.

    Args:
        score: Of one caption.
        error: 1 where the caption has an error, else 0.
        penalty: The share.
    """
    return score * (1 - penalty * error)


@dataclass(frozen=True)
class Combination:
    """A score made of two others, caption by caption.

    Args:
        name: Its name.
        parts: The names of the two.
        formula: What makes it of theirs.
    """

    name: str
    parts: tuple[str, str]
    formula: Callable[[float, float], float]

    def add_to(self, scores: CorpusScores) -> CorpusScores:
        """Return scores with this one, or with the reason why it is absent where a part is absent for a reason."""
        missing = [part for part in self.parts if part in scores.not_computed]
        if missing:
            return scores | CorpusScores(not_computed={self.name: f"{missing[0]}: {scores.not_computed[missing[0]]}"})
        if not all(part in scores.per_clip for part in self.parts):
            return scores  # nobody asked for it
        values = [self.formula(*both) for both in zip(*(scores.per_clip[part] for part in self.parts), strict=True)]
        return scores | CorpusScores({self.name: float(np.mean(values))}, {self.name: values})


COMBINATIONS: Sequence[Combination] = (
    Combination("spider", ("cider_d", "spice"), spider),
    Combination("spider_fl", ("spider", "fluency_error"), fluency_penalized),
    Combination("fense", ("sentence_similarity", "fluency_error"), fluency_penalized),
)
