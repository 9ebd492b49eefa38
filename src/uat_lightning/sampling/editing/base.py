"""The contract of an editing method: from source latents to edited ones, under two texts."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from uat_lightning.backbone import Backbone
from uat_lightning.sampling.editing.text_flow import Confined, TextFlow
from uat_lightning.sampling.solvers import Noise, Solver


class EditingMethod(ABC):
    """Takes source latents to latents that deserve the target text.

    All methods speak of the rectified flow, ``x_t = (1 - t) clean + t noise`` with ``velocity = noise - clean``; models
    of other processes are converted. Their steps are where the solver's schedule has them, up and down alike. An
    evaluation is one look at a velocity; under guidance it is a batch of two conditions.

    Attributes:
        reads_captions: Whether it wants a caption of the target; where an instruction is given, the one that follows.
        follows_instructions: Whether it reads instructions as they are said, in the place of captions or beside them.
        usual_guidance: Scale of the guidance on the target where nobody names one.
    """

    reads_captions: bool = True
    follows_instructions: bool = False
    usual_guidance: float = 4.0

    def check(self, backbone: Backbone) -> None:  # noqa: B027 (most methods need nothing)
        """See that a model can be edited with; every one can by default.

        Raises:
            ValueError: If it cannot.
        """

    def run(self, source: Tensor, flow: TextFlow, solver: Solver, noise: Noise, region: Tensor | None = None) -> Tensor:
        """Return edited latents, (rows, frames, channels).

        Args:
            source: Clean latents (rows, frames, channels).
            flow: The model under the source's text and the target's, with the guidance of the target.
            solver: Integrates velocities; its schedule says where the steps are.
            noise: Draws Gaussian noise of the source's shape; each row from a generator of its own.
            region: How far each frame may change, 0 to 1, (rows, frames, 1) or broadcast to it: all of it where None.
                Where it is 0 the source comes back to the last bit, and is what the model sees around the rest.

        Raises:
            ValueError: If the method needs an equation without noise and the solver adds some.
        """
        if region is None:
            return self.edit(source, flow, solver, noise)
        edited = self.edit(source, Confined(flow, source, region), solver, noise)
        return torch.where(region > 0, edited, source)

    @abstractmethod
    def edit(self, source: Tensor, flow: TextFlow, solver: Solver, noise: Noise) -> Tensor:
        """Return edited latents; the arguments are those of ``run``."""


def checked_strength(strength: float) -> float:
    """Return a noise level of the model's process.

    Raises:
        ValueError: If it is none.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is a noise level from 0 to 1, got {strength}")
    return strength


def without_noise(solver: Solver, method: EditingMethod) -> Solver:
    """Return a solver that adds no noise.

    Raises:
        ValueError: If it does.
    """
    if solver.adds_noise:
        names = f"{type(solver).__name__} adds noise, which {type(method).__name__} cannot use"
        raise ValueError(f"{names}: take another solver, such as Euler")
    return solver
