"""Sounds to score, wherever they come from: files of a folder, or clips of a source."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from uat_lightning.data.audio import open_part, read_audio
from uat_lightning.data.corpora.folder import sound_files
from uat_lightning.data.source import Source

MOST_CHANNELS = 5  # of which loudness knows where they are; more are mixed to mono


class Recording(ABC):
    """A sound that is read when it is asked for."""

    @abstractmethod
    def original(self) -> tuple[Tensor, int]:
        """Return the waveform (channels, samples) as it is, and its rate in Hz.

        Raises:
            ValueError: If it cannot be read; the message names it.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return digits that change with the sound."""


@dataclass(frozen=True)
class SoundFile(Recording):
    """A sound file.

    Args:
        file: The file.
    """

    file: Path

    def original(self) -> tuple[Tensor, int]:
        """Read the file at its own rate."""
        with open_part(self.file) as part:
            rate, channels = part.decoder.sample_rate, part.decoder.channels
        samples = read_audio(self.file, rate, channels if channels <= MOST_CHANNELS else 1)
        return torch.from_numpy(samples), rate

    def fingerprint(self) -> str:
        """Return the SHA-256 of the file."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()


@dataclass(frozen=True)
class SourceClip(Recording):
    """A clip of a source.

    Args:
        source: The source.
        index: The clip's number in it.
        sample_rate: Samples per second of the source, in Hz.
    """

    source: Source
    index: int
    sample_rate: int

    def original(self) -> tuple[Tensor, int]:
        """Read or make the clip."""
        return torch.from_numpy(self.source[self.index].waveform), self.sample_rate

    def fingerprint(self) -> str:
        """Return the SHA-256 of the samples."""
        return hashlib.sha256(self.source[self.index].waveform.tobytes()).hexdigest()


def find_sounds(folder: Path) -> dict[str, Recording]:
    """Return the sound files under a folder by their paths in it without extension, in the order of these.

    Raises:
        ValueError: If there is no such folder, none in it, or two have one name.
    """
    if not folder.is_dir():
        raise ValueError(f"no folder {folder}: name the folder of the sounds")
    found: dict[str, Recording] = {}
    for file in sound_files(folder):
        name = file.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise ValueError(f"{folder} holds two sounds called {name}: keep one of them")
        found[name] = SoundFile(file)
    if not found:
        raise ValueError(f"{folder} holds no sound file")
    return dict(sorted(found.items()))


def pairs(made: Mapping[str, Recording], true: Mapping[str, Recording]) -> list[str]:
    """Return the names that both sides have; none where the names are all others, so that there are no pairs.

    Raises:
        ValueError: If some sounds that were made have a true one, and some have not.
    """
    both = [name for name in made if name in true]
    if both and len(both) < len(made):
        first = next(name for name in made if name not in true)
        count = f"{len(made) - len(both)} of {len(made)} sounds have no true one of their name"
        raise ValueError(f"{count}, the first is {first}: remove them, or add the true ones")
    return both


def turned_to_peak(waveform: Tensor, peak: float | None) -> Tensor:
    """Return a waveform turned up or down until its peak is at a level in dBFS; silence and None leave it as it is."""
    largest = waveform.abs().max()
    return waveform if peak is None or largest == 0 else waveform * (10 ** (peak / 20) / largest)
