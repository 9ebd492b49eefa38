"""How well a text fits audio, in the model's own opinion."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from uat_lightning.sampling import Logits, Symbols, Windows
from uat_lightning.tasks.base import Parts, gaussian
from uat_lightning.tasks.judge import Judge
from uat_lightning.types import Sequences


class Score(Judge):
    """Scores pairs of audio and text by log p(text | audio), in nats: 0 is certain, the lower the less likely.

    For models of masked texts it is an estimate of a lower bound: all pairs hide the same tokens of texts of equal
    length, so that scores compare better than each is known. For models that write from left to right it is exact. A
    pair's score does not depend on the others.

    Args:
        strata: Looks at each pair; more are more exact.
        batch_size: Pairs evaluated at once.
    """

    def __init__(self, strata: int = 16, batch_size: int = 32) -> None:
        if strata < 1 or batch_size < 1:
            raise ValueError(f"strata and batch_size must be at least 1, got {strata} and {batch_size}")
        self.strata, self.batch_size = strata, batch_size

    def of_pairs(self, parts: Parts, waveforms: Sequence[Tensor], captions: Sequence[str], seed: int) -> Tensor:
        """Return the score of each waveform with its caption, float64 (pairs,), on the CPU."""
        return self.of_latents(parts, parts.listen(waveforms), parts.read(captions), seed)

    def matrix(self, parts: Parts, waveforms: Sequence[Tensor], captions: Sequence[str], seed: int = 0) -> Tensor:
        """Return the score of every waveform with every caption, float64 (waveforms, captions), for retrieval.

        Raises:
            ValueError: If audio or captions cannot be used.
        """
        if not waveforms or not captions:
            return torch.zeros(len(waveforms), len(captions), dtype=torch.float64)
        audio, text = parts.listen(waveforms), parts.read(captions)
        clip, caption = torch.cartesian_prod(torch.arange(len(audio)), torch.arange(len(text))).T
        return self._batched(parts, audio, text, clip, caption, seed).view(len(audio), len(text))

    def of_windows(
        self, parts: Parts, waveforms: Sequence[Tensor], windows: Windows, texts: Sequence[str], seed: int = 0
    ) -> Tensor:
        """Return the score of each window's latents with its text."""
        audio = windows.cut(parts.listen(waveforms).values)
        # Not parts.read: where an instruction changes nothing, the text is what the model wrote, be it empty.
        return self.of_latents(parts, audio, parts.tokenizer.encode(texts).to(parts.device), seed)

    def of_latents(self, parts: Parts, audio: Sequences, text: Sequences, seed: int = 0) -> Tensor:
        """Return the score of each row of latents with its token ids, float64 (rows,), on the CPU."""
        rows = torch.arange(len(audio))
        return self._batched(parts, audio, text, rows, rows, seed)

    @torch.no_grad()
    def _batched(
        self, parts: Parts, audio: Sequences, text: Sequences, clip: Tensor, caption: Tensor, seed: int
    ) -> Tensor:
        scores = [
            self.score(parts, audio.take(some.to(parts.device)), text.take(of_some.to(parts.device)), seed).cpu()
            for some, of_some in zip(
                torch.split(clip, self.batch_size), torch.split(caption, self.batch_size), strict=True
            )
        ]
        return torch.cat(scores)

    def score(self, parts: Parts, audio: Sequences, text: Sequences, seed: int) -> Tensor:
        """Return log p(text | audio) of one batch of pairs, float64 (pairs,)."""
        logits = parts.writing.logits(parts.backbone, audio, parts.tokenizer.mask_id)
        return self.estimate(parts, logits, text, seed)

    def estimate(self, parts: Parts, logits: Logits, text: Sequences, seed: int) -> Tensor:
        """Return the log-probability of texts under logits, float64 (rows,)."""
        sources, symbols = _equal_generators(seed, len(text)), Symbols.of(parts.tokenizer)
        return parts.writing.likelihood(self.strata).log_likelihood(logits, text, symbols, sources)


