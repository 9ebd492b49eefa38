"""Waveforms as listeners hear them: one channel, at their rate."""

from __future__ import annotations

import soxr
import torch
from torch import Tensor


def mono(waveform: Tensor, sample_rate: int, wanted: int) -> Tensor:
    """Return a waveform mixed to mono at another rate, (samples,), at least one sample, on the CPU.

    Args:
        waveform: Audio (channels, samples).
        sample_rate: Its samples per second, in Hz.
        wanted: Samples per second wanted, in Hz.
    """
    mixed = waveform.mean(0).cpu()
    if sample_rate == wanted:
        return mixed
    moved = torch.from_numpy(soxr.resample(mixed.numpy(), sample_rate, wanted, quality="HQ"))
    return moved if len(moved) else mixed.mean(0, keepdim=True)  # a few samples may round to none
