"""A dataset as it is distributed: official lists of clips, and sound files in a folder of the user's own making."""

from __future__ import annotations

import functools
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from uat_lightning.data.clips import Clips, mapped
from uat_lightning.data.corpora.audio_files import AudioFiles
from uat_lightning.data.corpus import ListedCorpus
from uat_lightning.data.coverage import Coverage
from uat_lightning.data.identity import key, loose
from uat_lightning.data.manifest import Entry

log = logging.getLogger(__name__)
SPLITS = ("train", "validation", "test")
Joined = tuple[dict[str, Clips], tuple[Coverage, ...], dict[str, frozenset[str]]]


@dataclass(frozen=True)
class OfficialList:
    """The rows of one list.

    Args:
        split: "train", "validation" or "test".
        part: Name of the list within the dataset.
        rows: A caption each: string columns ``identity``, null where a row makes no sense, and ``caption``, and
            whatever ``styles`` needs; optional columns ``aliases`` (lists of identities) and ``end`` (seconds).
        malformed: Rows that were not even that.
        styles: Makes the names that the clips' files may have, the surest first, of the clips (the columns of the rows,
            from the first row of each clip; those whose names begin with ``every_`` from all its rows) and the files.
        folder: Regular expression of how folders begin that this list's files are in, where there are such.
    """

    split: str
    part: str
    rows: pa.Table
    malformed: int
    styles: Callable[[pa.Table, AudioFiles], Iterator[pa.Array]]
    folder: str = ""

    def captioned(self) -> pa.Table:
        """Return the rows that make sense, the column ``caption`` as ``every_caption``, each of it one trimmed line."""
        line = pc.utf8_trim_whitespace(pc.replace_substring_regex(self.rows["caption"], r"[\s\pZ\x{85}]+", " "))
        said = pc.fill_null(pc.greater(pc.utf8_length(line), 0), False)
        place = self.rows.column_names.index("caption")
        return self.rows.set_column(place, "every_caption", line).filter(
            pc.and_(said, pc.is_valid(self.rows["identity"]))
        )

    def keys(self) -> frozenset[str]:
        """Return the keys (``data/identity.py``) of all clips of the list."""
        identities = pc.unique(self.rows["identity"].drop_null()).to_pylist()
        found = {key(identity) for identity in identities}
        found |= {f"name:{loose(each[7:])}" for each in identities if each.startswith("clotho:")}
        if "aliases" in self.rows.column_names:
            found |= set(pc.list_flatten(self.rows["aliases"]).to_pylist())
        if "every_number" in self.rows.column_names:
            found |= {f"audiocaps:{number}" for number in self.rows["every_number"].to_pylist()}
        return frozenset(found)


