"""Which clips make up which shard: fixed ranges of clip numbers, whoever writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from uat_lightning.data.shards.names import member_name


@dataclass(frozen=True)
class Span:
    """The clips of a shard.

    Args:
        split: Their split.
        source: The corpus they are from.
        number: The shard's number among those of the split and the corpus.
        first: First clip number there.
        stop: The number behind the last.
    """

    split: str
    source: str
    number: int
    first: int
    stop: int

    @property
    def name(self) -> str:
        """The shard's file."""
        return member_name(self.split, f"-{member_name(self.source, '')}-{self.number:06d}.tar")

    def __len__(self) -> int:
        """Return the number of clips."""
        return self.stop - self.first


def spans(counts: Mapping[str, Mapping[str, int]], clips_per_shard: int) -> list[Span]:
    """Return the shards of all splits and corpora, in the order of the index.

    Args:
        counts: Clips of each split and corpus.
        clips_per_shard: Clips of each shard but the last of a corpus.

    Raises:
        ValueError: If a shard would hold no clip.
    """
    if clips_per_shard < 1:
        raise ValueError(f"clips_per_shard must be at least 1, got {clips_per_shard}")
    return [
        Span(split, source, number, first, min(first + clips_per_shard, count))
        for split, sources in counts.items()
        for source, count in sources.items()
        for number, first in enumerate(range(0, count, clips_per_shard))
    ]
