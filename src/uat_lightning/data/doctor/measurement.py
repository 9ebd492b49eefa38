"""What is measured of one clip, block by block, so that no clip is held as a whole."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from uat_lightning.data.audio import AudioError, Samples, open_part
from uat_lightning.data.audio.bandwidth import WINDOW, Spectrum, band_limit, power_spectrum
from uat_lightning.data.audio.header import reason
from uat_lightning.data.audio.loudness import SILENCE, decibels
from uat_lightning.data.audio.part import Part
from uat_lightning.data.manifest import Entry

PAUSE = 0.01  # seconds of a window whose peak tells whether it is silent
FULL_SCALE = 0.999  # two samples in a row from here on are clipped


@dataclass(frozen=True)
class Measurement:
    """What a clip is like, or why it cannot be used.

    Args:
        problem: Why the clip cannot be used; empty where it can, else nothing but this is known.
        seconds: Duration, as decoded.
        sample_rate: Samples per second of the file, in Hz.
        channels: Channels of the file.
        bandwidth: Highest frequency with sound in it, in Hz.
        peak_dbfs: Largest magnitude in dB relative to full scale, at least -120.
        rms_dbfs: Root mean square in dB relative to full scale, at least -120.
        silence: Share of the clip, in windows of 10 ms, in which no sample reaches -80 dBFS.
        clipped: Share of the samples that stand at full scale beside another.
        digest: The same for equal samples at an equal rate, in whatever kind of file.
    """

    problem: str = ""
    seconds: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    bandwidth: float = 0.0
    peak_dbfs: float = -120.0
    rms_dbfs: float = -120.0
    silence: float = 0.0
    clipped: float = 0.0
    digest: str = ""


class Meters:
    """Takes in blocks of one clip, and says in the end what the clip is like.

    Args:
        sample_rate: Samples per second, in Hz.
        channels: Channels of the blocks.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.sample_rate, self.channels = sample_rate, channels
        self.frames = self.windows = self.silent = self.clipped = 0
        self.peak = self.power = 0.0
        self.spectrum: Spectrum = np.zeros(WINDOW // 2 + 1)
        self.digest = hashlib.blake2b(f"{sample_rate} {channels} ".encode(), digest_size=16)

    def add(self, block: Samples) -> None:
        """Take in a block of shape (frames, channels)."""
        magnitude = np.abs(block)
        self.frames += len(block)
        self.peak = max(self.peak, float(magnitude.max()))
        self.power += float(np.square(block, dtype=np.float64).sum())
        self.spectrum += len(block) * power_spectrum(block.T, self.sample_rate)
        high = magnitude >= FULL_SCALE
        self.clipped += int((high[1:] & high[:-1]).sum())
        self.digest.update(np.ascontiguousarray(block + np.float32(0)).tobytes())  # -0.0 becomes 0.0
        self._listen_for_pauses(magnitude.max(1))

    def result(self) -> Measurement:
        """Return what the blocks amount to."""
        samples = self.frames * self.channels
        return Measurement(
            seconds=self.frames / self.sample_rate,
            sample_rate=self.sample_rate,
            channels=self.channels,
            bandwidth=band_limit(self.spectrum / self.frames, self.sample_rate),
            peak_dbfs=decibels(self.peak),
            rms_dbfs=decibels(math.sqrt(self.power / samples)),
            silence=self.silent / self.windows,
            clipped=self.clipped / samples,
            digest=self.digest.hexdigest(),
        )

    def _listen_for_pauses(self, magnitude: Samples) -> None:
        peaks = np.maximum.reduceat(magnitude, np.arange(0, len(magnitude), max(1, round(PAUSE * self.sample_rate))))
        self.windows, self.silent = self.windows + len(peaks), self.silent + int((peaks < SILENCE).sum())


def measure(entry: Entry, longest: float) -> Measurement:
    """Decode a clip once and measure it.

    Args:
        entry: The clip.
        longest: Seconds that it may have; longer ones are not decoded.
    """
    try:
        with open_part(entry.file, entry.start, entry.end, longest) as part:
            return _measured(part)
    except (ValueError, OSError, MemoryError) as error:  # whatever it is, the walk goes on
        return Measurement(problem=str(error) if isinstance(error, AudioError) else f"{entry.file}: {reason(error)}")


def _measured(part: Part) -> Measurement:
    meters = Meters(part.decoder.sample_rate, part.decoder.channels)
    for block in part.blocks():
        meters.add(block)
    return meters.result()
