"""The Inception Score: whether each clip sounds like one thing, and all together like many."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from uat_lightning.metrics.clip_records import ClipRecords


@dataclass(frozen=True)
class InceptionScores:
    """Inception Scores of the parts that clips were split into.

    Args:
        mean: Their mean, from 1 to the number of classes.
        deviation: Their standard deviation, over the number of parts.
        splits: Number of parts.
        clips: Number of clips.
    """

    mean: float
    deviation: float
    splits: int
    clips: int


def inception_score(logits: Tensor, splits: int = 10, seed: int = 2020) -> InceptionScores:
    """Return ``exp(mean_i KL(p_i || mean_i p_i))``, with p the softmax of a clip's logits, over parts of the clips.

    Salimans et al. 2016 (arXiv 1606.03498, section 4). Clips are shuffled and split as ``torch-fidelity`` does it,
    whose score ``audioldm_eval`` reports. The score grows with the clips in a part: name both numbers beside it.

    Args:
        logits: Scores (clips, classes); the order decides who shares a part.
        splits: Parts; as many as there are clips where those are fewer.
        seed: Seed of the shuffle, for ``numpy.random.RandomState``.

    Returns:
        The scores; NaN without clips.

    Raises:
        ValueError: If there are no splits.
    """
    parts = inception_parts(logits, splits, seed)
    scores = torch.stack([divergences.mean().exp() for _, divergences in parts] or [torch.tensor(torch.nan)])
    return InceptionScores(float(scores.mean()), float(scores.std(correction=0)), len(parts), len(logits))


def inception_parts(logits: Tensor, splits: int = 10, seed: int = 2020) -> list[tuple[Tensor, Tensor]]:
    """Return the parts that ``inception_score`` splits clips into.

    Returns:
        The rows of the clips in each part, and the divergence of each from the part's mean, in nats, float64.

    Raises:
        ValueError: If there are no splits.
    """
    if splits < 1:
        raise ValueError(f"splits must be above 0, got {splits}")
    clips = len(logits)
    splits = min(splits, clips)
    order = torch.from_numpy(np.random.RandomState(seed).permutation(clips)).to(logits.device)
    logarithms = logits.detach().double().log_softmax(-1)
    parts = [order[part * clips // splits : (part + 1) * clips // splits] for part in range(splits)]
    return [(rows, _divergences(logarithms[rows])) for rows in parts]


def _divergences(logarithms: Tensor) -> Tensor:
    """Return the divergence from their mean of distributions, given as logarithms (clips, classes)."""
    together, p = logarithms.logsumexp(0) - np.log(len(logarithms)), logarithms.exp()
    return torch.where(p == 0, 0, p * (logarithms - together)).sum(-1)


class InceptionScore(ClipRecords):
    """The Inception Score of a tagger's logits, by ``inception_score``.

    Clips are shuffled in the order of their ids, so that it is the same on any number of ranks. ``compute`` returns
    ``mean``, ``deviation``, ``splits`` and ``clips``.

    Args:
        classes: Classes of the tagger.
        splits: Parts that the clips are split into.
        seed: Seed of the shuffle.
    """

    higher_is_better = True

    def __init__(self, classes: int, splits: int = 10, seed: int = 2020) -> None:
        super().__init__(classes)
        self.splits, self.seed = splits, seed

    def update(self, logits: Tensor, ids: Tensor) -> None:
        """Add the logits (clips, classes) of generated clips with their ids (clips,)."""
        self.record(logits, ids)

    def compute(self) -> dict[str, float]:
        """Return the score of everything added."""
        return asdict(inception_score(self.rows(), self.splits, self.seed))
