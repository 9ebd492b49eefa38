"""Editing without inversion, by a model that sees the source."""

from __future__ import annotations

import torch
from torch import Tensor

from uat_lightning.sampling.editing.base import without_noise
from uat_lightning.sampling.editing.source_conditioned import SourceConditioned
from uat_lightning.sampling.editing.text_flow import TextFlow
from uat_lightning.sampling.editing.views import Views
from uat_lightning.sampling.guidance import Guidance
from uat_lightning.sampling.solvers import Noise, Solver, Velocity

BESIDE = Views(caption=0.5, words=0.5)  # without the source no velocity is near the one that is taken off


class SourceDifference(SourceConditioned):
    """Follows the difference between what a trained editor makes of the source and the source itself.

    It is FlowEdit (arXiv 2412.08629) with one of its two velocities known: the edited latents z go by
    ``v(z + x_t - source | target's texts, source) - (noise - source)`` over fresh noise in
    ``x_t = (1 - t) source + t noise``. Where the editor is sure that the source stays, nothing moves. Results are
    nearer to the source, and to the true result, than those of ``SourceConditioned``, and do what was asked for less
    often.

    Evaluations: those of the solver from the strength down, and as many again where the caption without the source has
    a share.

    Args:
        strength: Noise level to start from, of the model's process, 0 to 1: 0 returns the source.
        source_guidance: Guidance on the source, away from none; a scale of 1, which takes no evaluations, where None.
        views: How much each way to know the target counts; caption and instruction beside the source by halves where
            None.
    """

    def __init__(
        self, strength: float = 1.0, source_guidance: Guidance | None = None, views: Views | None = None
    ) -> None:
        super().__init__(strength, source_guidance, views or BESIDE)

    def edit(self, source: Tensor, flow: TextFlow, solver: Solver, noise: Noise) -> Tensor:
        """Follow the difference.

        Raises:
            ValueError: If the solver adds noise.
        """
        level = flow.level(self.strength)
        if level == 0:
            return source
        return without_noise(solver, self).solve(self._difference(source, flow, noise), source, level)

    def _difference(self, source: Tensor, flow: TextFlow, noise: Noise) -> Velocity:
        velocity = self.velocity(flow)

        def difference(edited: Tensor, t: float) -> Tensor:
            drawn = noise()
            return velocity(torch.lerp(source, drawn, t) + (edited - source), t) - (drawn - source)

        return difference
