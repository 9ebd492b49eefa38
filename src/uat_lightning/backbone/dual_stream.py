"""The shared backbone: dual-stream blocks with joint attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from uat_lightning.backbone.base import Backbone
from uat_lightning.backbone.blocks import DualStreamBlock
from uat_lightning.backbone.heads import AudioHead, TextHead
from uat_lightning.backbone.modulation import TimeEmbedding
from uat_lightning.backbone.rotary import rotary_angles
from uat_lightning.types import Pair, Sequences


class DualStreamTransformer(Backbone):
    """Joint attention over audio and text, adaptive layer norm with zero start, rotary positions on audio.

    Text has learned positions, as its canvas is short and fixed. The text stream is told only whether its canvas is
    noisy: the masked process is time-agnostic, since the number of masks can be seen.

    Args:
        latent_width: Channels of the audio latents.
        vocabulary_size: Token ids.
        canvas: Longest text, in tokens.
        width: Channels of either stream.
        depth: Blocks.
        heads: Attention heads; they divide the width.
        expansion: Feed-forward channels per stream channel.
        rotary_base: Base of the rotary frequencies.
    """

    def __init__(
        self,
        latent_width: int = 16,
        vocabulary_size: int = 512,
        canvas: int = 32,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        expansion: float = 3.0,
        rotary_base: float = 10_000.0,
    ) -> None:
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"width {width} must be a multiple of twice the heads ({heads})")
        self.latent_width, self.vocabulary_size, self.canvas = latent_width, vocabulary_size, canvas
        self.head_width, self.rotary_base = width // heads, rotary_base
        self.audio_in = nn.Linear(latent_width, width)
        self.text_in = nn.Embedding(vocabulary_size, width)
        self.text_positions = nn.Parameter(0.02 * torch.randn(canvas, width))
        self.audio_time, self.text_time = TimeEmbedding(width), TimeEmbedding(width)
        self.blocks = nn.ModuleList(DualStreamBlock(width, heads, int(expansion * width)) for _ in range(depth))
        self.audio_head, self.text_head = AudioHead(width, latent_width), TextHead(width, vocabulary_size)
        nn.init.normal_(self.text_in.weight, std=0.02 * width**0.5)

    def forward(self, noisy: Pair[Sequences], t: Pair[Tensor]) -> Pair[Tensor]:
        """Predict velocity and logits; shapes as in ``Backbone.forward``.

        Raises:
            ValueError: If a text is longer than the canvas.
        """
        condition = Pair(self.audio_time(t.audio), self.text_time((t.text > 0).float()))
        valid = torch.cat([noisy.audio.mask, noisy.text.mask], dim=1)
        frames = noisy.audio.values.shape[1]
        angles = rotary_angles(frames, self.head_width, self.rotary_base, noisy.audio.values.device)
        x = self._embed(noisy)
        for block in self.blocks:
            x = block(x, condition, angles, valid)
        return Pair(self.audio_head(x.audio, condition.audio), self.text_head(x.text))

    def _embed(self, noisy: Pair[Sequences]) -> Pair[Tensor]:
        tokens = noisy.text.values
        if tokens.shape[1] > self.canvas:
            raise ValueError(
                f"a text of {tokens.shape[1]} tokens is longer than the backbone's canvas of {self.canvas}"
            )
        return Pair(self.audio_in(noisy.audio.values), self.text_in(tokens) + self.text_positions[: tokens.shape[1]])
