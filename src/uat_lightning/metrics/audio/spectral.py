"""Distances between the spectra of waveforms."""

from __future__ import annotations

import torch
from torch import Tensor


def log_spectral_distance(estimate: Tensor, target: Tensor, sample_rate: int, floor: float = -80.0) -> Tensor:
    """Return the log-spectral distance of two waveforms in dB.

    ``mean_t sqrt(mean_f (10 log10 P(t, f) - 10 log10 Q(t, f))^2)`` over the power spectrograms P and Q (Gray & Markel
    1976, "Distance measures for speech processing"), with the window of 46.4 ms and the hop of 10 ms of
    ``ssr_eval`` and ``audioldm_eval``, whose figure is a tenth of this one and has no floor. The same sound at another
    gain is as far away as the gain in dB. Bins are raised to the floor first, or else what nobody hears dominates.

    Args:
        estimate: Waveforms (..., samples).
        target: Waveforms of the same shape.
        sample_rate: Samples per second, in Hz.
        floor: Level in dB, relative to a sine of amplitude 1, below which bins count as silent.

    Returns:
        One distance for each waveform, of shape (...).

    Raises:
        ValueError: If the shapes differ or the waveforms are empty.
    """
    if estimate.shape != target.shape or target.shape[-1] < 1:
        shapes = f"{tuple(estimate.shape)} and {tuple(target.shape)}"
        raise ValueError(f"waveforms must have the same shape and at least one sample, got {shapes}")
    levels = [_levels(waveform, sample_rate, floor) for waveform in (estimate, target)]
    distance: Tensor = (levels[0] - levels[1]).square().mean(-2).sqrt().mean(-1)
    return distance


def _levels(waveform: Tensor, sample_rate: int, floor: float) -> Tensor:
    """Return the levels of time-frequency bins in dB, (..., frequencies, frames)."""
    size = int(2048 * sample_rate / 44_100)
    window = torch.hann_window(size, dtype=waveform.dtype, device=waveform.device)
    rows = waveform.reshape(-1, waveform.shape[-1])
    spectrum = torch.stft(rows, size, sample_rate // 100, window=window, pad_mode="constant", return_complex=True)
    amplitude = spectrum.abs() / (0.5 * window.sum())  # a sine of amplitude 1 in a bin's middle has 1
    levels = 20 * torch.log10(amplitude.clamp(min=10 ** (floor / 20)))
    return levels.reshape(*waveform.shape[:-1], *levels.shape[-2:])
