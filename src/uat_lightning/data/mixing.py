"""Two sounds in one clip: where the second one sounds and how loud, and one gain for whatever is compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uat_lightning.data.audio.loudness import SILENCE

Samples = NDArray[np.float32]
LOUDEST = 0.95  # peak of a mixture
NEAR, FAR = 0.15, 0.4  # shares of a clip: what is at an end is so near to it, and so far from the other
FADE = 0.02  # seconds over which a stretch of a clip begins and ends


@dataclass(frozen=True)
class Placing:
    """Where an event sounds in a clip, and how loud.

    Args:
        start: First sample.
        count: Samples.
        level: Its root mean square over that of the clip.
    """

    start: int
    count: int
    level: float

    def end(self, of: int) -> str:
        """Say at which end of a clip of so many samples it sounds: ``beginning``, ``end``, or nothing where neither.

        It reaches the last 15 % of that side, and leaves 40 % at the other.
        """
        first, last = self.start / of, (self.start + self.count) / of
        if first <= NEAR and last <= 1 - FAR:
            return "beginning"
        return "end" if last >= 1 - NEAR and first >= FAR else ""


def draw_placing(rng: Generator, samples: int, shortest: float, decibels: float) -> Placing:
    """Draw a place in a clip.

    Args:
        rng: Source of randomness.
        samples: Samples of the clip.
        shortest: Share of the clip that an event lasts at least, above 0 to 1.
        decibels: How much louder or quieter than the clip it is at most.
    """
    count = max(1, round(samples * float(rng.uniform(shortest, 1.0))))
    start = int(rng.integers(samples - count + 1))
    return Placing(start, count, float(10 ** (rng.uniform(-decibels, decibels) / 20)))


def placed(event: Samples, clip: Samples, placing: Placing, fade: int) -> Samples:
    """Return what an event adds to a clip, (channels, samples) as the clip.

    Of an event that is longer than its place, the loudest stretch sounds.

    Args:
        event: Audio of (channels, samples) of any length.
        clip: Audio of (channels, samples).
        placing: Where in the clip, and how loud.
        fade: Samples over which it fades in and out.

    Raises:
        ValueError: If one of them is silent.
    """
    stretch = _loudest(event, placing.count)
    gain = placing.level * _level(clip) / _level(stretch)
    added = np.zeros_like(clip)
    ramp = np.minimum(1.0, (np.arange(stretch.shape[1]) + 1) / max(1, fade)).astype(np.float32)
    added[:, placing.start : placing.start + stretch.shape[1]] = np.float32(gain) * stretch * ramp * ramp[::-1]
    return added


def under_common_gain(*mixtures: Samples) -> tuple[Samples, ...]:
    """Return mixtures turned down by one gain until none is too loud: what is the same in them stays the same."""
    peak = max(float(np.abs(mixture).max()) for mixture in mixtures)
    gain = np.float32(min(1.0, LOUDEST / max(peak, SILENCE)))
    return tuple(mixture * gain for mixture in mixtures)


def _loudest(event: Samples, count: int) -> Samples:
    if event.shape[1] <= count:
        return event
    energy = np.concatenate([[0.0], np.cumsum(np.square(event.astype(np.float64)).sum(0))])
    first = int((energy[count:] - energy[:-count]).argmax())
    return event[:, first : first + count]


def _level(waveform: Samples) -> float:
    if float(np.abs(waveform).max(initial=0.0)) < SILENCE:
        raise ValueError("one of the clips to mix is silent")
    return float(np.sqrt(np.square(waveform, dtype=np.float64).mean()))
