"""Augmentation for the tagger: other gains, clips on top of each other, softer spectrograms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from uat_lightning.metrics.embedders.convolutional import ConvolutionalTagger

REACH = 4  # bins that the softening looks to either side


@dataclass(frozen=True)
class Augmentation:
    """Makes more of a batch of spectrograms; every clip in it stays a real one, or a sum of two.

    Args:
        gain: Standard deviation of the random gain, in nepers (8.7 dB).
        mixed: Share of the rows that become the sum of two clips, with the events of both, 0 to 1.
        softened: Share of the rows whose log-mel spectrogram is blurred, 0 to 1.
        blur: Largest standard deviation of the blur over bands and over frames, in bins.
        noise: Standard deviation of noise on the log-mel spectrogram.
    """

    gain: float = 1.0
    mixed: float = 0.5
    softened: float = 0.5
    blur: float = 2.0
    noise: float = 0.1

    def __call__(self, amplitudes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and labels for training.

        Args:
            amplitudes: Mel amplitudes (rows, bands, frames).
            labels: 1 where the event is there, float (rows, classes).
        """
        amplitudes = amplitudes * torch.exp(self.gain * torch.randn(len(amplitudes), 1, 1))
        amplitudes, labels = self._mix(amplitudes, labels)
        features = self._soften(ConvolutionalTagger.features(amplitudes))
        return features + self.noise * torch.randn_like(features), labels

    def _mix(self, amplitudes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Add the powers of neighbouring rows, which is what their waveforms' sum has on average."""
        mixed = torch.rand(len(labels)) < self.mixed
        both = (amplitudes.square() + amplitudes.roll(1, 0).square()).sqrt()
        either = torch.maximum(labels, labels.roll(1, 0))
        return torch.where(mixed[:, None, None], both, amplitudes), torch.where(mixed[:, None], either, labels)

    def _soften(self, features: Tensor) -> Tensor:
        soft = blurred(blurred(features, self._widths(features)).mT, self._widths(features)).mT
        return torch.where((torch.rand(len(features)) < self.softened)[:, None, None], soft, features)

    def _widths(self, features: Tensor) -> Tensor:
        return (self.blur * torch.rand(len(features))).clamp(min=1e-2)


def blurred(rows: Tensor, widths: Tensor) -> Tensor:
    """Blur the last axis with a Gaussian of each row's own width.

    Args:
        rows: Values of shape (rows, other, places).
        widths: Standard deviations in places, (rows,), above 0.
    """
    weights = torch.exp(-0.5 * (torch.arange(-REACH, REACH + 1) / widths[:, None]).square())
    weights = (weights / weights.sum(1, keepdim=True))[:, None]
    padded = torch.nn.functional.pad(rows, (REACH, REACH), mode="replicate")
    return torch.nn.functional.conv1d(padded.transpose(0, 1), weights, groups=len(rows)).transpose(0, 1)
