"""The scorers of ``pycocoevalcap`` with their n-grams counted and weighted quicker; the scores are the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider_scorer import CiderScorer
from pycocoevalcap.rouge.rouge import Rouge

from uat_lightning.metrics.captioning.ngram_tables import LONGEST, NgramTables

Values = NDArray[np.float64]


class CountedBleu(BleuScorer):  # type: ignore[misc]
    """BLEU of counted n-grams; ``compute_score`` is the field's.

    Args:
        tables: The n-grams of all captions.
    """

    def __init__(self, tables: NgramTables) -> None:
        super().__init__(n=LONGEST)
        lengths = range(1, LONGEST + 1)
        correct = np.stack([_clipped(tables, length) for length in lengths], 1).tolist()
        guess = np.stack([tables.ngrams(length)[: tables.clips] for length in lengths], 1).tolist()
        own = tables.words[: tables.clips].tolist()
        true = np.split(tables.words[tables.clips :], np.bincount(tables.clip[tables.clips :]).cumsum()[:-1])
        rows = zip(own, map(np.ndarray.tolist, true), guess, correct, strict=True)
        self.ctest = [dict(zip(("testlen", "reflen", "guess", "correct"), row, strict=True)) for row in rows]
        self.crefs = true

    def scores(self) -> tuple[list[float], list[list[float]]]:
        """Return BLEU-1 to BLEU-4 of the corpus and, for each of the four, of every clip."""
        corpus, single = self.compute_score(option="closest", verbose=0)
        return [float(value) for value in corpus], [[float(value) for value in values] for values in single]

    def shares(self, longest: int) -> list[float]:
        """Return each clip's share in BLEU of n-grams up to a length, see ``Ratio.shares``; none where BLEU is 0.

        The derivative of ``exp(min(0, 1 - r / c)) (product of precisions)^(1 / longest)`` (Papineni et al. 2002,
        section 2.3) by the weight of each clip.
        """
        rows = [(each["testlen"], self._closest(each), *each["guess"], *each["correct"]) for each in self.ctest]
        counts = np.array(rows, float).reshape(len(rows), -1)
        own, true = counts[:, 0], counts[:, 1]
        guess, correct = counts[:, 2 : 2 + longest], counts[:, 2 + LONGEST : 2 + LONGEST + longest]
        if not correct.sum(0).all():
            return []
        change = (correct / correct.sum(0) - guess / guess.sum(0)).mean(1)
        penalty = 1 - true.sum() / own.sum()
        if penalty < 0:
            change += own * true.sum() / own.sum() ** 2 - true / own.sum()
        score = np.exp(min(0.0, penalty)) * (correct.sum(0) / guess.sum(0)).prod() ** (1 / longest)
        shares: list[float] = (score * (1 + len(rows) * change)).tolist()
        return shares

    @staticmethod
    def _closest(clip: dict[str, Any]) -> int:
        own, true = int(clip["testlen"]), [int(length) for length in clip["reflen"]]
        return min(true, key=lambda length: (abs(length - own), length))


def _clipped(tables: NgramTables, length: int) -> NDArray[np.int64]:
    """Return how many n-grams of each candidate are right: at most as many as one reference has of them."""
    rows, place, there = tables.of_references(length)
    said = tables.tables[length - 1]
    best = np.zeros_like(said.count)
    np.maximum.at(best, place[there], rows.count[there])
    right = np.minimum(best, said.count)
    return np.bincount(said.text, right, tables.clips)[: tables.clips].astype(np.int64)


def counted_cider(tables: NgramTables) -> Values:
    """Return CIDEr-D of each clip, (clips,), as ``pycocoevalcap`` computes it, whose sigma it takes.

    Args:
        tables: The n-grams of all captions.
    """
    alike = sum((_cosines(tables, length) for length in range(1, LONGEST + 1)), np.zeros(len(tables.words)))
    bigrams = tables.ngrams(2)
    apart = (bigrams[tables.clip] - bigrams).astype(float)
    near = np.exp(-(apart**2) / (2 * CiderScorer().sigma ** 2))
    clip, each = tables.clip[tables.clips :], (alike / LONGEST * near)[tables.clips :]
    scores: Values = 10 * np.bincount(clip, each, tables.clips) / np.bincount(clip, minlength=tables.clips)
    return scores


def _cosines(tables: NgramTables, length: int) -> Values:
    """Return the clipped cosine of each reference and its candidate, (texts,); 0 for candidates."""
    rows, place, there = tables.of_references(length)
    table = tables.tables[length - 1]
    weight = table.count * _rarities(tables, length)[table.ngram]
    norm = np.sqrt(np.bincount(table.text, weight**2, len(tables.words)))
    true, said = weight[len(weight) - len(rows.count) :][there], weight[place[there]]
    shared = np.bincount(rows.text[there], np.minimum(said, true) * true, len(tables.words))
    both = norm * norm[tables.clip]
    cosines: Values = np.divide(shared, both, out=np.zeros(len(both)), where=both > 0)
    return cosines


def _rarities(tables: NgramTables, length: int) -> Values:
    """Return the logarithm of clips over clips that have an n-gram in a reference, (n-grams,)."""
    table = tables.tables[length - 1]
    of_references = table.text >= tables.clips
    text, ngram = table.text[of_references], table.ngram[of_references]
    once = np.unique(tables.clip[text] * table.kinds + ngram) % max(1, table.kinds)
    known = np.bincount(once, minlength=table.kinds)
    rarities: Values = np.log(float(tables.clips)) - np.log(np.maximum(1.0, known))
    return rarities


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