class PerToken(Score):
    """Scores pairs by log p(text | audio) per token, which does not prefer short texts.

    Args:
        strata: Looks at each pair; more are more exact.
        batch_size: Pairs evaluated at once.
    """

    def score(self, parts: Parts, audio: Sequences, text: Sequences, seed: int) -> Tensor:
        """Return the mean log-probability of the tokens, float64 (pairs,)."""
        return super().score(parts, audio, text, seed) / text.lengths


class PointwiseInformation(Score):
    """Scores pairs by log p(text | audio) - prior log p(text): how much likelier the audio makes the text.

    Texts that are common whatever is heard gain nothing by it. Without audio the model sees pure noise in its place,
    as in training.

    Args:
        strata: Looks at each pair, with and without audio; more are more exact.
        batch_size: Pairs evaluated at once.
        prior: How much being common counts against a text: 1 is pointwise mutual information, 0 none.
    """

    def __init__(self, strata: int = 16, batch_size: int = 32, prior: float = 1.0) -> None:
        super().__init__(strata, batch_size)
        self.prior = prior

    def score(self, parts: Parts, audio: Sequences, text: Sequences, seed: int) -> Tensor:
        """Return the pointwise mutual information in nats, float64 (pairs,)."""
        sources = _equal_generators(seed, len(text))
        noise = gaussian(audio.lengths.tolist(), parts.codec.latent_width, sources, parts.device)
        deaf = parts.writing.logits(parts.backbone, noise, parts.tokenizer.mask_id, t=1.0)
        prior = self.estimate(parts, deaf, text, seed)
        return super().score(parts, audio, text, seed) - self.prior * prior


class AudioLikelihood(Score):
    """Scores pairs by log p(audio | text), in nats, but for a constant of each audio: texts of one audio compare.

    The better a text helps to tell the audio from noise, the likelier it makes it: the denoising error bounds the
    likelihood (Kingma & Gao 2023, arXiv 2303.00848), and tells which of several texts an audio has (Li et al. 2023,
    arXiv 2303.16203). Here it is ``-1/2 E_t |prediction - target|^2`` over all values of the latents, t uniform. It is
    how the model generates that judges here, for which no text is likelier than another as such.

    Args:
        strata: Looks at each pair, each at a noise level of its own; all pairs of equal length see the same noise.
        batch_size: Pairs evaluated at once.
    """

    def score(self, parts: Parts, audio: Sequences, text: Sequences, seed: int) -> Tensor:
        """Return the log-likelihood of the audio but for a constant, float64 (pairs,)."""
        audio, given = audio.trimmed(), parts.backbone.given_text(text, torch.zeros(len(text), device=parts.device))
        sources, error = _equal_generators(seed, len(text)), torch.zeros(len(text), device=parts.device)
        for look in range(self.strata):
            noise = gaussian(audio.lengths.tolist(), parts.codec.latent_width, sources, parts.device)
            t = torch.full_like(error, (look + 0.5) / self.strata)
            seen = parts.process.noised(audio, noise.values, t)
            error = error + parts.process.loss(given(seen.noisy, t), seen)
        return -0.5 * parts.codec.latent_width * audio.lengths * error.double() / self.strata


class BothDirections(Score):
    """Scores pairs by log p(text | audio) + log p(audio | text): what captions and what generates have to agree.

    A caption that leaves out a sound may be a likely caption, but such audio does not come of it. The second summand is
    that of ``AudioLikelihood``, so that texts of one audio compare.

    Args:
        strata: Looks at each pair in either direction; more are more exact.
        batch_size: Pairs evaluated at once.
        audio_weight: How much the second summand counts.
    """

    def __init__(self, strata: int = 8, batch_size: int = 32, audio_weight: float = 1.0) -> None:
        super().__init__(strata, batch_size)
        if audio_weight < 0:
            raise ValueError(f"audio_weight must be at least 0, got {audio_weight}")
        self.audio, self.audio_weight = AudioLikelihood(strata, batch_size), audio_weight

    def score(self, parts: Parts, audio: Sequences, text: Sequences, seed: int) -> Tensor:
        """Return the weighted sum of both log-likelihoods, float64 (pairs,)."""
        return super().score(parts, audio, text, seed) + self.audio_weight * self.audio.score(parts, audio, text, seed)


def _equal_generators(seed: int, rows: int) -> list[Generator]:
    return [torch.Generator().manual_seed(seed) for _ in range(rows)]
