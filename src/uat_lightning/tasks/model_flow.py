"""A trained model in the eyes of an editing method: two texts for each window of the audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from uat_lightning.diffusion import RectifiedFlow, same_level
from uat_lightning.sampling import DualGuidance, Guidance, Windows
from uat_lightning.sampling.editing import TextFlow, Views
from uat_lightning.sampling.solvers import Velocity
from uat_lightning.tasks.texts import Texts
from uat_lightning.tasks.velocity import edit_velocity, text_velocity

EPSILON = 1e-6


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

    def beside_source(self, guidance: DualGuidance, views: Views) -> Velocity:
        """Return the velocity under the target's texts and beside the windows of the source."""
        each = self.texts.views(views)
        shares = torch.tensor(
            [(view.alone, view.caption, view.words) for view in each], device=self.windows.rows.device
        )
        alone, *beside = shares.T
        seeing = self.tally.counted(self._seeing(guidance, torch.stack(beside) / (1 - alone).clamp(min=EPSILON)))
        if not bool(alone.any()):
            return self._joined(seeing)
        blind = self.tally.counted(self._plain(self.texts.targets, guidance.text))
        return self._joined(lambda latents, t: seeing(latents, t).lerp(blind(latents, t), alone[:, None, None]))

    def _seeing(self, guidance: DualGuidance, weights: Tensor) -> Velocity:
        """Return the velocity beside the source under captions and words; what counts nowhere is not evaluated."""
        counts = [way for way, of_rows in enumerate(weights) if bool(of_rows.any())] or [0]
        texts = [(self.texts.targets, self.texts.words)[way] for way in counts]
        return edit_velocity(self.texts.parts, self.texts.audio, texts, guidance, self.negative, weights[counts])

    def level(self, strength: float) -> float:
        """Return the level of the rectified flow with the noise of a level of the model's process."""
        return same_level(self.texts.parts.process, RectifiedFlow(), strength)

    def _under(self, texts: Sequence[str], guidance: Guidance) -> Velocity:
        return self._counted(self._plain(texts, guidance))

    def _plain(self, texts: Sequence[str], guidance: Guidance) -> Velocity:
        """Return the velocity of windows under texts, without a source."""
        away = self.negative if guidance.scale != 1 else None
        return text_velocity(self.texts.parts, self.windows.lengths, texts, guidance, away)

    def _counted(self, velocity: Velocity) -> Velocity:
        return self.tally.counted(self._joined(velocity))

    def _joined(self, velocity: Velocity) -> Velocity:
        """Return the velocity of whole rows from that of their windows."""
        return velocity if self.windows.whole_rows else self.windows.velocity(velocity)
