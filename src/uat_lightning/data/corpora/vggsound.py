"""VGGSound (Chen et al. 2020): ten seconds of video each, of 309 classes; the class is the caption."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from uat_lightning.data.corpora.audio_files import AudioFiles
from uat_lightning.data.corpora.metadata import read_table
from uat_lightning.data.corpora.official import OfficialCorpus, OfficialList
from uat_lightning.data.corpora.styles import youtube_styles
from uat_lightning.data.corpora.youtube import fields, identities, seconds
from uat_lightning.data.identity import VIDEO

FILE = rf"^(?P<video>{VIDEO})_(?P<start>\d{{6}})(?:\.mp4)?$"


class VGGSound(OfficialCorpus):
    """VGGSound.

    ``metadata`` is the folder of ``vggsound.csv``, or of ``train.csv`` and ``test.csv``, of which either may be absent.

    Args:
        audio: Folder of the sound files, in whatever folders beneath it: ``{youtube_id}_{start, six digits}``, or as
            for AudioCaps.
        metadata: Folder of the lists, or ``vggsound.csv``.
        longest_file: Seconds of a clip that may be read; longer clips are reported and left out.
    """

    def __init__(self, audio: str, metadata: str, longest_file: float = 120.0) -> None:
        super().__init__(audio, metadata, longest_file)

    def lists(self) -> Iterator[OfficialList]:
        """Read the lists that there are."""
        for split in ("train", "test"):
            if found := read_vggsound(self.metadata, split):
                yield OfficialList(split, split, *found, _styles)


def read_vggsound(metadata: Path, split: str) -> tuple[pa.Table, int] | None:
    """Read a split: a row for each clip, and the number of rows that are none; None where no list has it.

    Args:
        metadata: ``vggsound.csv``, or the folder of it or of the lists of the splits.
        split: "train" or "test".
    """
    whole = metadata / "vggsound.csv" if metadata.is_dir() else metadata
    if whole.is_file():
        names = ("youtube_id", "start", "label", "split")
        table, malformed = read_table(whole, names, names)
        table = table.filter(pc.equal(table["split"], split))
        video = fields(table["youtube_id"], f"^(?P<video>{VIDEO})$")["video"]
        return (_rows(video, table["start"], table["label"]), malformed) if table.num_rows else None
    if not (metadata / f"{split}.csv").is_file():
        return None
    table, malformed = read_table(metadata / f"{split}.csv", ("file", "label"), ("file", "label"))
    found = fields(table["file"], FILE)
    return _rows(found["video"], found["start"], table["label"]), malformed


def _rows(video: pa.ChunkedArray, start: pa.ChunkedArray, label: pa.ChunkedArray) -> pa.Table:
    ids, times = video.combine_chunks(), seconds(start)
    return pa.table({"identity": identities(ids, times), "video": ids, "start": times, "caption": label})


def _styles(clips: pa.Table, files: AudioFiles) -> Iterator[pa.Array]:
    yield from youtube_styles(clips["video"].combine_chunks(), clips["start"].combine_chunks())
