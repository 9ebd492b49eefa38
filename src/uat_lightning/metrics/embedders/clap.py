"""CLAP of the transformers library (Wu et al. 2023, arXiv 2211.06687): audio and text in one space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from uat_lightning.metrics.embedders.base import LayeredEmbedder, TextAudioEmbedder
from uat_lightning.metrics.embedders.pretrained import pretrained_model, pretrained_part
from uat_lightning.metrics.embedders.windows import windows_of_all

BATCH = 16  # windows listened to at once


class ClapEmbedder(TextAudioEmbedder, LayeredEmbedder):
    """Embeddings of length 1 of a ``transformers.ClapModel``, one for each window of a clip.

    Clips that are shorter than a window are repeated, then padded, as CLAP was trained. Longer ones are heard in evenly
    spread windows, where CLAP's own processor draws one at random. No window counts as longer than the model hears, so
    that a fused model's second branch is silent.

    Args:
        pretrained: A folder, or a name on the Hugging Face hub such as ``laion/clap-htsat-unfused``.
        overlap: Least share of a window that the next one repeats, 0 or more, below 1.
    """

    def __init__(self, pretrained: str, overlap: float = 0.1) -> None:
        from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel  # a heavy import

        super().__init__()
        self.model = pretrained_model(ClapModel, pretrained)
        self._extractor = pretrained_part(ClapFeatureExtractor, pretrained)
        self._tokenizer = pretrained_part(AutoTokenizer, pretrained)
        self.overlap, self.sample_rate = overlap, int(self._extractor.sampling_rate)
        self.embedding_width = int(self.model.config.projection_dim)

    @torch.no_grad()
    def embed(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Return the vectors (windows, embedding_width) of each mono waveform (samples,)."""
        heard, counts = windows_of_all(waveforms, self._extractor.nb_max_samples, self.overlap)
        batches = [self._features(heard[start : start + BATCH]) for start in range(0, len(heard), BATCH)]
        vectors = [_pooled(self.model.get_audio_features(**features)) for features in batches]
        empty = torch.zeros(0, self.embedding_width, device=self.model.device)
        return list(torch.split(torch.cat([empty, *vectors]), counts))

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Return the vectors (texts, embedding_width) of texts; what is beyond the model's positions is cut."""
        longest = self.model.config.text_config.max_position_embeddings - 2  # as RoBERTa counts them
        tokens = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt"
        ).to(self.model.device)
        known = {name: tokens[name] for name in ("input_ids", "attention_mask")}
        return _pooled(self.model.get_text_features(**known))

    @torch.no_grad()
    def layers(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Return the output (clips, positions, channels) of each stage for waveforms (samples,) of up to a window.

        Raises:
            ValueError: If a waveform is longer than a window.
        """
        longest = self._extractor.nb_max_samples
        if max(map(len, waveforms)) > longest:
            raise ValueError(f"layers are compared over at most {longest / self.sample_rate:g} s: cut the clips")
        stages = self.model.audio_model(**self._features(waveforms), output_hidden_states=True).hidden_states[1:]
        return [stage.flatten(2).mT for stage in stages]

    def _features(self, heard: Sequence[Tensor]) -> dict[str, Tensor]:
        arrays = [waveform.detach().cpu().double().numpy() for waveform in heard]
        features = self._extractor(arrays, sampling_rate=self.sample_rate, return_tensors="pt")["input_features"]
        never = torch.zeros(len(heard), 1, dtype=torch.bool)
        moved = features.to(self.model.device, self.model.dtype)
        return {"input_features": moved, "is_longer": never.to(self.model.device)}


def _pooled(output: Any) -> Tensor:  # noqa: ANN401
    """Return the projected vectors: transformers 4 returns them alone, 5 inside an output."""
    vectors: Tensor = getattr(output, "pooler_output", output)
    return torch.nn.functional.normalize(vectors, dim=-1)
