"""The scorers of ``pycocoevalcap`` with their n-grams counted and weighted quicker; the scores are the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from math import exp
from typing import NamedTuple

import numpy as np
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider_scorer import CiderScorer
from pycocoevalcap.rouge.rouge import Rouge

LONGEST = 4
Ngrams = Counter[tuple[str, ...]]


def count_ngrams(caption: str) -> Ngrams:
    """Return how often each sequence of one to four words is in a caption, the short ones first."""
    words = caption.split()
    shifted = [words[start:] for start in range(LONGEST)]
    return Counter(chain.from_iterable(zip(*shifted[:length], strict=False) for length in range(1, LONGEST + 1)))


class CountedBleu(BleuScorer):  # type: ignore[misc]
    """Takes clips one after the other; ``compute_score`` is the field's.

    Args:
        candidates: Words of each caption.
        references: Words of the true captions of each clip.
    """

    def __init__(self, candidates: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        super().__init__(n=LONGEST)
        self.ctest = [self._against(said, true) for said, true in zip(candidates, references, strict=True)]
        self.crefs = list(references)

    @staticmethod
    def _against(candidate: str, references: Sequence[str]) -> dict[str, object]:
        true, length, correct = [count_ngrams(text) for text in references], len(candidate.split()), [0] * LONGEST
        for ngram, count in count_ngrams(candidate).items():
            correct[len(ngram) - 1] += min(count, max([some.get(ngram, 0) for some in true]))
        guess = [max(0, length - n) for n in range(LONGEST)]
        lengths = [len(text.split()) for text in references]
        return {"testlen": length, "reflen": lengths, "guess": guess, "correct": correct}


class Vector(NamedTuple):
    """The weighted n-grams of a caption.

    Args:
        weights: By n-gram.
        norms: Euclidean norm of the weights of each length.
        bigrams: How many pairs of words the caption has.
    """

    weights: dict[tuple[str, ...], float]
    norms: list[float]
    bigrams: int


class CountedCider(CiderScorer):  # type: ignore[misc]
    """CIDEr-D, whose formula is ``_similarity``; ``compute_score`` and sigma are the field's.

    Args:
        candidates: Words of each caption.
        references: Words of the true captions of each clip.
    """

    def __init__(self, candidates: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        super().__init__(n=LONGEST)
        self.ctest = [count_ngrams(text) for text in candidates]
        self.crefs = [[count_ngrams(text) for text in texts] for texts in references]

    def compute_doc_freq(self) -> None:
        """Count the clips that have an n-gram in a reference."""
        self.document_frequency = Counter(chain.from_iterable(set().union(*counts) for counts in self.crefs))

    def compute_cider(self) -> list[float]:
        """Return the score of each caption."""
        self.ref_len = float(np.log(float(len(self.crefs))))
        known = np.fromiter(self.document_frequency.values(), float)
        rarity = dict(zip(self.document_frequency, (self.ref_len - np.log(known)).tolist(), strict=True))
        scores = []
        for said, true in zip(self.ctest, self.crefs, strict=True):
            candidate = self._vector(said, rarity)
            alike = [self._similarity(candidate, self._vector(one, rarity)) for one in true]
            scores.append(10 * sum(alike) / len(true))
        return scores

    def _vector(self, counts: Ngrams, rarity: dict[tuple[str, ...], float]) -> Vector:
        weights, squares, bigrams = {}, [0.0] * LONGEST, 0
        for ngram, count in counts.items():
            weights[ngram] = weight = count * rarity.get(ngram, self.ref_len)
            squares[len(ngram) - 1] += weight * weight
            if len(ngram) == 2:
                bigrams += count
        return Vector(weights, [square**0.5 for square in squares], bigrams)

    def _similarity(self, candidate: Vector, reference: Vector) -> float:
        """Return the clipped cosine, its mean over the lengths of n-grams; less where the captions differ in length."""
        alike, there = [0.0] * LONGEST, reference.weights
        for ngram, weight in candidate.weights.items():
            if ngram in there:
                alike[len(ngram) - 1] += min(weight, there[ngram]) * there[ngram]
        norms = [ours * theirs for ours, theirs in zip(candidate.norms, reference.norms, strict=True)]
        cosines = sum(value / norm for value, norm in zip(alike, norms, strict=True) if norm)
        return cosines / LONGEST * exp(-((candidate.bigrams - reference.bigrams) ** 2) / (2 * self.sigma**2))


class CountedRouge(Rouge):  # type: ignore[misc]
    """ROUGE-L; its beta is the field's."""

    def calc_score(self, candidate: Sequence[str], refs: Sequence[str]) -> float:
        """Return the score of one caption: the F-measure of the best precision and the best recall."""
        said = candidate[0].split()
        common = [(longest_common(said, true), len(true)) for true in (text.split() for text in refs)]
        if not any(both for both, _ in common):
            return 0.0
        precision = max(both for both, _ in common) / len(said)
        recall = max(both / length for both, length in common)
        weight: float = self.beta**2
        return (1 + weight) * precision * recall / (recall + weight * precision)


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, by bits (Hyyro 2004): a zero bit is a word that is in it."""
    places: dict[str, int] = {}
    for place, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << place
    whole = (1 << len(one)) - 1
    row = whole
    for word in other:
        found = row & places.get(word, 0)
        row = (row + found | row - found) & whole
    return len(one) - row.bit_count()
