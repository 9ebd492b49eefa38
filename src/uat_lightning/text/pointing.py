"""Which sound of a caption a description means."""

from __future__ import annotations

from abc import ABC, abstractmethod

from uat_lightning.text.phrases import Phrases, heads, stem


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

    Endings do not count: ``the barking dog`` is ``a dog barks``.
    """

    def find(self, phrases: Phrases, description: str) -> int | None:
        """Return the number of the phrase, the first of equals."""
        wanted = [stem(word) for word in heads(description)]
        if not wanted:
            return None
        shared = []
        for phrase in phrases.each:
            words = {stem(word.strip(".,;:!?'\"()")) for word in phrase.words.split()}
            shared.append(sum(word in words for word in wanted) if wanted[-1] in words else 0)
        best = max(range(len(shared)), key=shared.__getitem__, default=None)
        return best if best is not None and shared[best] else None
