"""Pictures of sound for the log."""

from __future__ import annotations

import matplotlib
import torch
import torchaudio
from torch import Tensor


def picture(waveform: Tensor, sample_rate: int, bands: int = 80) -> Tensor:
    """Return the log-mel spectrogram of audio as a picture.

    Args:
        waveform: Audio of shape (channels, samples) in [-1, 1]; its channels are mixed.
        sample_rate: Samples per second, in Hz.
        bands: Height of the picture.

    Returns:
        Red, green and blue in [0, 1], (3, bands, frames); low pitches at the bottom, 80 dB from dark to bright.
    """
    mel = torchaudio.transforms.MelSpectrogram(
        sample_rate, 2048, hop_length=sample_rate // 64, n_mels=bands, power=1.0, pad_mode="constant"
    )
    decibels = 20 * torch.log10(mel(waveform.mean(0)).clamp(min=1e-5))
    level = ((decibels - decibels.amax()) / 80 + 1).clamp(0, 1).flip(0)
    coloured = matplotlib.colormaps["magma"](level.numpy())[..., :3]
    return torch.from_numpy(coloured).permute(2, 0, 1)
