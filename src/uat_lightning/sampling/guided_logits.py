"""The logits of a canvas, given the audio and with guidance on it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from uat_lightning.backbone import Backbone
from uat_lightning.sampling.evaluations import RowLogits
from uat_lightning.sampling.guidance import Guidance
from uat_lightning.types import Pair, Sequences


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
        ones = self.audio.values.new_ones(len(rows))
        heard = Pair(_rows(self.audio, rows), text)
        return _log_probabilities(self.backbone(heard, Pair(self.t * ones, ones)).text)


@dataclass(frozen=True)
class GuidedLogits(RowLogits):
    """The log-probabilities of a canvas under an audio condition, with guidance, a function of the canvas.

    Guidance mixes log-probabilities and normalises the mixture. Without that a scale above 1 inflates all of them, by
    other amounts at other positions, and samplers that compare positions take fright for confidence.

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
            return AudioLogits(self.backbone, self.audio).of_rows(canvas, rows)
        text = Sequences(canvas, torch.full_like(rows, canvas.shape[1]))
        sounds = [_rows(side, rows) for side in (self.audio, self.null)]
        both = Sequences(torch.cat([s.values for s in sounds]), torch.cat([s.lengths for s in sounds]))
        ones = self.audio.values.new_ones(len(rows))
        times = Pair(torch.cat([0 * ones, ones]), torch.cat([ones, ones]))
        logits = self.backbone(Pair(both, text.repeat(2)), times).text
        return self.guidance.mix(*_log_probabilities(logits).chunk(2)).log_softmax(-1)


def _rows(sequences: Sequences, rows: Tensor) -> Sequences:
    return Sequences(sequences.values[rows], sequences.lengths[rows])


def _log_probabilities(logits: Tensor) -> Tensor:
    """Normalise in float32 at least: half precision cannot tell the likeliest of many tokens apart."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
