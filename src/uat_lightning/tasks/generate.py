"""Audio from text: the text stays clean, the audio goes from noise to clean."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from uat_lightning.sampling import Euler, Guidance, GuidedVelocity, ODESolver
from uat_lightning.tasks.base import Parts, gaussian, generators
from uat_lightning.types import Sequences


class Generate:
    """Generates audio from captions.

    Args:
        solver: Integrates the velocity; 50 Euler steps where None.
        guidance: Classifier-free guidance; scale 3 everywhere where None.
    """

    def __init__(self, solver: ODESolver | None = None, guidance: Guidance | None = None) -> None:
        self.solver, self.guidance = solver or Euler(50), guidance or Guidance()

    @torch.no_grad()
    def run(
        self, parts: Parts, captions: Sequence[str], seconds: Sequence[float], seed: int = 0, first: int = 0
    ) -> list[Tensor]:
        """Return one waveform (channels, samples) per caption.

        Args:
            parts: The trained model.
            captions: What is to be heard.
            seconds: How long each waveform is to be, above 0.
            seed: Seed; row i draws from ``seed + first + i``, whatever the batch.
            first: Number of the first row.

        Raises:
            ValueError: If a caption is empty or too long, or a duration is not above 0.
        """
        if len(captions) != len(seconds):
            raise ValueError(f"there are {len(captions)} captions and {len(seconds)} durations: give one for each")
        if any(not 0 < duration < math.inf for duration in seconds):
            raise ValueError(f"durations must be above 0 seconds and finite, got {', '.join(map(str, seconds))}")
        if not captions:
            return []
        samples = [max(1, parts.codec.samples(duration)) for duration in seconds]
        frames = [parts.codec.frames(count) for count in samples]
        sources = generators(seed, len(captions), first)
        noise = gaussian(frames, parts.codec.latent_width, sources, parts.device)
        return parts.sound(self.denoise(parts, noise, captions), samples)

    def denoise(self, parts: Parts, noisy: Sequences, captions: Sequence[str], start: float = 1.0) -> Sequences:
        """Take latents from noise level ``start`` to clean under captions."""
        text, null = parts.read(captions), parts.masked_canvas(len(captions))
        velocity = GuidedVelocity(parts.backbone, noisy.lengths, text, null, self.guidance)
        return Sequences(self.solver.solve(velocity, noisy.values, start), noisy.lengths)
