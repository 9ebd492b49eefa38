"""The table of all clips of a shard folder: ``index.parquet``, read through a memory-mapped Arrow copy.

Parquet is what travels, small and readable anywhere. Reading it takes unpacking, so the first opening keeps an unpacked
copy in the cache, named after the table's digest; all processes of a machine map that one copy.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

NAME = "index.parquet"
ROWS = 1 << 16  # of a row group: what is unpacked at once
SCHEMA = pa.schema(
    [
        pa.field("uid", pa.string(), nullable=False),
        pa.field("shard", pa.int32(), nullable=False),  # its place in meta.json
        pa.field("offset", pa.int64(), nullable=False),  # of the content in the tar, in bytes
        pa.field("size", pa.int64(), nullable=False),  # of the content, in bytes
        pa.field("frames", pa.int64(), nullable=False),  # latent frames, or samples of each channel
        pa.field("sample_rate", pa.int32(), nullable=False),  # of the audio, in Hz
        pa.field("source", pa.string(), nullable=False),  # the corpus
        pa.field("split", pa.string(), nullable=False),
        pa.field("captions", pa.list_(pa.field("element", pa.string(), nullable=False)), nullable=False),
        pa.field("hash", pa.binary(16), nullable=False),  # BLAKE2b of the content
    ]
)


def content_hash(content: bytes) -> bytes:
    """Return the 16 bytes that the index keeps of a member's content."""
    return hashlib.blake2b(content, digest_size=16).digest()


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class ShardIndex:
    """Rows of the index by number.

    Args:
        file: The Arrow copy.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        reader = pa.ipc.open_file(pa.memory_map(str(file)))
        self.batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        self.first = np.cumsum([0, *(batch.num_rows for batch in self.batches)])

    def __len__(self) -> int:
        """Return the number of clips."""
        return int(self.first[-1])

    def __reduce__(self) -> tuple[type[ShardIndex], tuple[Path]]:
        """Travel to other processes as a name: they map the same file."""
        return ShardIndex, (self.file,)

    def numbers(self, column: str, rows: range) -> NDArray[Any]:
        """Return a numeric column of consecutive rows."""
        parts = [batch.column(column) for batch in self.batches]
        found: NDArray[Any] = pa.chunked_array(parts, SCHEMA.field(column).type)[rows.start : rows.stop].to_numpy()
        return found

    def value(self, column: str, row: int) -> Any:  # noqa: ANN401
        """Return a column's value of one row."""
        part = int(np.searchsorted(self.first, row, side="right")) - 1
        return self.batches[part].column(column)[row - int(self.first[part])].as_py()


def open_index(file: Path, digest: str, cache: Path) -> ShardIndex:
    """Open an index, and unpack it into the cache where that has not been done yet.

    Args:
        file: The ``index.parquet``.
        digest: Its SHA-256.
        cache: Folder of unpacked tables.

    Raises:
        ValueError: If the file is missing, damaged, of other content than the digest's, or no index.
    """
    unpacked = cache / f"{digest}.arrow"
    if not unpacked.exists():
        if digest_of(file) != digest:
            raise ValueError(f"{file} is not the index that meta.json describes: fetch the folder again")
        _unpack(file, unpacked)
    return ShardIndex(unpacked)


def _unpack(file: Path, unpacked: Path) -> None:
    unpacked.parent.mkdir(parents=True, exist_ok=True)
    temporary = unpacked.with_name(f".{secrets.token_hex(4)}-{unpacked.name}")
    try:
        with pq.ParquetFile(file) as table, pa.OSFile(str(temporary), "wb") as sink:
            if not table.schema_arrow.equals(SCHEMA):
                raise ValueError(f"{file} has other columns than an index of shards: encode or index the folder anew")
            with pa.ipc.new_file(sink, SCHEMA) as writer:
                for batch in table.iter_batches(ROWS):
                    writer.write_batch(batch)
        temporary.replace(unpacked)
        pa.default_memory_pool().release_unused()
    except pa.ArrowException as error:
        raise ValueError(f"{file} is damaged ({str(error).splitlines()[0][:100]}): fetch it again") from error
    finally:
        temporary.unlink(missing_ok=True)
