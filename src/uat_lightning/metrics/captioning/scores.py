"""What a corpus of captions is, what its scores are, and what a scorer must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from uat_lightning.configurable import Configurable
from uat_lightning.metrics.captioning.ngram_tables import NgramTables


class NotComputable(ValueError):
    """A score cannot be computed here; the message is one line that says why and what would help."""


@dataclass(frozen=True)
class Captions:
    """One caption for each clip, and the true ones.

    Args:
        candidates: The caption of each clip; may be empty.
        references: The true captions of each clip, one or more.
    """

    candidates: Sequence[str]
    references: Sequence[Sequence[str]]

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.candidates)

    @cached_property
    def ngrams(self) -> NgramTables:
        """The n-grams of all captions, where blanks separate their words; counted once."""
        return NgramTables.of(self.candidates, self.references)


@dataclass(frozen=True)
class CaptionCorpus:
    """Captions as they were written, each on one line, and as words.

    Args:
        texts: As written; sentence embeddings and fluency read these.
        words: The same, split into words; everything that counts words reads these.
    """

    texts: Captions
    words: Captions


@dataclass(frozen=True)
class CaptionScores:
    """Scores of a corpus of captions; what could not be computed is absent and says why.

    Args:
        scores: Scores of the whole corpus by name.
        per_caption: Scores of single captions by name, one figure for each clip, in the order of the clips; NaN where a
            caption has none. A score of the corpus is their mean, but for those that have shares, and METEOR.
        not_computed: Why a score that was asked for is absent, by its name.
        shares: What each clip adds to a score of all clips together, by its name; their mean is the score.
    """

    scores: dict[str, float] = field(default_factory=dict)
    per_caption: dict[str, list[float]] = field(default_factory=dict)
    not_computed: dict[str, str] = field(default_factory=dict)
    shares: dict[str, list[float]] = field(default_factory=dict)

    def __or__(self, other: CaptionScores) -> CaptionScores:
        """Return the scores of both."""
        return CaptionScores(
            self.scores | other.scores,
            self.per_caption | other.per_caption,
            self.not_computed | other.not_computed,
            self.shares | other.shares,
        )


class CaptionScorer(Configurable, ABC):
    """Computes one family of scores.

    A subclass names what it computes in ``names``.
    """

    names: tuple[str, ...]

    @abstractmethod
    def score(self, corpus: CaptionCorpus) -> CaptionScores:
        """Score a corpus.

        Args:
            corpus: One clip or more; every reference has a word.

        Raises:
            NotComputable: If something is absent that it needs, be it a program, weights or a second clip.
        """
