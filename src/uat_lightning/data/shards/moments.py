"""Mean and deviation of each latent channel, gathered shard by shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Sums over latent frames; added up in the order of the shards, they do not depend on who wrote which.

    Args:
        count: Number of frames.
        total: Sum of each channel, float64 (channels,).
        squares: Sum of each channel's squares, float64 (channels,).
    """

    count: int
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def none(cls, width: int) -> Moments:
        """Return the sums over nothing."""
        return cls(0, np.zeros(width), np.zeros(width))

    @classmethod
    def of(cls, latents: NDArray[np.float16]) -> Moments:
        """Return the sums over latents (frames, channels), as they are kept."""
        values = latents.astype(np.float64)
        return cls(len(values), values.sum(0), np.square(values).sum(0))

    def __add__(self, other: Moments) -> Moments:
        """Return the sums over both."""
        return Moments(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of each channel (channels,)."""
        return self.total / max(self.count, 1)

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Standard deviation of each channel (channels,)."""
        return np.sqrt(np.maximum(self.squares / max(self.count, 1) - np.square(self.mean), 0))

    def plain(self) -> dict[str, Any]:
        """Return plain values; JSON keeps every bit of them."""
        return {"count": self.count, "total": self.total.tolist(), "squares": self.squares.tolist()}

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> Moments:
        """Return the sums that ``plain`` gave."""
        return cls(int(values["count"]), np.array(values["total"]), np.array(values["squares"]))
