"""Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598), batched and limited to an interval."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from uat_lightning.backbone import Backbone
from uat_lightning.types import Pair, Sequences


@dataclass(frozen=True)
class Guidance:
    """How far predictions move from the null condition to the condition, and beyond.

    Args:
        scale: 1 follows the condition alone, 0 ignores it, above 1 exaggerates it.
        start: Guidance acts at noise levels up to this one (arXiv 2404.07724), 0 to 1.
        stop: Guidance acts at noise levels from this one on, 0 to 1.
    """

    scale: float = 3.0
    start: float = 1.0
    stop: float = 0.0

    def __post_init__(self) -> None:
        """Check the interval."""
        if not 0 <= self.stop <= self.start <= 1:
            raise ValueError(
                f"guidance interval needs 0 <= stop <= start <= 1, got stop {self.stop}, start {self.start}"
            )

    def acts(self, t: float) -> bool:
        """Say whether the null condition is needed at a noise level."""
        return self.scale != 1 and self.stop <= t <= self.start

    def mix(self, conditional: Tensor, null: Tensor) -> Tensor:
        """Return ``null + scale (conditional - null)``."""
        return torch.lerp(null, conditional, self.scale)


@dataclass(frozen=True)
class GuidedVelocity:
    """The velocity of audio latents under a text condition, a function of (latents, t).

    Args:
        backbone: The network.
        lengths: Valid frames of each row, (rows,).
        text: The caption of each row.
        null: The canvas with every token masked, same rows.
        guidance: How to mix the two.
    """

    backbone: Backbone
    lengths: Tensor
    text: Sequences
    null: Sequences
    guidance: Guidance

    def __call__(self, latents: Tensor, t: float) -> Tensor:
        """Return the velocity of latents (rows, frames, channels) at noise level t."""
        audio = Sequences(latents, self.lengths)
        rows = latents.new_ones(len(latents))
        if not self.guidance.acts(t):
            velocity: Tensor = self.backbone(Pair(audio, self.text), Pair(t * rows, 0 * rows)).audio
            return velocity
        text = _stack(self.text, self.null)
        times = Pair(t * torch.cat([rows, rows]), torch.cat([0 * rows, rows]))
        return self.guidance.mix(*self.backbone(Pair(audio.repeat(2), text), times).audio.chunk(2))


def _stack(first: Sequences, second: Sequences) -> Sequences:
    """Put the rows of two stacks below each other, padded to the wider."""
    values = [row for stack in (first, second) for row in stack.values]
    padded = torch.nn.utils.rnn.pad_sequence(values, batch_first=True)
    return Sequences(padded, torch.cat([first.lengths, second.lengths]))
