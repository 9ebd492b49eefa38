"""How loud audio is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from uat_lightning.data.audio.decoder import Samples

QUIETEST = 1e-6  # amplitude of -120 dBFS, the lowest level reported
SILENCE = 1e-4  # peak amplitude below which nobody hears anything (-80 dBFS)


@dataclass(frozen=True)
class Loudness:
    """How loud audio is.

    Args:
        peak_dbfs: Largest magnitude in dB relative to full scale, at least -120.
        rms_dbfs: Root mean square in dB relative to full scale, at least -120.
        silent: Whether no sample reaches -80 dBFS.
    """

    peak_dbfs: float
    rms_dbfs: float
    silent: bool


def loudness(waveform: Tensor | Samples) -> Loudness:
    """Measure audio of shape (channels, samples), at least one sample."""
    values = np.abs(np.asarray(waveform, dtype=np.float64))
    peak, rms = float(values.max()), math.sqrt(float(np.square(values).mean()))
    return Loudness(decibels(peak), decibels(rms), peak < SILENCE)


def decibels(amplitude: float) -> float:
    """Return an amplitude in dB relative to full scale, at least -120, to two digits."""
    return round(20 * math.log10(max(amplitude, QUIETEST)), 2)
