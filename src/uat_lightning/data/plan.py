"""The data order: global batches as a pure function of (seed, step)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """The rows of one global batch.

    Args:
        clips: Clip indices, int64 (rows,).
        choices: A number in [0, 1) for each row, from which its caption is chosen.
        crops: A number in [0, 1) for each row, from which its crop is chosen.
        generation: True where the row teaches audio from text, bool (rows,).
    """

    clips: NDArray[np.int64]
    choices: NDArray[np.float64]
    crops: NDArray[np.float64]
    generation: NDArray[np.bool_]

    def shard(self, rank: int, world_size: int) -> Rows:
        """Return the rank's equal share of the rows, those beside each other."""
        here = slice(len(self.clips) * rank // world_size, len(self.clips) * (rank + 1) // world_size)
        return Rows(self.clips[here], self.choices[here], self.crops[here], self.generation[here])


@functools.lru_cache(maxsize=8)
def _order(seed: int, direction: int, epoch: int, clips: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, direction, epoch]).permutation(clips)


@dataclass(frozen=True)
class Plan:
    """Which clips make up which step.

    Either direction walks through its own shuffles of all clips, one after another, so that every clip is seen once
    before any is seen again. Rows of the two directions alternate; every rank's share then holds both.

    Args:
        clips: Clips to choose from.
        rows: Rows of a global batch, over all ranks.
        generation_share: Share of the rows that teach audio from text, 0 to 1.
        seed: Seed of the order.
    """

    clips: int
    rows: int
    generation_share: float = 0.5
    seed: int = 0

    @property
    def generation_rows(self) -> int:
        """Rows of a global batch that teach audio from text."""
        return round(self.rows * self.generation_share)

    def step(self, step: int) -> Rows:
        """Return the global batch of a step, counted from 0."""
        generation = np.zeros(self.rows, bool)
        spread = np.arange(self.generation_rows) * self.rows // max(self.generation_rows, 1)
        generation[spread] = True
        clips = np.empty(self.rows, np.int64)
        clips[generation] = self._stream(0, step, self.generation_rows)
        clips[~generation] = self._stream(1, step, self.rows - self.generation_rows)
        choices, crops = np.random.default_rng([self.seed, 2, step]).random((2, self.rows))
        return Rows(clips, choices, crops, generation)

    def _stream(self, direction: int, step: int, count: int) -> NDArray[np.int64]:
        places = np.arange(step * count, (step + 1) * count)
        epochs, inside = np.divmod(places, self.clips)
        clips = np.empty(count, np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            clips[here] = _order(self.seed, direction, int(epoch), self.clips)[inside[here]]
        return clips
