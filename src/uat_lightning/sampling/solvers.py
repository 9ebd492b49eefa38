"""Solvers of the probability-flow equation ``d latents / dt = velocity(latents, t)``."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor

from uat_lightning.sampling.schedules import Schedule, UniformSchedule

Velocity = Callable[[Tensor, float], Tensor]
Noise = Callable[[], Tensor]


class Solver(ABC):
    """Takes latents from one noise level to another, under the velocity of a rectified flow.

    Args:
        steps: Number of steps from pure noise to clean; a path that starts lower takes its share of them.
        schedule: Where the steps are; equal ones where None.
    """

    def __init__(self, steps: int = 50, schedule: Schedule | None = None) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        self.steps, self.schedule = steps, schedule or UniformSchedule()

    @property
    def adds_noise(self) -> bool:
        """Whether the path is that of a stochastic equation."""
        return False

    def solve(
        self, velocity: Velocity, latents: Tensor, start: float = 1.0, stop: float = 0.0, noise: Noise | None = None
    ) -> Tensor:
        """Return the latents at noise level ``stop``.

        Args:
            velocity: Velocity as a function of latents (rows, frames, channels) and noise level.
            latents: Latents at noise level ``start``.
            start: Noise level to begin at, 0 to 1.
            stop: Noise level to end at, 0 to 1.
            noise: Draws Gaussian noise of the latents' shape, for solvers that add some; torch's default where None.
        """
        return self.follow(velocity, latents, self.schedule.times(self.steps, start, stop), noise)

    @abstractmethod
    def follow(self, velocity: Velocity, latents: Tensor, times: list[float], noise: Noise | None = None) -> Tensor:
        """Return the latents at the last of the noise levels from those at the first."""


class ODESolver(Solver):
    """A solver whose every step stands alone."""

    def follow(self, velocity: Velocity, latents: Tensor, times: list[float], noise: Noise | None = None) -> Tensor:
        """Take one step after the other."""
        for here, there in itertools.pairwise(times):
            latents = self.step(velocity, latents, here, there)
        return latents

    @abstractmethod
    def step(self, velocity: Velocity, latents: Tensor, here: float, there: float) -> Tensor:
        """Return the latents at noise level ``there`` from those at ``here``."""


class Euler(ODESolver):
    """First order, one evaluation of the network per step; on a diffusion model it is DDIM (arXiv 2010.02502)."""

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


class Midpoint(ODESolver):
    """Second order: two evaluations per step, of which the second decides (Runge 1895)."""

    def step(self, velocity: Velocity, latents: Tensor, here: float, there: float) -> Tensor:
        """Follow the velocity half-way between the ends."""
        half = 0.5 * (there - here)
        return latents + (there - here) * velocity(latents + half * velocity(latents, here), here + half)


class FixedPoint(ODESolver):
    """Implicit first order: a step up inverts Euler's step down (as in ReNoise, arXiv 2403.14602).

    Euler goes down by ``x = y + (t_x - t_y) velocity(y, t_y)``; y is found by iteration, which converges where a step
    changes the velocity little.

    Args:
        steps: Number of steps from pure noise to clean; a path that starts lower takes its share of them.
        schedule: Where the steps are; equal ones where None.
        iterations: Evaluations of the network per step.
    """

    def __init__(self, steps: int = 50, schedule: Schedule | None = None, iterations: int = 4) -> None:
        super().__init__(steps, schedule)
        if iterations < 1:
            raise ValueError(f"iterations must be at least 1, got {iterations}")
        self.iterations = iterations

    def step(self, velocity: Velocity, latents: Tensor, here: float, there: float) -> Tensor:
        """Follow the velocity at ``there``, of the latents that it leads to."""
        reached = latents
        for _ in range(self.iterations):
            reached = latents + (there - here) * velocity(reached, there)
        return reached


class AdamsBashforth(Solver):
    """Second order with one evaluation per step: the velocity is extrapolated from the last two, on any schedule.

    The first step is Euler's, as there is nothing yet to extrapolate from.
    """

    def follow(self, velocity: Velocity, latents: Tensor, times: list[float], noise: Noise | None = None) -> Tensor:
        """Integrate the straight line through the last two velocities over each step."""
        before: tuple[Tensor, float] | None = None
        for here, there in itertools.pairwise(times):
            now, length = velocity(latents, here), there - here
            change = 0.0 if before is None else (now - before[0]) * (0.5 * length / before[1])
            latents, before = latents + length * (now + change), (now, length)
        return latents
