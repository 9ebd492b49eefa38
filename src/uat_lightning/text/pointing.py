"""Which sound of a caption a description means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from uat_lightning.text.phrases import Phrases, heads, stem

SHORTEST = 4  # letters of a noun with which longer words may begin


class Pointing(ABC):
    """Finds the phrase that a description points at."""

    @abstractmethod
    def find(self, phrases: Phrases, description: str) -> int | None:
        """Return the number of the phrase; None where none is meant.

        Args:
            phrases: What is heard.
            description: Such as ``the deep bell``.
        """


class WordPointing(Pointing):
    """Finds the phrase by its words: it has the description's noun, and of several the most of its other words.

    Endings do not count: ``the barking dog`` is ``a dog barks``. Where no phrase has the noun, one that begins with it
    does as well: ``the rain`` is ``rainfall patters``.
    """

    def find(self, phrases: Phrases, description: str) -> int | None:
        """Return the number of the phrase, the first of equals."""
        wanted = [stem(word) for word in heads(description)]
        if not wanted:
            return None
        each = [{stem(word.strip(".,;:!?'\"()")) for word in phrase.words.split()} for phrase in phrases.each]
        exact = _best([_shared(wanted, words) for words in each])
        return exact if exact is not None else _best([_begun(wanted[-1], words) for words in each])


def _shared(wanted: Sequence[str], words: set[str]) -> int:
    """Return how many of the words a phrase has, 0 where it lacks the last."""
    return sum(word in words for word in wanted) if wanted[-1] in words else 0


def _begun(noun: str, words: set[str]) -> int:
    return int(len(noun) >= SHORTEST and any(word.startswith(noun) for word in words))


def _best(shared: Sequence[int]) -> int | None:
    best = max(range(len(shared)), key=shared.__getitem__, default=None)
    return best if best is not None and shared[best] else None
