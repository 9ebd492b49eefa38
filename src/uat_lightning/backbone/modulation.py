"""Adaptive layer norm with zero initialisation (Peebles & Xie 2023, arXiv 2212.09748), and the time's embedding."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Modulated(NamedTuple):
    """How one sub-layer is shifted, scaled and gated, each of shape (rows, 1, width)."""

    shift: Tensor
    scale: Tensor
    gate: Tensor

    def enter(self, normalised: Tensor) -> Tensor:
        """Return the sub-layer's input (rows, positions, width)."""
        return torch.addcmul(self.shift, normalised, 1 + self.scale)

    def take(self, rows: slice) -> Modulated:
        """Return it for some of the rows."""
        return Modulated(*(part[rows] for part in self))


class Modulation(nn.Module):
    """Derives shifts, scales and gates from a condition; all are zero at initialisation.

    Args:
        width: Channels of the stream.
        sublayers: Sub-layers to modulate.
        rank: Channels between the condition and what is derived from it: a full matrix, a third of a block's weights,
            where None.
    """

    def __init__(self, width: int, sublayers: int, rank: int | None = None) -> None:
        super().__init__()
        self.sublayers = sublayers
        self.reduce = nn.Identity() if rank is None else nn.Linear(width, rank, bias=False)
        self.project = nn.Linear(rank or width, 3 * sublayers * width)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, condition: Tensor) -> list[Modulated]:
        """Return one ``Modulated`` per sub-layer for conditions of shape (rows, width)."""
        parts = self.project(self.reduce(nn.functional.silu(condition)))[:, None].chunk(3 * self.sublayers, dim=-1)
        return [Modulated(*parts[3 * i : 3 * i + 3]) for i in range(self.sublayers)]


class TimeEmbedding(nn.Module):
    """Sinusoidal features of a noise level in [0, 1], through a small network.

    Args:
        width: Channels of the embedding.
        features: Number of sinusoids, even.
    """

    frequencies: Tensor

    def __init__(self, width: int, features: int = 128) -> None:
        super().__init__()
        octaves = torch.exp(-math.log(10_000) * torch.arange(features // 2) / (features // 2))
        self.register_buffer("frequencies", 1000 * octaves, persistent=False)
        self.network = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        """Embed times of shape (rows,): (rows, width)."""
        angles = t[:, None].float() * self.frequencies
        features = torch.cat([angles.cos(), angles.sin()], dim=-1)
        embedded: Tensor = self.network(features.to(next(self.network.parameters()).dtype))
        return embedded
