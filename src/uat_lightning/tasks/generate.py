"""Audio from text: the text stays clean, the audio goes from noise to clean."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from uat_lightning.diffusion import RectifiedFlow, rescaled, same_level
from uat_lightning.sampling import Euler, Guidance, RescaledGuidance, Solver
from uat_lightning.tasks.base import Parts, gaussian, generators
from uat_lightning.tasks.velocity import text_velocity
from uat_lightning.types import Sequences


class Generate:
    """Generates audio from captions.

    Args:
        solver: Integrates the velocity; 50 Euler steps where None.
        guidance: Classifier-free guidance; scale 4, most of its level taken back, where None.
        negative: A caption of what guidance is to lead away from; away from no caption where None.
    """

    def __init__(
        self, solver: Solver | None = None, guidance: Guidance | None = None, negative: str | None = None
    ) -> None:
        check_negative(guidance, negative)
        self.solver, self.guidance, self.negative = (
            solver or Euler(50),
            guidance or RescaledGuidance(4.0, rescale=0.9),
            negative,
        )

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
        return parts.sound(self.denoise(parts, noise, captions, sources=sources), samples)

    def denoise(
        self,
        parts: Parts,
        noisy: Sequences,
        captions: Sequence[str],
        start: float = 1.0,
        sources: Sequence[Generator] | None = None,
    ) -> Sequences:
        """Take latents from noise level ``start`` to clean under captions.

        Args:
            parts: The trained model.
            noisy: Latents of the model's process.
            captions: What is to be heard in each row.
            start: Noise level of the process, above 0, up to 1.
            sources: One generator per row, for solvers that add noise; torch's default where None.
        """
        parts.read(captions)
        flow, lengths = RectifiedFlow(), noisy.lengths.tolist()
        velocity = text_velocity(parts, noisy.lengths, captions, self.guidance, self.negative)
        noise = sources and (lambda: gaussian(lengths, noisy.values.shape[-1], sources, parts.device).values)
        latents = rescaled(noisy.values, parts.process, start, flow)
        level = same_level(parts.process, flow, start)
        return Sequences(self.solver.solve(velocity, latents, level, noise=noise or None), noisy.lengths)


def check_negative(guidance: Guidance | None, negative: str | None) -> None:
    """See that guidance leads away from a negative caption.

    Raises:
        ValueError: If there is one and guidance of scale 1.
    """
    if negative is not None and guidance is not None and guidance.scale == 1:
        raise ValueError("guidance of scale 1 does not lead away from anything: leave out the negative caption")
