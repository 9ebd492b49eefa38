"""A part of any sound file, opened with the decoder that reads it, checked while it is decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uat_lightning.data.audio import container, sound_file
from uat_lightning.data.audio.decoder import Decoder, Samples
from uat_lightning.data.audio.header import AudioError, check_exists, undecodable

OVER = 100.0  # times full scale; integer samples saved as floats reach 32768
SHORT = 0.1  # seconds that may be missing at the end: the length of an MP3 is known roughly
READABLE = sound_file.EXTENSIONS | (container.EXTENSIONS if container.installed() else frozenset())


@dataclass(frozen=True)
class Part:
    """Some frames of an open sound file.

    Args:
        file: The file.
        decoder: What decodes it.
        first: Number of the first frame.
        count: Number of frames, at least one.
    """

    file: Path
    decoder: Decoder
    first: int
    count: int

    def blocks(self) -> Iterator[Samples]:
        """Yield the part in blocks of shape (frames, channels), in [-1, 1] except where a file exceeds full scale.

        Raises:
            AudioError: If the file is damaged or cut short, or holds NaN or numbers that are no samples.
        """
        left = self.count
        for block in self.decoder.blocks(self.first, self.count):
            _check_samples(self.file, block)
            left -= len(block)
            yield block
        if left > SHORT * self.decoder.sample_rate or left == self.count:
            missing = left / self.decoder.sample_rate
            raise AudioError(f"{self.file} is truncated, {missing:.2f} s of it are missing: fetch or record it again")


def open_sound(file: Path) -> Decoder:
    """Open a sound file with the decoder that its first bytes call for, whatever its name.

    Raises:
        AudioError: If it is missing, empty or no sound file, or needs a package that is not installed.
    """
    check_exists(file)
    try:
        file_format = container.container_format(file)
    except OSError as error:
        raise undecodable(file, error) from error
    return container.open_container(file, file_format) if file_format else sound_file.open_sound_file(file)


@contextmanager
def open_part(file: str | Path, start: float = 0.0, end: float | None = None, longest: float = 600.0) -> Iterator[Part]:
    """Open a part of a sound file; nothing is decoded yet.

    Args:
        file: The file.
        start: Where to begin, in seconds.
        end: Where to stop, in seconds; the end of the file where None or beyond it.
        longest: Seconds that the part may have.

    Raises:
        AudioError: If the file is missing, empty or no sound file, or if the part is empty or too long.
    """
    file = Path(file)
    with open_sound(file) as decoder:
        yield _part(file, decoder, start, end, longest)


def _part(file: Path, decoder: Decoder, start: float, end: float | None, longest: float) -> Part:
    rate, frames = decoder.sample_rate, decoder.frames
    if not (math.isfinite(start) and start >= 0 and (end is None or end > start)):
        raise AudioError(f"{file}: start must be 0 or more and end above it, got start {start} and end {end}")
    first, stop = round(start * rate), frames if end is None else round(min(end * rate, frames))
    if first >= frames:
        raise AudioError(f"{file} lasts {frames / rate:.2f} s, the part begins at {start} s: choose an earlier start")
    count = max(1, stop - first)
    if count > longest * rate:
        remedy = "take a part of it with start and end"
        raise AudioError(f"{file}: {count / rate:.1f} s are more than the {longest:g} s read at once: {remedy}")
    return Part(file, decoder, first, count)


def _check_samples(file: Path, block: Samples) -> None:
    if not np.isfinite(block).all():
        raise AudioError(f"{file} holds NaN or infinite samples: export it again, as integers")
    if np.abs(block).max() > OVER:
        raise AudioError(
            f"{file} reaches {np.abs(block).max():.0f} times full scale: divide its samples and save it anew"
        )
