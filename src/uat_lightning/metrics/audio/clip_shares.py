"""What each clip adds to the Frechet distance and to the Inception Score, so that both have intervals.

A share is the score plus its influence function at the clip, see ``metrics.shares``; shares average to the score.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from uat_lightning.metrics.audio.frechet import covariance_root, frechet_distance
from uat_lightning.metrics.audio.inception_score import inception_parts
from uat_lightning.metrics.audio.moments import Moments

CLIPS_PER_PART = 10
ROWS_PER_CHANNEL = 2  # with fewer, the distance bends too much for what is true to first order


def frechet_shares(reference: Moments, generated: Sequence[Tensor]) -> Tensor:
    """Return each generated clip's share in its Frechet distance from a fixed reference, float64 (clips,).

    With y the deviation of a row from the generated mean n, the influence of a row is ``2 (n - m) y + y^T (I - T) y -
    tr((I - T) D)``, where T is the optimal transport map from the generated Gaussian to the reference's: the derivative
    of the distance by the covariance D is ``I - T`` (Dowson & Landau 1982, equation 4; Takatsu 2011, "Wasserstein
    geometry of Gaussian measures", section 3). The bias of few clips is left as it is. Where clips are few for the
    channels, shares spread up to half more than the distance does; clips drawn anew would make it twice as much.

    Args:
        reference: Moments of the true clips' embeddings.
        generated: Embeddings (frames, width) of each generated clip.

    Returns:
        The shares, whose mean is the distance; none where rows are fewer than two for each channel, or no distance is.
    """
    rows = torch.cat(list(generated)).double()
    moments = Moments.of(rows)
    there, here = covariance_root(reference), covariance_root(moments)
    if len(rows) < ROWS_PER_CHANNEL * rows.shape[1] or there is None or here is None:
        return torch.zeros(0, dtype=torch.float64)
    apart = rows - moments.mean
    cost = apart.square().sum(1) - _transported(there, here, apart)
    each = 2 * apart @ (moments.mean - reference.mean.to(apart.device)) + cost - cost.mean()
    lengths = [len(frames) for frames in generated]
    summed = torch.stack([some.sum() for some in torch.split(each, lengths)])
    shares: Tensor = frechet_distance(reference, moments) + summed * len(lengths) / len(rows)
    return shares


def _transported(reference: Tensor, generated: Tensor, apart: Tensor) -> Tensor:
    """Return ``y^T T y`` of rows y, for the transport map of two covariances that are given by their roots."""
    reference = reference.to(apart.device)
    left, _, right = torch.linalg.svd(reference.mT @ generated, full_matrices=False)
    inverse = generated / generated.square().sum(0)  # the root's columns are orthogonal
    moved: Tensor = (apart @ inverse) @ right.mT @ left.mT @ reference.mT
    return (moved * apart).sum(1)


def inception_shares(logits: Tensor, splits: int = 10, seed: int = 2020) -> Tensor:
    """Return each clip's share in the mean Inception Score, float64 (clips,); arguments as of ``inception_score``.

    In a part of the clips, ``score (1 + KL(p_i || mean p) - mean KL)``. There are none where a part has fewer than ten
    clips: a mean that each clip has much of in it follows the clips.
    """
    shares = torch.zeros(len(logits), dtype=torch.float64, device=logits.device)
    parts = inception_parts(logits, splits, seed)
    if len(logits) < CLIPS_PER_PART * splits:
        return shares[:0]
    for rows, divergences in parts:
        size = len(logits) / (len(parts) * len(rows))
        score = divergences.mean().exp()
        shares[rows] = size * score * (1 + divergences - divergences.mean())
    return shares
