"""Runs a command and ends it as soon as nobody waits for it any more; a script on its own, without this package.

``python keeper.py LIFELINE COMMAND...``: LIFELINE is the number of an open pipe that nobody writes to. When its other
end is closed, be it by the death of whoever held it, the command is killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1  # sys/prctl.h


def main(lifeline: int, command: list[str]) -> int:
    """Run the command to its end and return its exit status, negative where a signal ended it."""
    dies_too = _die_with_parent if sys.platform == "linux" else None
    child = subprocess.Popen(command, preexec_fn=dies_too)
    threading.Thread(target=_end_with, args=(lifeline, child), daemon=True).start()
    return child.wait()


def _end_with(lifeline: int, child: subprocess.Popen[bytes]) -> None:
    os.read(lifeline, 1)  # waits until the other end is closed
    child.kill()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(abs(main(int(sys.argv[1]), sys.argv[2:])))
