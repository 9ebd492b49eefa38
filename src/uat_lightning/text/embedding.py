"""A text encoder that is learned from nothing: one vector per token and one per position."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from uat_lightning.text_encoder import TextEncoder
from uat_lightning.types import Sequences


class LearnedEmbedding(TextEncoder):
    """Embeds tokens and positions; trained with the model and saved in its checkpoint.

    Args:
        vocabulary_size: Token ids, the mask among them.
        canvas: Longest text, in tokens.
        width: Channels of the states.
        mask_id: The id that stands for a hidden token.
    """

    def __init__(self, vocabulary_size: int = 512, canvas: int = 32, width: int = 128, mask_id: int = 2) -> None:
        super().__init__()
        self.width, self.mask_id = width, mask_id
        self.tokens = nn.Embedding(vocabulary_size, width)
        self.positions = nn.Parameter(0.02 * torch.randn(canvas, width))
        nn.init.normal_(self.tokens.weight, std=0.02 * width**0.5)

    def encode(self, tokens: Sequences) -> Tensor:
        """Embed token ids (rows, tokens): (rows, tokens, width), zero at padding."""
        states: Tensor = self.tokens(tokens.values) + self.positions[: tokens.values.shape[1]]
        return states * tokens.mask[..., None]
