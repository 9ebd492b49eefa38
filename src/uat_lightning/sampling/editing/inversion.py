"""Editing by inversion: from the source up to its noise, and down again under another text."""

from __future__ import annotations

from torch import Tensor

from uat_lightning.sampling.editing.base import EditingMethod, checked_strength, without_noise
from uat_lightning.sampling.editing.text_flow import TextFlow
from uat_lightning.sampling.guidance import Guidance
from uat_lightning.sampling.solvers import Euler, FixedPoint, Noise, ODESolver, Solver, Velocity

PLAIN = Guidance(1.0)  # guided velocities cross each other: there is no way back up


class Inversion(EditingMethod):
    """Follows the probability flow up under the source's text and down under the target's (DDIM inversion).

    Up it goes without guidance. The way down is the solver's; what the way up does not invert of it is lost: Euler's
    first order, the midpoint's second, while the fixed point of Euler's own step loses nothing.

    Evaluations: those of both ways; the first look up, at clean latents, is free (their velocity is ``-clean``).

    Args:
        strength: Noise level to turn at, of the model's process, 0 to 1: 0 returns the source.
        ascent: How to go up, on the solver's steps; the fixed point of Euler's step where None.
    """

    def __init__(self, strength: float = 1.0, ascent: ODESolver | None = None) -> None:
        self.strength, self.ascent = checked_strength(strength), ascent or FixedPoint()

    def edit(self, source: Tensor, flow: TextFlow, solver: Solver, noise: Noise) -> Tensor:
        """Go up and down the same steps."""
        level = flow.level(self.strength)
        if level == 0:
            return source
        times = without_noise(solver, self).schedule.times(solver.steps, level)
        top = self.ascent.follow(self.up(flow, noise), source, times[::-1])
        return solver.follow(self.down(flow, source), top, times)

    def up(self, flow: TextFlow, noise: Noise) -> Velocity:
        """Return the velocity of the way up."""
        return from_clean(flow.free.under_source(PLAIN))

    def down(self, flow: TextFlow, source: Tensor) -> Velocity:
        """Return the velocity of the way down."""
        return flow.under_target(flow.guidance)


class Interpolation(Inversion):
    """What lies between the source and its edit: down it goes between the velocities under both texts.

    Evaluations: those of the way up, and twice those of the way down.

    Args:
        share: Where between the two: 0 reconstructs the source, 1 is its edit by ``Inversion``.
        strength: Noise level to turn at, of the model's process, 0 to 1: 0 returns the source.
        ascent: How to go up, on the solver's steps; the fixed point of Euler's step where None.
    """

    def __init__(self, share: float = 0.5, strength: float = 1.0, ascent: ODESolver | None = None) -> None:
        super().__init__(strength, ascent)
        if not 0 <= share <= 1:
            raise ValueError(f"share is from 0 (the source) to 1 (the edit), got {share}")
        self.share = share

    def down(self, flow: TextFlow, source: Tensor) -> Velocity:
        """Return the velocity between that of the source's text, unguided, and that of the target's, guided."""
        back, on = flow.under_source(PLAIN), flow.under_target(flow.guidance)
        return lambda latents, t: back(latents, t).lerp(on(latents, t), self.share)


class RFInversion(Inversion):
    """Inversion with a pull: up towards typical noise, down towards the source (Rout et al. 2024, arXiv 2410.10792).

    Up, the velocity gives way to ``(noise - x) / (1 - t)``, which ends in noise of the target's kind; down, to
    ``(x - source) / t``, which ends in the source. Without either it is ``Inversion`` by Euler's steps. The paper goes
    up without a text: leave the source's out for that.

    Evaluations: those of both ways, one for each step up but the first, which is free.

    Args:
        gamma: Share of the pull on the way up, 0 to 1.
        eta: Share of the pull on the way down, 0 to 1: the more, the more the result keeps of the source.
        stop: Noise level down to which the source pulls, of the rectified flow, 0 to 1; below it the text has its way.
        strength: Noise level to turn at, of the model's process, 0 to 1: 0 returns the source.
    """

    def __init__(self, gamma: float = 0.5, eta: float = 0.9, stop: float = 0.75, strength: float = 1.0) -> None:
        super().__init__(strength, Euler())
        for name, share in (("gamma", gamma), ("eta", eta), ("stop", stop)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is from 0 to 1, got {share}")
        self.gamma, self.eta, self.stop = gamma, eta, stop

    def up(self, flow: TextFlow, noise: Noise) -> Velocity:
        """Return the velocity of the way up, drawn towards noise."""
        velocity, typical = super().up(flow, noise), noise()
        return lambda latents, t: velocity(latents, t).lerp((typical - latents) / (1 - t), self.gamma)

    def down(self, flow: TextFlow, source: Tensor) -> Velocity:
        """Return the velocity of the way down, drawn towards the source at first."""
        velocity = super().down(flow, source)

        def drawn(latents: Tensor, t: float) -> Tensor:
            return velocity(latents, t).lerp((latents - source) / t, self.eta if t > self.stop else 0.0)

        return drawn


def from_clean(velocity: Velocity) -> Velocity:
    """Return a velocity that is known without a look at clean latents.

    Their noise is unknown, its mean 0: the velocity is ``-clean``. The model has learned none there: to it, latents
    without noise are a condition.
    """
    return lambda latents, t: -latents if t == 0 else velocity(latents, t)
