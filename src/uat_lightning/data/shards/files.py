"""Open shards, read at any place."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence

from uat_lightning.data.shards.meta import Shard
from uat_lightning.data.shards.places import Place

OPEN_AT_ONCE = 128  # files; a process may have 1,024 as a rule


class ShardFiles:
    """The tars of a folder, opened when needed.

    Reading does not move a file's position, so that threads and forked processes may share it.

    Args:
        place: Where they are.
        shards: Which they are.
    """

    def __init__(self, place: Place, shards: Sequence[Shard]) -> None:
        self.place, self.shards = place, shards
        self._open: OrderedDict[int, int] = OrderedDict()

    def __reduce__(self) -> tuple[type[ShardFiles], tuple[Place, Sequence[Shard]]]:
        """Travel to other processes without open files."""
        return ShardFiles, (self.place, self.shards)

    def __del__(self) -> None:
        """Close all files."""
        while self._open:
            os.close(self._open.popitem()[1])

    def read(self, shard: int, offset: int, size: int) -> bytes:
        """Return bytes of a shard.

        Raises:
            ValueError: If the shard is missing or shorter than it should be.
        """
        content = os.pread(self.descriptor(shard), size, offset)
        if len(content) != size:
            raise ValueError(f"{self.shards[shard].name} ends before byte {offset + size}: fetch the shard again")
        return content

    def descriptor(self, shard: int) -> int:
        """Return an open file, valid until 127 others were asked for.

        Raises:
            ValueError: If the shard is missing or has another size than it should.
        """
        if shard in self._open:
            self._open.move_to_end(shard)
            return self._open[shard]
        if len(self._open) >= OPEN_AT_ONCE:
            os.close(self._open.popitem(last=False)[1])
        self._open[shard] = self._opened(self.shards[shard])
        return self._open[shard]

    def soon(self, shards: Sequence[int]) -> None:
        """Hear which shards will be asked for next."""
        self.place.soon([self.shards[shard].name for shard in shards if shard not in self._open])

    def _opened(self, shard: Shard) -> int:
        descriptor = self.place.open(shard.name)
        has = os.fstat(descriptor).st_size
        if has != shard.size:
            os.close(descriptor)
            file = self.place.folder / shard.name
            raise ValueError(f"{file} has {has} bytes instead of {shard.size}: fetch or encode the shard again")
        return descriptor
