"""One modality's half of a dual-stream block: what it brings to attention and what it does with the answer."""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from uat_lightning.backbone.attention import attention
from uat_lightning.backbone.modulation import Modulated, Modulation
from uat_lightning.backbone.rotary import rotate


class Memory(NamedTuple):
    """What a stream gives others to read in one block: (rows, heads, positions, head width) each."""

    key: Tensor
    value: Tensor

    def take(self, rows: Tensor | slice) -> Memory:
        """Return some of the rows."""
        return Memory(*(part[rows] for part in self))

    def followed_by(self, later: Memory) -> Memory:
        """Return these positions and then later ones."""
        return Memory(*(torch.cat(parts, dim=2) for parts in zip(self, later, strict=True)))

    def repeat(self, times: int) -> Memory:
        """Return all rows ``times`` over: first every row once, then every row again."""
        return Memory(*(part.repeat(times, 1, 1, 1) for part in self))


class Asked(NamedTuple):
    """What a stream brings to attention in one block.

    Args:
        query: Queries (rows, heads, positions, head width).
        memory: Its own keys and values.
    """

    query: Tensor
    memory: Memory


class SwiGLU(nn.Module):
    """A gated feed-forward network (Shazeer 2020, arXiv 2002.05202).

    Args:
        width: Channels in and out.
        hidden: Channels inside.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.enter = nn.Linear(width, 2 * hidden, bias=False)
        self.leave = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., width)."""
        gate, value = self.enter(x).chunk(2, dim=-1)
        out: Tensor = self.leave(nn.functional.silu(gate) * value)
        return out


class Stream(nn.Module):
    """The weights one modality has in a block.

    Args:
        width: Channels of the stream.
        heads: Attention heads.
        hidden: Channels inside the feed-forward network.
        modulation_rank: Rank of the modulation by time; full where None.
    """

    def __init__(self, width: int, heads: int, hidden: int, modulation_rank: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.modulation = Modulation(width, 2, modulation_rank)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.query_norm, self.key_norm = nn.RMSNorm(width // heads), nn.RMSNorm(width // heads)
        self.attention_out = nn.Linear(width, width, bias=False)
        self.feed_forward = SwiGLU(width, hidden)

    def ask(self, x: Tensor, how: Modulated, angles: Tensor | None) -> Asked:
        """Return queries, keys and values; queries and keys are rotated where angles are given."""
        projected = self.query_key_value(how.enter(self.norm(x)))
        query, key, value = rearrange(projected, "b n (three h c) -> three b h n c", three=3, h=self.heads)
        query, key = self.query_norm(query), self.key_norm(key)
        if angles is not None:
            query, key = rotate(query, angles), rotate(key, angles)
        return Asked(query, Memory(key, value))

    def alone(
        self, x: Tensor, condition: Tensor, angles: Tensor | None, readable: Tensor, other: Memory | None = None
    ) -> tuple[Tensor, Memory]:
        """Update this stream when the other one does not change.

        Args:
            x: Hidden states (rows, positions, width).
            condition: Time embedding (rows, width).
            angles: Rotary angles of the positions, where it has any.
            readable: True at what may be read, of its own positions and then of the other's: bool (rows, keys), or
                (rows, positions, keys) where positions do not all read alike.
            other: What the other stream gives to read in this block; nothing where None.

        Returns:
            The hidden states, and what this stream gives others to read.
        """
        how = self.modulation(condition)
        asked = self.ask(x, how[0], angles)
        memories = [asked.memory] if other is None else [asked.memory, other]
        key, value = (torch.cat(parts, dim=2) for parts in zip(*memories, strict=True))
        return self.update(x, attention(asked.query, key, value, readable), *how), asked.memory

    def told(self, x: Tensor, condition: Tensor, angles: Tensor | None) -> Memory:
        """Return what this stream gives others to read; arguments as for ``alone``."""
        return self.ask(x, self.modulation(condition)[0], angles).memory

    def update(self, x: Tensor, attended: Tensor, attend: Modulated, feed: Modulated) -> Tensor:
        """Add what attention brought (rows, heads, positions, head width), then what the feed-forward network makes."""
        x = torch.addcmul(x, attend.gate, self.attention_out(rearrange(attended, "b h n c -> b n (h c)")))
        return torch.addcmul(x, feed.gate, self.feed_forward(feed.enter(self.norm(x))))
