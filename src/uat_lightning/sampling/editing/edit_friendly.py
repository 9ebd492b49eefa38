"""Editing by inversion of a stochastic sampler."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from uat_lightning.sampling.editing.base import EditingMethod, checked_strength
from uat_lightning.sampling.editing.text_flow import TextFlow
from uat_lightning.sampling.guidance import Guidance
from uat_lightning.sampling.solvers import Noise, Solver


class EditFriendlyInversion(EditingMethod):
    """Finds the noises with which a stochastic sampler makes the source, and replays them under the target's text.

    Noisy versions of the source are drawn independently at all levels; what separates a step of the sampler from the
    next of them is that step's noise (Huberman-Spiegelglas et al. 2023, arXiv 2304.06140; for audio Manor & Michaeli
    2024, arXiv 2402.10009). A step to level s is ``(1 - s) clean + s (sqrt(1 - eta^2) noise + eta fresh)``. The last
    adds no noise; what it misses of the source is added all the same, so that a replay is exact.

    Both ways go side by side: nothing but the latents is kept. Evaluations: 2 for each step.

    Args:
        strength: Noise level from which to replay, of the model's process, 0 to 1: 0 returns the source.
        source_guidance: Guidance on the source's text; none (scale 1) where None.
        eta: How much of the noise is fresh at each step, above 0, up to 1.
    """

    def __init__(self, strength: float = 0.8, source_guidance: Guidance | None = None, eta: float = 1.0) -> None:
        if not 0 < eta <= 1:
            raise ValueError(f"eta is above 0 and up to 1, got {eta}")
        self.strength, self.eta = checked_strength(strength), eta
        self.source_guidance = source_guidance or Guidance(1.0)

    def edit(self, source: Tensor, flow: TextFlow, solver: Solver, noise: Noise) -> Tensor:
        """Step both the source and its edit down; on the solver's levels, by this sampler's own steps."""
        level = flow.level(self.strength)
        if level == 0:
            return source
        away, on = flow.under_source(self.source_guidance), flow.under_target(flow.guidance)
        known = edited = torch.lerp(source, noise(), level)
        for here, there in itertools.pairwise(solver.schedule.times(solver.steps, level)):
            following = torch.lerp(source, noise(), there) if there > 0 else source
            fresh = following - self._step(known, away(known, here), here, there)
            edited, known = self._step(edited, on(edited, here), here, there) + fresh, following
        return edited

    def _step(self, latents: Tensor, velocity: Tensor, here: float, there: float) -> Tensor:
        """Return the mean of the sampler's next latents."""
        clean, noise = latents - here * velocity, latents + (1 - here) * velocity
        return (1 - there) * clean + there * math.sqrt(1 - self.eta**2) * noise
