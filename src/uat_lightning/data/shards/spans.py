"""Which clips make up which shard: fixed ranges of clip numbers, whoever writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """The clips of a shard.

    Args:
        split: Their split.
        number: The shard's number in the split.
        first: First clip number in the split.
        stop: The number behind the last.
    """

    split: str
    number: int
    first: int
    stop: int

    @property
    def name(self) -> str:
        """The shard's file."""
        return f"{self.split}-{self.number:06d}.tar"

    def __len__(self) -> int:
        """Return the number of clips."""
        return self.stop - self.first


def spans(counts: Mapping[str, int], clips_per_shard: int) -> list[Span]:
    """Return the shards of all splits, in the order of the index.

    Args:
        counts: Clips of each split.
        clips_per_shard: Clips of each shard but the last of a split.

    Raises:
        ValueError: If a shard would hold no clip.
    """
    if clips_per_shard < 1:
        raise ValueError(f"clips_per_shard must be at least 1, got {clips_per_shard}")
    return [
        Span(split, number, first, min(first + clips_per_shard, count))
        for split, count in counts.items()
        for number, first in enumerate(range(0, count, clips_per_shard))
    ]
