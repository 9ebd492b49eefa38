"""Where on the (t_audio, t_text) square to train.

Tasks are corners and paths on this square: generating holds the text at 0 and takes the audio from 1 to 0, captioning
holds the audio at 0 and takes the text from 1 to 0. A condition at 1 says nothing, which is the null condition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from uat_lightning.configurable import Configurable
from uat_lightning.diffusion.occasion import ANYWHERE, Occasion
from uat_lightning.diffusion.times import TimeSampler
from uat_lightning.types import Pair


@dataclass(frozen=True)
class Draw:
    """A place on the square for every row.

    Args:
        t: Noise levels of audio and text, (rows,) each.
        learn: True where the row's audio, or its text, counts in the loss, bool (rows,) each.
        source: True where an edit sees its source, bool (rows,); every edit does where None.
    """

    t: Pair[Tensor]
    learn: Pair[Tensor]
    source: Tensor | None = None


class SquareSampler(Configurable, ABC):
    """Decides where on the square each row trains.

    Attributes:
        conditional: Whether one side of every row is a condition: at 0, or at 1 where it is dropped.
    """

    conditional: bool = False

    @abstractmethod
    def draw(self, generation: Tensor, occasion: Occasion = ANYWHERE) -> Draw:
        """Draw places for rows that teach audio from text (True) or text from audio (False), bool (rows,).

        Args:
            generation: Which way each row teaches.
            occasion: Step, rank and lengths of the rows, and which are edits.
        """


class Conditional(SquareSampler):
    """One modality is noisy and learned, the other is its clean condition, dropped now and then.

    Args:
        audio: Noise levels of the audio where it is learned.
        text: Noise levels of the text where it is learned.
        drop_text: How often generation rows lose their text, 0 to 1; guidance needs it.
        drop_audio: How often captioning rows lose their audio, 0 to 1.
        drop_source: How often edits lose their source, and their instruction with it: they are then sounds under no
            condition, which guidance on the source leads away from. 0 to 1.
        edits: Noise levels of edits; as of other audio where None. High ones serve better, see docs/editing.md: beside
            the source a noisy target may show what the instruction was, which then need not be read.
    """

    conditional = True

    def __init__(
        self,
        audio: TimeSampler,
        text: TimeSampler,
        drop_text: float = 0.1,
        drop_audio: float = 0.1,
        drop_source: float = 0.05,
        edits: TimeSampler | None = None,
    ) -> None:
        self.audio, self.text, self.drop_text, self.drop_audio = audio, text, drop_text, drop_audio
        self.drop_source, self.edits = drop_source, edits

    def draw(self, generation: Tensor, occasion: Occasion = ANYWHERE) -> Draw:
        """Draw noise levels for the learned side; the condition is at 0, or at 1 where it is dropped."""
        count, device = len(generation), generation.device
        dropped = torch.rand(count, device=device) < torch.where(generation, self.drop_text, self.drop_audio)
        source = None
        if occasion.edits is not None:
            source = torch.rand(count, device=device) >= self.drop_source
            dropped |= occasion.edits & ~source
        condition = dropped.float()
        audio = torch.where(generation, self._levels(generation, occasion), condition)
        text = torch.where(generation, condition, self.text.among(~generation, occasion))
        return Draw(Pair(audio, text), Pair(generation, ~generation), source)

    def _levels(self, generation: Tensor, occasion: Occasion) -> Tensor:
        if self.edits is None or occasion.edits is None:
            return self.audio.among(generation, occasion)
        others = self.audio.among(generation & ~occasion.edits, occasion)
        return torch.where(occasion.edits, self.edits.among(occasion.edits, occasion), others)


class Everywhere(SquareSampler):
    """Conditional rows, and rows where both modalities are noisy and learned, each at a level of its own.

    An edit stays conditional: its instruction is not what is heard.

    Args:
        usual: Draws the other rows, and the levels of both modalities where either is learned.
        joint: Share of the rows that are noisy on both sides, 0 to 1.
    """

    def __init__(self, usual: Conditional, joint: float = 0.2) -> None:
        if not 0 <= joint <= 1:
            raise ValueError(f"joint is a share from 0 to 1, got {joint}")
        self.usual, self.joint = usual, joint

    def draw(self, generation: Tensor, occasion: Occasion = ANYWHERE) -> Draw:
        """Draw noise levels for one side of most rows, and for both sides of some."""
        usual, rows = self.usual.draw(generation, occasion), torch.ones_like(generation)
        both = torch.rand(len(generation), device=generation.device) < self.joint
        if occasion.edits is not None:
            both &= ~occasion.edits
        levels = (side.among(rows, occasion) for side in (self.usual.audio, self.usual.text))
        t = Pair(*(torch.where(both, level, old) for level, old in zip(levels, usual.t, strict=True)))
        return Draw(t, Pair(*(both | old for old in usual.learn)), usual.source)
