"""Noise levels to train at."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from uat_lightning.configurable import Configurable


class TimeSampler(Configurable, ABC):
    """Draws noise levels."""

    @abstractmethod
    def sample(self, count: int, device: torch.device) -> Tensor:
        """Return ``count`` noise levels in (0, 1]."""


class Uniform(TimeSampler):
    """Stratified uniform levels: one in each of ``count`` equal bins, in random order.

    The batch then covers all noise levels evenly, which lowers the variance of its loss.
    """

    def sample(self, count: int, device: torch.device) -> Tensor:
        """Return ``count`` stratified levels in (0, 1]."""
        levels = (torch.arange(count, device=device) + torch.rand(count, device=device)) / max(count, 1)
        return 1 - levels[torch.randperm(count, device=device)]


class LogitNormal(TimeSampler):
    """Levels whose logit is normal (Esser et al. 2024, arXiv 2403.03206), stratified over the batch.

    Args:
        mean: Mean of the logit; above 0 prefers noise.
        deviation: Standard deviation of the logit.
    """

    def __init__(self, mean: float = 0.0, deviation: float = 1.0) -> None:
        self.mean, self.deviation = mean, deviation

    def sample(self, count: int, device: torch.device) -> Tensor:
        """Return ``count`` levels in (0, 1)."""
        uniform = Uniform().sample(count, device).clamp(1e-4, 1 - 1e-4)
        return torch.sigmoid(self.mean + self.deviation * torch.special.ndtri(uniform))
