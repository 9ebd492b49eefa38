"""The backbone's contract: one forward over both modalities."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from uat_lightning.configurable import Configurable
from uat_lightning.types import Pair, Sequences


class Backbone(Configurable, nn.Module, ABC):
    """Predicts what the objectives ask for, from noisy audio and noisy text together.

    A clean modality is the condition: it comes with ``t = 0``. A modality that is to be ignored comes with ``t = 1``
    (pure noise, or every token masked); this is the null condition, in training and in guidance alike.

    Attributes:
        latent_width: Channels of the audio latents.
        vocabulary_size: Token ids that the text logits cover.
        canvas: Longest text, in tokens.
    """

    latent_width: int
    vocabulary_size: int
    canvas: int

    @abstractmethod
    def forward(self, noisy: Pair[Sequences], t: Pair[Tensor]) -> Pair[Tensor]:
        """Predict from rows whose modalities each have their own time.

        Args:
            noisy: Latents (rows, frames, latent_width) and token ids (rows, tokens).
            t: Noise levels of each row, (rows,) for either modality, in [0, 1]: 0 clean, 1 noise or all masked.

        Returns:
            The audio prediction (rows, frames, latent_width) and the text logits (rows, tokens, vocabulary_size).
        """
