"""How captions are split into the words that are counted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from uat_lightning.configurable import Configurable
from uat_lightning.metrics.captioning.treebank import treebank_words


class Words(Configurable, ABC):
    """Splits captions into words."""

    @abstractmethod
    def split(self, captions: Sequence[str]) -> list[str]:
        """Return every caption's words, separated by single blanks, in the order of the captions.

        Args:
            captions: Texts of one line each; an empty one has no words.

        Raises:
            NotComputable: If what it needs is absent.
        """


class Treebank(Words):
    """Splits as the Penn Treebank tokenizer of coco-caption does, without Java; see ``treebank_words``."""

    def split(self, captions: Sequence[str]) -> list[str]:
        """Return every caption's words."""
        return [treebank_words(caption) for caption in captions]


class AlreadySplit(Words):
    """Leaves captions as they are: words are what blanks separate, case and punctuation count."""

    def split(self, captions: Sequence[str]) -> list[str]:
        """Return every caption with single blanks."""
        return [" ".join(caption.split()) for caption in captions]
