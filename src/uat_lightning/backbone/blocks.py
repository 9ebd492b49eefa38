"""The dual-stream block: two streams, each with its own weights, that read one another by attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from uat_lightning.backbone.attention import attention
from uat_lightning.backbone.stream import Stream
from uat_lightning.types import Pair


class DualStreamBlock(nn.Module):
    """Each modality has its own weights; its queries read the keys of both (Esser et al. 2024, arXiv 2403.03206).

    Args:
        width: Channels of either stream.
        heads: Attention heads.
        hidden: Channels inside the feed-forward networks.
        modulation_rank: Rank of the modulation by time; full where None.
    """

    def __init__(self, width: int, heads: int, hidden: int, modulation_rank: int | None = None) -> None:
        super().__init__()
        self.audio = Stream(width, heads, hidden, modulation_rank)
        self.text = Stream(width, heads, hidden, modulation_rank)

    def forward(self, x: Pair[Tensor], condition: Pair[Tensor], angles: Tensor, readable: Pair[Tensor]) -> Pair[Tensor]:
        """Update both streams.

        Args:
            x: Hidden states (rows, frames, width) and (rows, tokens, width).
            condition: Time embeddings, (rows, width) each.
            angles: Rotary angles of the audio frames.
            readable: What the audio and what the text may read, of audio and then text: bool (rows, frames + tokens)
                each.
        """
        audio_how, text_how = self.audio.modulation(condition.audio), self.text.modulation(condition.text)
        audio = self.audio.ask(x.audio, audio_how[0], angles)
        text = self.text.ask(x.text, text_how[0], None)
        key, value = (torch.cat(both, dim=2) for both in zip(audio.memory, text.memory, strict=True))
        to_audio = attention(audio.query, key, value, readable.audio)
        to_text = attention(text.query, key, value, readable.text)
        return Pair(self.audio.update(x.audio, to_audio, *audio_how), self.text.update(x.text, to_text, *text_how))
