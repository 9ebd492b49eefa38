"""The names that files of a YouTube clip go by, the surest first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LENGTH = 10  # seconds of the clips of AudioSet and of all that came from it


def youtube_styles(video: pa.Array, start: pa.Array) -> Iterator[pa.Array]:
    """Yield the names without suffix that clips may have, an array of strings (clips,) for each style.

    ``{video}_{time}`` and ``Y{video}_{time}`` with the time in several forms, then without one where the video has one
    clip; then the same with an underscore in place of a leading hyphen.

    Args:
        video: Eleven characters each, string (clips,).
        start: Milliseconds from which the clips begin, int64 (clips,), null where unknown.
    """
    alone, times = _alone(video), list(_times(start))
    for name in (video, pc.replace_substring_regex(video, "^-", "_")):
        for prefixed in (name, pc.binary_join_element_wise("Y", name, "")):
            for time in times:
                yield pc.binary_join_element_wise(prefixed, time, "_")
            yield pc.if_else(alone, prefixed, None)


def _times(start: pa.Array) -> Iterator[pa.Array]:
    """Yield the forms that a time has in names; those in seconds are null for a fraction of one."""
    whole = pc.equal(pc.multiply(pc.divide(start, 1000), 1000), start)
    seconds = pc.if_else(whole, pc.divide(start, 1000), None)
    end = pc.add(seconds, LENGTH)
    begin, finish, length = (pc.cast(value, pa.string()) for value in (seconds, end, pa.scalar(LENGTH)))
    first, last = (pc.cast(value, pa.string()) for value in (start, pc.add(start, 1000 * LENGTH)))
    yield begin
    yield pc.utf8_lpad(begin, 6, "0")  # VGGSound
    yield pc.binary_join_element_wise(begin, length, "_")  # AudioSetCaps of YouTube-8M
    yield pc.binary_join_element_wise(begin, finish, "_")
    yield pc.binary_join_element_wise(first, last, "_")  # AudioSet's strong labels
    yield first
    yield pc.binary_join_element_wise(begin, ".000_", finish, ".000", "")


def _alone(video: pa.Array) -> pa.Array:
    """Return which videos occur once, bool (clips,)."""
    codes = video.dictionary_encode()
    codes = (codes.combine_chunks() if isinstance(codes, pa.ChunkedArray) else codes).indices.to_numpy()
    return pa.array(np.bincount(codes)[codes] == 1) if len(codes) else pa.array([], pa.bool_())
