"""A backbone's prediction for one modality beside a condition that stays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor

from uat_lightning.backbone.prediction import Prediction, TextPrediction
from uat_lightning.types import Pair, Sequences

P_co = TypeVar("P_co", covariant=True)


class OneSided(ABC, Generic[P_co]):
    """A function of one modality and its noise levels; the other modality, the condition, is given."""

    @abstractmethod
    def __call__(self, noisy: Sequences, t: Tensor) -> P_co:
        """Return the prediction for noisy rows of the one modality at their noise levels, (rows,)."""

    @abstractmethod
    def take(self, rows: Tensor) -> OneSided[P_co]:
        """Return the function for some of the rows."""


@dataclass(frozen=True)
class AudioGivenText(OneSided[Tensor]):
    """The audio prediction of the whole network under a text.

    Args:
        network: Both modalities' predictions, as ``Backbone.forward`` gives them.
        text: Token ids (rows, tokens).
        t: Noise levels of the text, (rows,).
    """

    network: Callable[[Pair[Sequences], Pair[Tensor]], Prediction]
    text: Sequences
    t: Tensor

    def __call__(self, noisy: Sequences, t: Tensor) -> Tensor:
        """Return the prediction (rows, frames, latent_width)."""
        return self.network(Pair(noisy, self.text), Pair(t, self.t)).audio

    def take(self, rows: Tensor) -> OneSided[Tensor]:
        """Return the function for some of the texts."""
        return AudioGivenText(self.network, self.text.take(rows), self.t[rows])


@dataclass(frozen=True)
class TextGivenAudio(OneSided[TextPrediction]):
    """The text prediction of the whole network under audio.

    Args:
        network: The text's side of what ``Backbone.forward`` gives.
        audio: Latents (rows, frames, latent_width).
        t: Noise levels of the audio, (rows,).
    """

    network: Callable[[Pair[Sequences], Pair[Tensor]], TextPrediction]
    audio: Sequences
    t: Tensor

    def __call__(self, noisy: Sequences, t: Tensor) -> TextPrediction:
        """Return the prediction, whose logits are (rows, tokens, vocabulary_size)."""
        return self.network(Pair(self.audio, noisy), Pair(self.t, t))

    def take(self, rows: Tensor) -> OneSided[TextPrediction]:
        """Return the function for some of the clips."""
        return TextGivenAudio(self.network, self.audio.take(rows), self.t[rows])
