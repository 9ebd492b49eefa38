"""Tar files: written so that equal content gives equal bytes, read without trust and without unpacking."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

LARGEST = 1 << 30  # bytes of a member
LARGEST_HEADER = 1 << 20  # bytes of an extended header; a name needs a few hundred


@dataclass(frozen=True)
class Member:
    """A plain file in a tar.

    Args:
        name: Its name, relative and without parent folders.
        offset: Where its content begins in the tar, in bytes.
        size: Bytes of its content.
    """

    name: str
    offset: int
    size: int


def add(file: BinaryIO, name: str, content: bytes) -> int:
    """Write a member at the file's position; nobody's, of the year 1970, readable by all.

    Returns:
        Where its content begins, in bytes.
    """
    information = tarfile.TarInfo(name)
    information.size = len(content)
    file.write(information.tobuf(tarfile.GNU_FORMAT))
    offset = file.tell()
    file.write(content + bytes(-len(content) % tarfile.BLOCKSIZE))
    return offset


def end(file: BinaryIO) -> int:
    """Write what ends a tar, and return its size in bytes."""
    file.write(bytes(2 * tarfile.BLOCKSIZE))
    file.write(bytes(-file.tell() % tarfile.RECORDSIZE))
    return file.tell()


def members(file: Path) -> Iterator[Member]:
    """Yield the plain files of a tar in order; folders are passed over.

    Raises:
        ValueError: If it is no plain tar or is cut short, or holds anything but plain files of at most 1 GiB with
            relative names.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        try:
            with tarfile.open(fileobj=_Headers(stream), mode="r:", errorlevel=2) as archive:
                for found in _walk(archive, size):
                    if not found.isdir():
                        yield _checked(file, found, size)
        except (tarfile.TarError, OverflowError, RecursionError, EOFError) as error:
            raise ValueError(
                f"{file} is no plain tar, or it is damaged ({_line(error)}): fetch or make it anew"
            ) from error


class _Headers(io.RawIOBase):
    """A file of which only headers are read, however long they claim to be."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self.stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        return self.stream.tell()


def _walk(archive: tarfile.TarFile, size: int) -> Iterator[tarfile.TarInfo]:
    last = -1
    while (found := archive.next()) is not None:
        if found.size < 0 or found.offset_data <= last:
            raise tarfile.ReadError("a member of negative size")
        last = found.offset_data
        archive.members = []  # type: ignore[attr-defined]  # tarfile remembers all of them, and a shard may have a million
        yield found
    if archive.offset >= size:
        raise tarfile.ReadError("it ends without the mark of its end, it is truncated")


def _checked(file: Path, found: tarfile.TarInfo, size: int) -> Member:
    path = PurePosixPath(found.name)
    shown = repr(found.name[:80])
    if found.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or found.sparse is not None:
        raise ValueError(f"{file}: {shown} is a link, a device or sparse: make the tar anew, of plain files only")
    if path.is_absolute() or ".." in path.parts or "\0" in found.name or not path.parts:
        raise ValueError(f"{file}: {shown} leads out of the folder: make the tar anew, with relative names")
    if found.size > LARGEST:
        raise ValueError(f"{file}: {shown} claims {found.size} bytes, more than {LARGEST}: make the tar anew, in parts")
    if found.offset_data + found.size > size:
        raise ValueError(f"{file} is truncated, {shown} ends beyond its {size} bytes: fetch or make it anew")
    return Member(found.name, found.offset_data, found.size)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]
