"""The objective's contract: corrupt clean sequences, and score a prediction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Generator, Tensor

from uat_lightning.backbone import Backbone
from uat_lightning.configurable import Configurable
from uat_lightning.types import Sequences


@dataclass(frozen=True)
class Corrupted:
    """What the model sees and what it is asked for.

    Args:
        noisy: The corrupted sequences.
        target: Velocity (rows, frames, channels), or clean token ids (rows, tokens).
        weight: Share of each position in its row's loss, float (rows, positions).
    """

    noisy: Sequences
    target: Tensor
    weight: Tensor

    def take(self, rows: slice) -> Corrupted:
        """Return some of the rows."""
        return Corrupted(self.noisy.take(rows), self.target[rows], self.weight[rows])


class Objective(Configurable, ABC):
    """A corruption process and the loss of undoing it."""

    def check(self, backbone: Backbone) -> None:
        """See that a backbone can be trained on this process, before training begins.

        Raises:
            ValueError: If it cannot.
        """

    @abstractmethod
    def corrupt(self, clean: Sequences, t: Tensor, generator: Generator | None = None) -> Corrupted:
        """Corrupt every row to its own noise level.

        Args:
            clean: Clean rows.
            t: Noise levels (rows,) in [0, 1]; at 0 a row comes back as it was.
            generator: Source of the noise; torch's default where None.
        """

    @abstractmethod
    def loss(self, prediction: Any, corrupted: Corrupted) -> Tensor:  # noqa: ANN401
        """Return each row's loss, (rows,), for the backbone's prediction of this modality; see ``Prediction``."""
