"""Rendering: one stem per event, each a pure function of its event, and their mix."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.signal import butter, sosfilt

from .performance import Performance, Samples
from .scene import Event, Scene
from .vocabulary import EVENTS

LEVELS = {"loud": -20.0, "quiet": -30.0, "distant": -29.0}  # dBFS, RMS over the active part
NEUTRAL_LEVEL = -25.5
PEAK_LIMIT = 0.46  # at most two events sound at once, so the mix stays below 0.95
FADE_IN = 0.003  # seconds
FADE_OUT = 0.02
FRAME = 0.02
ECHOES = ((0.0, 1.0), (0.031, 0.5), (0.053, 0.4), (0.083, 0.33), (0.127, 0.25), (0.171, 0.18), (0.223, 0.12))


def render_scene(scene: Scene, sample_rate: int) -> Samples:
    """Render every event of a scene at a sample rate of at least 16000 Hz as float32 (events, samples)."""
    stems = np.zeros((len(scene.events), round(scene.duration * sample_rate)), dtype=np.float32)
    for stem, event in zip(stems, scene.events, strict=True):
        sound = render_event(event, sample_rate)
        first = round(event.onset * sample_rate)
        sound = sound[: len(stem) - first]
        stem[first : first + len(sound)] = sound
    return stems


def render_event(event: Event, sample_rate: int) -> Samples:
    """Render the active part of one event at its level, faded at both ends."""
    rng = np.random.default_rng(event.seed)
    play = Performance(event.attributes, event.duration, sample_rate)
    sound = EVENTS[event.name].synthesise(rng, play)
    if "distant" in event.attributes:
        sound = far_away(sound, sample_rate)
    return at_level(faded(sound, sample_rate), event.attributes, sample_rate)


def far_away(sound: Samples, sample_rate: int) -> Samples:
    """Dull a sound above one kilohertz and blur it with a few echoes."""
    dull: Samples = sosfilt(_dulling_filter(sample_rate), sound).astype(np.float32)
    blurred = np.zeros_like(dull)
    for seconds, gain in ECHOES:
        delay = round(seconds * sample_rate)
        blurred[delay:] += np.float32(gain) * dull[: max(len(dull) - delay, 0)]
    return blurred


def faded(sound: Samples, sample_rate: int) -> Samples:
    """Fade a sound in and out so that its edges do not click."""
    fade_in, fade_out = round(FADE_IN * sample_rate), round(FADE_OUT * sample_rate)
    result = sound.astype(np.float32)
    result[:fade_in] *= np.linspace(0.0, 1.0, fade_in, dtype=np.float32)
    result[-fade_out:] *= np.linspace(1.0, 0.0, fade_out, dtype=np.float32)
    return result


def at_level(sound: Samples, attributes: frozenset[str], sample_rate: int) -> Samples:
    """Scale a sound to the level its attributes ask for and round off peaks that would pass the limit."""
    level = next((LEVELS[name] for name in LEVELS if name in attributes), NEUTRAL_LEVEL)
    gain = 10.0 ** (level / 20.0) / max(active_level(sound, sample_rate), 1e-6)
    scaled: Samples = sound * np.float32(gain)
    if float(np.abs(scaled).max()) <= PEAK_LIMIT:
        return scaled
    limited: Samples = np.float32(PEAK_LIMIT) * np.tanh(scaled / np.float32(PEAK_LIMIT))
    return limited


def active_level(sound: Samples, sample_rate: int) -> float:
    """Return the RMS over the 20 ms frames within 20 dB of the loudest frame."""
    size = round(FRAME * sample_rate)
    frames = sound[: len(sound) // size * size].reshape(-1, size)
    energy = np.einsum("fs,fs->f", frames, frames) / size
    return float(np.sqrt(energy[energy >= 0.01 * energy.max()].mean()))


@lru_cache(maxsize=8)
def _dulling_filter(sample_rate: int) -> Samples:
    coefficients: Samples = butter(2, 1000.0, fs=sample_rate, output="sos").astype(np.float32)
    return coefficients
