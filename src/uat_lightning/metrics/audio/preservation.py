"""How much of the true waveform a result keeps: distortion and log-spectral distance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

from uat_lightning.metrics.audio.spectral import log_spectral_distance
from uat_lightning.metrics.clip_records import ClipMeans


def signal_distortion(estimate: Tensor, target: Tensor) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio in dB of waveforms with their means taken out.

    SI-SDR (Le Roux et al. 2019, arXiv 1811.02508, equation 3) by ``torchmetrics``, with ``zero_mean``. It compares
    samples: a sound that is as good, but begins a little later or has other phases, scores as low as noise.

    Args:
        estimate: Waveforms (..., samples).
        target: Waveforms of the same shape.

    Returns:
        Float64 (...); NaN where the target is silent, as nothing is left to compare with.
    """
    estimate, target = estimate.detach().double(), target.detach().double()
    ratio = scale_invariant_signal_distortion_ratio(estimate, target, zero_mean=True)
    silent = (target - target.mean(-1, keepdim=True)).square().sum(-1) == 0
    return torch.where(silent, torch.nan, ratio)


class Preservation(ClipMeans):
    """Means over clips of the log-spectral distance and of SI-SDR, of results from the waveforms they should be.

    ``compute`` returns ``log_spectral_distance_db``, ``signal_distortion_db``, ``clips`` and ``undefined``.

    Args:
        sample_rate: Samples per second, in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__("log_spectral_distance_db", "signal_distortion_db")
        self.sample_rate = sample_rate

    def update(self, estimates: Sequence[Tensor], targets: Sequence[Tensor], ids: Tensor) -> None:
        """Add results (channels, samples) and true waveforms of the same shapes, with ids (clips,); mixed to mono."""
        rows = [self._row(*pair) for pair in zip(estimates, targets, strict=True)]
        self.record(torch.tensor(rows, dtype=torch.float64), ids)

    def _row(self, estimate: Tensor, target: Tensor) -> list[float]:
        pair = estimate.double().mean(0), target.double().mean(0)
        return [float(log_spectral_distance(*pair, self.sample_rate)), float(signal_distortion(*pair))]
