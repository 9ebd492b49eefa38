from __future__ import annotations

import pytest
import torch

from uat_lightning.metrics.audio.spectral import log_spectral_distance

RATE = 16_000


def noise(*shape: int) -> torch.Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_waveform_is_no_distance_from_itself():
    assert log_spectral_distance(noise(3, RATE), noise(3, RATE), RATE).tolist() == [0, 0, 0]


@pytest.mark.parametrize("gain", [0.5, 0.1])
def test_a_gain_is_as_far_as_its_decibels(gain):
    distance = log_spectral_distance(gain * noise(RATE), noise(RATE), RATE, floor=-300.0)
    assert distance.item() == pytest.approx(-20 * torch.log10(torch.tensor(gain)).item(), rel=1e-6)


def test_the_distance_is_the_same_both_ways():
    a, b = noise(2, RATE)
    assert log_spectral_distance(a, b, RATE).item() == pytest.approx(log_spectral_distance(b, a, RATE).item())


def test_below_the_floor_all_is_silence():
    quiet = 1e-6 * noise(RATE)
    assert log_spectral_distance(quiet, torch.zeros_like(quiet), RATE).item() == 0
    assert log_spectral_distance(quiet, torch.zeros_like(quiet), RATE, floor=-200.0).item() > 10


def test_a_full_scale_sine_has_level_zero_in_its_bin():
    size = int(2048 * RATE / 44_100)
    sine = torch.sin(2 * torch.pi * 40 * torch.arange(RATE, dtype=torch.float64) / size)
    # Against silence at a floor of -0.1 dB only the sine's own bin is above the floor, by that 0.1 dB.
    distance = log_spectral_distance(sine, torch.zeros_like(sine), RATE, floor=-0.1).item()
    assert distance == pytest.approx(0.1 / (size // 2 + 1) ** 0.5, rel=0.05)


def test_shorter_than_a_window_works_and_other_shapes_do_not():
    assert log_spectral_distance(noise(1), noise(1), RATE).item() == 0
    with pytest.raises(ValueError, match="same shape"):
        log_spectral_distance(noise(RATE), noise(RATE - 1), RATE)
    with pytest.raises(ValueError, match="at least one sample"):
        log_spectral_distance(noise(0), noise(0), RATE)
