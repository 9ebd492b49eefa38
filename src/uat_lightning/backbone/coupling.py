"""Which modality may read the other, given how noisy both are."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from uat_lightning.configurable import Configurable
from uat_lightning.types import Pair


class Coupling(Configurable, ABC):
    """Decides, row by row, which stream may read the other.

    Attributes:
        isolates: Whether no stream at ``t = 0`` reads a noisy one, and none at ``t = 1`` is read.
    """

    isolates: bool

    @abstractmethod
    def reads(self, t: Pair[Tensor]) -> Pair[Tensor]:
        """Return whether the audio reads the text, and whether the text reads the audio, bool (rows,) each.

        Args:
            t: Noise levels of each row, (rows,) for either modality, in [0, 1].
        """


class Joint(Coupling):
    """Either stream always reads the other."""

    isolates = False

    def reads(self, t: Pair[Tensor]) -> Pair[Tensor]:
        """Return True everywhere."""
        always = torch.ones_like(t.audio, dtype=torch.bool)
        return Pair(always, always)


class Isolated(Coupling):
    """A clean stream does not read a noisy one, and nobody reads a stream that says nothing.

    A condition is clean, so that its stream is the same at every step of sampling: it is computed once, and its keys
    and values serve all steps. A condition at ``t = 1`` (pure noise, or every token masked) is the null condition and
    is not read at all. Two noisy streams read each other.
    """

    isolates = True

    def reads(self, t: Pair[Tensor]) -> Pair[Tensor]:
        """Return True where the other stream has something to say and is not the noisier side of a condition."""
        audio = (t.text < 1) & ((t.audio > 0) | (t.text == 0))
        text = (t.audio < 1) & ((t.text > 0) | (t.audio == 0))
        return Pair(audio, text)
