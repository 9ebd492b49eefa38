"""How the rows of both modalities belong together where each row has one clean side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from uat_lightning.types import Pair


@dataclass(frozen=True)
class Directions:
    """Rows of audio and of text, those that teach audio from text first.

    Args:
        generation: How many rows are noisy audio beside its clean text. All other audio is clean, and is read by noisy
            texts: one for every row first, then the next for every row.
        captions: Texts to each row of clean audio.
    """

    generation: int
    captions: int = 1

    @property
    def noisy(self) -> Pair[slice]:
        """The rows of audio and of text that are noisy."""
        return Pair(slice(self.generation), slice(self.generation, None))

    @property
    def clean(self) -> Pair[slice]:
        """The rows of audio and of text that are clean."""
        return Pair(slice(self.generation, None), slice(self.generation))

    def for_texts(self, audio: Tensor) -> Tensor:
        """Return for every text what belongs to its audio, (texts, ...), of (rows of audio, ...)."""
        return audio if self.captions == 1 else torch.cat([audio, *[audio[self.clean.audio]] * (self.captions - 1)])
