"""What a position of the text may read of its own text."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from uat_lightning.configurable import Configurable


class Sight(Configurable, ABC):
    """Decides, position by position, which tokens of its own text a token reads.

    Attributes:
        causal: Whether no token reads a later one.
    """

    causal: bool

    @abstractmethod
    def reads(self, valid: Tensor) -> Tensor:
        """Return True where a token reads another, bool (rows, tokens, tokens), or (rows, 1, tokens) for all alike.

        Args:
            valid: True at tokens that may be read at all, bool (rows, tokens).
        """


class Whole(Sight):
    """Every token reads the whole text."""

    causal = False

    def reads(self, valid: Tensor) -> Tensor:
        """Return the valid tokens, for all alike."""
        return valid[:, None]


class Backwards(Sight):
    """A token reads itself and what comes before it, as in models that write from left to right."""

    causal = True

    def reads(self, valid: Tensor) -> Tensor:
        """Return the valid tokens up to each one."""
        return valid[:, None] & torch.ones(2 * valid.shape[1:], dtype=torch.bool, device=valid.device).tril()


def side_by_side(*readable: Tensor) -> Tensor:
    """Join what may be read of several parts, bool (rows, 1 or positions, keys) each, along the keys."""
    positions = max(part.shape[1] for part in readable)
    return torch.cat([part.expand(-1, positions, -1) for part in readable], dim=-1)
