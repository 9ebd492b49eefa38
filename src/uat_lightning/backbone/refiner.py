"""The text head: a few blocks of self-attention, then the vocabulary."""

from __future__ import annotations

from torch import Tensor, nn

from uat_lightning.backbone.attend import SelfAttention
from uat_lightning.backbone.feed_forward import GatedFeedForward


class RefinerBlock(nn.Module):
    """Self-attention and feed-forward network, each behind a norm.

    Args:
        width: Channels of the stream.
        heads: Attention heads.
        hidden: Channels inside the feed-forward network.
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attend_norm, self.attend = nn.LayerNorm(width), SelfAttention(width, heads)
        self.feed_norm, self.feed = nn.LayerNorm(width), GatedFeedForward(width, hidden)

    def forward(self, h: Tensor, angles: Tensor, valid: Tensor) -> Tensor:
        """Update text states (rows, tokens, width); angles and valid as in ``SelfAttention``."""
        h = h + self.attend(self.attend_norm(h), angles, valid)
        out: Tensor = h + self.feed(self.feed_norm(h))
        return out


class TextRefiner(nn.Module):
    """Refines text states among themselves.

    Args:
        width: Channels of the stream.
        heads: Attention heads.
        hidden: Channels inside the feed-forward networks.
        depth: Blocks.
    """

    def __init__(self, width: int, heads: int, hidden: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(RefinerBlock(width, heads, hidden) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, h: Tensor, angles: Tensor, valid: Tensor) -> Tensor:
        """Return normalised text states (rows, tokens, width) to predict words from."""
        for block in self.blocks:
            h = block(h, angles, valid)
        out: Tensor = self.norm(h)
        return out
