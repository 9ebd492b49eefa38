"""How many different words captions use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from uat_lightning.metrics.captioning.scores import CaptionCorpus, CaptionScorer, NotComputable
from uat_lightning.metrics.corpus_scores import CorpusScores


def vocabulary_size(captions: Sequence[str]) -> int:
    """Return the number of different words in captions, whose words blanks separate."""
    return len({word for caption in captions for word in caption.split()})


def distinct_share(captions: Sequence[str], length: int) -> float:
    """Return distinct-n (Li et al. 2016): different n-grams over all n-grams of all captions, 0 to 1.

    Args:
        captions: Words of each caption, separated by blanks. More captions give a smaller share: compare equally many.
        length: Words of an n-gram.

    Raises:
        NotComputable: If no caption is that long.
    """
    ngrams = [ngram for caption in captions for ngram in _ngrams(caption.split(), length)]
    if not ngrams:
        raise NotComputable(f"no caption has {length} words or more")
    return len(set(ngrams)) / len(ngrams)


class Variety(CaptionScorer):
    """The vocabulary of the captions, distinct-1 and distinct-2."""

    names = ("vocabulary_size", "distinct_1", "distinct_2")

    def score(self, corpus: CaptionCorpus) -> CorpusScores:
        """Score a corpus; references do not matter."""
        said = corpus.words.candidates
        found, reasons = {"vocabulary_size": float(vocabulary_size(said))}, {}
        for length in (1, 2):
            try:
                found[f"distinct_{length}"] = distinct_share(said, length)
            except NotComputable as reason:
                reasons[f"distinct_{length}"] = str(reason)
        return CorpusScores(found, {}, reasons)


def _ngrams(words: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[place:] for place in range(length)), strict=False)
