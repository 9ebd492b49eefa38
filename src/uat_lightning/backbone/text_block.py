"""The text side of a block, and the block of both: audio first, then text, which reads the updated audio."""

from __future__ import annotations

from torch import Tensor, nn

from uat_lightning.backbone.attend import CrossAttention, SelfAttention
from uat_lightning.backbone.audio_block import AudioBlock
from uat_lightning.backbone.feed_forward import GatedFeedForward, start_at_zero
from uat_lightning.types import Pair


class TextBlock(nn.Module):
    """Self-attention, cross-attention to the audio, feed-forward network, each behind a norm; nothing at the start.

    Args:
        width: Channels of the stream.
        audio_width: Channels of the audio stream.
        heads: Attention heads.
        hidden: Channels inside the feed-forward network.
    """

    def __init__(self, width: int, audio_width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attend_norm, self.attend = nn.LayerNorm(width), SelfAttention(width, heads)
        self.read_norm, self.audio_norm = nn.LayerNorm(width), nn.LayerNorm(audio_width)
        self.read = CrossAttention(width, audio_width, heads, heads)
        self.feed_norm, self.feed = nn.LayerNorm(width), GatedFeedForward(width, hidden)
        start_at_zero(self.attend.leave, self.read.leave, self.feed.leave)

    def forward(self, h: Tensor, z: Tensor, angles: Tensor, valid: Pair[Tensor]) -> Tensor:
        """Return ``F_t(h, z)``.

        Args:
            h: Text states (rows, tokens, width).
            z: Audio states (rows, positions, audio_width).
            angles: Rotary angles of the tokens.
            valid: True at positions and tokens that are no padding, bool (rows, positions) and (rows, tokens).
        """
        h = h + self.attend(self.attend_norm(h), angles, valid.text)
        h = h + self.read(self.read_norm(h), self.audio_norm(z), valid.audio)
        out: Tensor = h + self.feed(self.feed_norm(h))
        return out


class CausalBlock(nn.Module):
    """``z' = F_a(z, h)``, then ``h' = F_t(h, z')`` (UAT, arXiv 2606.04939, equations 1 and 2).

    Args:
        audio: The audio side.
        text: The text side.
    """

    def __init__(self, audio: AudioBlock, text: TextBlock) -> None:
        super().__init__()
        self.audio, self.text = audio, text

    def forward(self, x: Pair[Tensor], context: Tensor, angles: Pair[Tensor], valid: Pair[Tensor]) -> Pair[Tensor]:
        """Update both streams.

        Args:
            x: Audio states (rows, positions, width) and text states (rows, tokens, text width).
            context: The text states as the audio reads them, (rows, keys, context width).
            angles: Rotary angles.
            valid: True where there is no padding.
        """
        z = self.audio(x.audio, context, angles.audio, valid.audio)
        return Pair(z, self.text(x.text, z, angles.text, valid))
