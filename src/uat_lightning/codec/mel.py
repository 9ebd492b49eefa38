"""A codec without learned weights: principal components of log-mel patches, and Griffin-Lim back to sound."""

from __future__ import annotations

import math

import torch
import torchaudio
from einops import rearrange
from torch import Tensor

from uat_lightning.codec.base import Codec

FLOOR = 1e-5  # mel amplitude below which a bin counts as silence (-100 dB)


class MelCodec(Codec):
    """Whitened principal components of log-mel patches.

    A latent frame is a patch of consecutive log-mel frames, projected on the directions of largest variance in the
    training data. Few, normalised directions are what a small generative model can learn.

    Args:
        sample_rate: Samples per second, in Hz.
        latent_width: Principal components kept.
        mel_bands: Bands of the mel spectrogram.
        window: Samples of an analysis window.
        mel_hop: Samples between mel frames.
        patch: Mel frames per latent frame.
        whitening: 1 gives every component unit variance, 0 keeps their natural proportions (mean variance 1).
        iterations: Rounds of Griffin-Lim when decoding.
    """

    channels = 1
    mean: Tensor
    components: Tensor
    scales: Tensor

    def __init__(
        self,
        sample_rate: int = 16_000,
        latent_width: int = 16,
        mel_bands: int = 64,
        window: int = 1024,
        mel_hop: int = 256,
        patch: int = 4,
        whitening: float = 1.0,
        iterations: int = 32,
    ) -> None:
        super().__init__()
        self.sample_rate, self.latent_width, self.hop = sample_rate, latent_width, mel_hop * patch
        self.window, self.mel_hop, self.patch, self.whitening = window, mel_hop, patch, whitening
        self.iterations = iterations
        filters = torchaudio.functional.melscale_fbanks(
            window // 2 + 1, 0.0, sample_rate / 2, mel_bands, sample_rate, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("inverse_filters", torch.linalg.pinv(filters), persistent=False)
        self.register_buffer("hann", torch.hann_window(window), persistent=False)
        self.register_buffer("mean", torch.zeros(patch * mel_bands))
        self.register_buffer("components", torch.zeros(patch * mel_bands, latent_width))
        self.register_buffer("scales", torch.zeros(latent_width))

    @property
    def fitted(self) -> bool:
        """Whether the principal components are known."""
        return bool(self.scales.any())

    @torch.no_grad()
    def fit(self, waveforms: Tensor) -> None:
        """Find the principal components of the clips' log-mel patches (in float64).

        Args:
            waveforms: Audio of shape (clips, 1, samples) in [-1, 1].

        Raises:
            ValueError: If there are fewer patches than components.
        """
        patches = torch.cat([self._patches(chunk) for chunk in waveforms.split(64)]).flatten(0, 1).double()
        if len(patches) <= self.latent_width:
            raise ValueError(f"{len(patches)} patches cannot fit {self.latent_width} components: give more audio")
        mean = patches.mean(0)
        variances, directions = torch.linalg.eigh(torch.cov((patches - mean).T))
        variances = variances.flip(0)[: self.latent_width].clamp(min=1e-8)
        natural = variances.mean().sqrt().expand(self.latent_width)
        self.mean.copy_(mean)
        self.components.copy_(directions.flip(1)[:, : self.latent_width])
        self.scales.copy_(variances.sqrt() ** self.whitening * natural ** (1 - self.whitening))

    @torch.no_grad()
    def encode(self, waveforms: Tensor) -> Tensor:
        """Encode audio of shape (rows, 1, samples) to latents (rows, frames, latent_width)."""
        return (self._patches(waveforms) - self.mean) @ self.components / self.scales

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (rows, frames, latent_width) to audio (rows, 1, frames * hop)."""
        patches = (latents * self.scales) @ self.components.T + self.mean
        log_mel = rearrange(patches, "rows frames (step band) -> rows band (frames step)", step=self.patch)
        return self._griffin_lim(log_mel)[:, None, : latents.shape[1] * self.hop]

    def _patches(self, waveforms: Tensor) -> Tensor:
        """Return log-mel patches (rows, frames, patch * bands)."""
        samples = waveforms.shape[-1]
        padded = torch.nn.functional.pad(waveforms[:, 0], (0, self.frames(samples) * self.hop - samples))
        log_mel = self.log_mel(padded)[..., :-1]  # the centred transform adds one frame
        return rearrange(log_mel, "rows band (frames step) -> rows frames (step band)", step=self.patch)

    def log_mel(self, waveforms: Tensor) -> Tensor:
        """Return the natural logarithm of the mel amplitudes of (rows, samples): (rows, bands, mel frames)."""
        spectrum = torch.stft(
            waveforms, self.window, self.mel_hop, window=self.hann, pad_mode="constant", return_complex=True
        )
        return torch.log((spectrum.abs().mT @ self.filters).mT.clamp(min=FLOOR))

    def _griffin_lim(self, log_mel: Tensor) -> Tensor:
        amplitudes = log_mel.clamp(min=math.log(FLOOR), max=math.log(1e3)).exp()
        # One frame more, so that the last hop lies inside the inverse transform's window.
        amplitudes = torch.nn.functional.pad(amplitudes, (0, 1), mode="replicate")
        linear = (amplitudes.mT @ self.inverse_filters).mT.clamp(min=0)
        return torchaudio.functional.griffinlim(
            linear, self.hann, self.window, self.mel_hop, self.window, 1.0, self.iterations, 0.99, None, False
        )
