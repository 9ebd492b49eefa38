"""Official lists as they are distributed: tables and JSON, read in columns; rows that make no sense are counted."""

from __future__ import annotations

import itertools
import json
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

log = logging.getLogger(__name__)
BLOCK = 1 << 24  # bytes of a table parsed at once; no row is longer
LONGEST_HEADER = 1 << 16  # bytes
LONGEST_OBJECT = 1 << 24  # characters
PIECE = 1 << 20  # characters read at once
BETWEEN = re.compile(r"[\s,]*")
AT_ONCE = 1 << 14  # objects put into columns at once


def read_table(
    file: Path, columns: Sequence[str], names: Sequence[str] | None = None, encoding: str = "utf-8"
) -> tuple[pa.Table, int]:
    """Read columns of a comma-separated table as strings.

    Args:
        file: The table; values in quotes may hold commas, doubled quotes and line breaks.
        columns: The columns wanted.
        names: Names of all columns where the table has no header.
        encoding: The table's.

    Returns:
        The columns, and the number of rows that were left out for having too many fields or too few.

    Raises:
        ValueError: If the file cannot be read, is no such table, lacks a column or has another encoding.
    """
    refused = _Refused()
    _check_header(file, columns, names, encoding)
    parse = csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refused)
    read = csv.ReadOptions(block_size=BLOCK, column_names=names, encoding=encoding, use_threads=False)
    convert = csv.ConvertOptions(include_columns=list(columns), column_types=dict.fromkeys(columns, pa.string()))
    try:
        table = csv.read_csv(file, read, parse, convert)
    except (pa.ArrowException, UnicodeError) as error:
        raise ValueError(_complaint(file, str(error))) from error
    _check_quotes(file, table, refused)
    if refused.count:
        what = "rows with too many fields or too few, the first"
        log.warning("%s: left out %d %s: %r", file, refused.count, what, refused.first)
    return table, refused.count


class _Refused:
    """Counts the rows that do not fit the columns; what they hold may be long."""

    def __init__(self) -> None:
        self.count, self.first, self.broken = 0, "", False

    def __call__(self, row: csv.InvalidRow) -> str:
        self.first = self.first or row.text[:60]
        self.broken |= "\n" in row.text
        self.count += 1
        return "skip"


def read_lines(file: Path) -> pa.ChunkedArray:
    """Read a text file's lines.

    Raises:
        ValueError: If the file cannot be read or is not UTF-8.
    """
    _check_file(file)
    read = csv.ReadOptions(block_size=BLOCK, column_names=["line"], use_threads=False)
    convert = csv.ConvertOptions(column_types={"line": pa.string()})
    try:
        return csv.read_csv(file, read, csv.ParseOptions(delimiter="\x1f", quote_char=False), convert)["line"]
    except pa.ArrowException as error:
        raise ValueError(_complaint(file, str(error))) from error


def read_objects(file: Path, needed: Sequence[str], further: Sequence[str] = ()) -> tuple[pa.Table, int]:
    """Read the objects of the list ``data`` in a JSON file, a few at a time whatever the file's size.

    Args:
        file: ``{"data": [{...}, ...], ...}``.
        needed: Fields that hold a string or a number; a list of them makes a row of each.
        further: Fields that may be absent, and are empty then.

    Returns:
        The columns, all strings, and the number of objects that lack a needed field.

    Raises:
        ValueError: If the file cannot be read or is no such file.
    """
    counted = (_rows(item, needed, further) for item in _objects(file))
    schema, malformed = pa.schema([(name, pa.string()) for name in (*needed, *further)]), 0
    batches = []
    while some := list(itertools.islice(counted, AT_ONCE)):
        malformed += sum(not rows for rows in some)
        batches.append(pa.RecordBatch.from_pylist([row for rows in some for row in rows], schema))
    return pa.Table.from_batches(batches, schema), malformed


def _rows(item: object, needed: Sequence[str], further: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of an object, none if a needed field is absent or neither string nor number."""
    if not isinstance(item, dict):
        return []
    values = [item.get(name) for name in needed] + [item.get(name, "") for name in further]
    lists = [value if isinstance(value, list) else [value] for value in values]
    if not all(isinstance(value, (str, int)) for some in lists for value in some):
        return []
    texts = [[str(value).encode("utf-8", "replace").decode() for value in some] for some in lists]
    return [dict(zip((*needed, *further), row, strict=True)) for row in itertools.product(*texts)]


def _objects(file: Path) -> Iterator[object]:
    _check_file(file)
    decoder = json.JSONDecoder()
    try:
        with file.open(encoding="utf-8-sig") as stream:
            text = stream.read(PIECE)
            place = _list_begin(file, text)
            while not text.startswith("]", place := BETWEEN.match(text, place).end()):  # type: ignore[union-attr]
                try:
                    item, place = decoder.raw_decode(text, place)
                except json.JSONDecodeError as error:  # or the object goes on in the next piece
                    text, place = text[place:] + _more(file, stream, len(text) - place, error), 0
                else:
                    yield item
    except (UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{file} is not the JSON that it should be ({error}): fetch it again") from error


def _list_begin(file: Path, text: str) -> int:
    opening = re.search(r'"data"\s*:\s*\[', text)
    if opening is None:
        raise ValueError(f'{file} has no list named "data": name the file as it is distributed')
    return opening.end()


def _more(file: Path, stream: TextIO, held: int, error: json.JSONDecodeError) -> str:
    more = stream.read(PIECE) if held < LONGEST_OBJECT else ""
    if not more:
        raise ValueError(f"{file} is cut short or damaged ({error.msg}): fetch it again") from error
    return more


def _check_file(file: Path) -> None:
    if not file.is_file():
        raise ValueError(f"no file {file}: fetch it from where the dataset is distributed")


def _check_header(file: Path, columns: Sequence[str], names: Sequence[str] | None, encoding: str) -> None:
    """See that the first line is one, and names the columns, before all of it is parsed."""
    _check_file(file)
    with file.open("rb") as stream:
        first = stream.read(LONGEST_HEADER)
    line = first.split(b"\n", 1)[0]
    if len(line) == LONGEST_HEADER:
        raise ValueError(f"{file} has a first line of more than {LONGEST_HEADER:,} bytes: it is no table of clips")
    if not first.strip():
        raise ValueError(f"{file} is empty: fetch it again")
    header = names or [name.strip('"') for name in line.decode(encoding, "replace").lstrip("\ufeff").strip().split(",")]
    if absent := [name for name in columns if name not in header]:
        found = ", ".join(header)[:120]
        raise ValueError(f"{file} has no column {', '.join(absent)}; its first line is: {found}")


def _check_quotes(file: Path, table: pa.Table, refused: _Refused) -> None:
    """See that no quote swallows the rows after it: that takes line breaks in a value, and an odd number of quotes."""
    if not refused.broken and not any(pc.any(pc.match_substring(column, "\n")).as_py() for column in table.columns):
        return
    with file.open("rb") as stream:
        quotes = sum(block.count(b'"') for block in iter(lambda: stream.read(BLOCK), b""))
    if quotes % 2:
        raise ValueError(f"{file}: a quote is opened and not closed: see to the quotes, or fetch it again")


def _complaint(file: Path, error: str) -> str:
    """Return one line about what the parser found."""
    if "UTF8" in error or "codec can't decode" in error:
        return f"{file} is not UTF-8: convert it, e.g. with iconv -f latin1 -t utf-8"
    if "straddl" in error or "quote" in error.lower():
        return f"{file}: a quote is opened and not closed: see to the quotes, or fetch it again"
    return f"{file} cannot be read as a table: {error.splitlines()[0][:120]}"
