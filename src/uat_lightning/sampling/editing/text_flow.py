"""What an editing method asks of a model: its rectified flow under the source's text and under the target's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from uat_lightning.sampling.dual_guidance import DualGuidance
from uat_lightning.sampling.editing.views import Views
from uat_lightning.sampling.guidance import Guidance
from uat_lightning.sampling.solvers import Velocity


class TextFlow(ABC):
    """A model's velocities under two texts."""

    @property
    @abstractmethod
    def guidance(self) -> Guidance:
        """How strictly the target's text is followed."""

    @abstractmethod
    def under_source(self, guidance: Guidance) -> Velocity:
        """Return the velocity under the text of what the source is."""

    @abstractmethod
    def under_target(self, guidance: Guidance) -> Velocity:
        """Return the velocity under the text of what the result is to be."""

    def beside_source(self, guidance: DualGuidance, views: Views) -> Velocity:
        """Return the velocity under the target's texts of a model that sees the source as well.

        Args:
            guidance: Guidance on source and text.
            views: How much each way to know the target counts.

        Raises:
            ValueError: If the model sees none, as by default.
        """
        raise ValueError(f"{type(self).__name__} has no velocity beside a source: take a method for texts alone")

    def level(self, strength: float) -> float:
        """Return the level of the rectified flow that has the noise of a level of the model's own process."""
        return strength

    @property
    def free(self) -> TextFlow:
        """This flow where no region confines it."""
        return self


@dataclass(frozen=True)
class Confined(TextFlow):
    """A flow that leads back to the source outside of a region.

    The velocity there is ``(latents - source) / t``, which ends in the source from anywhere, and follows the straight
    path to it from ``(1 - t) source + t noise``: the model sees the source around what it changes, at the right noise.

    Args:
        flow: The model.
        source: Clean latents (rows, frames, channels).
        region: How far each frame may change, 0 to 1, broadcast to the source.
    """

    flow: TextFlow
    source: Tensor
    region: Tensor

    @property
    def guidance(self) -> Guidance:
        """The model's."""
        return self.flow.guidance

    @property
    def free(self) -> TextFlow:
        """The model's flow."""
        return self.flow

    def under_source(self, guidance: Guidance) -> Velocity:
        """Return the velocity under the source's text inside the region."""
        return self._confined(self.flow.under_source(guidance))

    def under_target(self, guidance: Guidance) -> Velocity:
        """Return the velocity under the target's text inside the region."""
        return self._confined(self.flow.under_target(guidance))

    def beside_source(self, guidance: DualGuidance, views: Views) -> Velocity:
        """Return the velocity beside the source inside the region."""
        return self._confined(self.flow.beside_source(guidance, views))

    def level(self, strength: float) -> float:
        """Return the model's."""
        return self.flow.level(strength)

    def _confined(self, velocity: Velocity) -> Velocity:
        def confined(latents: Tensor, t: float) -> Tensor:
            back = (latents - self.source) / t
            return back + self.region * (velocity(latents, t) - back)

        return confined
