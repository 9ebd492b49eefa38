"""What a synthesiser is asked to play, and the few building blocks every synthesiser shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Cycles = NDArray[np.float64]

TABLE_SIZE = 8192
FIRST_STRIKE = 0.005  # seconds; keeps the first attack clear of the fade-in
LAST_RING = 0.2  # seconds a counted sound may ring on after its last strike's share of time
COUNTS = {"once": 1, "twice": 2, "three times": 3}


@dataclass(frozen=True)
class Performance:
    """One event to synthesise: its audible attributes, duration in seconds and sample rate in Hz."""

    attributes: frozenset[str]
    duration: float
    sample_rate: int

    @property
    def samples(self) -> int:
        """The number of samples to return."""
        return round(self.duration * self.sample_rate)

    @property
    def count(self) -> int:
        """How many strikes a countable sound has, 1 to 3."""
        return next((number for word, number in COUNTS.items() if word in self.attributes), 1)

    def times(self, seconds: float | None = None) -> Cycles:
        """Return the time of every sample in seconds, of the whole event or of its first seconds."""
        samples = self.samples if seconds is None else round(seconds * self.sample_rate)
        return np.arange(samples) / self.sample_rate

    def pitch(self, rng: Generator, low: float, high: float) -> float:
        """Draw a frequency in Hz near low, high or, when neither is asked for, their geometric mean."""
        return self._between("low", "high", low, high) * float(2.0 ** rng.uniform(-0.18, 0.18))

    def rate(self, rng: Generator, slow: float, fast: float) -> float:
        """Draw a rate per second near slow, fast or, when neither is asked for, their geometric mean."""
        return self._between("slow", "fast", slow, fast) * float(rng.uniform(0.9, 1.1))

    def counted_times(self) -> list[float]:
        """Return the evenly spaced strike times, in seconds, of a countable sound."""
        return [FIRST_STRIKE + strike * self.spacing for strike in range(self.count)]

    def repeated_times(self, rate: float) -> list[float]:
        """Return strike times, in seconds, at a steady rate per second until the event ends."""
        return [float(time) for time in np.arange(FIRST_STRIKE, self.duration - 0.02, 1.0 / rate)]

    @property
    def spacing(self) -> float:
        """The seconds between the strikes of a countable sound."""
        return max(self.duration - LAST_RING, 0.5 * self.duration) / self.count

    def _between(self, lower: str, upper: str, smallest: float, largest: float) -> float:
        if lower in self.attributes:
            return smallest
        return largest if upper in self.attributes else (smallest * largest) ** 0.5


@lru_cache(maxsize=64)
def wave_table(harmonics: tuple[float, ...]) -> Samples:
    """Return one period of the sum of sines whose amplitudes are the harmonics."""
    phase = 2.0 * np.pi * np.arange(TABLE_SIZE) / TABLE_SIZE
    period = sum(weight * np.sin((order + 1) * phase) for order, weight in enumerate(harmonics))
    return np.asarray(period, dtype=np.float32)


def sing(cycles: Cycles, harmonics: tuple[float, ...] = (1.0,)) -> Samples:
    """Read a periodic wave with the given harmonic amplitudes at a running phase in cycles."""
    return wave_table(harmonics)[(cycles * TABLE_SIZE).astype(np.int64) % TABLE_SIZE]


def running_phase(frequency: NDArray[np.floating[Any]], sample_rate: int) -> Cycles:
    """Integrate a frequency in Hz over time into a phase in cycles."""
    phase: Cycles = np.cumsum(frequency, dtype=np.float64) / sample_rate
    return phase


def decay(times: Cycles, seconds: float) -> Samples:
    """Return an exponential envelope that falls to 1/e after the given seconds."""
    envelope: Samples = np.exp(times.astype(np.float32) * np.float32(-1.0 / seconds))
    return envelope


def place(play: Performance, strikes: Sequence[Samples], starts: Sequence[float], gains: Sequence[float]) -> Samples:
    """Add one strike at each start in seconds, scaled by its gain; strikes are taken in turn."""
    stage = np.zeros(play.samples, dtype=np.float32)
    for turn, (start, gain) in enumerate(zip(starts, gains, strict=True)):
        first = round(start * play.sample_rate)
        strike = strikes[turn % len(strikes)][: max(play.samples - first, 0)]
        stage[first : first + len(strike)] += np.float32(gain) * strike
    return stage
