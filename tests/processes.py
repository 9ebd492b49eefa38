"""Processes of the tests' own, forked from one that has imported what they need.

A new interpreter takes some ten seconds of a core to import Lightning; a fork has it. What runs in it is the same.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

METHOD = "forkserver"  # its server is one for all that use it
_FORKS = multiprocessing.get_context(METHOD)
_FORKS.set_forkserver_preload(["uat_lightning.cli", "uat_lightning.app.train", "uat_lightning.app.encode"])


@dataclass
class Running:
    """A process, and the files that it writes to.

    Args:
        process: The process.
        said: Folder of its ``stdout`` and ``stderr``.
    """

    process: multiprocessing.process.BaseProcess
    said: TemporaryDirectory[str]

    def wait(self, seconds: float = 240) -> int:
        """Return how it ended: its exit status, or minus the signal that killed it."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f"still running after {seconds:g} seconds: {self.read('stderr')[-3000:]}")
        return self.process.exitcode

    def read(self, name: str) -> str:
        """Return what it said on ``stdout`` or ``stderr``."""
        file = Path(self.said.name) / name
        return file.read_text(errors="replace") if file.exists() else ""


def start(*arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Running:
    """Start a script, or the command line where the first argument is none, on one thread, able to import tests."""
    said = TemporaryDirectory(prefix="uat-said-")
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", **(environment or {})}
    process = _FORKS.Process(target=_begin, args=(arguments, str(folder or said.name), variables, said.name))
    process.start()
    return Running(process, said)


def run(*arguments: str, ranks: int = 1, **more: Any) -> Running:
    """Run a script or the command line to its good end, and return the first process.

    Args:
        arguments: As for ``start``.
        ranks: Processes of one training, started as ``torchrun`` does on a machine.
        more: As for ``start``.
    """
    environment, started = more.pop("environment", {}), []
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    for rank in range(ranks):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
        variables = {**environment, **{name: str(value) for name, value in place.items()}} if ranks > 1 else environment
        started.append(start(*arguments, environment=variables, **more))
    try:
        for running in started:
            assert running.wait() == 0, running.read("stderr")[-3000:]
    finally:
        for running in started:  # where one failed, the others would wait for it
            running.process.kill()
    return started[0]


def _begin(arguments: Sequence[str], folder: str, variables: Mapping[str, str], said: str) -> None:
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(Path(said) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    import torch

    torch.set_num_threads(int(variables["OMP_NUM_THREADS"]))
    if arguments[0].endswith(".py"):
        sys.argv = list(arguments)
        runpy.run_path(arguments[0], run_name="__main__")
    else:
        from uat_lightning.cli import main

        sys.argv = ["uat", *arguments]
        main(list(arguments))
