"""AudioCaps (Kim et al. 2019): captions written for ten seconds of AudioSet, versions 1 and 2.0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from uat_lightning.data.corpora.audio_files import AudioFiles
from uat_lightning.data.corpora.metadata import read_table
from uat_lightning.data.corpora.official import OfficialCorpus, OfficialList
from uat_lightning.data.corpora.styles import youtube_styles
from uat_lightning.data.corpora.youtube import identities, seconds, videos

COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")


class AudioCaps(OfficialCorpus):
    """AudioCaps.

    ``metadata`` is the folder of ``train.csv``, ``val.csv`` and ``test.csv``, of which any may be absent: ``dataset``
    of the official repository for version 1, ``dataset2.0`` for version 2.0. Validation and test have the same clips
    in both, with other captions.

    Args:
        audio: Folder of the sound files, in whatever folders beneath it: ``{youtube_id}_{start}``, ``Y{youtube_id}``,
            ``{audiocap_id}``, ``{youtube_id}_{milliseconds}_{milliseconds}`` and more.
        metadata: Folder of the lists.
        train: The list to train on, e.g. the corrected one of version 1.
        longest_file: Seconds of a clip that may be read; longer clips are reported and left out.
    """

    def __init__(self, audio: str, metadata: str, train: str = "train.csv", longest_file: float = 120.0) -> None:
        super().__init__(audio, metadata, longest_file)
        self.train = train

    def lists(self) -> Iterator[OfficialList]:
        """Read the lists that there are."""
        for split, name in {"train": self.train, "validation": "val.csv", "test": "test.csv"}.items():
            file = self.metadata / name
            if file.is_file():
                yield OfficialList(split, split, *read_audiocaps(file), _styles)


def read_audiocaps(file: Path) -> tuple[pa.Table, int]:
    """Read a list: a row for each caption, and the number of rows that are none."""
    table, malformed = read_table(file, COLUMNS)
    video, start = videos(table["youtube_id"]), seconds(table["start_time"])
    columns = {"video": video, "start": start, "every_number": table["audiocap_id"], "caption": table["caption"]}
    return pa.table({"identity": identities(video, start), **columns}), malformed


def _styles(clips: pa.Table, files: AudioFiles) -> Iterator[pa.Array]:
    yield from youtube_styles(clips["video"].combine_chunks(), clips["start"].combine_chunks())
    numbers = clips["every_number"].combine_chunks()
    for caption in range(pc.max(pc.list_value_length(numbers)).as_py() or 0):  # a number for each caption of a clip
        longer = pc.greater(pc.list_value_length(numbers), caption)
        places = pc.add(numbers.offsets.slice(0, len(numbers)), caption)
        yield numbers.values.take(pc.if_else(longer, places, None))
