"""A trained model in the eyes of an editing method: two texts for each window of the audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from uat_lightning.diffusion import RectifiedFlow, same_level
from uat_lightning.sampling import DualGuidance, Guidance, Windows
from uat_lightning.sampling.editing import TextFlow
from uat_lightning.sampling.solvers import Velocity
from uat_lightning.tasks.texts import Texts
from uat_lightning.tasks.velocity import edit_velocity, text_velocity


@dataclass
class Tally:
    """How often velocities were evaluated."""

    count: int = 0

    def counted(self, velocity: Velocity) -> Velocity:
        """Return a velocity that is counted."""

        def evaluated(latents: Tensor, t: float) -> Tensor:
            self.count += 1
            return velocity(latents, t)

        return evaluated


@dataclass(frozen=True)
class ModelFlow(TextFlow):
    """The rectified flow of a model under the texts of source and target.

    Args:
        windows: Where the windows are.
        texts: Their texts.
        guided: Guidance on the target's text.
        negative: A caption of what guidance is to lead away from; away from no caption where None.
        tally: Counts evaluations.
    """

    windows: Windows
    texts: Texts
    guided: Guidance
    negative: str | None = None
    tally: Tally = field(default_factory=Tally)

    @property
    def guidance(self) -> Guidance:
        """Guidance on the target's text."""
        return self.guided

    def under_source(self, guidance: Guidance) -> Velocity:
        """Return the velocity under the source's texts."""
        return self._under(self.texts.sources, guidance)

    def under_target(self, guidance: Guidance) -> Velocity:
        """Return the velocity under the target's texts."""
        return self._under(self.texts.targets, guidance)

    def beside_source(self, guidance: DualGuidance) -> Velocity:
        """Return the velocity under the target's texts, said in every way, and beside the windows of the source."""
        velocity = edit_velocity(self.texts.parts, self.texts.audio, self.texts.ways, guidance, self.negative)
        return self._counted(velocity)

    def level(self, strength: float) -> float:
        """Return the level of the rectified flow with the noise of a level of the model's process."""
        return same_level(self.texts.parts.process, RectifiedFlow(), strength)

    def _under(self, texts: Sequence[str], guidance: Guidance) -> Velocity:
        away = self.negative if guidance.scale != 1 else None
        velocity = text_velocity(self.texts.parts, self.windows.lengths, texts, guidance, away)
        return self._counted(velocity)

    def _counted(self, velocity: Velocity) -> Velocity:
        return self.tally.counted(velocity if self.windows.whole_rows else self.windows.velocity(velocity))
