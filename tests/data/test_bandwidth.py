"""How far up sound reaches: found under rounding, dither and noise, and never taken for nature's own fall."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from uat_lightning.data.audio import bandwidth, read_audio, write_audio

RATE = 44_100


def falling(rate: int, slope: float, amplitude: float = 0.5, seconds: float = 4.0) -> np.ndarray:
    """Return noise whose power falls with frequency by 6 dB an octave for each unit of slope."""
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=round(rate * seconds)))
    shaped = np.fft.irfft(spectrum / np.maximum(1, np.arange(len(spectrum))) ** slope)
    return amplitude * shaped / np.abs(shaped).max()


def upsampled(rate: int, **how: float) -> np.ndarray:
    return soxr.resample(falling(rate, **how), rate, RATE, "HQ")


def rounded(samples: np.ndarray, dither: bool = False) -> np.ndarray:
    rng = np.random.default_rng(1)
    noise = rng.uniform(-0.5, 0.5, samples.shape) + rng.uniform(-0.5, 0.5, samples.shape)
    return np.round(samples * 32768 + dither * noise) / 32768


@pytest.mark.parametrize("dither", [False, True])
@pytest.mark.parametrize("amplitude", [0.5, 0.01])
@pytest.mark.parametrize("slope", [0.0, 0.5])
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 32_000])
def test_resampled_sound_ends_at_half_its_old_rate(rate, slope, amplitude, dither):
    samples = rounded(upsampled(rate, slope=slope, amplitude=amplitude), dither)
    assert bandwidth(samples[None], RATE) == pytest.approx(rate / 2, rel=0.04)


@pytest.mark.parametrize("rate", [16_000, 32_000])
def test_an_edge_shows_above_noise_of_another_origin(rate):
    noise = np.random.default_rng(2).normal(0, 1e-4, 4 * RATE)
    assert bandwidth((upsampled(rate, slope=0.5) + noise)[None], RATE) == pytest.approx(rate / 2, rel=0.04)


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_what_falls_as_nature_does_is_full_band(slope):
    assert bandwidth(rounded(falling(RATE, slope))[None], RATE) == RATE / 2


def test_a_tone_ends_with_itself():
    tone = 0.5 * np.sin(2 * np.pi * 3000 * np.arange(RATE) / RATE)
    assert bandwidth(tone[None], RATE) == pytest.approx(3000, abs=50)
    # A whistle above a band of noise is sound too, and no edge of it.
    assert bandwidth((falling(RATE, 0.0, 0.01, 1.0) + tone)[None], RATE) == RATE / 2


def test_silence_has_none_and_any_length_is_taken():
    assert bandwidth(np.zeros((2, RATE), np.float32), RATE) == 0
    assert bandwidth(np.zeros((1, 1), np.float32), RATE) == 0
    assert 0 <= bandwidth(falling(RATE, 0.0, seconds=0.01)[None], RATE) <= RATE / 2


def test_the_widest_channel_counts():
    both = np.stack([upsampled(16_000, slope=0.0), falling(RATE, 0.0)])
    assert bandwidth(both, RATE) == RATE / 2


def test_silence_around_a_sound_changes_little():
    samples = np.concatenate([np.zeros(9 * RATE), rounded(upsampled(16_000, slope=0.5))])
    assert bandwidth(samples[None], RATE) == pytest.approx(8_000, rel=0.04)


@pytest.mark.parametrize("extension", ["mp3", "ogg", "flac"])
def test_the_edge_survives_files(tmp_path, extension):
    write_audio(tmp_path / f"a.{extension}", upsampled(16_000, slope=0.5)[None], RATE)
    assert bandwidth(read_audio(tmp_path / f"a.{extension}", RATE, 1), RATE) == pytest.approx(8_000, rel=0.05)


def test_the_low_pass_of_mp3_is_found(tmp_path):
    write_audio(tmp_path / "a.mp3", falling(RATE, 0.0)[None], RATE)
    assert 14_000 < bandwidth(read_audio(tmp_path / "a.mp3", RATE, 1), RATE) < 20_500
