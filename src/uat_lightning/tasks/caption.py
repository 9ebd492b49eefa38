"""Text from audio: the audio stays clean, the text goes from all masked to clean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from uat_lightning.sampling import Guidance, PresencePenalty, Symbols, TextSampler
from uat_lightning.tasks.base import Parts, gaussian, generators
from uat_lightning.types import Sequences


class Caption:
    """Writes captions of audio.

    Args:
        sampler: Fills the canvas. Where None what suits the model: of masked texts the most confident token first, one
            at a time; of texts from left to right the likeliest next token; of either rather none that stands already.
        guidance: Classifier-free guidance on the audio. Where None of scale 1.35, in masked texts with what the audio
            decides first.
    """

    temperature = 0.0  # of the model's own sampler

    def __init__(self, sampler: TextSampler | None = None, guidance: Guidance | None = None) -> None:
        self.sampler, self.guidance = sampler, guidance

    @torch.no_grad()
    def run(self, parts: Parts, waveforms: Sequence[Tensor], seed: int = 0, first: int = 0) -> list[str]:
        """Return one caption per waveform.

        Args:
            parts: The trained model.
            waveforms: Audio (channels, samples) at the codec's rate, of any lengths.
            seed: Seed; row i draws from ``seed + first + i``, whatever the batch.
            first: Number of the first row.

        Raises:
            ValueError: If audio cannot be used.
        """
        return self.write(parts, parts.listen(waveforms), seed, first) if waveforms else []

    def write(self, parts: Parts, audio: Sequences, seed: int = 0, first: int = 0) -> list[str]:
        """Return one caption per row of latents; seeds as in ``run``.

        Raises:
            ValueError: If the sampler cannot write with the model.
        """
        sampler = self.sampler or PresencePenalty(parts.writing.sampler(self.temperature))
        guidance, mask = self.guidance or parts.writing.guidance(), parts.tokenizer.mask_id
        parts.writing.check(sampler)
        sources = generators(seed, len(audio), first)
        null = gaussian(audio.lengths.tolist(), parts.codec.latent_width, sources, parts.device)
        logits = parts.writing.guided(parts.backbone, audio, null, mask, guidance)
        canvas = parts.masked_canvas(len(audio)).values
        return parts.tokenizer.decode(sampler.sample(logits, canvas, Symbols.of(parts.tokenizer), sources))
