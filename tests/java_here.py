from __future__ import annotations

import shutil
from pathlib import Path

import pytest

# As on a machine whose language writes 0,5 for a half, whether or not that locale is installed.
GERMAN = {"JAVA_TOOL_OPTIONS": "-Duser.language=de -Duser.country=DE", "LC_ALL": "de_DE.UTF-8"}
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="there is no java on the PATH")
needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="running processes are read from /proc")


def processes_with(mark: str) -> dict[int, str]:
    """Return the command lines of all processes, dead ones that nobody waited for included, born with a mark."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark in (folder / "environ").read_bytes().decode(errors="replace"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # gone meanwhile, or another user's
    return found
