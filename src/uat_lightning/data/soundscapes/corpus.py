"""Soundscapes as a corpus, to train on alone or in a mixture."""

from __future__ import annotations

from typing import Any

import numpy as np

from uat_lightning.data.corpus import Corpus
from uat_lightning.data.soundscapes.dataset import Soundscapes
from uat_lightning.data.source import CaptionedAudio, Source


class SoundscapesSource(Source):
    """The first ``count`` clips of a split of Soundscapes.

    Args:
        soundscapes: The collection.
        split: "train", "validation" or "test".
        count: Number of clips.
        channels: Channels wanted; all hold the same.
    """

    def __init__(self, soundscapes: Soundscapes, split: str, count: int, channels: int = 1) -> None:
        self.soundscapes, self.split, self.count, self.channels = soundscapes, split, count, channels

    def __len__(self) -> int:
        """Return the number of clips."""
        return self.count

    def __getitem__(self, index: int) -> CaptionedAudio:
        """Render one clip."""
        clip = self.soundscapes.clip(self.split, index)
        return CaptionedAudio(clip.uid, np.repeat(clip.audio[None], self.channels, 0), clip.captions)


class SoundscapesCorpus(Corpus):
    """Synthesised sound events with captions, made on the spot: nothing to download.

    Args:
        train_clips: Clips to train on.
        validation_clips: Clips to validate on.
        test_clips: Clips to test on.
        shortest: Shortest clip, in seconds.
        longest: Longest clip, in seconds.
        seed: Seed of the clips.
    """

    def __init__(
        self,
        train_clips: int = 20_000,
        validation_clips: int = 256,
        test_clips: int = 256,
        shortest: float = 3.0,
        longest: float = 4.0,
        seed: int = 0,
    ) -> None:
        self.counts = {"train": train_clips, "validation": validation_clips, "test": test_clips}
        self.shortest, self.longest, self.seed = shortest, longest, seed

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits that have clips."""
        return tuple(split for split, count in self.counts.items() if count)

    def source(self, split: str, sample_rate: int, channels: int) -> Source:
        """Return the clips of a split, rendered at any rate from 16 kHz."""
        soundscapes = Soundscapes(self.seed, sample_rate, self.shortest, self.longest)
        return SoundscapesSource(soundscapes, split, self.counts[split], channels)

    def description(self) -> dict[str, Any]:
        """Return the collection's settings and the counts."""
        settings = {"seed": self.seed, "shortest": self.shortest, "longest": self.longest}
        return {"soundscapes": settings, **self.counts}
