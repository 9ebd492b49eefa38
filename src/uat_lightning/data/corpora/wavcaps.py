"""WavCaps (Mei et al. 2023): 400,000 captions made by a model from descriptions of four collections of sounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from uat_lightning.data.corpora.audio_files import AudioFiles
from uat_lightning.data.corpora.metadata import read_objects
from uat_lightning.data.corpora.official import OfficialCorpus, OfficialList
from uat_lightning.data.corpora.styles import youtube_styles
from uat_lightning.data.corpora.youtube import Segments, identities, videos
from uat_lightning.data.identity import VIDEO


@dataclass(frozen=True)
class _Collection:
    """One of the four: how its list ends, what its identities begin with, how its folder's name begins."""

    file: str
    prefix: str
    folder: str


COLLECTIONS = {
    "AudioSet": _Collection("as_final.json", "yt", "AudioSet"),
    "BBC": _Collection("bbc_final.json", "bbc", "BBC"),
    "FreeSound": _Collection("fsd_final.json", "fs", "FreeSound"),
    "SoundBible": _Collection("sb_final.json", "soundbible", "SoundBible"),
}


class WavCaps(OfficialCorpus):
    """WavCaps; all of it is to train on.

    ``metadata`` is the folder of ``as_final.json``, ``bbc_final.json``, ``fsd_final.json`` and ``sb_final.json``, in
    whatever folders beneath it, of which any may be absent; or one of these files. Sounds last up to 19 hours: of each,
    the first ``first_seconds`` are read.

    Args:
        audio: Folder of the sound files, named ``{id}``; AudioSet's ``Y{youtube_id}`` or as for AudioCaps. Folders
            whose names begin with AudioSet, BBC, FreeSound and SoundBible keep the collections apart, as ids of the
            last two coincide.
        metadata: Folder of the lists, or one list.
        segments: AudioSet's ``*_segments.csv`` or the folder of them: AudioSet's clips are listed without the time at
            which they begin, and files that are named by it are found with this only.
        first_seconds: Seconds read of each sound, from its beginning.
    """

    def __init__(self, audio: str, metadata: str, segments: str | None = None, first_seconds: float = 60.0) -> None:
        super().__init__(audio, metadata, first_seconds)
        self.segments, self.first_seconds = segments, first_seconds

    def lists(self) -> Iterator[OfficialList]:
        """Read the lists that there are."""
        for part, collection in COLLECTIONS.items():
            for file in self._files(collection.file):
                yield self._list(part, collection, file)

    def _files(self, name: str) -> list[Path]:
        if self.metadata.is_dir():
            return sorted(self.metadata.rglob(f"*{name}"))[:1]  # some keep a copy beside the audio
        return [self.metadata] if self.metadata.name.endswith(name) else []

    def _list(self, part: str, collection: _Collection, file: Path) -> OfficialList:
        table, malformed = read_objects(file, ("id", "caption"), ("file_name",))
        stems = pc.replace_substring_regex(table["id"], r"\.(wav|flac)$", "")
        rows = {"stem": stems, "caption": table["caption"], "end": pa.array([self.first_seconds] * len(stems))}
        if collection.prefix == "yt":
            rows |= self._audioset(stems)
        else:
            known = pc.if_else(pc.greater(pc.utf8_length(stems), 0), stems, None)
            rows |= {"identity": pc.binary_join_element_wise(collection.prefix, known, ":")}
            rows |= {"aliases": _clotho_names(table["file_name"])}
        return OfficialList("train", part, pa.table(rows), malformed, _styles, collection.folder)

    def _audioset(self, stems: pa.ChunkedArray) -> dict[str, pa.Array]:
        video = videos(stems, f"^Y(?P<video>{VIDEO})$")
        start = Segments(self.segments).starts(video) if self.segments else pa.nulls(len(video), pa.int64())
        return {"video": video, "start": start, "identity": identities(video, start)}


def _clotho_names(names: pa.ChunkedArray) -> pa.Array:
    """Return what Clotho calls the sounds, as it kept the names that Freesound's users gave."""
    stems = pc.replace_substring_regex(names, r"\.[^.]*$", "").to_pylist()
    return pa.array([[f"clotho:{stem}"] if stem else [] for stem in stems], pa.list_(pa.string()))


def _styles(clips: pa.Table, files: AudioFiles) -> Iterator[pa.Array]:
    yield clips["stem"].combine_chunks()
    if "video" in clips.column_names:
        yield from youtube_styles(clips["video"].combine_chunks(), clips["start"].combine_chunks())
