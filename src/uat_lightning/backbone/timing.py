"""What the audio stream is told beside the text: the diffusion time and the seconds of audio."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from uat_lightning.backbone.feed_forward import start_at_zero
from uat_lightning.configurable import Configurable


class FourierTime(nn.Module):
    """Random Fourier features of a noise level (Tancik et al. 2020, arXiv 2006.10739), through a small network.

    Args:
        width: Channels of the embedding.
        features: Number of features, even.
    """

    frequencies: Tensor

    def __init__(self, width: int, features: int = 256) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.randn(features // 2))
        self.network = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        """Embed times of shape (rows,) in [0, 1]: (rows, width)."""
        angles = 2 * math.pi * t[:, None].float() * self.frequencies.float()
        features = torch.cat([angles.cos(), angles.sin()], dim=-1)
        embedded: Tensor = self.network(features.to(next(self.network.parameters()).dtype))
        return embedded


class NumberEmbedding(nn.Module):
    """Learned Fourier features of a number, and the number itself, projected.

    Args:
        width: Channels of the embedding.
        largest: Numbers are clamped to 0 .. this one, and divided by it.
        features: Number of features, even.
    """

    def __init__(self, width: int, largest: float, features: int = 256) -> None:
        super().__init__()
        self.largest = largest
        self.frequencies = nn.Parameter(torch.randn(features // 2))
        self.project = nn.Linear(features + 1, width)

    def forward(self, numbers: Tensor) -> Tensor:
        """Embed numbers of shape (rows,): (rows, width)."""
        share = (numbers.float().clamp(0, self.largest) / self.largest)[:, None]
        angles = 2 * math.pi * share * self.frequencies.float()
        features = torch.cat([share, angles.sin(), angles.cos()], dim=-1)
        embedded: Tensor = self.project(features.to(self.project.weight.dtype))
        return embedded


class TimingSignals(NamedTuple):
    """How the seconds reach the audio stream.

    Args:
        prepended: Added to the token before the latents, (rows, width).
        context: Read beside the text states, (rows, tokens, text width).
    """

    prepended: Tensor
    context: Tensor


class Timing(Configurable, nn.Module, ABC):
    """Tells the audio stream how long the audio is.

    Attributes:
        inherited: Whether the weights are part of the model that a warm start loads.
    """

    inherited: bool

    @abstractmethod
    def signals(self, seconds: Tensor) -> TimingSignals:
        """Return what is told of audio of so many seconds, (rows,)."""


class StableAudioTiming(Timing):
    """Stable Audio Open's timing: start and total seconds, prepended and beside the text.

    Args:
        text_width: Channels of the text states.
        width: Channels of the audio stream.
        largest: Seconds at most; longer audio is told as this long.
    """

    inherited = True

    def __init__(self, text_width: int = 768, width: int = 1536, largest: float = 512.0) -> None:
        super().__init__()
        self.start, self.total = NumberEmbedding(text_width, largest), NumberEmbedding(text_width, largest)
        self.project = nn.Sequential(
            nn.Linear(2 * text_width, width, bias=False), nn.SiLU(), nn.Linear(width, width, bias=False)
        )

    def signals(self, seconds: Tensor) -> TimingSignals:
        """Return both embeddings as two tokens, and their projection; the start is always 0."""
        start, total = self.start(torch.zeros_like(seconds)), self.total(seconds)
        return TimingSignals(self.project(torch.cat([start, total], dim=-1)), torch.stack([start, total], dim=1))


class PrependedTiming(Timing):
    """Total seconds in the prepended token alone, nothing at the start: AudioX knows no timing.

    Args:
        text_width: Channels of the text states.
        width: Channels of the audio stream.
        largest: Seconds at most; longer audio is told as this long.
    """

    inherited = False

    def __init__(self, text_width: int = 768, width: int = 1536, largest: float = 512.0) -> None:
        super().__init__()
        self.text_width = text_width
        self.total = NumberEmbedding(width, largest)
        start_at_zero(self.total.project)

    def signals(self, seconds: Tensor) -> TimingSignals:
        """Return the embedding, and no token beside the text."""
        prepended = self.total(seconds)
        return TimingSignals(prepended, prepended.new_zeros(len(seconds), 0, self.text_width))
