"""Where the files of a shard folder are: on this machine as they are, elsewhere through a bounded cache."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import fsspec

AT_ONCE = 4  # files fetched side by side
LARGEST = 1 << 28  # bytes of a file that is read whole
READING = os.O_RDONLY | os.O_CLOEXEC


class Place(ABC):
    """Gives files of a shard folder as files of this machine.

    Args:
        folder: Where they are, or come to be, on this machine.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def file(self, name: str) -> Path:
        """Return a file that is no shard, and stays.

        Raises:
            ValueError: If there is no such file, or it cannot be fetched.
        """

    @abstractmethod
    def open(self, name: str) -> int:
        """Return a shard's file descriptor, to be read and closed by the caller.

        Raises:
            ValueError: If there is no such file, or it cannot be fetched.
        """

    def soon(self, names: Sequence[str]) -> None:  # noqa: B027 (most places have nothing to do)
        """Hear which files will be asked for next; nothing by default."""


class Local(Place):
    """A folder of this machine, read where it is.

    Args:
        folder: The folder.
    """

    def file(self, name: str) -> Path:
        """Return the file itself."""
        file = self.folder / name
        if not file.is_file():
            raise ValueError(f"no file {file}: fetch or encode the shards again")
        return file

    def open(self, name: str) -> int:
        """Open the file itself."""
        return os.open(self.file(name), READING)


class Cached(Place):
    """A folder that fsspec reaches, of which whole files are kept on this machine.

    Files come under a temporary name and take their own once complete; a lock sees to it that processes fetch a file
    once. Those used least recently go when the cache is full; whoever has one open may read on.

    Args:
        url: Where the folder is, such as ``s3://bucket/shards``.
        cache: Folder of this machine for the files.
        limit: Bytes that the cache may hold; the file in use may exceed them alone.
        version: Words that change with the folder's content: what was fetched before is not taken for it.
    """

    def __init__(self, url: str, cache: Path, limit: int, version: str = "") -> None:
        self.url, self.cache, self.limit, self.version = url.rstrip("/"), cache, limit, version
        super().__init__(cache / hashlib.sha256(f"{self.url} {version}".encode()).hexdigest()[:16])
        self._coming: dict[str, Future[None]] = {}
        self._threads: tuple[int, ThreadPoolExecutor] | None = None

    def __reduce__(self) -> tuple[type[Cached], tuple[str, Path, int, str]]:
        """Travel to other processes without threads."""
        return Cached, (self.url, self.cache, self.limit, self.version)

    def file(self, name: str) -> Path:
        """Return the file in the cache, fetched where it is not there."""
        os.close(self.open(name))
        return self.folder / name

    def open(self, name: str) -> int:
        """Open the file in the cache, fetched where it is not there; it can be read when others have taken its room."""
        coming = self._coming.pop(name, None) if self._alive() else None
        if coming is not None:
            coming.result()
        return self._opened(name)

    def soon(self, names: Sequence[str]) -> None:
        """Fetch files in the background."""
        threads = self._pool()
        for name in names:
            if name not in self._coming and not (self.folder / name).exists():
                self._coming[name] = threads.submit(self._keep, name)

    def _alive(self) -> bool:
        return self._threads is not None and self._threads[0] == os.getpid()

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None or not self._alive():  # threads do not survive a fork
            self._coming, self._threads = {}, (os.getpid(), ThreadPoolExecutor(AT_ONCE))
        return self._threads[1]

    def _keep(self, name: str) -> None:
        os.close(self._opened(name))

    def _opened(self, name: str) -> int:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with _locked(file.with_name(f".{file.name}.lock")):
            try:
                descriptor = os.open(file, READING)
            except FileNotFoundError:  # never there, or gone to make room
                descriptor = self._fetch(name, file)
        with contextlib.suppress(OSError):
            now = time.time_ns()  # the system's own stamps are milliseconds apart
            os.utime(file, ns=(now, now))
        return descriptor

    def _fetch(self, name: str, file: Path) -> int:
        temporary = file.with_name(f".{secrets.token_hex(4)}-{file.name}")
        try:
            system, path = fsspec.core.url_to_fs(f"{self.url}/{name}")
            system.get_file(path, str(temporary))
            with _locked(self.folder / ".room.lock"):  # room is made and taken at once: others fetch meanwhile
                self._make_room(temporary.stat().st_size)
                temporary.replace(file)
                return os.open(file, READING)  # before others can take its room
        except (OSError, ValueError, ImportError) as error:
            raise ValueError(f"cannot fetch {self.url}/{name}: {_reason(error)}") from error
        finally:
            temporary.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        kept = list(self._kept())
        total = size + sum(status.st_size for _, status in kept)
        for file, status in sorted(kept, key=lambda each: each[1].st_mtime_ns):
            if total <= self.limit:
                return
            file.unlink(missing_ok=True)
            total -= status.st_size

    def _kept(self) -> Iterator[tuple[Path, os.stat_result]]:
        for file in self.folder.rglob("*.tar"):
            with contextlib.suppress(FileNotFoundError):  # somebody empties the cache meanwhile
                if not file.name.startswith("."):
                    yield file, file.stat()


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def open_place(url: str | Path, first: str, cache: Path, limit: int) -> tuple[Place, str]:
    """Return where a folder is, remote where its name has a protocol, and the text of a file that is never cached.

    Args:
        url: The folder.
        first: The file, which changes whenever the folder's content does.
        cache: Folder of this machine for files from elsewhere.
        limit: Bytes that the cache may hold.

    Raises:
        ValueError: If there is no such file, or it cannot be fetched.
    """
    remote = "://" in str(url)
    try:
        if remote:
            with fsspec.open(f"{str(url).rstrip('/')}/{first}", "rb") as stream:
                content: bytes = stream.read(LARGEST)
        else:
            content = (Path(url).expanduser() / first).read_bytes()
        text = content.decode()
    except (OSError, ValueError, ImportError) as error:
        remedy = "name another folder, or run `uat encode` again to finish it"
        raise ValueError(f"{url} holds no finished shards ({first}: {_reason(error)}): {remedy}") from error
    version = hashlib.sha256(content).hexdigest()
    return (Cached(str(url), cache, limit, version) if remote else Local(Path(url).expanduser())), text


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", "") or str(error) or type(error).__name__
