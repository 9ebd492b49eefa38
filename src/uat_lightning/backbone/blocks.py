"""The dual-stream block: two streams, each with its own weights, that read one another by attention."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Literal

import torch
from torch import Tensor, nn

from uat_lightning.backbone.attention import attention
from uat_lightning.backbone.stream import Memory, Stream
from uat_lightning.types import Pair

Side = Literal["audio", "text"]


class DualStreamBlock(nn.Module):
    """Each modality has its own weights; its queries read the keys of both (Esser et al. 2024, arXiv 2403.03206).

    Args:
        width: Channels of either stream.
        heads: Attention heads.
        hidden: Channels inside the feed-forward networks.
        modulation_rank: Rank of the modulation by time; full where None.

    Attributes:
        entered_by: The methods that are called from outside.
    """

    entered_by = ("forward", "alone", "told")

    def __init__(self, width: int, heads: int, hidden: int, modulation_rank: int | None = None) -> None:
        super().__init__()
        self.audio = Stream(width, heads, hidden, modulation_rank)
        self.text = Stream(width, heads, hidden, modulation_rank)

    def forward(
        self, x: Pair[Tensor], condition: Pair[Tensor], angles: Tensor, readable: Pair[Tensor]
    ) -> tuple[Pair[Tensor], Pair[Memory]]:
        """Update both streams.

        Args:
            x: Hidden states (rows, frames, width) and (rows, tokens, width).
            condition: Time embeddings, (rows, width) each.
            angles: Rotary angles of the audio frames.
            readable: What the audio and what the text may read, of audio and then text: bool (rows, frames + tokens)
                each, or (rows, positions, frames + tokens) where positions do not all read alike.

        Returns:
            The hidden states, and what either stream gives others to read.
        """
        audio_how, text_how = self.audio.modulation(condition.audio), self.text.modulation(condition.text)
        audio = self.audio.ask(x.audio, audio_how[0], angles)
        text = self.text.ask(x.text, text_how[0], None)
        key, value = (torch.cat(both, dim=2) for both in zip(audio.memory, text.memory, strict=True))
        to_audio = attention(audio.query, key, value, readable.audio)
        to_text = attention(text.query, key, value, readable.text)
        x = Pair(self.audio.update(x.audio, to_audio, *audio_how), self.text.update(x.text, to_text, *text_how))
        return x, Pair(audio.memory, text.memory)

    def alone(
        self,
        side: Side,
        x: Tensor,
        condition: Tensor,
        angles: Tensor | None,
        readable: Tensor,
        other: Memory | None = None,
    ) -> tuple[Tensor, Memory]:
        """Update one stream when the other one does not change; see ``Stream.alone``."""
        return self._stream(side).alone(x, condition, angles, readable, other)

    def told(self, side: Side, x: Tensor, condition: Tensor, angles: Tensor | None) -> Memory:
        """Return what one stream gives others to read."""
        return self._stream(side).told(x, condition, angles)

    def _stream(self, side: Side) -> Stream:
        return self.audio if side == "audio" else self.text


def walk(
    blocks: Sequence[DualStreamBlock],
    side: Side,
    x: Tensor,
    condition: Tensor,
    angles: Tensor | None,
    readable: Tensor,
    others: Sequence[Memory] | None = None,
) -> tuple[Tensor, list[Memory]]:
    """Take one modality through all blocks while the other one does not change; arguments as for ``Stream.alone``.

    Returns:
        The hidden states, and what each block's stream gives others to read.
    """
    memories = []
    for block, other in zip(blocks, others or repeat(None), strict=False):
        x, memory = block.alone(side, x, condition, angles, readable, other)
        memories.append(memory)
    return x, memories


def remember(
    blocks: Sequence[DualStreamBlock], side: Side, x: Tensor, condition: Tensor, angles: Tensor | None, readable: Tensor
) -> list[Memory]:
    """Return what one modality gives others to read in every block; its states behind the last are not computed."""
    x, memories = walk(blocks[:-1], side, x, condition, angles, readable)
    return [*memories, blocks[-1].told(side, x, condition, angles)]


def remember_both(
    blocks: Sequence[DualStreamBlock], x: Pair[Tensor], condition: Pair[Tensor], angles: Tensor, readable: Pair[Tensor]
) -> list[Pair[Memory]]:
    """Return what either modality gives others to read in every block, where both stay; arguments as for a block."""
    memories = []
    for block in blocks[:-1]:
        x, memory = block(x, condition, angles, readable)
        memories.append(memory)
    audio = blocks[-1].told("audio", x.audio, condition.audio, angles)
    return [*memories, Pair(audio, blocks[-1].told("text", x.text, condition.text, None))]
