"""Text from audio: the audio stays clean, the text goes from all masked to clean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from uat_lightning.sampling import Guidance, PresencePenalty, Symbols, TextSampler
from uat_lightning.tasks.base import Parts, gaussian, generators
from uat_lightning.tasks.choice import STRIDE, Choice, MostLikely, checked_candidates
from uat_lightning.tasks.score import BothDirections
from uat_lightning.types import Sequences

CAPTIONS = 16  # to choose from where nobody says; they cost less than sounds
AT_ONCE = 128  # captions drawn together: 750 are five times as slow on a CPU, as their logits leave its caches


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
        return self._written(parts, audio, generators(seed, len(audio), first))

    def _written(self, parts: Parts, audio: Sequences, sources: Sequence[Generator]) -> list[str]:
        """Return one caption per row of latents, each from a source of randomness of its own."""
        sampler = self.sampler or PresencePenalty(parts.writing.sampler(self.temperature))
        guidance, mask = self.guidance or parts.writing.guidance(), parts.tokenizer.mask_id
        parts.writing.check(sampler)
        null = gaussian(audio.lengths.tolist(), parts.codec.latent_width, sources, parts.device)
        logits = parts.writing.guided(parts.backbone, audio, null, mask, guidance)
        canvas = parts.masked_canvas(len(audio)).values
        return parts.tokenizer.decode(sampler.sample(logits, canvas, Symbols.of(parts.tokenizer), sources))


class ChosenCaption(Caption):
    """Writes several captions of each audio and keeps the best: the likeliest, and others that are drawn.

    Args:
        sampler: Draws captions, others for other seeds; that of ``Caption`` at temperature 1 where None.
        guidance: Classifier-free guidance on the audio, of all. Where None that of ``Caption`` for the likeliest, and
            none for those that are drawn: they are as the model believes, and cost half.
        choice: How to choose; what both directions of the model agree on where None, see ``BothDirections``. A model
            that was never trained to generate needs another.
        candidates: Captions to choose from.
        likeliest: Writes the first; as ``Caption`` does under the same guidance where None.
    """

    temperature = 1.0

    def __init__(
        self,
        sampler: TextSampler | None = None,
        guidance: Guidance | None = None,
        choice: Choice | None = None,
        candidates: int = CAPTIONS,
        likeliest: Caption | None = None,
    ) -> None:
        super().__init__(sampler, guidance or Guidance(scale=1.0))
        self.choice, self.candidates = choice or MostLikely(BothDirections()), checked_candidates(candidates)
        self.likeliest = likeliest or Caption(guidance=guidance)

    def write(self, parts: Parts, audio: Sequences, seed: int = 0, first: int = 0) -> list[str]:
        """Return the chosen caption of each row of latents."""
        texts, rows = self.likeliest.write(parts, audio, seed, first), len(audio)
        texts = [*texts, *self._drawn(parts, audio, seed, first)]
        candidates = [texts[row::rows] for row in range(rows)]
        chosen = self.choice.choose(parts, audio, candidates, seed)
        return [several[best] for several, best in zip(candidates, chosen, strict=True)]

    def _drawn(self, parts: Parts, audio: Sequences, seed: int, first: int) -> list[str]:
        """Return all candidates but the likeliest: one for every row, then another for every row, and so on."""
        seeds = [seed + STRIDE * number for number in range(1, self.candidates)]
        sources = [source for one in seeds for source in generators(one, len(audio), first)]
        rows = torch.arange(len(sources), device=audio.values.device) % len(audio)
        groups = (slice(start, start + AT_ONCE) for start in range(0, len(sources), AT_ONCE))
        return [text for some in groups for text in self._written(parts, audio.take(rows[some]), sources[some])]
