"""The audio side of a block: Stable Audio's and AudioX's transformer block, its context the current text state."""

from __future__ import annotations

from torch import Tensor, nn

from uat_lightning.backbone.attend import CrossAttention, SelfAttention
from uat_lightning.backbone.feed_forward import GatedFeedForward, start_at_zero


class AudioBlock(nn.Module):
    """Self-attention, cross-attention to the text, feed-forward network, each behind a norm; nothing at the start.

    Args:
        width: Channels of the stream.
        context_width: Channels of the projected text state.
        heads: Attention heads.
        key_value_heads: Heads of keys and values in the cross-attention.
        hidden: Channels inside the feed-forward network.
    """

    def __init__(self, width: int, context_width: int, heads: int, key_value_heads: int, hidden: int) -> None:
        super().__init__()
        self.attend_norm, self.attend = nn.LayerNorm(width), SelfAttention(width, heads)
        self.read_norm, self.read = nn.LayerNorm(width), CrossAttention(width, context_width, heads, key_value_heads)
        self.feed_norm, self.feed = nn.LayerNorm(width), GatedFeedForward(width, hidden)
        start_at_zero(self.attend.leave, self.read.leave, self.feed.leave)

    def forward(self, z: Tensor, context: Tensor, angles: Tensor, valid: Tensor) -> Tensor:
        """Return ``F_a(z, h)``.

        Args:
            z: Audio states (rows, positions, width).
            context: The projected text state (rows, keys, context_width).
            angles: Rotary angles of the positions.
            valid: True at positions that are no padding, bool (rows, positions).
        """
        z = z + self.attend(self.attend_norm(z), angles, valid)
        z = z + self.read(self.read_norm(z), context)
        out: Tensor = z + self.feed(self.feed_norm(z))
        return out
