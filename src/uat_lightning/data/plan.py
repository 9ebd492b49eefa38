"""The data order: global batches as a pure function of (seed, plan, step)."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uat_lightning.data.mixture import Direction, Pool, one
from uat_lightning.data.shuffle import mixed, uniform

ORDER = 2  # raise when the same plan gives another order: checkpoints of the old one are then refused
GENERATION, CAPTIONING, CHOICE, CROP = range(4)


@dataclass(frozen=True)
class Rows:
    """The rows of one global batch, or a rank's share of them.

    Args:
        clips: Clip numbers, int64 (rows,).
        visits: How many times the row's direction saw the clip before, int64 (rows,).
        choices: A number in [0, 1) for each row, from which its caption is chosen.
        crops: A number in [0, 1) for each row, from which its crop is chosen.
        generation: True where the row teaches audio from text, bool (rows,).
    """

    clips: NDArray[np.int64]
    visits: NDArray[np.int64]
    choices: NDArray[np.float64]
    crops: NDArray[np.float64]
    generation: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Plan:
    """Which clips make up which step.

    Either direction walks through its own shuffles of each pool, one after another, so that every clip is seen once
    before any is seen again. Rows of the two directions alternate; every rank's share then holds both. A step is a
    batch as the DataLoader gives it: with gradients accumulated over three batches, an update takes three steps.

    Args:
        pools: What to draw from.
        rows: Rows of a global batch, over all ranks.
        generation_share: Share of the rows that teach audio from text, 0 to 1.
        seed: Seed of the order.
        lanes: Parts of a batch that each read shards of their own; the number of ranks must divide it. With 1, any rank
            may read any clip.
        window: Shards among which a lane's clips are shuffled.

    Raises:
        ValueError: If the rows of either direction do not divide among the lanes, or no pool has a weight for them.
    """

    pools: Sequence[Pool]
    rows: int
    generation_share: float = 0.5
    seed: int = 0
    lanes: int = 1
    window: int = 4

    def __post_init__(self) -> None:
        """See that every lane holds the same rows, and that there is something to draw for them."""
        for direction, count in zip(("generation", "captioning"), self.counts, strict=True):
            weights = {pool.name: getattr(pool, direction) * (pool.clips > 0) for pool in self.pools}
            if (count and not any(weights.values())) or min(weights.values(), default=0) < 0:
                raise ValueError(f"{direction} weights must be 0 or more, one of a source with clips above: {weights}")

    @property
    def clips(self) -> int:
        """Clips of all pools."""
        return sum(pool.clips for pool in self.pools)

    @property
    def counts(self) -> tuple[int, int]:
        """Rows of a global batch that teach audio from text, and text from audio."""
        return rows_of_directions(self.rows, self.generation_share, self.lanes)

    def step(self, step: int, rank: int = 0, world_size: int = 1) -> Rows:
        """Return a rank's equal share of the global batch of a step, rows beside each other; steps count from 0."""
        here = slice(self.rows * rank // world_size, self.rows * (rank + 1) // world_size)
        generation, lanes, turns = self._layout[0][here], self._layout[1][here], self._layout[2][here]
        clips, visits = np.empty(len(lanes), np.int64), np.empty(len(lanes), np.int64)
        for direction in (GENERATION, CAPTIONING):
            rows = generation == (direction == GENERATION)
            if rows.any():
                drawn_from, per_lane = self._directions[direction], self.counts[direction] // self.lanes
                clips[rows], visits[rows] = drawn_from.at(step, lanes[rows], turns[rows], per_lane)
        choices, crops = (uniform(mixed(self.seed, use, generation, clips, visits)) for use in (CHOICE, CROP))
        return Rows(clips, visits, choices, crops, generation)

    @functools.cached_property
    def _layout(self) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
        """Direction and lane of each row of a batch, and the how-manieth it is of both."""
        generation = np.zeros(self.rows, bool)
        generation[np.arange(self.counts[GENERATION]) * self.rows // max(self.counts[GENERATION], 1)] = True
        turns = np.empty(self.rows, np.int64)
        for direction, count in zip((True, False), self.counts, strict=True):
            turns[generation == direction] = np.arange(count) % (count // self.lanes or 1)
        return generation, np.arange(self.rows) * self.lanes // self.rows, turns

    @functools.cached_property
    def _directions(self) -> dict[int, Direction]:
        weights = [pool.generation for pool in self.pools], [pool.captioning for pool in self.pools]
        return {
            direction: Direction(
                self.pools, weights[direction], self.seed, one(self.seed, direction), self.lanes, self.window
            )
            for direction in (GENERATION, CAPTIONING)
            if self.counts[direction]
        }

    def description(self) -> dict[str, Any]:
        """Return plain values that change whenever the order does."""
        settings = ("rows", "generation_share", "seed", "lanes", "window")
        pools = {pool.name: pool.description() for pool in self.pools}
        return {"order": ORDER, **{name: getattr(self, name) for name in settings}, "pools": pools}


def rows_of_directions(rows: int, generation_share: float, lanes: int) -> tuple[int, int]:
    """Return the rows of a batch that teach audio from text, and those that teach text from audio.

    Raises:
        ValueError: If there are none, or the lanes do not divide either.
    """
    if rows < 1 or not 0 <= generation_share <= 1:
        raise ValueError(
            f"a batch has at least one row, got {rows}; generation_share is 0 to 1, got {generation_share}"
        )
    generation = round(rows * generation_share)
    if lanes < 1 or generation % lanes or rows % lanes:
        shares = f"the {generation} generation and {rows - generation} captioning rows of a batch"
        raise ValueError(f"{lanes} lanes do not divide {shares}: change lanes, batch_size or generation_share")
    return generation, rows - generation


def changes(then: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Yield what differs between two descriptions: ``pools.clotho.captioning 25 -> 20``."""
    old, new = dict(_flat(then)), dict(_flat(now))
    for name in [*new, *(name for name in old if name not in new)]:
        if old.get(name) != new.get(name):
            yield f"{name} {old.get(name)} -> {new.get(name)}"


def _flat(values: dict[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value
