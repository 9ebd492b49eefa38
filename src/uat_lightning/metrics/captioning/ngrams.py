"""BLEU, ROUGE-L and CIDEr-D as ``pycocoevalcap`` defines them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uat_lightning.metrics.captioning.counted import CountedBleu, CountedRouge, counted_cider
from uat_lightning.metrics.captioning.ngram_tables import NgramTables
from uat_lightning.metrics.captioning.scores import CaptionCorpus, CaptionScorer, NotComputable
from uat_lightning.metrics.corpus_scores import CorpusScores

References = Sequence[Sequence[str]]


def bleu(candidates: Sequence[str], references: References) -> tuple[list[float], list[list[float]]]:
    """Return BLEU-1 to BLEU-4 (Papineni et al. 2002) of a corpus and, for each of the four, of every caption; 0 to 1.

    The corpus score pools n-gram counts over all captions; the length of a reference is that closest to the caption's,
    the shorter of two.

    Args:
        candidates: Words of each caption, separated by blanks.
        references: Words of the true captions of each clip.
    """
    return CountedBleu(NgramTables.of(candidates, references)).scores()


def rouge_l(candidates: Sequence[str], references: References) -> list[float]:
    """Return ROUGE-L (Lin 2004) of every caption with beta 1.2, 0 to 1; arguments as of ``bleu``.

    Precision and recall are each the best over the references.
    """
    rouge = CountedRouge()
    return [float(rouge.calc_score([said], true)) for said, true in zip(candidates, references, strict=True)]


def cider_d(candidates: Sequence[str], references: References) -> list[float]:
    """Return CIDEr-D (Vedantam et al. 2015) of every caption, 0 to 10; arguments as of ``bleu``.

    The words' weights come from the references of this corpus: figures compare between captions of the same clips only.
    For a single clip all weights, and thus the score, are 0.
    """
    return [float(value) for value in counted_cider(NgramTables.of(candidates, references))]


class Bleu(CaptionScorer):
    """BLEU-1 to BLEU-4, see ``bleu``."""

    names = ("bleu_1", "bleu_2", "bleu_3", "bleu_4")

    def score(self, corpus: CaptionCorpus) -> CorpusScores:
        """Score a corpus."""
        counted = CountedBleu(corpus.words.ngrams)
        together, single = counted.scores()
        shares = {name: counted.shares(length) for length, name in enumerate(self.names, 1)}
        known = {name: values for name, values in shares.items() if values}
        return CorpusScores(
            dict(zip(self.names, together, strict=True)), dict(zip(self.names, single, strict=True)), shares=known
        )


class RougeL(CaptionScorer):
    """The mean of ``rouge_l``."""

    names = ("rouge_l",)

    def score(self, corpus: CaptionCorpus) -> CorpusScores:
        """Score a corpus."""
        return mean_of("rouge_l", rouge_l(corpus.words.candidates, corpus.words.references))


class CiderD(CaptionScorer):
    """The mean of ``cider_d``."""

    names = ("cider_d",)

    def score(self, corpus: CaptionCorpus) -> CorpusScores:
        """Score a corpus of two clips or more."""
        if len(corpus.words) < 2:
            raise NotComputable("a single clip gives no word weights: score two clips or more together")
        return mean_of("cider_d", counted_cider(corpus.words.ngrams).tolist())


def mean_of(name: str, values: Sequence[float]) -> CorpusScores:
    """Return the scores of single captions with their mean under one name."""
    return CorpusScores({name: float(np.mean(values))}, {name: list(values)})
