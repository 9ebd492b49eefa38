"""What a corpus of captions is, what its scores are, and what a scorer must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from uat_lightning.configurable import Configurable
from uat_lightning.metrics.captioning.ngram_tables import NgramTables
from uat_lightning.metrics.corpus_scores import CorpusScores


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


class CaptionScorer(Configurable, ABC):
    """Computes one family of scores.

    A subclass names what it computes in ``names``.
    """

    names: tuple[str, ...]

    @abstractmethod
    def score(self, corpus: CaptionCorpus) -> CorpusScores:
        """Score a corpus.

        Args:
            corpus: One clip or more; every reference has a word.

        Raises:
            NotComputable: If something is absent that it needs, be it a program, weights or a second clip.
        """
