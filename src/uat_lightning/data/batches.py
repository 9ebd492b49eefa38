"""Batches as a rank is given them: of training steps by the plan, of other splits clip after clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from uat_lightning.data.plan import Plan, Rows
from uat_lightning.data.store import Store
from uat_lightning.text import Tokenizer
from uat_lightning.types import Batch, Pair, Sequences


class PlannedBatches(Dataset[Batch]):
    """A rank's share of every global batch, by step.

    Args:
        store: The encoded clips.
        plan: Which clips make up which step.
        tokenizer: Gives the canvas and the padding token.
        rank: This process among all.
        world_size: Number of processes.
        longest: Latent frames kept of a clip; all where None.
        captions: Captions of each captioning row.
    """

    def __init__(
        self,
        store: Store,
        plan: Plan,
        tokenizer: Tokenizer,
        rank: int = 0,
        world_size: int = 1,
        longest: int | None = None,
        captions: int = 1,
    ) -> None:
        self.store, self.plan, self.rank, self.world_size = store, plan, rank, world_size
        self.longest, self.captions = longest, captions
        self.canvas, self.pad_id = tokenizer.canvas, tokenizer.pad_id

    def __getitem__(self, step: int) -> Batch:
        """Return this rank's rows of the global batch of a step."""
        rows = self.plan.step(step, self.rank, self.world_size)
        return replace(self._batch(rows), shares=self._shares(rows))

    def _shares(self, rows: Rows) -> Pair[float]:
        """Return how many rows of either direction there are here, over the mean of all ranks."""
        here = int(rows.generation.sum()), int((~rows.generation).sum())
        return Pair(*(self.world_size * own / max(all_, 1) for own, all_ in zip(here, self.plan.counts, strict=True)))

    def _batch(self, rows: Rows) -> Batch:
        clean = self.store.pairs(rows.clips, rows.choices, rows.crops, self.canvas, self.pad_id, self.longest)
        generation = torch.from_numpy(rows.generation.copy())
        return Batch(clean, generation, self._further(rows), sources=self._sources(rows))

    def _sources(self, rows: Rows) -> Sequences | None:
        """Return what the generation rows are edits of."""
        if not self.store.holds_edits:
            return None
        return self.store.sources_of(rows.clips[rows.generation], rows.crops[rows.generation], self.longest)

    def _further(self, rows: Rows) -> Sequences | None:
        """Return the captioning rows' other captions; where a clip has too few, they come round again."""
        if self.captions == 1:
            return None
        turns = np.arange(1, self.captions)[:, None] / self.captions
        choices = np.mod(rows.choices[~rows.generation] + turns, 1.0).ravel()
        clips = np.tile(rows.clips[~rows.generation], self.captions - 1)
        return self.store.captions_of(clips, choices, self.canvas, self.pad_id)


class WholeSplit(PlannedBatches):
    """Every clip once, in order, in both directions, with its first caption; an edit for generation alone.

    The ranks share out the clips of a batch, so that each row's two directions stay together; the last batch may leave
    a rank without rows.
    """

    @property
    def clips_per_batch(self) -> int:
        """Clips of a global batch."""
        return max(1, self.plan.rows // 2)

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.store) // self.clips_per_batch)

    def __getitem__(self, step: int) -> Batch:
        """Return this rank's rows of a batch."""
        first = step * self.clips_per_batch
        everywhere = np.arange(first, min(first + self.clips_per_batch, len(self.store)))
        here = everywhere[self.rank :: self.world_size]
        return self._batch(_each_direction(here, self.store.edits(here)))


class PlannedLoader(DataLoader[Batch]):
    """A DataLoader that Lightning knows to be resumable; where it goes on is in the DataModule's state."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the DataModule has it."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing: the DataModule has it."""


class RemainingSteps(Sampler[int]):
    """The steps of the current epoch that are not done yet, read when the epoch begins.

    As a batch is a function of its step, this is all it takes to go on in mid-epoch with the very next batch.

    Args:
        position: Tells how many steps are done since training began.
        per_epoch: Steps of an epoch.
    """

    def __init__(self, position: Callable[[], int], per_epoch: int) -> None:
        self.position, self.per_epoch = position, per_epoch

    def __len__(self) -> int:
        """Return the steps of a whole epoch."""
        return self.per_epoch

    def __iter__(self) -> Iterator[int]:
        """Yield the steps left in this epoch, counted from the beginning of training."""
        done = self.position()
        return iter(range(done, (done // self.per_epoch + 1) * self.per_epoch))


def _each_direction(clips: NDArray[np.int64], edits: NDArray[np.bool_]) -> Rows:
    """Return rows of both directions, but no captioning row of an edit: its instruction is no caption."""
    generation = np.tile([True, False], len(clips))
    kept = generation | ~np.repeat(edits, 2)
    rows = np.repeat(clips, 2)[kept]
    first = np.zeros(len(rows))
    return Rows(rows, np.zeros_like(rows), first, first, generation[kept])
