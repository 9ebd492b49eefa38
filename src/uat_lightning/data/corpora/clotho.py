"""Clotho (Drossos et al. 2020): five captions for each of some 6,000 sounds of Freesound, 15 to 30 seconds long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from uat_lightning.data.corpora.audio_files import AudioFiles
from uat_lightning.data.corpora.metadata import read_table
from uat_lightning.data.corpora.official import OfficialCorpus, OfficialList
from uat_lightning.data.identity import loose

CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))
# Clotho's word for a split, and the words of those who packed it anew.
NAMES = {
    "train": ("development", "dev", "train"),
    "validation": ("validation", "val"),
    "test": ("evaluation", "eval", "test"),
}


class Clotho(OfficialCorpus):
    """Clotho; its development, validation and evaluation are train, validation and test.

    ``metadata`` is the folder of ``clotho_captions_development.csv`` and its sisters (or of ``train.csv``, ``val.csv``,
    ``test.csv`` with the same columns), of which any may be absent. ``clotho_metadata_development.csv`` and its sisters
    beside them say which Freesound sounds the clips are.

    Args:
        audio: Folder of the sound files, in whatever folders beneath it, with Clotho's names. Characters that not
            every system allows in a name may have become underscores.
        metadata: Folder of the lists.
        longest_file: Seconds of a clip that may be read; longer clips are reported and left out.
    """

    def __init__(self, audio: str, metadata: str, longest_file: float = 120.0) -> None:
        super().__init__(audio, metadata, longest_file)

    def lists(self) -> Iterator[OfficialList]:
        """Read the lists that there are."""
        for split in NAMES:
            if found := read_clotho(self.metadata, split):
                yield OfficialList(split, split, *found, _styles, f"(clotho_audio_)?({'|'.join(NAMES[split])})")


def read_clotho(metadata: Path, split: str) -> tuple[pa.Table, int] | None:
    """Read a split: a row for each caption, and the number of rows that are none; None where no list has it.

    Args:
        metadata: The folder of the lists.
        split: "train", "validation" or "test".
    """
    file = _file(metadata, "captions", split) or next(
        (metadata / f"{name}.csv" for name in NAMES[split] if (metadata / f"{name}.csv").is_file()), None
    )
    if file is None:
        return None
    table, malformed = read_table(file, ("file_name", *CAPTIONS))
    stems = pc.replace_substring_regex(table["file_name"], r"\.[^.]*$", "")
    clips = pa.table({"stem": stems, "aliases": _freesound(metadata, split, table["file_name"])})
    clips = clips.append_column("identity", pc.binary_join_element_wise("clotho", stems, ":"))
    each = [clips.append_column("caption", table[caption]) for caption in CAPTIONS]
    return pa.concat_tables(each), malformed


def _file(metadata: Path, kind: str, split: str) -> Path | None:
    names = (metadata / f"clotho_{kind}_{name}.csv" for name in NAMES[split])
    return next((file for file in names if file.is_file()), None)


def _freesound(metadata: Path, split: str, names: pa.ChunkedArray) -> pa.Array:
    """Return the Freesound identity of each file in a list, an empty list where none is known."""
    file = _file(metadata, "metadata", split)
    if file is None:
        return pa.nulls(len(names), pa.list_(pa.string()))
    table, _ = read_table(file, ("file_name", "sound_id"), encoding="ISO-8859-1")
    numbers = dict(zip(table["file_name"].to_pylist(), table["sound_id"].to_pylist(), strict=True))
    found = ((numbers.get(name) or "").strip() for name in names.to_pylist())
    return pa.array([[f"fs:{number}"] if number.isdigit() else [] for number in found], pa.list_(pa.string()))


def _styles(clips: pa.Table, files: AudioFiles) -> Iterator[pa.Array]:
    stems = clips["stem"].to_pylist()
    yield pa.array(stems)
    unified = {loose(stem): stem for stem in files.stems.to_pylist()}
    yield pa.array([unified.get(loose(stem)) for stem in stems], pa.string())
