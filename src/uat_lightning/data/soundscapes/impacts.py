"""Synthesisers of short gestures, struck once or repeated."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from .noises import band_noise
from .performance import Performance, Samples, decay, place, running_phase, sing

BELL_PARTIALS = ((1.0, 1.0), (2.0, 0.7), (2.76, 0.6), (4.1, 0.35), (5.4, 0.25))
KNOCK_PARTIALS = ((1.0, 1.0), (1.55, 0.7), (2.3, 0.5))
BARK = (0.6, 1.0, 1.0, 0.8, 0.5, 0.4, 0.3, 0.2)


def bell(rng: Generator, play: Performance) -> Samples:
    """Strike inharmonic partials that ring out over a second."""
    strike = _partials(play, min(play.duration, 1.2), play.pitch(rng, 320.0, 960.0), BELL_PARTIALS, 0.35)
    return place(play, [strike], play.counted_times(), [1.0] * play.count)


def knock(rng: Generator, play: Performance) -> Samples:
    """Knock on wood: a snap and three damped resonances within a tenth of a second."""
    strike = _partials(play, 0.15, float(rng.uniform(480.0, 640.0)), KNOCK_PARTIALS, 0.035)
    snap = band_noise(rng, len(strike), play.sample_rate, 600.0, 5000.0) * decay(play.times(0.15), 0.012)
    return place(play, [strike + np.float32(0.8) * snap], play.counted_times(), [1.0] * play.count)


def drum(rng: Generator, play: Performance) -> Samples:
    """Beat a drum whose low pitch drops after the stroke."""
    times = play.times(0.45)
    frequency = play.pitch(rng, 65.0, 195.0) * (1.0 + 1.2 * np.exp(-times / 0.03))
    strike = sing(running_phase(frequency, play.sample_rate), (1.0, 0.2)) * decay(times, 0.11)
    snap = band_noise(rng, len(times), play.sample_rate, 200.0, 1500.0) * decay(times, 0.008)
    return place(play, [strike + np.float32(0.3) * snap], play.counted_times(), [1.0] * play.count)


def dog(rng: Generator, play: Performance) -> Samples:
    """Bark in short rough voiced bursts."""
    times = play.times(0.2)
    arch = np.sin(np.pi * times / 0.2)
    voice = sing(running_phase(play.pitch(rng, 190.0, 570.0) * (0.7 + 0.6 * arch), play.sample_rate), BARK)
    breath = band_noise(rng, len(times), play.sample_rate, 800.0, 3000.0)
    strike = (voice + np.float32(0.5) * breath) * arch.astype(np.float32)
    return place(play, [strike], play.counted_times(), [1.0] * play.count)


def clock(rng: Generator, play: Performance) -> Samples:
    """Tick with very short bright clicks at a steady rate."""
    times = play.times(0.03)
    click = sing(rng.uniform(2400.0, 3000.0) * times, (1.0, 0.5)) * decay(times, 0.005)
    starts = play.repeated_times(play.rate(rng, 2.6, 7.8))
    return place(play, [click, np.float32(0.8) * click], starts, [1.0] * len(starts))


def footsteps(rng: Generator, play: Performance) -> Samples:
    """Walk with soft thuds, each followed by a scuff."""
    times = play.times(0.15)
    thud = band_noise(rng, len(times), play.sample_rate, 90.0, 350.0) * decay(times, 0.035)
    scuff = band_noise(rng, len(times), play.sample_rate, 2000.0, 5000.0) * decay(np.abs(times - 0.07), 0.015)
    starts = play.repeated_times(play.rate(rng, 1.8, 5.4))
    return place(
        play, [thud + np.float32(0.3) * scuff], starts, [float(gain) for gain in rng.uniform(0.8, 1.0, len(starts))]
    )


def birds(rng: Generator, play: Performance) -> Samples:
    """Chirp in groups of high tones that sweep quickly up or down."""
    times = play.times(0.08)
    start = float(rng.uniform(3200.0, 3800.0))
    arch = np.sin(np.pi * times / 0.08).astype(np.float32)
    up = sing(running_phase(start * (1.0 + 8.0 * times), play.sample_rate)) * arch
    down = sing(running_phase(start * (1.7 - 8.0 * times), play.sample_rate)) * arch
    starts = [time for turn, time in enumerate(play.repeated_times(float(rng.uniform(8.0, 9.5)))) if turn % 5 < 3]
    return place(play, [up, up, down], starts, [1.0] * len(starts))


def bubbles(rng: Generator, play: Performance) -> Samples:
    """Pop round rising blips at random pitches and slightly uneven times."""
    times = play.times(0.07)
    envelope = decay(times, 0.018) * np.minimum(times / 0.003, 1.0).astype(np.float32)
    frequencies = rng.uniform(450.0, 1000.0, 6)
    blips = [sing(running_phase(low * (1.0 + 14.0 * times), play.sample_rate)) * envelope for low in frequencies]
    rate = play.rate(rng, 6.0, 18.0)
    even = play.repeated_times(rate)
    starts = [time + float(late) for time, late in zip(even, rng.uniform(0.0, 0.5 / rate, len(even)), strict=True)]
    return place(play, blips, starts, [float(gain) for gain in rng.uniform(0.6, 1.0, len(starts))])


def _partials(
    play: Performance, seconds: float, lowest: float, partials: tuple[tuple[float, float], ...], ring: float
) -> Samples:
    """Sum decaying sines; the higher a partial lies above the lowest (Hz), the sooner its ring (seconds) ends."""
    times = play.times(seconds)
    strike = np.zeros(len(times), dtype=np.float32)
    for ratio, weight in partials:
        strike += np.float32(weight) * sing(lowest * ratio * times) * decay(times, ring / ratio**0.5)
    return strike
