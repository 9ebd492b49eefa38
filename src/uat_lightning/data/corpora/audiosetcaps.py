"""AudioSetCaps (Bai et al. 2024): six million captions made by models for AudioSet, VGGSound and YouTube-8M."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from uat_lightning.data.corpora.audio_files import AudioFiles
from uat_lightning.data.corpora.metadata import read_table
from uat_lightning.data.corpora.official import OfficialCorpus, OfficialList
from uat_lightning.data.corpora.styles import youtube_styles
from uat_lightning.data.corpora.youtube import Segments, fields, identities, seconds
from uat_lightning.data.identity import VIDEO

# The three lists write their ids differently. An id may begin with Y and hold underscores: each list has its pattern.
PATTERNS = {
    "VGGSound": rf"^(?P<video>{VIDEO})_(?P<start>\d{{6}})$",
    "YouTube-8M": rf"^(?P<video>{VIDEO})_(?P<start>\d+)_\d+$",
    "AudioSet": rf"^Y(?P<video>{VIDEO})(?P<start>)$",
}


class AudioSetCaps(OfficialCorpus):
    """AudioSetCaps; all of it is to train on.

    ``metadata`` is the folder of ``AudioSetCaps_caption.csv``, ``VGGSound_AudioSetCaps_caption.csv`` and
    ``YouTube-8M_AudioSetCaps_caption.csv``, or one of these files. A clip that two of them list has both captions.

    Args:
        audio: Folder of the sound files, in whatever folders beneath it: named by the id of the list, or as for
            AudioCaps.
        metadata: Folder of the lists, or one list.
        segments: AudioSet's ``*_segments.csv`` or the folder of them. The list of AudioSet does not say where its clips
            begin: files that are named by their time are found with this only.
        longest_file: Seconds of a clip that may be read; longer clips are reported and left out.
    """

    def __init__(self, audio: str, metadata: str, segments: str | None = None, longest_file: float = 120.0) -> None:
        super().__init__(audio, metadata, longest_file)
        self.segments = segments

    def lists(self) -> Iterator[OfficialList]:
        """Read the lists that there are."""
        folder = self.metadata.is_dir()
        for file in sorted(self.metadata.rglob("*AudioSetCaps_caption.csv")) if folder else [self.metadata]:
            yield self._list(file)

    def _list(self, file: Path) -> OfficialList:
        part = next((name for name in ("VGGSound", "YouTube-8M") if file.name.startswith(name)), "AudioSet")
        table, malformed = read_table(file, ("id", "caption"))
        found = fields(table["id"], PATTERNS[part])
        video, start = found["video"].combine_chunks(), seconds(found["start"])
        if part == "AudioSet" and self.segments:
            start = Segments(self.segments).starts(video)
        columns = {"identity": identities(video, start), "video": video, "start": start}
        rows = pa.table({"id": table["id"], "caption": table["caption"], **columns})
        return OfficialList("train", part, rows, malformed, _styles)


def _styles(clips: pa.Table, files: AudioFiles) -> Iterator[pa.Array]:
    yield clips["id"].combine_chunks()
    yield from youtube_styles(clips["video"].combine_chunks(), clips["start"].combine_chunks())
