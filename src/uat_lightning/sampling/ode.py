"""Solvers of the probability-flow equation ``d latents / dt = velocity(latents, t)``."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]


class ODESolver(ABC):
    """Integrates from one noise level to another.

    Args:
        steps: Number of equal steps from pure noise to clean; a path that starts lower takes its share of them.
    """

    def __init__(self, steps: int = 50) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        self.steps = steps

    def solve(self, velocity: Velocity, latents: Tensor, start: float = 1.0, stop: float = 0.0) -> Tensor:
        """Return the latents at noise level ``stop``.

        Args:
            velocity: Velocity as a function of latents (rows, frames, channels) and noise level.
            latents: Latents at noise level ``start``.
            start: Noise level to begin at, 0 to 1.
            stop: Noise level to end at, 0 to 1.
        """
        count = max(1, round(self.steps * abs(start - stop)))
        times = torch.linspace(start, stop, count + 1, dtype=torch.float64).tolist()
        for here, there in itertools.pairwise(times):
            latents = self.step(velocity, latents, here, there)
        return latents

    @abstractmethod
    def step(self, velocity: Velocity, latents: Tensor, here: float, there: float) -> Tensor:
        """Return the latents at noise level ``there`` from those at ``here``."""


class Euler(ODESolver):
    """First order, one evaluation of the network per step."""

    def step(self, velocity: Velocity, latents: Tensor, here: float, there: float) -> Tensor:
        """Follow the velocity at ``here``."""
        return latents + (there - here) * velocity(latents, here)


class Heun(ODESolver):
    """Second order: two evaluations per step, one in the last (Karras et al. 2022, arXiv 2206.00364, algorithm 1)."""

    def step(self, velocity: Velocity, latents: Tensor, here: float, there: float) -> Tensor:
        """Follow the mean of the velocities at both ends; to noise level 0 the velocity at ``here`` alone."""
        first = velocity(latents, here)
        if there == 0:  # nobody learns a velocity of clean latents: at 0 they are the condition
            return latents + (there - here) * first
        second = velocity(latents + (there - here) * first, there)
        return latents + (there - here) * 0.5 * (first + second)
