"""Noise levels to train at."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from uat_lightning.configurable import Configurable
from uat_lightning.diffusion.occasion import ANYWHERE, Occasion


class TimeSampler(Configurable, ABC):
    """Draws noise levels, stratified: one from each of as many equally likely bins as there are rows.

    A batch then covers all noise levels evenly, which lowers the variance of its loss. With several ranks every bin is
    divided among them: each rank draws from a part of its own, and the parts go round with the bin and the batch. The
    global batch is then stratified as a whole where the ranks have equally many rows, and nothing is communicated: the
    parts follow from the occasion, the places within them and their order from each rank's own random state.
    """

    @abstractmethod
    def quantile(self, share: Tensor, occasion: Occasion = ANYWHERE) -> Tensor:
        """Return the noise levels, in (0, 1], below which the given shares of all draws lie; shares in (0, 1]."""

    def shares(self, rows: Tensor, occasion: Occasion = ANYWHERE) -> Tensor:
        """Return a share in (0, 1] for every row, stratified over those marked in ``rows``, bool (rows,)."""
        bins = torch.rand(len(rows), device=rows.device).masked_fill(~rows, 2.0).argsort().argsort()
        inside = torch.rand(len(rows), device=rows.device)
        return _counted_down((bins + among_ranks(inside, bins, occasion)) / rows.sum().clamp(min=1))

    def sample(self, count: int, device: torch.device) -> Tensor:
        """Return ``count`` noise levels in (0, 1], in random order."""
        return self.among(torch.ones(count, dtype=torch.bool, device=device))

    def among(self, rows: Tensor, occasion: Occasion = ANYWHERE) -> Tensor:
        """Return a noise level in (0, 1] for every row, spread over those marked in ``rows``, bool (rows,)."""
        return self.quantile(self.shares(rows, occasion), occasion)


class Uniform(TimeSampler):
    """Uniform levels."""

    def quantile(self, share: Tensor, occasion: Occasion = ANYWHERE) -> Tensor:
        """Return the shares, which are the levels."""
        return share


class LogitNormal(TimeSampler):
    """Levels whose logit is normal (Esser et al. 2024, arXiv 2403.03206).

    Args:
        mean: Mean of the logit; above 0 prefers noise.
        deviation: Standard deviation of the logit.
    """

    def __init__(self, mean: float = 0.0, deviation: float = 1.0) -> None:
        self.mean, self.deviation = mean, deviation

    def quantile(self, share: Tensor, occasion: Occasion = ANYWHERE) -> Tensor:
        """Return the logistic function of the normal quantiles, in (0, 1)."""
        return torch.sigmoid(self.mean + self.deviation * torch.special.ndtri(share.clamp(1e-4, 1 - 1e-4)))


def among_ranks(inside: Tensor, bins: Tensor, occasion: Occasion) -> Tensor:
    """Return places within bins, in [0, 1), of which every rank has its own part; with one rank, as they are."""
    part = (bins + occasion.rank + occasion.batch) % occasion.ranks
    return (part + inside) / occasion.ranks


def _counted_down(shares: Tensor) -> Tensor:
    """Turn shares in [0, 1) into shares in (0, 1]."""
    return 1 - shares.clamp(max=1 - 1e-6)
