"""Who says how well texts fit audio: the model itself, or a network that knows both, such as CLAP."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from uat_lightning.metrics.embedders import TextAudioEmbedder
from uat_lightning.metrics.embedders.mono import mono
from uat_lightning.sampling import Windows
from uat_lightning.tasks.base import Parts


class Judge(ABC):
    """Scores pairs of audio and text, the higher the better; scores of one text, or of one audio, compare."""

    def run(self, parts: Parts, waveforms: Sequence[Tensor], captions: Sequence[str], seed: int = 0) -> Tensor:
        """Return the score of each waveform with its caption, float64 (pairs,), on the CPU.

        Args:
            parts: The trained model.
            waveforms: Audio (channels, samples) at the codec's rate, of any lengths.
            captions: One for each waveform.
            seed: Seed of what is drawn.

        Raises:
            ValueError: If audio or captions cannot be used, or their numbers differ.
        """
        if len(waveforms) != len(captions):
            raise ValueError(f"there are {len(waveforms)} waveforms and {len(captions)} captions: give one for each")
        if not waveforms:
            return torch.zeros(0, dtype=torch.float64)
        return self.of_pairs(parts, waveforms, captions, seed)

    @abstractmethod
    def of_pairs(self, parts: Parts, waveforms: Sequence[Tensor], captions: Sequence[str], seed: int) -> Tensor:
        """Return the scores of a pair or more; arguments as of ``run``."""

    @abstractmethod
    def of_windows(
        self, parts: Parts, waveforms: Sequence[Tensor], windows: Windows, texts: Sequence[str], seed: int = 0
    ) -> Tensor:
        """Return the score of each window with its text, which may be empty, float64 (windows,), on the CPU.

        Args:
            parts: The trained model.
            waveforms: Audio (channels, samples) at the codec's rate, of any lengths.
            windows: Windows over the latent frames of the waveforms.
            texts: One for each window.
            seed: Seed of what is drawn.
        """


class TextAudioSimilarity(Judge):
    """Scores pairs by the cosine of their embeddings: a judge who had no part in what is judged.

    Args:
        embedder: Embeds audio and text into one space, such as ``ClapEmbedder``.
    """

    def __init__(self, embedder: TextAudioEmbedder) -> None:
        self.embedder = embedder

    @torch.no_grad()
    def of_pairs(self, parts: Parts, waveforms: Sequence[Tensor], captions: Sequence[str], seed: int) -> Tensor:
        """Return the cosine of each waveform with its caption; of the mean embedding where a network hears windows."""
        rate = self.embedder.sample_rate
        heard = self.embedder.embed([mono(waveform, parts.codec.sample_rate, rate) for waveform in waveforms])
        audio = torch.stack([vectors.mean(0) for vectors in heard])
        return cosine_similarity(audio.double(), self.embedder.embed_texts(captions).double()).cpu()

    def of_windows(
        self, parts: Parts, waveforms: Sequence[Tensor], windows: Windows, texts: Sequence[str], seed: int = 0
    ) -> Tensor:
        """Return the cosine of each window's samples with its text."""
        return self.run(parts, _pieces(parts, waveforms, windows), texts, seed)


def _pieces(parts: Parts, waveforms: Sequence[Tensor], windows: Windows) -> list[Tensor]:
    """Return the samples of windows over latent frames; the last of a row ends with the audio."""
    hop = parts.codec.hop
    laid = zip(windows.rows.tolist(), windows.starts.tolist(), windows.lengths.tolist(), strict=True)
    return [waveforms[row][:, start * hop : (start + length) * hop] for row, start, length in laid]
