"""The logits of a canvas, given the audio and with guidance on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from uat_lightning.backbone import Backbone, OneSided, TextPrediction
from uat_lightning.sampling.evaluations import RowLogits
from uat_lightning.sampling.guidance import Guidance
from uat_lightning.types import Sequences


@dataclass(frozen=True)
class AudioLogits(RowLogits):
    """The log-probabilities of a canvas beside audio, a function of the canvas.

    Args:
        backbone: The network.
        audio: Latents of each row.
        t: Their noise level: 0 where they are clean, 1 where they are noise that says nothing.
    """

    backbone: Backbone
    audio: Sequences
    t: float = 0.0

    def of_rows(self, canvas: Tensor, rows: Tensor) -> Tensor:
        """Return log-probabilities (some, positions, vocabulary) for the token ids of some rows."""
        text = Sequences(canvas, torch.full_like(rows, canvas.shape[1]))
        masked = torch.ones(len(rows), device=rows.device)
        return log_probabilities(self._heard.take(rows)(text, masked))

    @cached_property
    def _heard(self) -> OneSided[TextPrediction]:
        level = torch.full_like(self.audio.lengths, self.t, dtype=torch.float32)
        return self.backbone.given_audio(self.audio, level)


@dataclass(frozen=True)
class GuidedLogits(RowLogits):
    """The log-probabilities of a canvas under an audio condition, with guidance, a function of the canvas.

    Guidance says how the log-probabilities with and without the audio are mixed.

    Args:
        backbone: The network.
        audio: The clean latents of each row.
        null: Gaussian noise in their place, same shape.
        guidance: How to mix the two; it acts at every noise level.
    """

    backbone: Backbone
    audio: Sequences
    null: Sequences
    guidance: Guidance

    def of_rows(self, canvas: Tensor, rows: Tensor) -> Tensor:
        """Return log-probabilities (some, positions, vocabulary) for the token ids of some rows."""
        if self.guidance.scale == 1:
            return self._alone.of_rows(canvas, rows)
        text = Sequences(canvas, torch.full_like(rows, canvas.shape[1])).repeat(2)
        both = self._both.take(torch.cat([rows, rows + len(self.audio)]))
        predicted = both(text, torch.ones(len(text), device=rows.device))
        return self.guidance.words(*log_probabilities(predicted).chunk(2))

    @cached_property
    def _alone(self) -> AudioLogits:
        return AudioLogits(self.backbone, self.audio)

    @cached_property
    def _both(self) -> OneSided[TextPrediction]:
        """The audio and, below it, the noise."""
        zeros = torch.zeros_like(self.audio.lengths, dtype=torch.float32)
        return self.backbone.given_audio(self.audio.followed_by(self.null), torch.cat([zeros, zeros + 1]))


def log_probabilities(predicted: TextPrediction) -> Tensor:
    """Normalise in float32 at least: half precision cannot tell the likeliest of many tokens apart."""
    logits = predicted.logits()
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
