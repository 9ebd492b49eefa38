from __future__ import annotations

import json
import math

import pytest
import soundfile
import torch

from uat_lightning.metrics.audio.loudness import integrated_loudness
from uat_lightning.metrics.audio.sanity import SanityStatistics, sanity, spectral_flatness

RATE = 16_000
TIME = torch.arange(RATE, dtype=torch.float64) / RATE
SINE = torch.sin(2 * torch.pi * 1000 * TIME)[None]
NOISE = 0.1 * torch.randn(1, 8 * RATE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_loudness_is_that_of_the_published_cases(shared):
    folder = shared / "cases" / "loudness"
    for name, case in json.loads((folder / "expected.json").read_text()).items():
        samples, rate = soundfile.read(folder / name, always_2d=True)
        found = integrated_loudness(torch.from_numpy(samples.T), rate)
        assert found == pytest.approx(case["lufs"], abs=case["tol"]), name


def test_what_has_no_loudness():
    assert math.isnan(integrated_loudness(SINE[:, :100], RATE))
    assert integrated_loudness(torch.zeros(1, RATE), RATE) == -math.inf
    with pytest.raises(ValueError, match="5 channels"):
        integrated_loudness(torch.zeros(6, RATE), RATE)


def test_a_sine_at_half_scale():
    look = sanity(0.5 * SINE, RATE)
    assert (look.seconds, look.sounding_seconds) == (1, pytest.approx(1))
    assert look.peak_dbfs == pytest.approx(-6.0206, abs=1e-4)
    assert look.rms_dbfs == pytest.approx(-9.0309, abs=1e-4)
    assert (look.clipped_share, look.silent_share, look.not_finite_share) == (0, 0, 0)
    assert look.spectral_flatness < 1e-3


def test_half_of_it_silent_and_a_tenth_clipped():
    waveform = torch.cat([0.5 * SINE, torch.zeros(1, RATE)], dim=1).repeat(2, 1)
    waveform[:, : RATE // 5] = 1.0
    look = sanity(waveform, RATE)
    assert look.silent_share == pytest.approx(0.5)
    assert look.clipped_share == pytest.approx(0.1)
    assert (look.seconds, look.sounding_seconds) == (2, pytest.approx(1))


def test_flatness_is_one_for_white_noise_at_any_level_and_undefined_for_silence():
    assert spectral_flatness(NOISE, RATE) > 0.95
    assert spectral_flatness(1e-3 * NOISE, RATE) == pytest.approx(spectral_flatness(NOISE, RATE))
    assert math.isnan(spectral_flatness(torch.zeros(1, RATE), RATE))


def test_samples_that_are_not_finite_are_counted_and_spoil_nothing_else():
    waveform = (0.5 * SINE).clone()
    waveform[0, :1600], waveform[0, 1600] = math.nan, math.inf
    look = sanity(waveform, RATE)
    assert look.not_finite_share == pytest.approx(1601 / RATE)
    assert look.peak_dbfs == pytest.approx(-6.0206, abs=1e-4)
    assert math.isfinite(look.rms_dbfs) and math.isfinite(look.loudness_lufs)


def test_a_single_sample_is_a_clip_and_none_is_not():
    assert sanity(torch.ones(1, 1), RATE).clipped_share == 1
    with pytest.raises(ValueError, match="and a sample"):
        sanity(torch.zeros(1, 0), RATE)


def test_statistics_count_clips_once():
    statistics = SanityStatistics(RATE)
    statistics.update([0.5 * SINE, torch.zeros(2, RATE)], torch.tensor([0, 1]))
    statistics.update([torch.full((1, 100), math.nan), 0.5 * SINE, 2 * SINE], torch.tensor([2, 0, 3]))
    found = statistics.compute()
    assert (found["clips"], found["clips_clipped"], found["clips_silent"], found["clips_not_finite"]) == (4, 1, 2, 1)
    assert found["clips_without_loudness"] == 2
    assert found["seconds"] == pytest.approx((3 + 100 / RATE) / 4)
    assert math.isnan(SanityStatistics(RATE).compute()["rms_dbfs"])
