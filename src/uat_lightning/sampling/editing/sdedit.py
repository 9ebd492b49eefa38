"""Editing by noise and denoising."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from uat_lightning.sampling.editing.base import EditingMethod, checked_strength
from uat_lightning.sampling.editing.text_flow import TextFlow
from uat_lightning.sampling.solvers import Noise, Solver, Velocity


class SDEdit(EditingMethod):
    """The source is noised part of the way and denoised under the target text (Meng et al. 2021, arXiv 2108.01073).

    Evaluations: those of the solver from the strength down; the source's text is not read.

    Args:
        strength: Noise level to start from, of the model's process, 0 to 1: 0 returns the source, 1 is plain
            generation.
    """

    def __init__(self, strength: float = 0.8) -> None:
        self.strength = checked_strength(strength)

    def edit(self, source: Tensor, flow: TextFlow, solver: Solver, noise: Noise) -> Tensor:
        """Denoise under the target's text."""
        level = flow.level(self.strength)
        if level == 0:
            return source
        return solver.solve(self.velocity(flow), torch.lerp(source, noise(), level), level, noise=noise)

    def velocity(self, flow: TextFlow) -> Velocity:
        """Return what the noisy source follows: the target's text."""
        return flow.under_target(flow.guidance)


class Variation(SDEdit):
    """The source once more, otherwise: noised part of the way and denoised under its own text.

    Evaluations: those of the solver from the strength down; the target's text is not read.

    Args:
        strength: Noise level to start from, of the model's process, 0 to 1: 0 returns the source, 1 is plain
            generation from its text.
    """

    def __init__(self, strength: float = 0.6) -> None:
        super().__init__(strength)

    def velocity(self, flow: TextFlow) -> Velocity:
        """Return what the noisy source follows: the source's own text."""
        return flow.under_source(flow.guidance)


class Inpainting(SDEdit):
    """Makes a region anew so that it fits what is around it (RePaint, Lugmayr et al. 2022, arXiv 2201.09865).

    Every step is taken several times: what was denoised is noised again in between, by the exact bridge of the
    rectified flow, so that both sides of an edge agree. Outside of the region is the source at the same noise level.
    Where the region is what is yet to be heard, before the beginning or behind the end, this is continuation.

    Evaluations: ``rounds`` times those of a solver of one-step memory; the source's text is not read.

    Args:
        strength: Noise level to start from, of the model's process, 0 to 1: 1 knows nothing of what was in the region.
        rounds: How often each step is taken, but for the last, which is taken once; 1 is plain.
    """

    def __init__(self, strength: float = 1.0, rounds: int = 3) -> None:
        super().__init__(strength)
        if rounds < 1:
            raise ValueError(f"rounds must be at least 1, got {rounds}")
        self.rounds = rounds

    def edit(self, source: Tensor, flow: TextFlow, solver: Solver, noise: Noise) -> Tensor:
        """Denoise under the target's text, step by step and each step several times."""
        level, velocity = flow.level(self.strength), self.velocity(flow)
        if level == 0:
            return source
        latents = torch.lerp(source, noise(), level)
        for here, there in itertools.pairwise(solver.schedule.times(solver.steps, level)):
            for _ in range(self.rounds - 1 if there > 0 else 0):
                latents = renoised(solver.follow(velocity, latents, [here, there], noise), there, here, noise())
            latents = solver.follow(velocity, latents, [here, there], noise)
        return latents


def renoised(latents: Tensor, there: float, here: float, noise: Tensor) -> Tensor:
    """Return latents at a lower noise level as latents at a higher one.

    ``r x + sqrt(here^2 - (r there)^2) noise`` with ``r = (1 - here) / (1 - there)`` has the signal and the noise of
    level ``here``.
    """
    kept = (1 - here) / (1 - there)
    return kept * latents + math.sqrt(here**2 - (kept * there) ** 2) * noise
