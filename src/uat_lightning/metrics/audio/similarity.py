"""How near embeddings of audio are to embeddings of text: the CLAP score, and the direction of an edit."""

from __future__ import annotations

import torch
from torch import Tensor

from uat_lightning.metrics.clip_records import ClipMeans


def clap_score(audio: Tensor, text: Tensor) -> Tensor:
    """Return the cosine of each clip's embedding and its caption's, from -1 to 1, float64 (clips,).

    As reported with LAION-CLAP (Wu et al. 2023, arXiv 2211.06687): neither times 100 nor cut at 0.

    Args:
        audio: Embeddings of clips (clips, width).
        text: Embeddings of their captions (clips, width), of the same model.

    Returns:
        The cosines; NaN where an embedding is 0.
    """
    return _cosine(audio.double(), text.double())


def directional_similarity(source: Tensor, edited: Tensor, source_text: Tensor, target_text: Tensor) -> Tensor:
    """Return how far an edit moved the audio the way its captions differ, from -1 to 1, float64 (clips,).

    ``cos(E(edited) - E(source), E(target caption) - E(source caption))`` (Gal et al. 2022, arXiv 2108.00946, equation
    2, with audio in the place of images).

    Args:
        source: Embeddings of the clips before the edit (clips, width).
        edited: Embeddings after it.
        source_text: Embeddings of captions of the clips before.
        target_text: Embeddings of the captions asked for.

    Returns:
        The cosines; NaN where the audio or the caption did not change: count those.
    """
    return _cosine(edited.double() - source.double(), target_text.double() - source_text.double())


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    if a.shape != b.shape:
        raise ValueError(f"embeddings of shapes {tuple(a.shape)} and {tuple(b.shape)} make no pairs: give one for each")
    norms = a.norm(dim=-1) * b.norm(dim=-1)
    return (a * b).sum(-1) / torch.where(norms > 0, norms, torch.nan)


class ClapScore(ClipMeans):
    """The mean CLAP score of clips; ``compute`` returns ``clap_score``, ``clips`` and ``undefined``."""

    higher_is_better = True

    def __init__(self) -> None:
        super().__init__("clap_score")

    def update(self, audio: Tensor, text: Tensor, ids: Tensor) -> None:
        """Add embeddings of clips and of their captions, (clips, width) each, with the clips' ids (clips,)."""
        self.record(clap_score(audio, text)[:, None], ids)


class DirectionalSimilarity(ClipMeans):
    """The mean of ``directional_similarity`` over edits; ``compute`` returns it, ``clips`` and ``undefined``."""

    higher_is_better = True

    def __init__(self) -> None:
        super().__init__("directional_similarity")

    def update(self, source: Tensor, edited: Tensor, source_text: Tensor, target_text: Tensor, ids: Tensor) -> None:
        """Add embeddings as ``directional_similarity`` takes them, with the edits' ids (clips,)."""
        self.record(directional_similarity(source, edited, source_text, target_text)[:, None], ids)
