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
        isolates: Whether clean audio reads no noisy text, and whether clean text reads no noisy audio: what is clean
            then stays the same whatever it conditions.
    """

    isolates: Pair[bool]

    @abstractmethod
    def reads(self, t: Pair[Tensor]) -> Pair[Tensor]:
        """Return whether the audio reads the text, and whether the text reads the audio, bool (rows,) each.

        Args:
            t: Noise levels of each row, (rows,) for either modality, in [0, 1].
        """


class Joint(Coupling):
    """Either stream always reads the other."""

    isolates = Pair(False, False)

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

    isolates = Pair(True, True)

    def reads(self, t: Pair[Tensor]) -> Pair[Tensor]:
        """Return True where the other stream has something to say and is not the noisier side of a condition."""
        audio = (t.text < 1) & ((t.audio > 0) | (t.text == 0))
        text = (t.audio < 1) & ((t.text > 0) | (t.audio == 0))
        return Pair(audio, text)


class IsolatedText(Coupling):
    """A clean text does not read noisy audio, while audio always reads the text, be it half written.

    Captions are written as under ``Joint``, and sounds are made as under ``Isolated``: audio that is to be described
    hears what has been said already, and is computed anew at every step of writing; the text that audio is generated
    from is computed once, and so is the null condition in its place, a canvas of masks at ``t = 1``. Audio at ``t = 1``
    (pure noise) is the null condition and is not read.
    """

    isolates = Pair(False, True)

    def reads(self, t: Pair[Tensor]) -> Pair[Tensor]:
        """Return True for all audio; for text where the audio is clean, or where both are noisy and neither is null."""
        both_noisy = (t.text > 0) & (t.text < 1) & (t.audio < 1)
        return Pair(torch.ones_like(t.text, dtype=torch.bool), (t.audio == 0) | both_noisy)
