"""Half-written captions, completed from the audio."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from uat_lightning.sampling import Guidance, Symbols, TextSampler
from uat_lightning.tasks.base import Parts, gaussian
from uat_lightning.tasks.blanks import Blanks
from uat_lightning.tasks.score import PerToken, Score
from uat_lightning.types import Sequences


class Infill:
    """Fills the blanks of a caption by what is heard; the given words stay.

    Each blank is tried with one token, two and so on; of all combinations the one is kept that the model scores
    highest. The text ends where it is given to end: a blank at its end lets it go on.

    Args:
        sampler: Fills the blanks; that of ``Caption`` where None. A model of texts from left to right does not see what
            is given behind a blank, but among lengths and combinations the likeliest is kept all the same.
        guidance: Classifier-free guidance on the audio; none (scale 1) where None.
        score: How the model judges; log p(text | audio) per token where None.
        longest: Tokens of a blank at most.
        combinations: Combinations of lengths to try at most; of several blanks each is shorter for it.
    """

    def __init__(
        self,
        sampler: TextSampler | None = None,
        guidance: Guidance | None = None,
        score: Score | None = None,
        longest: int = 12,
        combinations: int = 64,
    ) -> None:
        if longest < 1 or combinations < 1:
            raise ValueError(f"longest and combinations must be at least 1, got {longest} and {combinations}")
        self.sampler, self.guidance = sampler, guidance or Guidance(scale=1.0)
        self.score, self.longest, self.combinations = score or PerToken(strata=8), longest, combinations

    @torch.no_grad()
    def run(
        self, parts: Parts, waveforms: Sequence[Tensor], given: Sequence[str], seed: int = 0, first: int = 0
    ) -> list[str]:
        """Return one caption per waveform.

        Args:
            parts: The trained model.
            waveforms: Audio (channels, samples) at the codec's rate, of any lengths.
            given: A text for each, where ``___`` stands for one or more words: "a ___ rings twice, then ___".
            seed: Seed; row i draws from ``seed + first + i``, whatever the batch.
            first: Number of the first row.

        Raises:
            ValueError: If audio cannot be used, a text has no blank, or does not fit the canvas.
        """
        if len(waveforms) != len(given):
            raise ValueError(f"there are {len(waveforms)} waveforms and {len(given)} texts: give one for each")
        texts = [Blanks.read(text, parts.tokenizer) for text in given]
        clips = [parts.listen([waveform]) for waveform in waveforms]
        pairs = enumerate(zip(clips, texts, strict=True), seed + first)
        return [self.fill(parts, audio, blanks, number) for number, (audio, blanks) in pairs]

    @torch.no_grad()
    def fill(self, parts: Parts, audio: Sequences, blanks: Blanks, seed: int) -> str:
        """Return a caption of one row of latents that has what is given."""
        canvases = torch.tensor(blanks.canvases(parts.tokenizer, self.longest, self.combinations), device=parts.device)
        audio = audio.repeat(len(canvases))
        sources = [torch.Generator().manual_seed(seed) for _ in canvases]
        null = gaussian(audio.lengths.tolist(), parts.codec.latent_width, sources, parts.device)
        sampler = self.sampler or parts.writing.sampler()
        parts.writing.check(sampler)
        logits = parts.writing.guided(parts.backbone, audio, null, parts.tokenizer.mask_id, self.guidance)
        written = sampler.sample(logits, canvases, Symbols.of(parts.tokenizer), sources)
        lengths = (written != parts.tokenizer.pad_id).sum(-1)
        scores = self.score.of_latents(parts, audio, Sequences(written, lengths), seed).tolist()
        texts = parts.tokenizer.decode(written)
        # Tokens may be parts of words: one that runs into a given word would change it.
        ranked = [(blanks.kept_in(text), score) for text, score in zip(texts, scores, strict=True)]
        return texts[max(range(len(texts)), key=ranked.__getitem__)]
