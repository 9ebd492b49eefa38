"""Reading all of a shard folder once more, against its checksums."""

from __future__ import annotations

from collections.abc import Iterator

from tqdm import tqdm

from uat_lightning.data.shards import index
from uat_lightning.data.shards.store import ShardFolder


def damaged(folder: ShardFolder) -> Iterator[str]:
    """Yield what is not as the checksums say, shard by shard, with a progress bar: a line for each clip or file."""
    if index.digest_of(folder.place.file(index.NAME)) != folder.meta.index:
        yield f"{index.NAME} is not the one that meta.json describes"
    with tqdm(total=len(folder.index), unit=" clips", desc="Verifying", mininterval=0.5) as bar:
        for batch in folder.index.batches:
            for row in batch.select(["uid", "shard", "offset", "size", "hash"]).to_pylist():
                if reason := _reason(folder, row["shard"], row["offset"], row["size"], row["hash"]):
                    yield f"{row['uid']}: {reason}"
                bar.update()


def _reason(folder: ShardFolder, shard: int, offset: int, size: int, expected: bytes) -> str:
    try:
        content = folder.files.read(shard, offset, size)
    except (ValueError, OSError) as error:
        return str(error)
    name = folder.meta.shards[shard].name
    return "" if index.content_hash(content) == expected else f"{name} holds other bytes than were written"
