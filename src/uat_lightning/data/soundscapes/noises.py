"""Synthesisers of noisy sounds."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from .performance import Performance, Samples, decay, running_phase, sing


def band_response(size: int, sample_rate: int, low: float, high: float) -> Samples:
    """Return the smooth amplitude response, per real FFT bin, of a band between low and high Hz."""
    frequency = np.arange(size // 2 + 1, dtype=np.float32) * np.float32(sample_rate / size)
    frequency[0] = frequency[1]
    below = np.square(np.square(np.float32(low) / frequency))
    above = np.square(np.square(frequency / np.float32(high)))
    response: Samples = 1.0 / ((1.0 + below) * (1.0 + above))
    return response


def band_noise(rng: Generator, samples: int, sample_rate: int, low: float, high: float) -> Samples:
    """Draw Gaussian noise in a band between low and high Hz, straight from its spectrum."""
    size = next_fast_len(samples, real=True)
    spectrum = rng.standard_normal(2 * (size // 2 + 1), dtype=np.float32).view(np.complex64)
    noise: Samples = irfft(spectrum * band_response(size, sample_rate, low, high), size)[:samples]
    noise /= np.float32(np.std(noise) + 1e-12)
    return noise


def hiss(rng: Generator, play: Performance) -> Samples:
    """Hiss steadily above about four kilohertz."""
    return band_noise(rng, play.samples, play.sample_rate, float(rng.uniform(4500.0, 5200.0)), 7800.0)


def rumble(rng: Generator, play: Performance) -> Samples:
    """Rumble steadily below about 150 Hz."""
    return band_noise(rng, play.samples, play.sample_rate, 50.0, float(rng.uniform(110.0, 150.0)))


def wind(rng: Generator, play: Performance) -> Samples:
    """Howl in a narrow band of noise whose centre and strength drift together."""
    gust = np.sin(2.0 * np.pi * (rng.uniform(0.5, 0.9) * play.times() + rng.uniform()))
    carrier = sing(running_phase(rng.uniform(500.0, 650.0) * 2.0 ** (0.6 * gust), play.sample_rate))
    return carrier * band_noise(rng, play.samples, play.sample_rate, 5.0, 110.0) * (0.7 + 0.3 * gust).astype(np.float32)


def rain(rng: Generator, play: Performance) -> Samples:
    """Patter with dense random drops over a broad middle band."""
    return _filtered(_drops(rng, play, 1500.0, 0.22) + _drops(rng, play, 100.0, 0.75), play, 900.0, 5500.0)


def helicopter(rng: Generator, play: Performance) -> Samples:
    """Chop broad low noise into regular pulses."""
    beat = np.maximum(sing(play.rate(rng, 7.0, 20.0) * play.times()), 0.0)
    pulse: Samples = beat * beat + np.float32(0.03)
    return band_noise(rng, play.samples, play.sample_rate, 90.0, 1800.0) * pulse


def saw(rng: Generator, play: Performance) -> Samples:
    """Rasp bright noise in strokes that swell and stop."""
    stroke = np.minimum((play.rate(rng, 2.0, 6.0) * play.times()) % 1.0, 0.75).astype(np.float32) / 0.75
    cutting = np.where(stroke < 1.0, stroke, np.float32(0.0))
    return band_noise(rng, play.samples, play.sample_rate, 1800.0, 4500.0) * cutting


def thunder(rng: Generator, play: Performance) -> Samples:
    """Crack with a broad burst that rolls away into low noise."""
    times = play.times()
    crack = band_noise(rng, play.samples, play.sample_rate, 250.0, 3500.0) * decay(times, 0.12)
    roll = band_noise(rng, play.samples, play.sample_rate, 60.0, 400.0) * decay(times, 0.35 * play.duration)
    burst: Samples = (np.float32(1.2) * crack + roll) * np.minimum(times / 0.01, 1.0).astype(np.float32)
    return burst


def _drops(rng: Generator, play: Performance, per_second: float, strength: float) -> Samples:
    count = max(1, round(per_second * play.duration))
    positions: NDArray[np.int64] = rng.integers(0, play.samples, count)
    gains = strength * rng.uniform(0.6, 1.4, count) * rng.choice((-1.0, 1.0), count)
    return np.bincount(positions, gains, play.samples).astype(np.float32)


def _filtered(excitation: Samples, play: Performance, low: float, high: float) -> Samples:
    size = next_fast_len(play.samples, real=True)
    spectrum = rfft(excitation, size) * band_response(size, play.sample_rate, low, high)
    filtered: Samples = irfft(spectrum, size)[: play.samples]
    return filtered
