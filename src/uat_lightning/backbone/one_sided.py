"""A backbone's prediction for one modality beside a condition that stays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from uat_lightning.types import Pair, Sequences


class OneSided(ABC):
    """A function of one modality and its noise levels; the other modality, the condition, is given."""

    @abstractmethod
    def __call__(self, noisy: Sequences, t: Tensor) -> Tensor:
        """Return the prediction for noisy rows of the one modality at their noise levels, (rows,)."""

    @abstractmethod
    def take(self, rows: Tensor) -> OneSided:
        """Return the function for some of the rows."""


@dataclass(frozen=True)
class AudioGivenText(OneSided):
    """The audio prediction of the whole network under a text.

    Args:
        network: Both modalities' predictions, as ``Backbone.forward`` gives them.
        text: Token ids (rows, tokens).
        t: Noise levels of the text, (rows,).
    """

    network: Callable[[Pair[Sequences], Pair[Tensor]], Pair[Tensor]]
    text: Sequences
    t: Tensor

    def __call__(self, noisy: Sequences, t: Tensor) -> Tensor:
        """Return the prediction (rows, frames, latent_width)."""
        return self.network(Pair(noisy, self.text), Pair(t, self.t)).audio

    def take(self, rows: Tensor) -> OneSided:
        """Return the function for some of the texts."""
        return AudioGivenText(self.network, self.text.take(rows), self.t[rows])


@dataclass(frozen=True)
class TextGivenAudio(OneSided):
    """The text logits of the whole network under audio.

    Args:
        network: Both modalities' predictions, as ``Backbone.forward`` gives them.
        audio: Latents (rows, frames, latent_width).
        t: Noise levels of the audio, (rows,).
    """

    network: Callable[[Pair[Sequences], Pair[Tensor]], Pair[Tensor]]
    audio: Sequences
    t: Tensor

    def __call__(self, noisy: Sequences, t: Tensor) -> Tensor:
        """Return the logits (rows, tokens, vocabulary_size)."""
        return self.network(Pair(self.audio, noisy), Pair(self.t, t)).text

    def take(self, rows: Tensor) -> OneSided:
        """Return the function for some of the clips."""
        return TextGivenAudio(self.network, self.audio.take(rows), self.t[rows])
