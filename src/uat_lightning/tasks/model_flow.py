"""A trained model in the eyes of an editing method: two texts for each window of the audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from uat_lightning.diffusion import RectifiedFlow, same_level
from uat_lightning.sampling import Guidance, Windows
from uat_lightning.sampling.editing import TextFlow
from uat_lightning.sampling.solvers import Velocity
from uat_lightning.tasks.base import Parts
from uat_lightning.tasks.caption import Caption
from uat_lightning.tasks.velocity import text_velocity
from uat_lightning.types import Sequences


@dataclass(frozen=True)
class Texts:
    """What the windows of some audio are and are to be; the model writes what is not given when it is needed.

    Args:
        parts: The trained model.
        audio: Latents of the windows.
        numbers: The number of each window: it draws from ``seed`` plus that.
        given: The source's text of each window; the model writes it where None, nothing is said where empty.
        wishes: What is to be heard in each window.
        caption: Writes the source's texts.
        seed: Seed.
    """

    parts: Parts
    audio: Sequences
    numbers: Sequence[int]
    given: Sequence[str | None]
    wishes: Sequence[str]
    caption: Caption
    seed: int

    @cached_property
    def sources(self) -> list[str]:
        """The source's text of each window."""
        texts = list(self.given)
        for some in self._runs([place for place, text in enumerate(texts) if text is None]):
            texts[some.start : some.stop] = self._written(some)
        return [text or "" for text in texts]

    @cached_property
    def targets(self) -> list[str]:
        """The target's text of each window."""
        return list(self.wishes)

    def _written(self, some: range) -> list[str]:
        own = self.audio.take(slice(some.start, some.stop))
        fitting = Sequences(own.values[:, : int(own.lengths.max())], own.lengths)
        return self.caption.write(self.parts, fitting, self.seed, self.numbers[some.start])

    def _runs(self, places: Sequence[int]) -> list[range]:
        """Return the longest runs of neighbours whose numbers are consecutive: what can be written at once."""
        runs: list[range] = []
        for place in places:
            follows = runs and runs[-1].stop == place and self.numbers[place] == self.numbers[place - 1] + 1
            runs = [*runs[:-1], range(runs[-1].start, place + 1)] if follows else [*runs, range(place, place + 1)]
        return runs


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

    def level(self, strength: float) -> float:
        """Return the level of the rectified flow with the noise of a level of the model's process."""
        return same_level(self.texts.parts.process, RectifiedFlow(), strength)

    def _under(self, texts: Sequence[str], guidance: Guidance) -> Velocity:
        away = self.negative if guidance.scale != 1 else None
        velocity = text_velocity(self.texts.parts, self.windows.lengths, texts, guidance, away)
        return self.tally.counted(velocity if self.windows.whole_rows else self.windows.velocity(velocity))
