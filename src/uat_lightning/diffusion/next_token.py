"""Autoregressive text: every token is told from those before it."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Generator, Tensor

from uat_lightning.backbone import Backbone, TextPrediction
from uat_lightning.diffusion.base import Corrupted
from uat_lightning.diffusion.masks import cross_entropy
from uat_lightning.diffusion.text_process import TextProcess
from uat_lightning.types import Sequences

T = TypeVar("T")


class NextToken(TextProcess):
    """Asks at every position for the token there, from the tokens before it: what captioners usually train on.

    The network sees the text one position late, the mask token before its first word. By the chain rule the loss is
    the negative log-likelihood itself, over the number of tokens: no bound, and no noise level enters it. The text must
    read backwards only (``Backwards``), or the network would see the token it is asked for.

    A text at t = 0 is a condition and stays as it is.

    Args:
        mask_id: The mask token, which stands before the first word; ``BytePairTokenizer`` has it at 2.
    """

    def __init__(self, mask_id: int = 2) -> None:
        self.mask_id = mask_id

    def suited(self, any_order: T, left_to_right: T) -> T:
        """Return the second."""
        return left_to_right

    def check(self, backbone: Backbone) -> None:
        """See that no token reads a later one.

        Raises:
            ValueError: If the backbone lets it.
        """
        if not backbone.causal:
            raise ValueError(
                f"with NextToken the text of {type(backbone).__name__} would read what it is asked for: "
                "give the backbone a sight of class Backwards"
            )

    def corrupt(self, clean: Sequences, t: Tensor, generator: Generator | None = None) -> Corrupted:
        """Move token ids (rows, canvas) by one position where the level (rows,) is not 0; nothing is drawn."""
        written = (t > 0)[:, None]
        seen = torch.where(written, one_late(clean.values, self.mask_id), clean.values)
        weight = (clean.mask & written) / clean.lengths[:, None]
        lengths = torch.where(t > 0, clean.values.shape[1], clean.lengths)
        return Corrupted(Sequences(seen, lengths), clean.values, weight)

    def loss(self, prediction: TextPrediction, corrupted: Corrupted) -> Tensor:
        """Return the mean cross-entropy of each row's words and end, in nats, (rows,)."""
        return cross_entropy(prediction, corrupted)


def one_late(tokens: Tensor, first: int) -> Tensor:
    """Return token ids (rows, positions) one position later, with another one in front; the last is dropped."""
    return torch.cat([torch.full_like(tokens[:, :1], first), tokens[:, :-1]], dim=1)
