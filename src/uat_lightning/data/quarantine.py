"""Clips that turn out to be unusable while a training runs: replaced, counted, written down, told."""

from __future__ import annotations

import json
import logging
import os
from itertools import chain
from pathlib import Path

import torch
from torch.utils.data import get_worker_info

from uat_lightning.data.source import CaptionedAudio, Source

log = logging.getLogger(__name__)
SEATS = 1024  # processes of one loader that can count; each has a number of its own, so that none waits for another


class TooManyUnusable(ValueError):
    """More clips are unusable than a run should go on with.

    Args:
        message: How many, and which. What a DataLoader puts around it on the way out of a worker is dropped.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())


class Quarantine:
    """The unusable clips of a source: a file of JSON lines that all processes add to, and that the next run reads.

    A clip in it is not tried again. The file belongs into a folder that changes with the clips (a cache, a run), so
    that a mended clip comes back; deleting the file does the same.

    Args:
        file: The file; it need not exist.
        clips: Number of clips of the source.
        share: Share of the clips that may be unusable before the run stops, 0 to 1.
    """

    def __init__(self, file: Path | str, clips: int, share: float = 0.01) -> None:
        self.file, self.clips, self.share = Path(file), clips, share
        self.replaced_by = torch.zeros(SEATS, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self.reasons: dict[int, str] = {}
        self.told: set[int] = set()
        self.read()

    @property
    def most(self) -> int:
        """Unusable clips that a run goes on with: the share, and at least one."""
        return max(1, int(self.share * self.clips))

    @property
    def replaced(self) -> int:
        """Clips that were replaced so far, in all processes, each time counted."""
        return int(self.replaced_by.sum())

    def read(self) -> None:
        """Take in what other processes and earlier runs have written; half a line of a killed one is passed over."""
        if not self.file.exists():
            return
        for line in self.file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
                self.reasons[int(row["clip"])] = str(row["reason"])
            except (ValueError, TypeError, KeyError):
                continue

    def add(self, clip: int, uid: str, reason: str) -> None:
        """Write a clip down.

        Args:
            clip: Its number in the source.
            uid: Its name.
            reason: Why it cannot be used.

        Raises:
            TooManyUnusable: If that makes too many of them; the message lists them.
        """
        self.reasons[clip] = reason
        self.file.parent.mkdir(parents=True, exist_ok=True)
        # One write to the end of the file: lines of several processes never mix.
        with self.file.open("ab", buffering=0) as stream:
            stream.write((json.dumps({"clip": clip, "uid": uid, "reason": reason}) + "\n").encode())
        self.read()
        if len(self.reasons) > self.most:
            raise TooManyUnusable(self.complaint())

    def count(self) -> None:
        """Count a clip that was replaced."""
        worker = get_worker_info()
        self.replaced_by[0 if worker is None else 1 + worker.id % (SEATS - 1)] += 1

    def tell(self) -> str:
        """Return a line on the clips that were not told of before, empty where there are none."""
        self.read()
        new = sorted(set(self.reasons) - self.told)
        self.told |= set(new)
        if not new:
            return ""
        some = "; ".join(self.reasons[clip] for clip in new[:5]) + (" ..." if len(new) > 5 else "")
        return f"{len(new)} of {self.clips} clips cannot be used, others took their place {self.replaced} times: {some}"

    def complaint(self) -> str:
        """Return a line that names all clips, and what to do."""
        reasons = "; ".join(self.reasons[clip] for clip in sorted(self.reasons))
        return (
            f"{len(self.reasons)} of {self.clips} clips cannot be used, {self.most} are tolerated. "
            f"Mend or remove them, all are listed in {os.fspath(self.file)}: {reasons}"
        )


class Replacing(Source):
    """A source in which the next usable clip stands in for each unusable one.

    The substitute is the next clip by number, from the last on to the first: it depends on the clips alone, so that it
    is the same in every process, run and order of reading.

    Args:
        source: The clips.
        quarantine: Keeps account of unusable clips.
    """

    def __init__(self, source: Source, quarantine: Quarantine) -> None:
        self.source, self.quarantine = source, quarantine

    def __len__(self) -> int:
        """Return the number of clips, the unusable ones included."""
        return len(self.source)

    def uid(self, index: int) -> str:
        """Return the name of a clip."""
        return self.source.uid(index)

    def __getitem__(self, index: int) -> CaptionedAudio:
        """Return a clip, or the next usable one.

        Raises:
            TooManyUnusable: If too many clips are unusable, or all of them.
        """
        for place in chain(range(index, len(self.source)), range(index)):
            clip = self._clip(place)
            if clip is not None:
                if place != index:
                    self.quarantine.count()
                return clip
        raise TooManyUnusable(self.quarantine.complaint())

    def _clip(self, index: int) -> CaptionedAudio | None:
        if index in self.quarantine.reasons:
            return None
        try:
            return self.source[index]
        except ValueError as error:
            self.quarantine.add(index, self.source.uid(index), " ".join(str(error).split()))
            return None
