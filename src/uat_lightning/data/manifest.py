"""Manifests: lists of sound files with captions, as people write them.

A manifest is a ``.jsonl`` file (one object a line) or a ``.csv`` or ``.tsv`` file with a header. Its columns:

- ``audio``: the file, relative to the root folder or else to the manifest's folder. A relative path may not lead out
  of that folder; an absolute path may lead anywhere, as whoever writes one means it.
- ``caption``, ``captions`` (a list) or ``caption_1``, ``caption_2``, ...: what is to be heard.
- ``start``, ``end``: the part of the file, in seconds; optional.
- ``split`` or ``fold``: optional.

Other columns are ignored. Rows of one part of one file are one clip with all their captions.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from uat_lightning.data.audio import read_audio
from uat_lightning.data.manifest_rows import captions, locate, read_rows, seconds, split
from uat_lightning.data.source import CaptionedAudio, Source

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A clip of a manifest.

    Args:
        name: The file relative to the root, absolute where it is elsewhere.
        file: The sound file.
        captions: What is to be heard, at least one.
        start: Where the part begins, in seconds.
        end: Where it stops, in seconds; the end of the file where None.
        split: Name of the split or number of the fold in lower case, empty where none is given.
        version: Size of the file in bytes and time of its last change in nanoseconds; zeros where nobody looked.
        identity: What the clip is called wherever it appears (``data/identity.py``); empty where nobody knows.
        aliases: Further identities of the same sound.
    """

    name: str
    file: Path
    captions: tuple[str, ...]
    start: float = 0.0
    end: float | None = None
    split: str = ""
    version: tuple[int, int] = (0, 0)
    identity: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def uid(self) -> str:
        """The identity, or else the name, and the part where the clip is a part of the file."""
        if self.identity:
            return self.identity
        whole = not self.start and self.end is None
        return self.name if whole else f"{self.name}#{self.start}-{'' if self.end is None else self.end}"


@dataclass
class Listing:
    """Clips, and why rows were left out.

    Args:
        clips: The clips by uid.
        reasons: A line for each row that was left out.
    """

    clips: dict[str, Entry] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Add a clip, or its captions to the clip that is there.

        Raises:
            ValueError: If the clip is there under another split.
        """
        there = self.clips.setdefault(entry.uid, entry)
        if there.split != entry.split:
            raise ValueError(f"{entry.uid} is listed in split {there.split!r} already, now in {entry.split!r}")
        if there is not entry:
            self.clips[entry.uid] = replace(there, captions=there.captions + entry.captions)

    def report(self, name: object) -> list[Entry]:
        """Return the clips, and say how many rows were left out and why.

        Raises:
            ValueError: If no clip is left.
        """
        left_out, shown = len(self.reasons), "; ".join(self.reasons[:3])
        if not self.clips:
            raise ValueError(
                f"{name}: no usable clip. {f'{left_out} left out: {shown}' if left_out else 'It is empty'}"
            )
        if self.reasons:
            log.warning("%s: left out %d, kept %d clips. %s", name, left_out, len(self.clips), shown)
        return list(self.clips.values())


class ManifestSource(Source):
    """Clips read from sound files.

    Args:
        entries: The clips.
        sample_rate: Samples per second wanted, in Hz.
        channels: Channels wanted.
        longest: Seconds of a clip that may be read.
    """

    def __init__(self, entries: Sequence[Entry], sample_rate: int, channels: int, longest: float = 600.0) -> None:
        self.entries, self.sample_rate, self.channels, self.longest = entries, sample_rate, channels, longest

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.entries)

    def __getitem__(self, index: int) -> CaptionedAudio:
        """Read one clip."""
        entry = self.entries[index]
        waveform = read_audio(entry.file, self.sample_rate, self.channels, entry.start, entry.end, self.longest)
        return CaptionedAudio(entry.uid, waveform, entry.captions)

    def uid(self, index: int) -> str:
        """Return the name of a clip."""
        return self.entries[index].uid


def read_manifest(file: Path, root: Path) -> Listing:
    """Read a manifest.

    Args:
        file: The manifest.
        root: The folder that its paths are relative to; the manifest's own folder is looked in after it.

    Raises:
        ValueError: If the manifest as a whole cannot be read, or lacks a column.
    """
    listing = Listing()
    for line, row in read_rows(file):
        try:
            if isinstance(row, ValueError):
                raise row
            start, end = seconds(row, "start") or 0.0, seconds(row, "end")
            found = locate(row, (root, file.parent))
            listing.add(make_entry(found, root, captions(row), start, end, split(row)))
        except (ValueError, OSError) as error:
            listing.reasons.append(f"line {line}: {error}")
    return listing


def make_entry(
    file: Path, root: Path, captions: Sequence[str], start: float = 0.0, end: float | None = None, split: str = ""
) -> Entry:
    """Return the clip of a file, or of a part of it; captions become single lines, empty ones go.

    Raises:
        ValueError: If there is no caption, or the part is none.
        OSError: If there is no such file.
    """
    lines = (" ".join(text.encode("utf-8", "replace").decode().split()) for text in captions)
    kept = tuple(line for line in lines if line)
    if not kept:
        raise ValueError(f"{file.name} has no caption")
    if not (start >= 0 and math.isfinite(start) and (end is None or end > start)):
        raise ValueError(f"start must be 0 or more and end above it, got start {start} and end {end}")
    file, root = Path(os.path.normpath(file)).absolute(), Path(os.path.normpath(root)).absolute()
    name = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
    status = file.stat()
    return Entry(name, file, kept, start, end, split, (status.st_size, status.st_mtime_ns))
