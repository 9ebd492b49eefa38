"""Self-attention and cross-attention with pre-trained Stable Audio's weight layout (arXiv 2407.14358)."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from uat_lightning.backbone.attention import attention
from uat_lightning.backbone.rotary import rotate


class SelfAttention(nn.Module):
    """Positions of one stream read each other.

    Args:
        width: Channels of the stream.
        heads: Attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.leave = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, angles: Tensor, valid: Tensor) -> Tensor:
        """Attend within a stream.

        Args:
            x: Normalised states (rows, positions, width).
            angles: Rotary angles (positions, pairs); channels of a head beyond the pairs are not turned.
            valid: True where a position may be read, bool (rows, positions).
        """
        projected = self.query_key_value(x)
        query, key, value = rearrange(projected, "b n (three h c) -> three b h n c", three=3, h=self.heads)
        read = attention(rotate_first(query, angles), rotate_first(key, angles), value, valid)
        out: Tensor = self.leave(rearrange(read, "b h n c -> b n (h c)"))
        return out


class CrossAttention(nn.Module):
    """A stream reads a context; several query heads may share one head of keys and values.

    Args:
        width: Channels of the stream.
        context_width: Channels of the context.
        heads: Query heads.
        key_value_heads: Heads of keys and values; they divide the query heads.
    """

    def __init__(self, width: int, context_width: int, heads: int, key_value_heads: int) -> None:
        super().__init__()
        self.heads, self.key_value_heads = heads, key_value_heads
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(context_width, 2 * key_value_heads * (width // heads), bias=False)
        self.leave = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, context: Tensor, valid: Tensor | None = None) -> Tensor:
        """Attend to a context.

        Args:
            x: Normalised states (rows, positions, width).
            context: What is read, (rows, keys, context_width).
            valid: True where the context may be read, bool (rows, keys); all where None.
        """
        query = rearrange(self.query(x), "b n (h c) -> b h n c", h=self.heads)
        both = rearrange(self.key_value(context), "b n (two h c) -> two b h n c", two=2, h=self.key_value_heads)
        key, value = both.repeat_interleave(self.heads // self.key_value_heads, dim=2)
        out: Tensor = self.leave(rearrange(attention(query, key, value, valid), "b h n c -> b n (h c)"))
        return out


def rotate_first(x: Tensor, angles: Tensor) -> Tensor:
    """Turn the first channels of (rows, heads, positions, head width) by angles (positions, pairs), in float32."""
    turned = rotate(x[..., : 2 * angles.shape[-1]].float(), angles).to(x.dtype)
    return torch.cat([turned, x[..., 2 * angles.shape[-1] :]], dim=-1)
