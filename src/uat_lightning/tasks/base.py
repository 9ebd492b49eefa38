"""What every task works with, and its contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from uat_lightning.backbone import Backbone
from uat_lightning.codec import Codec
from uat_lightning.diffusion import ContinuousProcess, MaskedAbsorbing, RectifiedFlow, TextProcess
from uat_lightning.sampling import Writing
from uat_lightning.tensors import pad_rows
from uat_lightning.text import Tokenizer
from uat_lightning.types import Sequences


@dataclass(frozen=True)
class Parts:
    """A trained model's parts.

    Args:
        backbone: The network over both modalities.
        codec: Waveforms to latents and back.
        tokenizer: Captions to token ids and back.
        process: What the backbone was trained to predict of noisy latents.
        text: What it was trained to predict of captions, which tells how they are written.
    """

    backbone: Backbone
    codec: Codec
    tokenizer: Tokenizer
    process: ContinuousProcess = field(default_factory=RectifiedFlow)
    text: TextProcess = field(default_factory=MaskedAbsorbing)

    @property
    def writing(self) -> Writing:
        """How its captions are written and judged."""
        return Writing.of(self.text)

    @property
    def device(self) -> torch.device:
        """Where the backbone is."""
        return next(self.backbone.parameters()).device

    def read(self, captions: Sequence[str]) -> Sequences:
        """Return the captions' canvases on the model's device.

        Raises:
            ValueError: If a caption is empty or longer than the canvas.
        """
        for caption, beyond in zip(captions, self.tokenizer.overlong(captions), strict=True):
            if not caption.strip():
                raise ValueError("the caption is empty: say what is to be heard")
            if beyond:
                room = self.tokenizer.canvas - 1
                raise ValueError(
                    f"the caption is {beyond} tokens too long for the {room} that fit: {caption[:60]!r}..."
                )
        return self.tokenizer.encode(captions).to(self.device)

    def masked_canvas(self, rows: int) -> Sequences:
        """Return canvases with every token masked: what is to be written, and the null condition."""
        canvas = self.tokenizer.canvas
        ids = torch.full((rows, canvas), self.tokenizer.mask_id, device=self.device)
        return Sequences(ids, torch.full((rows,), canvas, device=self.device))

    def listen(self, waveforms: Sequence[Tensor]) -> Sequences:
        """Return the latents of waveforms (channels, samples) of any lengths, on the model's device.

        Raises:
            ValueError: If a waveform is empty, not finite, or has other channels than the codec.
        """
        for waveform in waveforms:
            self._check(waveform)
        rows = [self.codec.encode(waveform[None].to(self.device))[0] for waveform in waveforms]
        values, lengths = pad_rows(rows)
        return Sequences(values, lengths.to(values.device))

    def _check(self, waveform: Tensor) -> None:
        if waveform.ndim != 2 or waveform.shape[0] != self.codec.channels or waveform.shape[1] < 1:
            shape = tuple(waveform.shape)
            raise ValueError(f"audio must have shape ({self.codec.channels}, samples) with samples, got {shape}")
        if not bool(waveform.isfinite().all()):
            raise ValueError("the audio holds NaN or infinite samples")

    def sound(self, latents: Sequences, samples: Sequence[int]) -> list[Tensor]:
        """Decode latents to waveforms (channels, samples) of the given lengths, on the CPU."""
        waveforms = self.codec.decode(latents.values).cpu()
        # Rows of other lengths were padded with zeros, which a codec may hear: decode those on their own.
        return [
            (waveform if length == latents.values.shape[1] else self.codec.decode(row[None, :length]).cpu()[0])[
                :, :count
            ]
            for waveform, row, length, count in zip(
                waveforms, latents.values, latents.lengths.tolist(), samples, strict=True
            )
        ]


def generators(seed: int, rows: int, first: int = 0) -> list[Generator]:
    """Return one generator per row, seeded ``seed + first + row``: a row's randomness is its own, in any batch."""
    return [torch.Generator().manual_seed(seed + first + row) for row in range(rows)]


def gaussian(lengths: Sequence[int], width: int, sources: Sequence[Generator], device: torch.device) -> Sequences:
    """Return Gaussian latents of the given lengths, padded with zeros: (rows, longest, width)."""
    rows = [torch.randn(length, width, generator=source) for length, source in zip(lengths, sources, strict=True)]
    values, counts = pad_rows(rows)
    return Sequences(values.to(device), counts.to(device))
