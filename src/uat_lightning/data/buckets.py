"""Length buckets: batches of clips that are about as long, so that little is padded."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from uat_lightning.configurable import Configurable
from uat_lightning.data.order import Numbers


class Buckets(Configurable):
    """Sorts clips by length. The bucket of a step is drawn once for the global batch: all ranks agree on it."""

    @abstractmethod
    def sort(self, frames: Sequence[Numbers]) -> list[Numbers]:
        """Return the bucket of each clip of each source, from 0 for the shortest.

        Args:
            frames: Latent frames kept of each clip, int64 (clips,), for each source.
        """


class QuantileBuckets(Buckets):
    """Buckets that hold about as many clips each; fewer where many clips are equally long.

    Args:
        count: Number of buckets, at least 1.
    """

    def __init__(self, count: int = 8) -> None:
        self.count = count

    def sort(self, frames: Sequence[Numbers]) -> list[Numbers]:
        """Return the bucket of each clip; see ``Buckets``."""
        everything = np.concatenate(list(frames))
        inner = np.linspace(0, 1, self.count + 1)[1:-1]
        edges = np.unique(np.quantile(everything, inner, method="lower")) if len(everything) else np.zeros(0)
        edges = edges[edges < everything.max(initial=0)]
        return [np.searchsorted(edges, lengths, side="left").astype(np.int64) for lengths in frames]
