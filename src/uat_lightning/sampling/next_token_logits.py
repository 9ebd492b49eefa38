"""The logits of models that write from left to right, with what they have read kept in memory."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from uat_lightning.backbone import Backbone, Dictation, OneSided, TextPrediction
from uat_lightning.diffusion import one_late
from uat_lightning.sampling.evaluations import RowLogits
from uat_lightning.sampling.guidance import Guidance
from uat_lightning.sampling.guided_logits import log_probabilities
from uat_lightning.types import Sequences


class NextTokenLogits(RowLogits):
    """The log-probabilities of each token of a canvas given those before it, beside audio.

    Asked position by position it reads every token once, see ``Backbone.dictation``; a canvas that differs from what it
    has read is read anew.

    Args:
        backbone: The network; it reads texts backwards only.
        audio: Latents of each row.
        t: Their noise level: 0 where they are clean, 1 where they are noise that says nothing.
        mask: The mask token, which stands before the first word.
    """

    def __init__(self, backbone: Backbone, audio: Sequences, t: float, mask: int) -> None:
        self.backbone, self.audio, self.mask = backbone, audio, mask
        self.level = torch.full_like(audio.lengths, t, dtype=torch.float32)
        self._read = torch.zeros(len(audio), 0, dtype=torch.int64, device=audio.lengths.device)
        self._dictation: Dictation | None = None

    def of_rows(self, canvas: Tensor, rows: Tensor) -> Tensor:
        """Return log-probabilities (some, positions, vocabulary) for the token ids of some rows."""
        text = Sequences(one_late(canvas, self.mask), torch.full_like(rows, canvas.shape[1]))
        return log_probabilities(self._heard.take(rows)(text, torch.ones(len(rows), device=rows.device)))

    def at(self, canvas: Tensor, position: int, rows: Tensor) -> Tensor:
        """Return log-probabilities (some, vocabulary) at one position of some rows of the canvas."""
        seen = one_late(canvas, self.mask)[:, : position + 1]
        known = self._read.shape[1]
        if self._dictation is None or known > position or not torch.equal(seen[:, :known], self._read):
            known, self._dictation = 0, self.backbone.dictation(self.audio, self.level)
        predicted = self._dictation.follow(seen[:, known:])
        self._read = seen
        return log_probabilities(TextPrediction(predicted.states[rows, -1], predicted.project))

    @cached_property
    def _heard(self) -> OneSided[TextPrediction]:
        return self.backbone.given_audio(self.audio, self.level)


class GuidedNextTokenLogits(RowLogits):
    """The same with guidance on the audio.

    Args:
        heard: With the audio.
        deaf: With noise in its place.
        guidance: How to mix the two.
    """

    def __init__(self, heard: RowLogits, deaf: RowLogits, guidance: Guidance) -> None:
        self.heard, self.deaf, self.guidance = heard, deaf, guidance

    def of_rows(self, canvas: Tensor, rows: Tensor) -> Tensor:
        """Return log-probabilities (some, positions, vocabulary) for the token ids of some rows."""
        heard = self.heard.of_rows(canvas, rows)
        return heard if self.guidance.scale == 1 else self.guidance.words(heard, self.deaf.of_rows(canvas, rows))

    def at(self, canvas: Tensor, position: int, rows: Tensor) -> Tensor:
        """Return log-probabilities (some, vocabulary) at one position of some rows of the canvas."""
        heard = self.heard.at(canvas, position, rows)
        return heard if self.guidance.scale == 1 else self.guidance.words(heard, self.deaf.at(canvas, position, rows))
