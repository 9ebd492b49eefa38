"""Columns of YouTube ids and times, and what they identify."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from uat_lightning.data.corpora.metadata import read_lines
from uat_lightning.data.identity import VIDEO


def videos(ids: pa.ChunkedArray, pattern: str = f"^(?P<video>{VIDEO})$") -> pa.Array:
    """Return the YouTube ids in a column, string (rows,), null where a value does not match as a whole."""
    return fields(ids, pattern)["video"].combine_chunks()


def fields(ids: pa.ChunkedArray, pattern: str) -> pa.Table:
    """Return the named groups of a pattern as string columns, null where a value does not match."""
    found = pc.extract_regex(ids, pattern).combine_chunks()
    names = [field.name for field in found.type]
    return pa.table({name: pc.if_else(found.is_valid(), found.field(name), None) for name in names})


def seconds(times: pa.ChunkedArray) -> pa.Array:
    """Return times written in seconds as milliseconds, int64 (rows,), null where there is no such number."""
    plain = pc.if_else(pc.match_substring_regex(times, r"^\d{1,7}(\.\d*)?$"), times, None)
    exact = pc.multiply(pc.cast(plain, pa.float64()), 1000.0)
    return pc.cast(pc.round(exact), pa.int64()).combine_chunks()


def identities(video: pa.Array, start: pa.Array) -> pa.Array:
    """Return ``yt:{video}:{milliseconds}``, with ``-`` for an unknown time; null where the video is."""
    return pc.binary_join_element_wise("yt", video, pc.fill_null(pc.cast(start, pa.string()), "-"), ":")


class Segments:
    """Where AudioSet's clips begin, by video: what lists that name the video alone leave out.

    Args:
        metadata: AudioSet's ``*_segments.csv``, or a folder of them.
    """

    def __init__(self, metadata: str) -> None:
        self.metadata = Path(metadata).expanduser()

    def starts(self, video: pa.Array) -> pa.Array:
        """Return the beginning of each clip in milliseconds, int64 (clips,), null where AudioSet does not list it.

        Raises:
            ValueError: If there is no list, or one cannot be read.
        """
        files = sorted(self.metadata.glob("*_segments.csv")) if self.metadata.is_dir() else [self.metadata]
        if not files:
            raise ValueError(f"{self.metadata} holds no *_segments.csv: fetch AudioSet's lists, or leave segments out")
        starts = np.full(len(video), -1, np.int64)
        for file in files:
            listed = fields(read_lines(file), f"^(?P<video>{VIDEO}), *(?P<start>[0-9.]+),")
            at = pc.index_in(video, value_set=listed["video"].combine_chunks(), skip_nulls=True)
            found = seconds(listed["start"]).take(at)
            starts = np.where(found.is_valid(), pc.fill_null(found, -1), starts)
        return pc.if_else(pa.array(starts >= 0), pa.array(starts), None)
