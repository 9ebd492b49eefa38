"""Where on the way from noise to clean the steps of a solver are, whichever solver it is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from uat_lightning.diffusion.spread import shifted


class Schedule(ABC):
    """A map from how much of the way remains, 1 to 0, to the noise level there, 1 to 0.

    Noise levels are those of the rectified flow, noise over noise plus data; a model of another process is converted.
    """

    @abstractmethod
    def level(self, remaining: Tensor) -> Tensor:
        """Return the noise levels where shares of the way remain; both in [0, 1], rising."""

    @abstractmethod
    def remaining(self, level: Tensor) -> Tensor:
        """Return how much of the way remains at noise levels, in [0, 1]; the inverse of ``level``."""

    def times(self, steps: int, start: float = 1.0, stop: float = 0.0) -> list[float]:
        """Return the noise levels that a solver visits, from ``start`` to ``stop``.

        Args:
            steps: Steps from pure noise to clean; a shorter path takes its share of them, at least one.
            start: Noise level to begin at, 0 to 1.
            stop: Noise level to end at, 0 to 1.
        """
        first, last = self.remaining(torch.tensor([start, stop], dtype=torch.float64)).tolist()
        count = max(1, round(steps * abs(first - last)))
        between = self.level(torch.linspace(first, last, count + 1, dtype=torch.float64)).tolist()[1:-1]
        return [start, *between, stop]


class UniformSchedule(Schedule):
    """Equal steps in the noise level of the rectified flow."""

    def level(self, remaining: Tensor) -> Tensor:
        """Return the shares, which are the levels."""
        return remaining

    def remaining(self, level: Tensor) -> Tensor:
        """Return the levels, which are the shares."""
        return level


class CosineSchedule(Schedule):
    """Equal steps in the noise level of the variance-preserving cosine process: an equal turn of the angle at each."""

    def level(self, remaining: Tensor) -> Tensor:
        """Return ``sin / (cos + sin)`` of the angle ``pi / 2 remaining``."""
        angle = 0.5 * math.pi * remaining
        return torch.sin(angle) / (torch.cos(angle) + torch.sin(angle))

    def remaining(self, level: Tensor) -> Tensor:
        """Return the angle whose tangent is noise to data, in right angles."""
        return torch.atan2(level, 1 - level) / (0.5 * math.pi)


class ShiftedSchedule(Schedule):
    """Equal steps, moved towards noise: ``shift r / (1 + (shift - 1) r)`` (Esser et al. 2024, arXiv 2403.03206).

    Args:
        shift: Above 1 spends steps at high noise levels, below 1 at low ones; longer latents want more.
    """

    def __init__(self, shift: float = 3.0) -> None:
        if not 0 < shift < math.inf:
            raise ValueError(f"shift must be above 0 and finite, got {shift}")
        self.shift = shift

    def level(self, remaining: Tensor) -> Tensor:
        """Return the shifted shares."""
        return shifted(remaining, self.shift)

    def remaining(self, level: Tensor) -> Tensor:
        """Return the levels, shifted back."""
        return shifted(level, 1 / self.shift)


class PolyexponentialSchedule(Schedule):
    """Steps in the log of the noise-to-signal ratio, equal ones where rho is 1 (k-diffusion; Stable Audio's default).

    ``sigma = sigma_min^(1 - r^rho) sigma_max^(r^rho)`` where r of the way remains, and the noise level is
    ``sigma / (1 + sigma)``. The way begins at pure noise and ends at clean latents all the same.

    Args:
        sigma_min: Ratio of noise to data before the last step, above 0.
        sigma_max: Ratio of noise to data after the beginning, above ``sigma_min``.
        rho: Above 1 spends more steps at low noise.
    """

    def __init__(self, sigma_min: float = 0.3, sigma_max: float = 500.0, rho: float = 1.0) -> None:
        if not (0 < sigma_min < sigma_max < math.inf and rho > 0):
            raise ValueError(f"0 < sigma_min < sigma_max and 0 < rho are needed, got {sigma_min}, {sigma_max}, {rho}")
        self.low, self.high, self.rho = math.log(sigma_min), math.log(sigma_max), rho

    def level(self, remaining: Tensor) -> Tensor:
        """Return the logistic function of ``log sigma``."""
        inside = torch.sigmoid(self.low + (self.high - self.low) * remaining**self.rho)
        return torch.where((remaining > 0) & (remaining < 1), inside, remaining)

    def remaining(self, level: Tensor) -> Tensor:
        """Return where between ``log sigma_min`` and ``log sigma_max`` the levels are."""
        share = (torch.logit(level) - self.low) / (self.high - self.low)
        return share.clamp(0, 1) ** (1 / self.rho)
