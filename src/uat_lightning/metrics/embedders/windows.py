"""Windows of one length over waveforms of any: what networks with a fixed input listen to."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def windows(waveform: Tensor, samples: int, overlap: float = 0.1) -> list[Tensor]:
    """Return a waveform (samples,) itself where it is no longer than a window, else windows evenly spread over it.

    Nothing is left out and nothing is drawn: the same clip always gives the same windows.

    Args:
        waveform: A mono waveform.
        samples: Length of a window.
        overlap: Least share of a window that the next one repeats, 0 or more, below 1.
    """
    beyond = len(waveform) - samples
    if beyond <= 0:
        return [waveform]
    count = 1 + math.ceil(beyond / (samples * (1 - overlap)))
    starts = torch.linspace(0, beyond, count, dtype=torch.float64).round().long().tolist()
    return [waveform[start : start + samples] for start in starts]


def windows_of_all(waveforms: Sequence[Tensor], samples: int, overlap: float = 0.1) -> tuple[list[Tensor], list[int]]:
    """Return the windows of several waveforms in one list, and how many there are of each waveform."""
    each = [windows(waveform, samples, overlap) for waveform in waveforms]
    return [window for some in each for window in some], [len(some) for some in each]
