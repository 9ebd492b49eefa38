"""The Audio Spectrogram Transformer (Gong et al. 2021, arXiv 2104.01778) of the transformers library."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from uat_lightning.metrics.embedders.base import AudioEmbedder, AudioTagger
from uat_lightning.metrics.embedders.pretrained import pretrained_model, pretrained_part
from uat_lightning.metrics.embedders.windows import windows_of_all

BATCH = 16  # windows listened to at once
SHORTEST = 0.025  # seconds of its spectrogram's window


class SpectrogramTransformer(AudioTagger, AudioEmbedder):
    """Tags and embeddings of a ``transformers.ASTForAudioClassification``.

    Its processor cuts what is beyond the model's 10.24 s; here longer clips are heard in evenly spread windows, each an
    embedding, and the logits are their mean.

    Args:
        pretrained: A folder, or a name on the hub such as ``MIT/ast-finetuned-audioset-10-10-0.4593``.
        overlap: Least share of a window that the next one repeats, 0 or more, below 1.
    """

    def __init__(self, pretrained: str, overlap: float = 0.1) -> None:
        from transformers import ASTFeatureExtractor, ASTForAudioClassification  # a heavy import

        super().__init__()
        self.model = pretrained_model(ASTForAudioClassification, pretrained)
        self._extractor = pretrained_part(ASTFeatureExtractor, pretrained)
        self.overlap, self.sample_rate = overlap, int(self._extractor.sampling_rate)
        names = self.model.config.id2label
        self.classes = tuple(names[place] for place in range(len(names)))
        self.embedding_width = int(self.model.config.hidden_size)

    @torch.no_grad()
    def embed(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Return the vectors (windows, embedding_width) of each mono waveform (samples,)."""
        return self._heard(waveforms, self._vectors, self.embedding_width)

    @torch.no_grad()
    def logits(self, waveforms: Sequence[Tensor]) -> Tensor:
        """Return scores (clips, classes) of mono waveforms (samples,), the mean over a clip's windows."""
        heard = self._heard(waveforms, lambda features: self.model(features).logits, len(self.classes))
        none = torch.zeros(0, len(self.classes), device=self.model.device)
        return torch.cat([none, *(scores.mean(0, keepdim=True) for scores in heard)])

    def _vectors(self, features: Tensor) -> Tensor:
        pooled: Tensor = self.model.audio_spectrogram_transformer(features).pooler_output
        return pooled

    def _heard(self, waveforms: Sequence[Tensor], network: Callable[[Tensor], Tensor], width: int) -> list[Tensor]:
        samples = round(self._extractor.max_length * 0.01 * self.sample_rate)  # frames of 10 ms
        heard, counts = windows_of_all(waveforms, samples, self.overlap)
        rows = [network(self._features(heard[start : start + BATCH])) for start in range(0, len(heard), BATCH)]
        return list(torch.split(torch.cat([torch.zeros(0, width, device=self.model.device), *rows]), counts))

    def _features(self, heard: Sequence[Tensor]) -> Tensor:
        shortest = round(SHORTEST * self.sample_rate)
        padded = [torch.nn.functional.pad(some, (0, max(0, shortest - len(some)))) for some in heard]
        arrays = [waveform.detach().cpu().float().numpy() for waveform in padded]
        features = self._extractor(arrays, sampling_rate=self.sample_rate, return_tensors="pt")
        values: Tensor = features["input_values"].to(self.model.device)
        return values
