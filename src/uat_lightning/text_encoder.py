"""The text encoder's contract: token ids, some of them masked, to states that a backbone's text stream starts from."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from uat_lightning.configurable import Configurable
from uat_lightning.types import Sequences


class TextEncoder(Configurable, nn.Module, ABC):
    """Turns token ids into states; hidden tokens are masked before it sees them, so that nothing of them can leak.

    Attributes:
        width: Channels of the states.
        mask_id: The id that stands for a hidden token; its embedding is learned.
    """

    width: int
    mask_id: int

    @property
    def frozen(self) -> tuple[nn.Module, ...]:
        """Networks that it works with and that are no part of the model: neither trained nor saved."""
        return ()

    @abstractmethod
    def encode(self, tokens: Sequences) -> Tensor:
        """Encode token ids (rows, tokens).

        Returns:
            States (rows, tokens, width); zero at padding.
        """
