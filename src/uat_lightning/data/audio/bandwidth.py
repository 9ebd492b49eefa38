"""How far up the sound of a file reaches, whatever its sample rate promises.

Sound at 16 kHz that was saved at 44.1 kHz ends at 8 kHz; MP3 encoders cut at 16 kHz. What lies above such an edge is
rounding noise or nothing. A model trained on it learns to make dull sound at a high rate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.signal import welch

from uat_lightning.data.audio.decoder import Samples

Spectrum = NDArray[np.float64]

WINDOW = 4096  # samples of a spectrum
ROUNDING = 2.0**-30 / 12  # power of the noise of rounding to 16 bits, where full scale is 1
ABOVE_ROUNDING = 10.0  # dB by which sound must exceed rounding noise; dither has 5 dB more than rounding alone
RANGE = 90.0  # dB below the strongest frequency at which sound ends: the window leaks down to 92 dB
EDGE = 15.0  # dB of a fall within TRANSITION that only a filter makes
TRANSITION = 0.03  # share of the highest frequency; resamplers and encoders fall off within it
LOWEST_EDGE = 0.1  # share of the highest frequency
SMOOTHING = 0.02  # share of the highest frequency: narrower tones have no say in where sound as a whole ends


def bandwidth(waveform: Samples, sample_rate: int) -> float:
    """Return the highest frequency with sound in it, in Hz; 0 for silence, half the sample rate for full band.

    Args:
        waveform: Audio of shape (channels, samples), at least one sample.
        sample_rate: Samples per second, in Hz.
    """
    return band_limit(power_spectrum(waveform, sample_rate), sample_rate)


def power_spectrum(waveform: Samples, sample_rate: int) -> Spectrum:
    """Return the power density, mean over time and channels, in full scale squared per Hz at WINDOW / 2 + 1 places.

    Welch's method (1967) with a Blackman-Harris window. Audio shorter than a window is padded with silence.

    Args:
        waveform: Audio of shape (channels, samples).
        sample_rate: Samples per second, in Hz.
    """
    padded = np.pad(waveform, ((0, 0), (0, max(0, WINDOW - waveform.shape[1]))))
    density: Spectrum = welch(padded.astype(np.float32), sample_rate, "blackmanharris", WINDOW, detrend=False)[1]
    mean: Spectrum = density.mean(0)
    return mean


def band_limit(density: Spectrum, sample_rate: int) -> float:
    """Return where the sound of a power spectrum ends, in Hz.

    Sound ends at the highest frequency that is well above the noise of rounding to 16 bits, and within 90 dB of the
    strongest. Where noise of another origin lies above a filter's edge, its level shows: the spectrum falls by 15 dB
    or more within 3 % of the band and never rises again. Nature falls more gently, except at the lower end, where
    noise above an edge is taken for sound.

    Args:
        density: What ``power_spectrum`` returns; also the mean of several.
        sample_rate: Samples per second, in Hz.
    """
    highest, step = len(density) - 1, sample_rate / 2 / (len(density) - 1)
    level = 10 * np.log10(np.maximum(density, 1e-30))
    silence = max(10 * np.log10(ROUNDING / (sample_rate / 2)) + ABOVE_ROUNDING, level.max() - RANGE)
    heard = np.flatnonzero(level > silence)
    if not len(heard):
        return 0.0
    edge = _edge(level, highest)
    return round(float(min(heard[-1], edge) * step), 1)


def _edge(level: Spectrum, highest: int) -> int:
    """Return the place of the highest edge in a spectrum in dB, the last place where there is none."""
    smooth = median_filter(level, max(3, round(SMOOTHING * highest)), mode="nearest")
    loudest_above = np.maximum.accumulate(smooth[::-1])[::-1]
    across = max(2, round(TRANSITION * highest))
    falls = np.flatnonzero(smooth[:-across] - loudest_above[across:] > EDGE) + across // 2
    # Lower down, the same width in Hz is a wide interval, over which any sound may fall as far.
    falls = falls[falls >= LOWEST_EDGE * highest]
    return int(falls[-1]) if len(falls) else highest
