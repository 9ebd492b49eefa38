"""Many clips in columns: what a list of ``Entry`` would be, in a fifth of its memory."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from uat_lightning.data.manifest import Entry

SCHEMA = pa.schema(
    {
        "name": pa.string(),
        "identity": pa.string(),
        "captions": pa.list_(pa.string()),
        "aliases": pa.list_(pa.string()),
        "start": pa.float64(),
        "end": pa.float64(),
        "size": pa.int64(),
        "changed": pa.int64(),
        "part": pa.dictionary(pa.int8(), pa.string()),
    }
)
LARGE = 1 << 26  # bytes from which a table lies in a file that is mapped, not read: ranks and workers then share it
ROWS = 4096  # turned into entries at once


class Clips(Sequence[Entry]):
    """Clips of one root folder, kept in an Arrow table and made into entries when asked for.

    Args:
        root: The folder that names are relative to.
        table: Columns of ``SCHEMA``; those that hold nothing may be absent.
    """

    def __init__(self, root: Path, table: pa.Table) -> None:
        self.root, self.table = root, table

    @classmethod
    def of(cls, root: Path, entries: Sequence[Entry]) -> Clips:
        """Put entries into columns."""
        columns = ((e.name, e.identity, e.captions, e.aliases, e.start, e.end, *e.version, None) for e in entries)
        batches = []
        while rows := list(itertools.islice(columns, ROWS)):
            arrays = [pa.array(c, f.type) for c, f in zip(zip(*rows, strict=True), SCHEMA, strict=True)]
            batches.append(pa.record_batch(arrays, schema=SCHEMA))
        return cls(root, mapped(pa.Table.from_batches(batches, SCHEMA)))

    def __len__(self) -> int:
        """Return the number of clips."""
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Clips: ...
    def __getitem__(self, index: int | slice) -> Entry | Clips:
        """Return one clip, or some."""
        places = range(len(self))[index]
        if isinstance(places, range):
            return Clips(self.root, self.table.take(np.asarray(places, np.int64)))
        return self._entry(self.table.slice(places, 1).to_pylist()[0])

    def __iter__(self) -> Iterator[Entry]:
        """Yield all clips."""
        for first in range(0, len(self), ROWS):
            yield from map(self._entry, self.table.slice(first, ROWS).to_pylist())

    def where(self, kept: NDArray[np.bool_]) -> Clips:
        """Return the clips that a mask of shape (clips,) keeps."""
        return Clips(self.root, mapped(self.table.filter(pa.array(kept))))

    def names(self) -> Iterator[tuple[str, tuple[str, ...], str]]:
        """Yield the identity, the aliases and the name of each clip, without making entries."""
        columns = self.table.select([c for c in ("name", "identity", "aliases") if c in self.table.column_names])
        for first in range(0, len(self), ROWS):
            for row in columns.slice(first, ROWS).to_pylist():
                yield row.get("identity") or "", tuple(row.get("aliases") or ()), row["name"]

    def parts(self) -> list[str | None]:
        """Return which list of its corpus each clip is from, None where nobody said."""
        said = "part" in self.table.column_names
        return self.table["part"].to_pylist() if said else [None] * len(self)

    def _entry(self, row: dict[str, Any]) -> Entry:
        name, captions, aliases = row["name"], tuple(row["captions"]), tuple(row.get("aliases") or ())
        version = (row.get("size") or 0, row.get("changed") or 0)
        file, part = self.root / name, (row.get("start") or 0.0, row.get("end"))
        return Entry(name, file, captions, *part, "", version, row.get("identity") or "", aliases)


def mapped(table: pa.Table) -> pa.Table:
    """Return the table, in a file of the temporary folder (``$TMPDIR``) where it is large; the file is gone with it."""
    if table.nbytes < LARGE:
        return table.combine_chunks()
    descriptor, name = tempfile.mkstemp(suffix=".arrow", prefix="uat-clips-")
    os.close(descriptor)
    try:
        with pa.OSFile(name, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=1 << 16)
        return pa.ipc.open_file(pa.memory_map(name)).read_all()
    finally:
        with contextlib.suppress(OSError):  # where a mapped file cannot be removed, the system's cleaning does
            Path(name).unlink()
