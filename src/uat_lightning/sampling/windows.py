"""Latents of any length, in windows as long as what a model was trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from uat_lightning.sampling.solvers import Velocity
from uat_lightning.tensors import lengths_to_mask
from uat_lightning.types import Sequences


@dataclass(frozen=True)
class Windows:
    """Overlapping windows over rows of latents, cross-faded where they overlap (MultiDiffusion, arXiv 2302.08113).

    Every window sees its part of the same noisy latents at every step, and their velocities are averaged: what is made
    agrees wherever windows meet.

    Args:
        rows: The row of each window, int64 (windows,).
        starts: Its first frame, int64 (windows,).
        lengths: Its frames, int64 (windows,).
        overlap: Frames over which neighbours fade into each other.
    """

    rows: Tensor
    starts: Tensor
    lengths: Tensor
    overlap: int

    @classmethod
    def over(cls, lengths: Tensor, longest: int, overlap: int) -> Windows:
        """Lay the fewest evenly spaced windows over rows of the given lengths.

        Args:
            lengths: Frames of each row, int64 (rows,).
            longest: Frames of a window.
            overlap: Frames that neighbours share at least, fewer than ``longest``.
        """
        if not 0 <= overlap < longest:
            raise ValueError(f"windows of {longest} frames cannot overlap by {overlap}: take longer ones")
        laid = [
            (row, start, min(length, longest))
            for row, length in enumerate(lengths.tolist())
            for start in _starts(length, longest, overlap)
        ]
        row, start, count = torch.tensor(laid, device=lengths.device).T
        return cls(row, start, count, overlap)

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.rows)

    @property
    def whole_rows(self) -> bool:
        """Whether every row is one window."""
        return not bool(self.starts.any())

    def cut(self, latents: Tensor) -> Sequences:
        """Return the windows of latents (rows, frames, channels)."""
        places = self._places.clamp(max=latents.shape[1] - 1)
        return Sequences(latents[self.rows[:, None], places], self.lengths)

    def join(self, pieces: Tensor, latents: Tensor) -> Tensor:
        """Return pieces (windows, frames, channels) as rows shaped like latents (rows, frames, channels)."""
        places = self._places.clamp(max=latents.shape[1] - 1)
        where = (self.rows[:, None].expand_as(places), places)
        weights = self._weights.to(latents.dtype)[..., None]
        summed = torch.zeros_like(latents).index_put(where, weights * pieces, accumulate=True)
        total = latents.new_zeros(*latents.shape[:2], 1).index_put(where, weights, accumulate=True)
        return summed / total.clamp(min=1e-12)

    def velocity(self, inner: Velocity) -> Velocity:
        """Return a velocity of whole latents from one of windows (windows, frames, channels)."""
        return lambda latents, t: self.join(inner(self.cut(latents).values, t), latents)

    @cached_property
    def _places(self) -> Tensor:
        return self.starts[:, None] + torch.arange(int(self.lengths.max()), device=self.starts.device)

    @cached_property
    def _weights(self) -> Tensor:
        """Rise over the overlap, stay at one, and fall; nothing beyond a window's end."""
        count = int(self.lengths.max())
        place = torch.arange(count, device=self.lengths.device)
        nearest = torch.minimum(place + 1, self.lengths[:, None] - place)
        return nearest.clamp(0, self.overlap + 1) / (self.overlap + 1) * lengths_to_mask(self.lengths, count)


def _starts(length: int, longest: int, overlap: int) -> Sequence[int]:
    count = max(1, math.ceil((length - overlap) / (longest - overlap)))
    return [round(number * (length - longest) / max(1, count - 1)) for number in range(count)] if count > 1 else [0]
