"""Editing without inversion: straight from the source to the result."""

from __future__ import annotations

import torch
from torch import Tensor

from uat_lightning.sampling.editing.base import EditingMethod, checked_strength, without_noise
from uat_lightning.sampling.editing.text_flow import TextFlow
from uat_lightning.sampling.guidance import Guidance
from uat_lightning.sampling.solvers import Noise, Solver, Velocity


class FlowEdit(EditingMethod):
    """Follows the difference of two velocities: under the target's text and under the source's (arXiv 2412.08629).

    The edited latents z go by ``E[v(z + x_t - source | target) - v(x_t | source)]`` over fresh noise in
    ``x_t = (1 - t) source + t noise``: what both texts say cancels out. The same text on both sides and the same
    guidance change nothing.

    Evaluations: ``2 draws`` for each of the solver's, and one for each below ``tail``.

    Args:
        strength: Noise level to start from, of the model's process, 0 to 1: 0 returns the source, and even at 1 what
            both texts say stays.
        source_guidance: Guidance on the source's text; none (scale 1) where None.
        draws: Noises over which each difference is averaged.
        tail: Noise level, of the rectified flow, from which on the result is denoised under the target's text alone.
    """

    def __init__(
        self, strength: float = 1.0, source_guidance: Guidance | None = None, draws: int = 1, tail: float = 0.0
    ) -> None:
        if draws < 1:
            raise ValueError(f"draws must be at least 1, got {draws}")
        if not 0 <= tail < 1:
            raise ValueError(f"tail is a noise level from 0 to below 1, got {tail}")
        self.strength, self.source_guidance = checked_strength(strength), source_guidance or Guidance(1.0)
        self.draws, self.tail = draws, tail

    def edit(self, source: Tensor, flow: TextFlow, solver: Solver, noise: Noise) -> Tensor:
        """Follow the difference, then the target's velocity where there is a tail."""
        level = flow.level(self.strength)
        if level == 0:
            return source
        tail, without = min(self.tail, level), without_noise(solver, self)
        edited = source if tail == level else without.solve(self._difference(source, flow, noise), source, level, tail)
        if tail == 0:
            return edited
        noisy = edited + tail * (noise() - source)
        return solver.solve(flow.under_target(flow.guidance), noisy, tail)

    def _difference(self, source: Tensor, flow: TextFlow, noise: Noise) -> Velocity:
        on, away = flow.under_target(flow.guidance), flow.under_source(self.source_guidance)

        def difference(edited: Tensor, t: float) -> Tensor:
            changes = []
            for _ in range(self.draws):
                noisy = torch.lerp(source, noise(), t)
                changes.append(on(noisy + (edited - source), t) - away(noisy, t))
            return torch.stack(changes).mean(0)

        return difference
