"""DPM-Solver++: solvers in the log of the signal-to-noise ratio, which integrate the noise's decay exactly."""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from uat_lightning.sampling.schedules import Schedule
from uat_lightning.sampling.solvers import Noise, Solver, Velocity


@dataclass(frozen=True)
class Step:
    """A step from a noise level down to another, in the words of DPM-Solver++.

    ``lambda = log(alpha / sigma)`` with ``alpha = 1 - t`` and ``sigma = t``. It is infinite at pure noise and at clean
    latents; what does not exist there is written so that its limit comes out.

    Args:
        here: Noise level before.
        there: Noise level after, below ``here``.
    """

    here: float
    there: float

    @property
    def length(self) -> float:
        """The gain of lambda, above 0, infinite from pure noise and to clean latents."""
        return log_ratio(self.there) - log_ratio(self.here)

    @property
    def noise_left(self) -> float:
        """Share of the noise that the step leaves, ``sigma there / sigma here``."""
        return self.there / self.here

    @property
    def decay(self) -> float:
        """``exp(-length)``, finite everywhere."""
        return (1 - self.here) * self.there / (self.here * (1 - self.there))


def log_ratio(t: float) -> float:
    """Return ``lambda = log((1 - t) / t)``."""
    return math.inf if t <= 0 else -math.inf if t >= 1 else math.log((1 - t) / t)


class DPMSolver(Solver):
    """What the solvers share: one evaluation per step, turned into clean latents, and a memory of those before."""

    memory = 1

    def follow(self, velocity: Velocity, latents: Tensor, times: list[float], noise: Noise | None = None) -> Tensor:
        """Step from the clean latents that the network sees now and saw before.

        Raises:
            ValueError: If the way does not lead from noise towards clean.
        """
        if any(there >= here for here, there in itertools.pairwise(times)):
            raise ValueError(f"{type(self).__name__} goes from noise to clean, not from {times[0]:g} to {times[-1]:g}")
        past: list[tuple[float, Tensor]] = []
        for here, there in itertools.pairwise(times):
            clean = latents - here * velocity(latents, here)
            latents = self.step(latents, clean, past, Step(here, there), noise)
            # Pure noise is infinitely far on the axis of lambda: no slope can be taken from there.
            past = [(log_ratio(here), clean), *past][: self.memory] if here < 1 else []
        return latents

    @abstractmethod
    def step(
        self, latents: Tensor, clean: Tensor, past: list[tuple[float, Tensor]], step: Step, noise: Noise | None
    ) -> Tensor:
        """Return the latents after a step.

        Args:
            latents: Latents before.
            clean: The clean latents that the network sees in them.
            past: Lambda and clean latents of the steps before, the last first.
            step: Where from and where to.
            noise: Draws Gaussian noise.
        """


class DPMSolver2M(DPMSolver):
    """DPM-Solver++ (2M): second order, one evaluation per step (Lu et al. 2022, arXiv 2211.01095, algorithm 2)."""

    def step(
        self, latents: Tensor, clean: Tensor, past: list[tuple[float, Tensor]], step: Step, noise: Noise | None
    ) -> Tensor:
        """Extrapolate the clean latents to the middle of the step; in a step to clean latents take them as they are."""
        if past and math.isfinite(step.length):
            length_before = log_ratio(step.here) - past[0][0]
            clean = clean + (clean - past[0][1]) * (0.5 * step.length / length_before)
        return step.noise_left * latents + (1 - step.there) * (1 - step.decay) * clean


class DPMSolver3MSDE(DPMSolver):
    """DPM-Solver++ (3M) SDE: the path of a stochastic equation, one evaluation per step (Stable Audio's sampler).

    It removes more noise than the step asks for and adds fresh noise in its place. The clean latents are extrapolated
    by the parabola through the last three, integrated exactly; published code halves its curvature. But for the first
    two steps, which have nothing yet to look back on, the deterministic form is of third order.

    Args:
        steps: Number of steps from pure noise to clean; a path that starts lower takes its share of them.
        schedule: Where the steps are; equal ones where None.
        eta: How much noise is renewed: 1 that of the reverse-time equation, 0 none, which makes it deterministic.
    """

    memory = 2

    def __init__(self, steps: int = 50, schedule: Schedule | None = None, eta: float = 1.0) -> None:
        super().__init__(steps, schedule)
        if not 0 <= eta < math.inf:
            raise ValueError(f"eta must not be negative, got {eta}")
        self.eta = eta

    @property
    def adds_noise(self) -> bool:
        """Whether noise is renewed."""
        return self.eta > 0

    def step(
        self, latents: Tensor, clean: Tensor, past: list[tuple[float, Tensor]], step: Step, noise: Noise | None
    ) -> Tensor:
        """Integrate the parabola; in a step to clean latents take them as they are."""
        kept = step.decay**self.eta if self.eta else 1.0  # share of the old noise that is not renewed
        whole = kept * step.decay  # exp(-(1 + eta) length)
        stepped = kept * step.noise_left * latents + (1 - step.there) * (1 - whole) * clean
        if past and math.isfinite(step.length):
            stepped = stepped + (1 - step.there) * self._bend(clean, past, step)
        if kept == 1 or step.there == 0:
            return stepped
        fresh = torch.randn_like(latents) if noise is None else noise()
        return stepped + step.there * math.sqrt(1 - kept**2) * fresh

    def _bend(self, clean: Tensor, past: list[tuple[float, Tensor]], step: Step) -> Tensor:
        """Return what the slope and the curvature of the clean latents along lambda add."""
        here, pace = log_ratio(step.here), (1 + self.eta) * step.length
        first = math.expm1(-pace) / pace + 1  # integrals of exp(u - 1) pace times u, and times u^2 / 2
        (last, clean_last), *older = past
        slope = (clean - clean_last) / (here - last)
        if not older:
            return first * step.length * slope
        oldest, clean_oldest = older[0]
        half_curvature = (slope - (clean_last - clean_oldest) / (last - oldest)) / (here - oldest)
        slope = slope + half_curvature * (here - last)
        return first * step.length * slope + 2 * (0.5 - first / pace) * step.length**2 * half_curvature
