"""A shard folder in the making: written shard by shard by any number of processes, killed and gone on with at any time.

Whatever is unfinished lies in ``.build``. A shard is written under a temporary name there, takes its place, and is done
once its rows are there as well. ``meta.json`` comes last of all: a folder that has one is complete. No process waits
for another: the one that writes the last shard finishes the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from uat_lightning.data.shards import index, meta
from uat_lightning.data.shards.draft import Draft
from uat_lightning.data.shards.index import SCHEMA
from uat_lightning.data.shards.meta import PARTS, Meta, Shard, read_meta
from uat_lightning.data.shards.moments import Moments
from uat_lightning.data.shards.spans import Span, spans

SKIPPED = "skipped.jsonl"
WORK, ORDER, CLAIM = ".build", "order.json", "finishing"


class ShardBuild:
    """Writes a shard folder.

    Args:
        folder: The folder.
        made_of: What shapes the content, in plain values; a folder begun with others is not gone on with.
        counts: Clips of each split and corpus.
        clips_per_shard: Clips of each shard but the last of a corpus.
        about: Further fields of ``meta.json``, asked for at the end.
    """

    def __init__(
        self,
        folder: Path,
        made_of: dict[str, Any],
        counts: dict[str, dict[str, int]],
        clips_per_shard: int,
        about: Callable[[], dict[str, Any]],
    ) -> None:
        self.folder, self.work, self.about = folder, folder / WORK, about
        plain = {**made_of, "counts": counts, "clips_per_shard": clips_per_shard}
        self.made_of: dict[str, Any] = json.loads(json.dumps(plain, default=str))
        self.spans = spans(counts, clips_per_shard)

    @property
    def complete(self) -> bool:
        """Whether the folder is finished."""
        return (self.folder / meta.NAME).exists()

    def begin(self) -> None:
        """Make the folder, or see that what was begun in it is this; runs in one process, before the others write.

        Raises:
            ValueError: If it holds shards of something else, or anything else.
        """
        made_of = json.dumps(self.made_of, indent=1, sort_keys=True)
        order = self.work / ORDER
        if self.complete:
            there = json.dumps(read_meta(self.folder).made_of, indent=1, sort_keys=True)
        else:
            self._begin(order, made_of)
            there = order.read_text(encoding="utf-8")
        if there != made_of:
            raise ValueError(f"{self.folder} holds shards of {_difference(there, made_of)}: name another folder")
        self._clear()

    def _begin(self, order: Path, made_of: str) -> None:
        others = [file.name for file in self.folder.iterdir()] if self.folder.is_dir() else []
        if others and WORK not in others:
            raise ValueError(f"{self.folder} holds something else than shards: empty it, or name another folder")
        self.work.mkdir(parents=True, exist_ok=True)
        if not order.exists():
            with self.new_file(order) as file:
                file.write(made_of.encode())

    def _clear(self) -> None:
        """Remove what a killed run left unfinished."""
        if self.complete:
            shutil.rmtree(self.work, ignore_errors=True)
            return
        for left in self.work.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
            elif left.name != ORDER and left.suffix != ".rows":
                left.unlink()

    def make_parts(self, write: Callable[[Path], None]) -> Path:
        """Return the folder of codec and tokenizer, written by ``write`` where it is not there."""
        parts = self.folder / PARTS
        if not parts.exists():
            temporary = Path(tempfile.mkdtemp(dir=self.work))
            temporary.chmod(0o755)
            write(temporary)
            temporary.rename(parts)
        return parts

    def done(self, span: Span) -> bool:
        """Return whether a shard is written."""
        return self.complete or self._rows(span).exists()

    def _rows(self, span: Span) -> Path:
        return self.work / f"{span.name}.rows"

    def draft(self, span: Span, width: int) -> Draft:
        """Begin a shard of latents with so many channels."""
        return Draft(span, self.spans.index(span), self.work / f"{span.name}.{secrets.token_hex(4)}", width)

    def keep(self, draft: Draft) -> None:
        """Put a shard in its place."""
        draft.close()
        draft.file.replace(self.folder / draft.span.name)
        _settle(self.folder)
        table = pa.Table.from_pylist(draft.rows, SCHEMA).replace_schema_metadata({"shard": json.dumps(draft.record())})
        with self.new_file(self._rows(draft.span)) as file:
            pq.write_table(table, file)

    @contextlib.contextmanager
    def new_file(self, file: Path) -> Iterator[BinaryIO]:
        """Open a file that takes its name once it is written and on the disk."""
        temporary = self.work / f"{file.name}.{secrets.token_hex(4)}"
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
        _settle(file.parent)

    def finish(self) -> Meta | None:
        """Write index and ``meta.json`` if all shards are done and no other process is at it; return what was written.

        Raises:
            ValueError: If no clip could be used.
        """
        if self.complete or not all(self.done(span) for span in self.spans):
            return None
        try:
            (self.work / CLAIM).touch(exist_ok=False)
        except FileExistsError:
            return None
        written = self._finish()
        with self.new_file(self.folder / meta.NAME) as file:
            file.write(written.text().encode())
        shutil.rmtree(self.work)
        return written

    def _finish(self) -> Meta:
        records = self._write_index()
        skipped = [clip for record in records for clip in record["skipped"]]
        with self.new_file(self.folder / SKIPPED) as file:
            file.writelines(json.dumps(clip, ensure_ascii=False).encode() + b"\n" for clip in skipped)
        shards = tuple(
            Shard(span.name, record["size"], record["clips"]) for span, record in zip(self.spans, records, strict=True)
        )
        if not any(shard.clips for shard in shards):
            reasons = "; ".join(str(clip["reason"]) for clip in skipped[:3])
            raise ValueError(f"{self.folder}: no usable clip among {len(skipped)}. {reasons}")
        moments = _summed([Moments.from_plain(record["moments"]) for record in records])
        clips = {split: dict.fromkeys(sources, 0) for split, sources in self.made_of["counts"].items()}
        for span, shard in zip(self.spans, shards, strict=True):
            clips[span.split][span.source] += shard.clips
        statistics = {"mean": moments.mean.tolist(), "deviation": moments.deviation.tolist(), "frames": moments.count}
        digest = index.digest_of(self.folder / index.NAME)
        fields = {**statistics, **self.about(), "skipped": len(skipped), "made_of": self.made_of}
        return Meta("latents", shards, clips, digest, **fields)

    def _write_index(self) -> list[dict[str, Any]]:
        """Write the rows of all shards into one index, and return the shards' records."""
        records, waiting, rows = [], [], 0
        with self.new_file(self.folder / index.NAME) as file, pq.ParquetWriter(file, SCHEMA) as writer:
            for span in self.spans:
                table = pq.read_table(self._rows(span))
                records.append(json.loads(table.schema.metadata[b"shard"]))
                waiting.append(table.replace_schema_metadata())
                rows += len(table)
                if rows >= index.ROWS or span is self.spans[-1]:
                    writer.write_table(pa.concat_tables(waiting).combine_chunks(), row_group_size=index.ROWS)
                    waiting, rows = [], 0
        return records


def _summed(parts: list[Moments]) -> Moments:
    return sum(parts[1:], start=parts[0])


def _settle(folder: Path) -> None:
    """See that names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _difference(there: str, wanted: str) -> str:
    """Name what differs between two descriptions."""
    old, new = json.loads(there), json.loads(wanted)
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return f"something else ({', '.join(sorted(changed))} differ)"
