"""The dual-stream block: two streams, each with its own weights, that read one another by attention."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Literal

import torch
from torch import Tensor, nn

from uat_lightning.backbone.attention import attention
from uat_lightning.backbone.directions import Directions
from uat_lightning.backbone.modulation import Modulated
from uat_lightning.backbone.stream import Asked, Memory, Stream
from uat_lightning.types import Pair

Side = Literal["audio", "text"]
EVERY_ROW = Pair(slice(None), slice(None))


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

    entered_by = ("forward", "directions", "alone", "told")

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

    def directions(
        self,
        x: Pair[Tensor],
        condition: Pair[Tensor],
        angles: Tensor,
        readable: Pair[Tensor],
        rows: Directions,
        kept: Pair[slice] = EVERY_ROW,
    ) -> Pair[Tensor]:
        """Update both streams where there may be several texts to a row of audio; arguments as for ``forward``.

        Args:
            x: Hidden states (rows, frames, width) and (texts, tokens, width).
            condition: Time embeddings, (rows, width) and (texts, width).
            angles: Rotary angles of the audio frames.
            readable: As in ``forward``, for the rows and for the texts.
            rows: Which texts belong to which row of audio.
            kept: The rows and texts that are updated.

        Returns:
            The hidden states of what is kept.
        """
        how = Pair(self.audio.modulation(condition.audio), self.text.modulation(condition.text))
        audio, text = self.audio.ask(x.audio, how.audio[0], angles), self.text.ask(x.text, how.text[0], None)
        own = slice(len(x.audio))
        heard = Memory(*(rows.for_texts(part) for part in audio.memory))
        to_read = Pair(audio.memory.followed_by(text.memory.take(own)), heard.followed_by(text.memory))
        sides = zip((self.audio, self.text), x, how, (audio, text), to_read, readable, kept, strict=True)
        return Pair(*(_updated(*side) for side in sides))

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


def _updated(
    stream: Stream, x: Tensor, how: list[Modulated], asked: Asked, memory: Memory, readable: Tensor, kept: slice
) -> Tensor:
    attended = attention(asked.query[kept], *memory.take(kept), readable[kept])
    return stream.update(x[kept], attended, *(each.take(kept) for each in how))


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
