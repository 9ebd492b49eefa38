"""The rows of a manifest: any of its formats to plain fields, and what can be wrong with them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

Row = Mapping[str, object]
CAPTION = re.compile(r"captions?(_\d+)?")
MOST_FIELDS = 4096  # of a row; what has more is no list of clips


def read_rows(file: Path) -> Iterator[tuple[int, Row | ValueError]]:
    """Yield the number of a row's line, and its fields by lower-case name or what is wrong with the row.

    Raises:
        ValueError: If the manifest as a whole cannot be read, or its header lacks a column.
    """
    readers = {".jsonl": _json_rows, ".csv": _table_rows, ".tsv": _table_rows}
    if file.suffix.lower() not in readers:
        raise ValueError(f"{file}: a manifest ends in {', '.join(readers)}")
    return readers[file.suffix.lower()](file, read_text(file))


def read_text(file: Path) -> str:
    """Return a text file's content: UTF-8, or UTF-16 with a byte order mark.

    Raises:
        ValueError: If the file is missing, or has another encoding.
    """
    try:
        content = file.read_bytes()
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{file} is not UTF-8 (line {line}): convert it, e.g. with iconv -f latin1 -t utf-8"
        ) from error
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error


def captions(row: Row) -> list[str]:
    """Return all captions of a row."""
    return [text for key, value in row.items() if CAPTION.fullmatch(key) for text in _texts(value)]


def split(row: Row) -> str:
    """Return the split or fold of a row in lower case, empty where there is none."""
    return next((str(row[key]).strip().lower() for key in ("split", "fold") if row.get(key) not in (None, "")), "")


def seconds(row: Row, key: str) -> float | None:
    """Return a time in seconds, None where there is none.

    Raises:
        ValueError: If it is not a number.
    """
    value = row.get(key)
    if value is None or value == "":
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{key} is not a number of seconds: {str(value)[:40]!r}") from error


def locate(row: Row, folders: Sequence[Path]) -> Path:
    """Return the sound file of a row, from the first of the folders that holds it.

    Raises:
        ValueError: If none does, or a relative path leads out of them.
    """
    audio = row.get("audio")
    if not isinstance(audio, str) or not audio.strip():
        raise ValueError(f"no audio among the fields {', '.join(list(row)[:12]) or '(none)'}")
    path = Path(os.path.normpath(audio.strip()))
    if ".." in path.parts:
        raise ValueError(f"{audio} leads out of the folder: write an absolute path if that is meant")
    for folder in folders:
        if (folder / path).is_file():
            return folder / path
    raise ValueError(f"{audio} does not exist" + ("" if path.is_absolute() else f" in {folders[0]}"))


def _json_rows(file: Path, text: str) -> Iterator[tuple[int, Row | ValueError]]:
    for number, line in enumerate(text.split("\n"), start=1):  # splitlines would also split inside strings
        if line.strip():
            yield number, _object(line)


def _object(line: str) -> Row | ValueError:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return ValueError(f"not JSON: {error}")
    if not isinstance(row, dict):
        return ValueError(f"not a JSON object: {line[:40]}")
    if len(row) > MOST_FIELDS:
        return ValueError(f"{len(row)} fields, more than {MOST_FIELDS}")
    return {str(key).strip().lower(): value for key, value in row.items()}


def _table_rows(file: Path, text: str) -> Iterator[tuple[int, Row | ValueError]]:
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    if header.count(separator) >= MOST_FIELDS:
        raise ValueError(
            f"{file} has {header.count(separator) + 1} columns, more than {MOST_FIELDS}: it is no manifest"
        )
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        table.fieldnames = columns = [name.strip().lower() for name in table.fieldnames or []]
        if "audio" not in columns or not any(map(CAPTION.fullmatch, columns)):
            found = ", ".join(columns[:12])
            raise ValueError(f"{file} has the columns {found or '(none)'}: audio and caption (or captions) are needed")
        for row in table:
            yield table.line_num, _fields(row)
    except csv.Error as error:
        raise ValueError(f"{file}, line {table.line_num}: {error}: see to the quotes there") from error


def _fields(row: Mapping[str | None, object]) -> Row | ValueError:
    beyond = row.get(None)  # where DictReader puts what has no column
    if isinstance(beyond, list) and any(beyond):
        return ValueError("more fields than columns: put quotes around a caption that holds the separator")
    return {key: value for key, value in row.items() if key is not None}


def _texts(value: object) -> list[str]:
    if isinstance(value, str) and value.lstrip().startswith("["):  # a list in a table's cell
        try:
            value = json.loads(value)
        except ValueError:
            return [str(value)]
    if isinstance(value, list):
        return [text for text in value if isinstance(text, str)]
    return [value] if isinstance(value, str) else []
