"""Audio and its caption from nothing: both go from noise to clean, side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from uat_lightning.backbone import Backbone
from uat_lightning.diffusion import ContinuousProcess
from uat_lightning.sampling import Ancestral, AudioLogits, Evaluations, StepwiseSampler, Symbols
from uat_lightning.sampling.draft import Draft
from uat_lightning.sampling.text_sampler import check_steps, equal_levels
from uat_lightning.tasks.base import Parts, gaussian, generators
from uat_lightning.types import Pair, Sequences


class Imagine:
    """Draws audio and caption together, as a model of both alone can.

    At every level one forward serves both: the audio takes a step of the probability flow, the text writes what appears
    at its level. What is not written when the audio is clean is written from the audio. The model must have trained
    where both are noisy (``Everywhere``).

    Args:
        steps: Equal steps from noise to clean.
        sampler: Writes the text, step by step; ancestral where None.
    """

    def __init__(self, steps: int = 50, sampler: StepwiseSampler | None = None) -> None:
        check_steps(steps)
        self.steps, self.sampler = steps, sampler or Ancestral(steps)

    @torch.no_grad()
    def run(
        self, parts: Parts, seconds: Sequence[float], seed: int = 0, first: int = 0
    ) -> tuple[list[Tensor], list[str]]:
        """Return waveforms (channels, samples) and their captions.

        Args:
            parts: The trained model.
            seconds: How long each waveform is to be, above 0.
            seed: Seed; row i draws from ``seed + first + i``, whatever the batch.
            first: Number of the first row.

        Raises:
            ValueError: If a duration is not above 0, or the model cannot write while the audio is noisy.
        """
        parts.writing.check_together()
        if any(not 0 < duration < math.inf for duration in seconds):
            raise ValueError(f"durations must be above 0 seconds and finite, got {', '.join(map(str, seconds))}")
        if not seconds:
            return [], []
        samples = [max(1, parts.codec.samples(duration)) for duration in seconds]
        sources = generators(seed, len(seconds), first)
        noise = gaussian([parts.codec.frames(n) for n in samples], parts.codec.latent_width, sources, parts.device)
        draft = Draft.of(parts.masked_canvas(len(noise)).values, Symbols.of(parts.tokenizer), sources)
        audio, draft = self.together(parts.backbone, parts.process, noise, draft)
        logits = Evaluations(AudioLogits(parts.backbone, audio), parts.tokenizer.mask_id)
        written = self.sampler.finish(logits, draft).canvas
        return parts.sound(audio, samples), parts.tokenizer.decode(written)

    def together(
        self, backbone: Backbone, process: ContinuousProcess, audio: Sequences, draft: Draft
    ) -> tuple[Sequences, Draft]:
        """Take noise and an empty draft down all levels; a few tokens may be left to write in the end."""
        whole = torch.full_like(audio.lengths, draft.canvas.shape[1])
        for t, s in itertools.pairwise(equal_levels(self.steps)):
            times = torch.full_like(audio.lengths, t, dtype=torch.float32)
            predicted = backbone(Pair(audio, Sequences(draft.canvas, whole)), Pair(times, times))
            slope = process.derivative(predicted.audio, audio.values, times)
            audio = Sequences(audio.values + (s - t) * slope, audio.lengths)
            draft = self.sampler.advance(predicted.text.logits().float().log_softmax(-1), draft, t, s)
        return audio, draft
