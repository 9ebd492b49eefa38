"""Captions and references as people have them: JSON lines, tables, and the official lists of AudioCaps and Clotho."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from uat_lightning.data.corpora.audiocaps import read_audiocaps
from uat_lightning.data.corpora.clotho import CAPTIONS
from uat_lightning.data.corpora.metadata import read_table
from uat_lightning.data.identity import key, keys_of_file
from uat_lightning.data.manifest_rows import captions, read_rows, read_text

# The fields that may say which clip a row is of, the surest first.
NAMES = ("id", "uid", "audio", "file_name", "name", "audiocap_id", "youtube_id")


@dataclass(frozen=True)
class Said:
    """Somebody's captions.

    Args:
        captions: The caption of each clip by its name; may be empty.
        several: Clips of whose captions the first was taken.
    """

    captions: dict[str, str]
    several: int = 0


@dataclass
class References:
    """True captions, and all names that a clip may go by.

    Args:
        captions: The true captions of each clip by its id.
        malformed: Rows of an official list that are none.
    """

    captions: dict[str, list[str]] = field(default_factory=dict)
    malformed: int = 0
    _names: dict[str, set[str]] = field(default_factory=dict)

    def add(self, clip: str, texts: Iterable[str], names: Iterable[str] = ()) -> None:
        """Add captions of a clip, and further names of it."""
        self.captions.setdefault(clip, []).extend(texts)
        for name in (*names, PurePosixPath(clip).stem, key(clip), *keys_of_file(clip)):
            self._names.setdefault(name, set()).add(clip)

    def find(self, name: str) -> str | None:
        """Return the id of the clip that somebody calls by a name, None where there is none.

        Raises:
            ValueError: If it may be several.
        """
        if name in self.captions:
            return name
        found = (self._names.get(each) for each in (name, PurePosixPath(name).stem, *sorted(keys_of_file(name))))
        clips = sorted(next((some for some in found if some), set()))
        if len(clips) > 1:
            raise ValueError(f"{name} may be {clips[0]} or {clips[1]}: call it by the id of the references")
        return clips[0] if clips else None


def read_captions(file: Path) -> Said:
    """Read somebody's captions, one for each clip; of several in a row the first.

    Args:
        file: ``.jsonl`` with ``id`` or ``audio`` and ``caption`` or ``captions`` in each line, or a table with these.

    Raises:
        ValueError: If it cannot be read, a row lacks something, or a clip comes twice.
    """
    said: dict[str, str] = {}
    several = 0
    for line, name, texts in _rows(file):
        if name in said:
            raise ValueError(f"{file}, line {line}: a second caption of {name}: give one for each clip")
        said[name], several = texts[0], several + (len(texts) > 1)
    if not said:
        raise ValueError(f"{file} holds no caption: write a line for each clip")
    return Said(said, several)


def read_references(file: Path) -> References:
    """Read true captions; rows of one clip are joined.

    Args:
        file: As of ``read_captions``, or a list of AudioCaps (``audiocap_id,youtube_id,start_time,caption``) or of
            Clotho (``file_name,caption_1,...,caption_5``).

    Raises:
        ValueError: If it cannot be read, a row of a file that is no official list lacks something, or there is none.
    """
    columns = _columns(file)
    if {"audiocap_id", "youtube_id", "start_time"} <= columns:
        references = _audiocaps(file)
    elif {"file_name", *CAPTIONS} <= columns:
        references = _clotho(file)
    else:
        references = References()
        for _, name, texts in _rows(file):
            references.add(name, texts)
    if not references.captions:
        raise ValueError(f"{file} holds no reference: write a line for each clip")
    return references


def _rows(file: Path) -> Iterable[tuple[int, str, list[str]]]:
    for line, row in read_rows(file):
        if isinstance(row, ValueError):
            raise ValueError(f"{file}, line {line}: {row}") from row
        name = next((str(row[field]).strip() for field in NAMES if row.get(field) not in (None, "")), "")
        texts = captions(row)
        if not name or not texts:
            lacks = "caption" if name else "id (or audio)"
            raise ValueError(
                f"{file}, line {line}: no {lacks} among the fields {', '.join(list(row)[:12]) or '(none)'}"
            )
        yield line, name, texts


def _columns(file: Path) -> set[str]:
    if file.suffix.lower() != ".csv":
        return set()
    return set(next(csv.reader([read_text(file).partition("\n")[0]]), []))


def _audiocaps(file: Path) -> References:
    table, malformed = read_audiocaps(file)
    references = References(malformed=malformed)
    for row in table.select(["identity", "every_number", "caption"]).to_pylist():
        _add_official(references, row["identity"], [row["caption"]], (row["every_number"],))
    return references


def _clotho(file: Path) -> References:
    table, malformed = read_table(file, ("file_name", *CAPTIONS))
    references = References(malformed=malformed)
    for row in table.to_pylist():
        _add_official(references, row["file_name"], [row[name] for name in CAPTIONS])
    return references


def _add_official(
    references: References, clip: str | None, texts: Iterable[str | None], names: Iterable[str] = ()
) -> None:
    said = [text for text in texts if text and text.strip()]
    if clip and said:
        references.add(clip, said, names)
    else:
        references.malformed += 1
