"""Files whose samples stay where nothing is edited: same rate, same channels, same bits."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from uat_lightning.data.audio import FORMATS
from uat_lightning.data.audio.write import PEAK

BLOCK = 1 << 16  # frames copied at once
TYPES = {"PCM_S8": "int16", "PCM_U8": "int16", "PCM_16": "int16", "ULAW": "int16", "ALAW": "int16"}
TYPES |= {"PCM_24": "int32", "PCM_32": "int32", "DOUBLE": "float64"}  # all others decode to float32
HOLDERS = {"int16": "PCM_16", "int32": "PCM_32", "float32": "FLOAT", "float64": "DOUBLE"}

Native = NDArray[Any]  # of one of these types


@dataclass(frozen=True)
class Patch:
    """New samples for a stretch of a file.

    Args:
        first: The frame of the file at which it begins.
        samples: Audio at the file's rate, (frames, channels).
        share: Share of the new samples at each frame, 0 to 1, (frames,); where it is 0 the file's own stay.
    """

    first: int
    samples: NDArray[np.float64]
    share: NDArray[np.float64]

    def over(self, block: Native, first: int) -> Native:
        """Return a block of the file (frames, channels) that begins at frame ``first``, patched."""
        begin, end = max(first, self.first), min(first + len(block), self.first + len(self.samples))
        if begin >= end:
            return block
        own, new = slice(begin - first, end - first), slice(begin - self.first, end - self.first)
        scale = 1.0 if block.dtype.kind == "f" else float(1 << (8 * block.dtype.itemsize - 1))
        share, before = self.share[new, None], block[own].astype(np.float64)
        mixed = before + share * (self.samples[new] * scale - before)
        patched: Native = block.copy()
        patched[own] = np.where(share > 0, _as(mixed, block), block[own])
        return patched

    @property
    def gain(self) -> float:
        """What takes a peak beyond 0.99 down to it, for files that cannot hold more than 1; at most 1."""
        return min(1.0, PEAK / max(float(np.abs(self.samples).max(initial=0)), PEAK))

    @property
    def limited(self) -> Patch:
        """The patch with its gain."""
        return Patch(self.first, self.samples * self.gain, self.share)


def holder(file: str, out: Path) -> tuple[str, str]:
    """Return the format and the subtype of an output that can hold a file's samples unchanged.

    Raises:
        ValueError: If the output's format cannot.
    """
    container, subtype = FORMATS[out.suffix.lower()][0], soundfile.info(file).subtype
    for kind in (subtype, HOLDERS[_type(subtype)]):
        if kind in (*TYPES, "FLOAT") and soundfile.check_format(container, kind):
            return container, kind
    raise ValueError(f"{out}: {container} cannot hold the samples of {file} unchanged: write a .wav")


def patched_copy(file: str, out: Path, patch: Patch) -> None:
    """Write a file again with a patch, all of it or nothing; every sample outside is the same to the last bit.

    Args:
        file: The sound file.
        out: Where to write; missing folders are made.
        patch: What is new.

    Raises:
        ValueError: If the output's format cannot hold the file's samples unchanged.
    """
    container, subtype = holder(file, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{uuid.uuid4().hex[:8]}-{out.name}")
    try:
        _copy(file, temporary, container, subtype, patch.limited.over)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _copy(file: str, out: Path, container: str, subtype: str, change: Callable[[Native, int], Native]) -> None:
    with soundfile.SoundFile(file) as source:
        kind, form = _type(source.subtype), {"format": container, "subtype": subtype}
        with soundfile.SoundFile(str(out), "w", source.samplerate, source.channels, **form) as written:
            # An MP3 decodes to slightly other samples in blocks than in one go, which is how others will read it.
            size, first = BLOCK if source.subtype in (*TYPES, "FLOAT") else max(BLOCK, source.frames), 0
            while len(block := source.read(size, dtype=kind, always_2d=True)):
                written.write(change(block, first))
                first += len(block)


def _type(subtype: str) -> str:
    return TYPES.get(subtype, "float32")


def _as(values: NDArray[np.float64], like: Native) -> Native:
    if like.dtype.kind == "f":
        return values.astype(like.dtype)
    bounds = np.iinfo(like.dtype)
    return np.clip(np.round(values), bounds.min, bounds.max).astype(like.dtype)
