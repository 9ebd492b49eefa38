"""A small convolutional tagger: which sound events are in a clip."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor, nn

from uat_lightning.configurable import Configurable


class Tagger(Configurable, nn.Module):
    """Log-mel spectrogram, convolutions, and a pooled score for every event class.

    Args:
        classes: Number of event classes.
        sample_rate: Samples per second of the waveforms, in Hz.
        width: Channels of the first convolution; each later one has twice as many.
        mel_bands: Bands of the spectrogram.
    """

    def __init__(self, classes: int, sample_rate: int = 16_000, width: int = 16, mel_bands: int = 64) -> None:
        super().__init__()
        self.classes, self.sample_rate = classes, sample_rate
        self.mel = torchaudio.transforms.MelSpectrogram(sample_rate, 1024, hop_length=512, n_mels=mel_bands, power=1.0)
        self.normalise = nn.BatchNorm1d(mel_bands)
        self.layers = nn.Sequential(
            _layer(1, width, stride=2),
            _layer(width, 2 * width, stride=2),
            _layer(2 * width, 4 * width, stride=1),
            nn.MaxPool2d(2),
            _layer(4 * width, 8 * width, stride=1),
        )
        self.score = nn.Linear(2 * 8 * width, classes)

    def features(self, waveforms: Tensor) -> Tensor:
        """Return log-mel amplitudes (rows, bands, frames) of mono audio (rows, samples)."""
        return torch.log(self.mel(waveforms) + 1e-3)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (rows, classes) for features (rows, bands, frames)."""
        hidden = self.layers(self.normalise(features)[:, None]).mean(2)
        pooled = torch.cat([hidden.mean(-1), hidden.amax(-1)], dim=-1)
        logits: Tensor = self.score(pooled)
        return logits

    @torch.no_grad()
    def tag(self, waveform: Tensor, threshold: float = 0.5) -> set[int]:
        """Return the classes heard in a mono waveform (samples,), those with probability above the threshold."""
        probabilities = self(self.features(waveform[None]))[0].sigmoid()
        return set((probabilities > threshold).nonzero()[:, 0].tolist())


def _layer(inward: int, outward: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(inward, outward, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outward), nn.ReLU())
