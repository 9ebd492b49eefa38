"""Pools of clips, and how the rows of one training direction are drawn from them by weight."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uat_lightning.data.deck import Deck
from uat_lightning.data.order import ClipOrder, Numbers, Order, ShardOrder
from uat_lightning.data.shuffle import mixed

LENGTHS, SOURCES, CLIPS = range(3)


@dataclass(frozen=True, eq=False)
class Pool:
    """The clips of one source, as the plan sees them.

    Args:
        name: What the source is called.
        offsets: First clip of each shard, and the total, int64 (shards + 1,); [0, clips] where there are no shards.
        generation: Weight among the sources in rows that teach audio from text, at least 0.
        captioning: Weight in rows that teach text from audio, at least 0.
        lengths: Length bucket of each clip, int (clips,); all in one where None.
    """

    name: str
    offsets: Numbers
    generation: float = 1.0
    captioning: float = 1.0
    lengths: NDArray[np.integer[Any]] | None = None

    @property
    def clips(self) -> int:
        """The number of clips."""
        return int(self.offsets[-1])

    @functools.cached_property
    def buckets(self) -> list[Numbers | None]:
        """The clips of each length bucket in ascending order, None for all of them."""
        if self.lengths is None:
            return [None]
        return [np.flatnonzero(self.lengths == bucket) for bucket in range(int(self.lengths.max(initial=0)) + 1)]

    def description(self) -> dict[str, Any]:
        """Return plain values that change whenever the order would."""
        lengths = np.zeros(0, np.int64) if self.lengths is None else self.lengths.astype(np.int64)
        layout = hashlib.sha256(np.concatenate([self.offsets, lengths]).tobytes()).hexdigest()[:16]
        weights = {"generation": self.generation, "captioning": self.captioning}
        return {"clips": self.clips, "shards": len(self.offsets) - 1, **weights, "layout": layout}


@dataclass(frozen=True, eq=False)
class Part:
    """What one pool gives to one length bucket.

    Args:
        order: The order of the clips in it.
        members: Clips of the pool that are in it; all where None.
        first: Number of the pool's first clip among all pools'.
    """

    order: Order
    members: Numbers | None
    first: int

    def at(self, lanes: Numbers, places: Numbers) -> tuple[Numbers, Numbers]:
        """Return clip numbers and passes; see ``Order``."""
        inside, passes = self.order.at(lanes, places)
        return self.first + (inside if self.members is None else self.members[inside]), passes


@dataclass(frozen=True, eq=False)
class Mixture:
    """Parts drawn in given shares, each lane for itself.

    Args:
        deck: Says which part a draw is from.
        parts: One for each kind of card.
    """

    deck: Deck
    parts: Sequence[Part]

    def at(self, lanes: Numbers, draws: Numbers) -> tuple[Numbers, Numbers]:
        """Return clip numbers and passes of each lane's draws, counted from 0."""
        kinds, places = self.deck.draw(lanes, draws)
        clips, passes = np.empty_like(draws), np.empty_like(draws)
        for kind in np.unique(kinds):
            here = kinds == kind
            clips[here], passes[here] = self.parts[kind].at(lanes[here], places[here])
        return clips, passes


class Direction:
    """The rows of one training direction.

    The length bucket of a step is drawn once for all its rows. Directions with the same ``seed`` take their bucket from
    the same draw, so that theirs are alike as far as their sources are.

    Args:
        pools: What to draw from.
        weights: Weight of each pool.
        seed: Seed of the buckets.
        key: Key of everything else, another one for each direction.
        lanes: Parts of a batch.
        window: Shards among which clips are shuffled.
    """

    def __init__(
        self, pools: Sequence[Pool], weights: Sequence[float], seed: int, key: int, lanes: int, window: int
    ) -> None:
        buckets = max(len(pool.buckets) for pool in pools)
        held = np.array([[_members(pool, bucket) / max(pool.clips, 1) for pool in pools] for bucket in range(buckets)])
        shares = held * np.array(weights)
        self.lengths = Deck.of(shares.sum(1), one(seed, LENGTHS))
        self.mixtures = {
            bucket: Mixture(Deck.of(share, one(key, SOURCES, bucket)), _parts(pools, bucket, key, lanes, window))
            for bucket, share in enumerate(shares)
            if share.any()
        }

    def at(self, step: int, lanes: Numbers, turns: Numbers, per_lane: int) -> tuple[Numbers, Numbers]:
        """Return clip numbers and passes of rows of a step: of which lane each is, and the how-manieth in it."""
        (bucket,), (earlier,) = self.lengths.draw(np.zeros(1, np.int64), np.array([step]))
        return self.mixtures[int(bucket)].at(lanes, int(earlier) * per_lane + turns)


def _members(pool: Pool, bucket: int) -> int:
    if bucket >= len(pool.buckets):
        return 0
    members = pool.buckets[bucket]
    return pool.clips if members is None else len(members)


def _parts(pools: Sequence[Pool], bucket: int, key: int, lanes: int, window: int) -> list[Part]:
    firsts = np.cumsum([0, *(pool.clips for pool in pools)])
    parts = []
    for place, pool in enumerate(pools):
        members = pool.buckets[bucket] if bucket < len(pool.buckets) else np.zeros(0, np.int64)
        offsets = pool.offsets if members is None else np.searchsorted(members, pool.offsets)
        order = _order(np.unique(offsets), lanes, window, one(key, CLIPS, bucket, place))
        parts.append(Part(order, members, int(firsts[place])))
    return parts


def _order(offsets: Numbers, lanes: int, window: int, key: int) -> Order:
    """Deal shards to the lanes where there are enough of them; else the source is small, and all read all of it."""
    if len(offsets) - 1 >= max(lanes, 2):
        return ShardOrder(offsets, lanes, window, key)
    return ClipOrder(int(offsets[-1]), lanes, key)


def one(*numbers: int) -> int:
    """Mix integers to one."""
    return int(mixed(*numbers)[0])
