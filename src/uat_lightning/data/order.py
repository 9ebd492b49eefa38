"""In which order the clips of one source come: all shuffled, or shard by shard so that each rank reads its own shards.

A lane is the smallest part of the rows that one rank may hold; the number of lanes stays when the number of ranks
changes. Every lane walks through the passes of a source at its own pace.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uat_lightning.data.shuffle import mixed, permuted

Numbers = NDArray[np.int64]


class Order(ABC):
    """Clips of a source by lane and place."""

    @abstractmethod
    def at(self, lanes: Numbers, places: Numbers) -> tuple[Numbers, Numbers]:
        """Return the clips at places of lanes, and the pass through the source that each belongs to.

        A pass holds every clip once.

        Args:
            lanes: Lane of each row, int64 (rows,).
            places: How many clips of this source the lane had before, int64 (rows,).
        """


@dataclass(frozen=True)
class ClipOrder(Order):
    """All clips shuffled; the lanes take turns, so that any lane may meet any clip.

    Args:
        clips: Clips of the source.
        lanes: Number of lanes.
        key: Which shuffles.
    """

    clips: int
    lanes: int
    key: int

    def at(self, lanes: Numbers, places: Numbers) -> tuple[Numbers, Numbers]:
        """Return clips and passes; see ``Order``."""
        passes, inside = np.divmod(places * self.lanes + lanes, self.clips)
        return permuted(inside, self.clips, mixed(self.key, passes)), passes


@dataclass(frozen=True, eq=False)
class ShardOrder(Order):
    """Shards shuffled and dealt to the lanes anew in each pass; clips shuffled among some neighbouring shards.

    So a lane has few shards open at a time, and in one pass no shard is read by two lanes. Where shards do not divide
    evenly, lanes begin their next pass up to a shard earlier or later.

    Args:
        offsets: First clip of each shard, and the total, int64 (shards + 1,); at least as many shards as lanes.
        lanes: Number of lanes.
        window: Shards among which a lane's clips are shuffled.
        key: Which shuffles.
    """

    offsets: Numbers
    lanes: int
    window: int
    key: int

    def at(self, lanes: Numbers, places: Numbers) -> tuple[Numbers, Numbers]:
        """Return clips and passes; see ``Order``."""
        begins = _begins(self, _passes_enough(self, int(places.max(initial=0))))
        passes = _last_begun(begins, lanes, places)
        clips, inside = np.empty_like(places), places - begins[passes, lanes]
        for number in np.unique(passes):
            here = passes == number
            clips[here] = _deal(self, int(number)).clips(lanes[here], inside[here])
        return clips, passes

    def shuffled(self, passes: Numbers) -> Numbers:
        """Return the shards in the order of some passes, (passes, shards); the lanes take them in turn."""
        return np.argsort(mixed(self.key, 0, passes[:, None], np.arange(len(self.offsets) - 1)), axis=1, kind="stable")


class Deal:
    """The shards of one pass, lane after lane.

    Args:
        order: Of which source.
        number: Which pass.
    """

    def __init__(self, order: ShardOrder, number: int) -> None:
        (shuffled,) = order.shuffled(np.array([number]))
        lane = np.arange(len(shuffled)) % order.lanes
        turn = np.arange(len(shuffled)) // order.lanes
        lane_after_lane = np.argsort(lane, kind="stable")
        self.shards = shuffled[lane_after_lane]
        self.starts = _cumulated(np.diff(order.offsets)[self.shards])
        self.windows = np.append(self.starts[:-1][turn[lane_after_lane] % order.window == 0], self.starts[-1])
        self.lane_starts = self.starts[_cumulated(np.bincount(lane))[:-1]]
        self.offsets, self.keys = order.offsets, mixed(order.key, 1, number, np.arange(len(self.windows)))

    def clips(self, lanes: Numbers, places: Numbers) -> Numbers:
        """Return the clips at places of lanes, counted from the beginning of the pass."""
        places = self.lane_starts[lanes] + places
        window = np.searchsorted(self.windows, places, side="right") - 1
        begin = self.windows[window]
        inside = permuted(places - begin, self.windows[window + 1] - begin, self.keys[window])
        shard = np.searchsorted(self.starts, begin + inside, side="right") - 1
        clips: Numbers = self.offsets[self.shards[shard]] + begin + inside - self.starts[shard]
        return clips


@functools.lru_cache(maxsize=64)
def _deal(order: ShardOrder, number: int) -> Deal:
    return Deal(order, number)


@functools.lru_cache(maxsize=64)
def _begins(order: ShardOrder, passes: int) -> Numbers:
    """Return the place at which each lane begins each pass, (passes + 1, lanes)."""
    sizes = np.diff(order.offsets)[order.shuffled(np.arange(passes))]
    padded = np.pad(sizes, ((0, 0), (0, -sizes.shape[1] % order.lanes)))
    of_lanes = padded.reshape(passes, -1, order.lanes).sum(1)
    return np.concatenate([np.zeros((1, order.lanes), np.int64), np.cumsum(of_lanes, axis=0)])


def _passes_enough(order: ShardOrder, place: int) -> int:
    """Return a number of passes after which every lane is beyond a place: a power of two, so that few are asked for."""
    passes = 1
    while _begins(order, passes)[-1].min() <= place:
        passes *= 2
    return passes


def _last_begun(begins: Numbers, lanes: Numbers, places: Numbers) -> Numbers:
    """Return the pass that each lane is in at a place, by halving."""
    low, high = np.zeros_like(lanes), np.full_like(lanes, len(begins) - 1)
    while (high - low > 1).any():
        middle = (low + high) // 2
        begun = begins[middle, lanes] <= places
        low, high = np.where(begun, middle, low), np.where(begun, high, middle)
    return low


def _cumulated(sizes: Numbers) -> Numbers:
    return np.concatenate([[0], np.cumsum(sizes)])
