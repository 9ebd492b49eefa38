"""Which of several candidates to keep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from uat_lightning.metrics.plain_words import plain_words
from uat_lightning.tasks.base import Parts
from uat_lightning.tasks.score import PerToken, Score
from uat_lightning.types import Sequences

CANDIDATES = 8  # sounds to choose from where nobody says
STRIDE = 1_000_003  # between the seeds of a row's candidates; rows themselves are 1 apart


def checked_candidates(candidates: int) -> int:
    """Return a number of candidates.

    Raises:
        ValueError: If it is below 1.
    """
    if candidates < 1:
        raise ValueError(f"candidates must be at least 1, got {candidates}")
    return candidates


class Choice(ABC):
    """Chooses among candidate captions."""

    @abstractmethod
    def choose(self, parts: Parts, audio: Sequences, candidates: Sequence[Sequence[str]], seed: int = 0) -> list[int]:
        """Return the number of the best candidate for each row; the first of equals.

        Args:
            parts: The trained model.
            audio: Latents of each row.
            candidates: The captions to choose from, as many for each row.
            seed: Seed, where the choice is by an estimate.
        """


class MostLikely(Choice):
    """Keeps what the model scores highest.

    Args:
        score: How it scores; log p(text | audio) per token where None.
    """

    def __init__(self, score: Score | None = None) -> None:
        self.score = score or PerToken()

    def choose(self, parts: Parts, audio: Sequences, candidates: Sequence[Sequence[str]], seed: int = 0) -> list[int]:
        """Return the number of the highest score for each row; texts that are alike are scored once."""
        unlike = [list(dict.fromkeys(texts)) for texts in candidates]
        open_rows = [row for row, texts in enumerate(unlike) if len(texts) > 1]
        best = [texts[0] for texts in unlike]
        for row, scores in zip(open_rows, self._scores(parts, audio, unlike, open_rows, seed), strict=True):
            best[row] = unlike[row][int(scores.argmax())]
        return [list(texts).index(text) for texts, text in zip(candidates, best, strict=True)]

    def _scores(
        self, parts: Parts, audio: Sequences, texts: Sequence[Sequence[str]], rows: Sequence[int], seed: int
    ) -> Sequence[Tensor]:
        """Return the scores of all texts of some rows, (texts,) each."""
        if not rows:
            return []
        # Not parts.read: what the model wrote may be empty, and that has a score.
        text = parts.tokenizer.encode([text for row in rows for text in texts[row]]).to(parts.device)
        each = torch.tensor([row for row in rows for _ in texts[row]], device=audio.values.device)
        scores = self.score.of_latents(parts, audio.take(each), text, seed)
        return torch.split(scores, [len(texts[row]) for row in rows])


class Utility(ABC):
    """How much one caption is worth where another is the truth."""

    @abstractmethod
    def between(self, captions: Sequence[str]) -> Tensor:
        """Return the worth of each caption (first axis) for each as the truth (second), float64 (n, n)."""


class WordOverlap(Utility):
    """F1 of the words and word sequences that two captions share, from 0 to 1.

    Args:
        longest: Words of the longest sequences; the mean over all lengths up to it counts.
    """

    def __init__(self, longest: int = 4) -> None:
        self.longest = longest

    def between(self, captions: Sequence[str]) -> Tensor:
        """Return the mean F1 of n-grams of every pair; symmetric, 1 for equal captions."""
        counted = [[_ngrams(plain_words(text).split(), n) for n in range(1, self.longest + 1)] for text in captions]
        rows = [[_mean_f1(ours, theirs) for theirs in counted] for ours in counted]
        return torch.tensor(rows, dtype=torch.float64)


class MinimumBayesRisk(Choice):
    """Keeps the candidate that is worth most on average where each of the others is the truth.

    Args:
        utility: How much a caption is worth; ``WordOverlap`` where None.
    """

    def __init__(self, utility: Utility | None = None) -> None:
        self.utility = utility or WordOverlap()

    def choose(self, parts: Parts, audio: Sequences, candidates: Sequence[Sequence[str]], seed: int = 0) -> list[int]:
        """Return the number of the highest mean utility for each row; audio and seed do not matter."""
        return [int(self.utility.between(texts).mean(-1).argmax()) for texts in candidates]


def _ngrams(words: Sequence[str], length: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[place : place + length]) for place in range(len(words) - length + 1))


def _mean_f1(ours: Sequence[Counter[tuple[str, ...]]], theirs: Sequence[Counter[tuple[str, ...]]]) -> float:
    """Return the mean over the lengths of n-grams that either caption has."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a or b]
    if not pairs:
        return 1.0
    return sum(2 * (a & b).total() / (a.total() + b.total()) for a, b in pairs) / len(pairs)
