"""Synthesisers of pitched, sustained sounds."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from .performance import Cycles, Performance, Samples, running_phase, sing

SOFT = (1.0, 0.25, 0.08)
BRASS = tuple((order + 1.0) ** -0.7 for order in range(8))
HOLLOW = (1.0, 0.0, 0.5, 0.0, 0.3)
BUZZ = tuple((order + 1.0) ** -0.5 if order % 2 == 0 else 0.0 for order in range(13))
ENGINE = tuple(1.0 / (order + 1.0) ** 0.8 for order in range(16))
CHORD = (1.0, 1.26, 1.5)


def rising_glide(rng: Generator, play: Performance) -> Samples:
    """Sweep a tone steadily upwards by a little more than three octaves."""
    return _glide(float(rng.uniform(200.0, 280.0)), 10.0, play)


def falling_glide(rng: Generator, play: Performance) -> Samples:
    """Sweep a tone steadily downwards by a little more than three octaves."""
    return _glide(float(rng.uniform(2000.0, 2800.0)), 0.1, play)


def siren(rng: Generator, play: Performance) -> Samples:
    """Wail up and down over an octave."""
    swing = np.sin(2.0 * np.pi * (play.rate(rng, 1.1, 3.6) * play.times() + rng.uniform()))
    return sing(running_phase(rng.uniform(750.0, 950.0) * 2.0 ** (0.5 * swing), play.sample_rate), (1.0, 0.5, 0.25))


def phone(rng: Generator, play: Performance) -> Samples:
    """Trill quickly between two high tones in short rings separated by silence."""
    times = play.times()
    frequency = rng.uniform(1500.0, 1900.0) * np.where((24.0 * times) % 1.0 < 0.5, 1.0, 1.25)
    return sing(running_phase(frequency, play.sample_rate), SOFT) * _gate(times, float(rng.uniform(2.2, 2.6)), 0.65)


def buzzer(rng: Generator, play: Performance) -> Samples:
    """Hold a harsh tone with strong odd harmonics."""
    return sing(play.pitch(rng, 165.0, 495.0) * play.times(), BUZZ)


def engine(rng: Generator, play: Performance) -> Samples:
    """Run a low harmonic drone that chugs unevenly."""
    times = play.times()
    frequency = play.rate(rng, 45.0, 135.0)
    wobble = running_phase(frequency * (1.0 + 0.03 * sing(2.5 * times + rng.uniform())), play.sample_rate)
    chug: Samples = np.float32(1.0) + np.float32(0.45) * sing(wobble / 8.0)
    return sing(wobble, ENGINE) * chug


def whistle(rng: Generator, play: Performance) -> Samples:
    """Blow a pure tone with a wide vibrato."""
    times = play.times()
    vibrato = 1.0 + 0.07 * np.sin(2.0 * np.pi * rng.uniform(5.5, 7.0) * times)
    return sing(running_phase(play.pitch(rng, 800.0, 2500.0) * vibrato, play.sample_rate))


def _glide(start: float, ratio: float, play: Performance) -> Samples:
    return sing(running_phase(start * np.exp(np.log(ratio) / play.duration * play.times()), play.sample_rate), SOFT)


def _gate(times: Cycles, rate: float, share: float) -> Samples:
    """Open for a share of every period, with edges a few milliseconds long."""
    position = (rate * times) % 1.0
    edge = 0.006 * rate
    return np.clip(np.minimum(position, share - position) / edge, 0.0, 1.0).astype(np.float32)


def _swell(times: Cycles, seconds: float) -> Samples:
    """Rise within 15 ms at the start and fall within 30 ms at the end."""
    return np.clip(np.minimum(times / 0.015, (seconds - times) / 0.03), 0.0, 1.0).astype(np.float32)
