"""Scores of a corpus of captions or of sounds, of each of its clips, and why others are absent."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class CorpusScores:
    """Scores of a corpus; what could not be computed is absent and says why.

    Args:
        scores: Scores of the whole corpus by name.
        per_clip: Scores of single clips by name, one figure for each clip, in the order of the clips; NaN where a clip
            has none. A score of the corpus is their mean, but for those that have shares, and METEOR.
        not_computed: Why a score that was asked for is absent, by its name.
        shares: What each clip adds to a score of all clips together, by its name; their mean is the score.
    """

    scores: dict[str, float] = field(default_factory=dict)
    per_clip: dict[str, list[float]] = field(default_factory=dict)
    not_computed: dict[str, str] = field(default_factory=dict)
    shares: dict[str, list[float]] = field(default_factory=dict)

    def __or__(self, other: CorpusScores) -> CorpusScores:
        """Return the scores of both."""
        return CorpusScores(
            self.scores | other.scores,
            self.per_clip | other.per_clip,
            self.not_computed | other.not_computed,
            self.shares | other.shares,
        )
