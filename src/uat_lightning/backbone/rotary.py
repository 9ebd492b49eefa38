"""Rotary position embedding (Su et al. 2021, arXiv 2104.09864)."""

from __future__ import annotations

import torch
from torch import Tensor


def rotary_angles(positions: int, head_width: int, base: float, device: torch.device) -> Tensor:
    """Return the rotation of every position and pair of channels, in radians: (positions, head_width / 2)."""
    frequencies = rotary_frequencies(head_width, base, device)
    return torch.outer(torch.arange(positions, device=device, dtype=torch.float32), frequencies)


def rotary_frequencies(head_width: int, base: float, device: torch.device) -> Tensor:
    """Return how far each pair of channels turns per position, in radians: (head_width / 2,)."""
    return base ** (-torch.arange(0, head_width, 2, device=device, dtype=torch.float32) / head_width)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn the channel pairs of (rows, heads, positions, head_width) by ``angles`` (positions, head_width / 2)."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
