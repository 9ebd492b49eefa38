"""Corpora: captioned clips in splits, which know nothing of codecs or tokenizers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from uat_lightning.data.source import Source


class Corpus(ABC):
    """Captioned clips in splits."""

    @property
    @abstractmethod
    def split_names(self) -> tuple[str, ...]:
        """The splits that there are, of "train", "validation" and "test"."""

    @abstractmethod
    def source(self, split: str, sample_rate: int, channels: int) -> Source:
        """Return the clips of a split.

        Args:
            split: One of ``split_names``.
            sample_rate: Samples per second wanted, in Hz.
            channels: Channels wanted.
        """

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """Return plain values that change whenever the clips do."""