class OfficialCorpus(ListedCorpus):
    """Base of the datasets: joins official lists with the files of a folder, and says how many it found.

    Args:
        audio: Folder of the sound files, in whatever folders beneath it.
        metadata: Folder of the official lists, or one list.
        longest_file: Seconds of a clip that may be read; longer clips are reported and left out.
    """

    def __init__(self, audio: str, metadata: str, longest_file: float = 120.0) -> None:
        self.audio, self.metadata = Path(audio).expanduser(), Path(metadata).expanduser()
        self.longest_file = longest_file

    @abstractmethod
    def lists(self) -> Iterator[OfficialList]:
        """Read the lists that there are.

        Raises:
            ValueError: If there is none, or one cannot be used.
        """

    @property
    def splits(self) -> Mapping[str, Sequence[Entry]]:
        """The clips of each split whose files were found."""
        return self._joined[0]

    @property
    def coverage(self) -> tuple[Coverage, ...]:
        """What was found, list by list."""
        return self._joined[1]

    @property
    def evaluation(self) -> Mapping[str, frozenset[str]]:
        """Keys of the validation and test clips that are listed, found or not."""
        return self._joined[2]

    @functools.cached_property
    def _joined(self) -> Joined:
        joined = self._join()
        pa.default_memory_pool().release_unused()  # lists and file names are several times what is kept
        return joined

    def _join(self) -> Joined:
        files = AudioFiles.under(self.audio)
        tables: dict[str, list[pa.Table]] = {split: [] for split in SPLITS}
        coverage: list[Coverage] = []
        keys: dict[str, frozenset[str]] = {}
        for listed in self.lists():
            table, covered = _join(type(self).__name__, listed, files)
            log.info("%s", covered)
            tables[listed.split].append(table)
            coverage.append(covered)
            if listed.split != "train":
                keys[f"{type(self).__name__} {listed.split}"] = listed.keys()
        self._check_found(files, coverage)
        found = {split: [table for table in some if table.num_rows] for split, some in tables.items()}
        splits = {split: Clips(self.audio, _merged(some)) for split, some in found.items() if some}
        return splits, tuple(coverage), keys

    def _check_found(self, files: AudioFiles, coverage: Sequence[Coverage]) -> None:
        if not coverage:
            raise ValueError(f"{self.metadata} holds no list of {type(self).__name__}: name the folder of its lists")
        if not sum(each.found for each in coverage):
            listed = sum(each.listed for each in coverage)
            raise ValueError(
                f"{type(self).__name__}: of {listed:,} clips listed in {self.metadata} none is under {self.audio}, "
                f"which holds {len(files.names):,} sound files such as {files.names[0]}: name the folder of its audio"
            )


def _join(corpus: str, listed: OfficialList, files: AudioFiles) -> tuple[pa.Table, Coverage]:
    """Return the clips of a list that have a readable file, in columns of ``Clips``, and the coverage."""
    rows = listed.captioned()
    clips = grouped(rows)
    files = files.within(listed.folder) if listed.folder else files
    places = files.locate(listed.styles(clips, files), clips.num_rows)
    readable = (places >= 0) & (places < files.readable)
    malformed = listed.malformed + listed.rows.num_rows - rows.num_rows
    counts = (clips.num_rows, int(readable.sum()), int((places < 0).sum()), int((places >= files.readable).sum()))
    covered = Coverage(corpus, listed.split, listed.part, rows.num_rows, malformed, *counts)
    return _columns(
        listed.part, clips.filter(pa.array(readable)), files.names.take(pa.array(places[readable]))
    ), covered


def grouped(rows: pa.Table) -> pa.Table:
    """Return one row for each identity, in order of first appearance.

    Columns whose names begin with ``every_`` become lists of all values of the clip; of others the first value stays.
    """
    rows = rows.combine_chunks()
    codes = rows["identity"].combine_chunks().dictionary_encode().indices.to_numpy()
    order, counts = np.argsort(codes, kind="stable"), np.bincount(codes)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    alone = len(counts) == len(codes)
    rows = rows if alone else rows.take(pa.array(order))
    heads = rows if alone else rows.take(pa.array(offsets[:-1]))
    for place, name in enumerate(rows.column_names):
        if name.startswith("every_"):
            values = pa.ListArray.from_arrays(pa.array(offsets), rows[name].combine_chunks())
            heads = heads.set_column(place, name, values)
    return heads


def _columns(part: str, clips: pa.Table, names: pa.Array) -> pa.Table:
    columns = {"name": names, "identity": clips["identity"], "captions": clips["every_caption"]}
    columns |= {name: clips[name] for name in ("aliases", "end") if name in clips.column_names}
    parts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(names), np.int8)), pa.array([part]))
    return pa.table({**columns, "part": parts})


def _merged(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the clips of several lists; one that several list has all their captions, and the first one's file."""
    table = pa.concat_tables(tables, promote_options="default").unify_dictionaries()
    if pc.count_distinct(table["identity"]).as_py() == table.num_rows:
        return mapped(table)
    captions = table["captions"].combine_chunks()
    rows = table.drop_columns("captions").take(pc.list_parent_indices(captions))
    merged = grouped(rows.append_column("every_captions", pc.list_flatten(captions)))
    return mapped(merged.rename_columns([name.removeprefix("every_") for name in merged.column_names]))
