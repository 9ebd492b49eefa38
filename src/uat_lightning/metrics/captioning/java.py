"""Java programs that answer within a time and never outlive whoever asked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import IO

from uat_lightning.metrics.captioning.scores import NotComputable

KEEPER = Path(__file__).with_name("keeper.py")
# Numbers are written with a point and text is UTF-8 whatever the user's locale.
PLAIN_LANGUAGE = ("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8")


def java_version() -> str:
    """Return what ``java -version`` calls itself, such as ``openjdk version "17.0.15" 2025-04-15``.

    Raises:
        NotComputable: If there is no Java or it does not run.
    """
    try:
        done = subprocess.run([_java(), "-version"], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotComputable(f"java does not run: {error}") from error
    lines = done.stderr.decode(errors="replace").splitlines()
    return next((line for line in lines if " version " in line), "unknown")


class JavaProgram:
    """A running Java program, entered and left as a context; leaving it, however, ends the program.

    It runs in a session of its own under ``keeper.py``, which kills it when this process is gone.

    Args:
        name: What it is called in messages.
        arguments: Arguments of ``java``.
        seconds: How long one answer may take.
        folder: Where it runs; here where None.
    """

    def __init__(self, name: str, arguments: Sequence[str], seconds: float, folder: Path | None = None) -> None:
        self.name, self.arguments, self.seconds, self.folder = name, list(arguments), seconds, folder

    def __enter__(self) -> JavaProgram:
        """Start it.

        Raises:
            NotComputable: If there is no Java.
        """
        command = [sys.executable, "-I", str(KEEPER), "", _java(), *PLAIN_LANGUAGE, *self.arguments]
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        watched, mine = os.pipe()
        self._lifeline = os.fdopen(mine, "wb", buffering=0)
        command[3] = str(watched)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            pass_fds=(watched,),
            cwd=self.folder,
            start_new_session=True,
        )
        os.close(watched)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """End it and wait until it is gone."""
        self._lifeline.close()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]

    @property
    def process_id(self) -> int:
        """The id of the keeper's process, Java's parent."""
        return self._process.pid

    def ask(self, line: str, answers: int = 1) -> list[str]:
        """Write one line and return the lines that answer it.

        Raises:
            NotComputable: If it ends or the time is over before that.
        """
        source, sink = self._process.stdin, self._process.stdout
        assert source is not None and sink is not None
        with self._within_time():
            source.write(_encoded(line))
            source.flush()
            return [self._checked(sink.readline()) for _ in range(answers)]

    def finish(self, lines: Sequence[str]) -> list[str]:
        """Write lines, let it come to its end and return all lines that it wrote.

        Raises:
            NotComputable: If it fails or the time is over before that.
        """
        with self._within_time():
            output, _ = self._process.communicate(b"".join(map(_encoded, lines)))
            if self._process.returncode:
                self._checked(b"")
        return output.decode(errors="replace").split("\n")[:-1]

    @contextmanager
    def _within_time(self) -> Iterator[None]:
        """End the program when its time is over, so that whatever waits for it wakes up."""
        timer = Timer(self.seconds, self._lifeline.close)
        timer.start()
        try:
            yield
        except (BrokenPipeError, NotComputable) as error:
            late = f"gave no answer within {self.seconds:g} seconds" if self._lifeline.closed else "ended early"
            raise NotComputable(f"{self.name} {late}{self._last_words()}") from error
        finally:
            timer.cancel()

    def _checked(self, line: bytes) -> str:
        if not line.endswith(b"\n"):
            raise NotComputable(f"{self.name} ended early")
        return line.decode(errors="replace").rstrip("\r\n")

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()]
        complaints = [line for line in lines if "Exception" in line or "Error" in line] or lines
        return f": {complaints[0]}" if complaints else ""


def _java() -> str:
    found = shutil.which("java")
    if found is None:
        raise NotComputable("needs Java, and there is no java on the PATH")
    return found


def _encoded(line: str) -> bytes:
    if "\n" in line:
        raise ValueError(f"not one line: {line[:60]!r}")
    return line.encode(errors="replace") + b"\n"
