"""A corpus: captioned clips in splits, wherever they lie, before any codec or tokenizer has seen them."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from uat_lightning.data.coverage import Coverage
from uat_lightning.data.manifest import Entry, ManifestSource
from uat_lightning.data.source import Source


class Corpus(ABC):
    """Captioned clips in splits.

    Attributes:
        holds_edits: Whether the clips are edits of others, with instructions for captions.
    """

    holds_edits: bool = False

    @property
    @abstractmethod
    def split_names(self) -> tuple[str, ...]:
        """The splits that there are, of "train", "validation" and "test", in this order."""

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


class ListedCorpus(Corpus):
    """A corpus of sound files whose clips are known before any file is read.

    Attributes:
        longest_file: Seconds of a clip that may be read; longer clips are reported and left out.
    """

    longest_file: float = 600.0

    @property
    @abstractmethod
    def splits(self) -> Mapping[str, Sequence[Entry]]:
        """The clips of each split."""

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits that have clips."""
        return tuple(self.splits)

    @property
    def coverage(self) -> tuple[Coverage, ...]:
        """How much of the lists was found; where a corpus does not say otherwise, all."""
        return tuple(_whole(type(self).__name__, split, clips) for split, clips in self.splits.items())

    @property
    def evaluation(self) -> Mapping[str, frozenset[str]]:
        """Keys (``data/identity.py``) of clips that others are evaluated on, by name of their list; none by default."""
        return {}

    def source(self, split: str, sample_rate: int, channels: int) -> Source:
        """Return the clips of a split, read from their files."""
        return ManifestSource(self.splits[split], sample_rate, channels, self.longest_file)

    def description(self) -> dict[str, Any]:
        """Return digests of names, versions, parts and captions of the clips."""
        return {"longest_file": self.longest_file} | {split: digest(clips) for split, clips in self.splits.items()}


def digest(clips: Sequence[Entry]) -> str:
    """Return 64 hexadecimal digits that change with the clips or their order.

    Of clips whose files nobody has looked at, a thousand are, evenly spread: whoever replaces the audio of a dataset
    replaces nearly all of it.
    """
    sha, step = hashlib.sha256(), max(1, len(clips) // 1000)
    for place, clip in enumerate(clips):
        version = clip.version
        if not any(version) and place % step == 0:
            version = (clip.file.stat().st_size, 0)
        sha.update(repr((clip.uid, version, clip.captions, clip.start, clip.end)).encode())
    return sha.hexdigest()


def _whole(corpus: str, split: str, clips: Sequence[Entry]) -> Coverage:
    captions = sum(len(clip.captions) for clip in clips)
    return Coverage(corpus, split, split, captions, malformed=0, listed=len(clips), found=len(clips), missing=0)
