"""A codec without learned weights: principal components of log-mel patches, and Griffin-Lim back to sound."""

from __future__ import annotations

import math

import torch
import torchaudio
from einops import rearrange
from torch import Tensor

from uat_lightning.codec.base import Codec

FLOOR = 1e-5  # mel amplitude below which a bin counts as silence (-100 dB)
UPDATES = 10  # rounds that find a linear spectrum behind the mel bands
MOMENTUM = 0.99 / 1.99  # share of the last round taken off; fast Griffin-Lim with alpha 0.99
FRAMES_AT_ONCE = 2048  # mel frames of rows decoded together: spectra that leave a CPU's caches take 2.5 times as long


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
    filters: Tensor
    hann: Tensor
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
        iterations: int = 16,
    ) -> None:
        super().__init__()
        self.sample_rate, self.latent_width, self.hop = sample_rate, latent_width, mel_hop * patch
        self.window, self.mel_hop, self.patch, self.whitening = window, mel_hop, patch, whitening
        self.iterations = iterations
        filters = torchaudio.functional.melscale_fbanks(
            window // 2 + 1, 0.0, sample_rate / 2, mel_bands, sample_rate, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("filters", filters, persistent=False)
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
        patches = torch.cat([self._patches(chunk) for chunk in torch.split(waveforms, 64)]).flatten(0, 1).double()
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
        """Encode audio of shape (rows, 1, samples) to latents (rows, frames, latent_width).

        Raises:
            ValueError: If the codec is not fitted.
        """
        self._check_fitted()
        return (self._patches(waveforms) - self.mean) @ self.components / self.scales

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (rows, frames, latent_width) to audio (rows, 1, frames * hop).

        Raises:
            ValueError: If the codec is not fitted.
        """
        self._check_fitted()
        patches = (latents * self.scales) @ self.components.T + self.mean
        log_mel = rearrange(patches, "rows frames (step band) -> rows band (frames step)", step=self.patch)
        rows = torch.split(log_mel, max(1, FRAMES_AT_ONCE // log_mel.shape[-1]))
        return torch.cat([self._griffin_lim(some) for some in rows])[:, None]

    def _check_fitted(self) -> None:
        if not self.fitted:
            raise ValueError("the mel codec has no components yet: fit it on audio or load it from a model folder")

    def _patches(self, waveforms: Tensor) -> Tensor:
        """Return log-mel patches (rows, frames, patch * bands)."""
        samples = waveforms.shape[-1]
        padded = torch.nn.functional.pad(waveforms[:, 0], (0, self.frames(samples) * self.hop - samples))
        log_mel = self.log_mel(padded)[..., :-1]  # the centred transform adds one frame
        return rearrange(log_mel, "rows band (frames step) -> rows frames (step band)", step=self.patch)

    def log_mel(self, waveforms: Tensor) -> Tensor:
        """Return the natural logarithm of the mel amplitudes of (rows, samples): (rows, bands, mel frames)."""
        spectrum = self._transform(waveforms)
        return torch.log((spectrum.abs().mT @ self.filters).mT.clamp(min=FLOOR))

    def _griffin_lim(self, log_mel: Tensor) -> Tensor:
        """Find phases for the spectrum (Perraudin et al. 2013) by going back and forth between it and the sound.

        torchaudio's version pads by reflection where the analysis pads with silence; clips would begin with a click.
        """
        spectrum = self._spectrum(log_mel)
        phases = torch.polar(torch.ones_like(spectrum), self._first_angles(spectrum))
        last = torch.zeros_like(phases)
        for _ in range(self.iterations):
            found = self._transform(self._inverse_transform(spectrum * phases))
            phases, last = torch.sub(found, last, alpha=MOMENTUM).sgn(), found
        return self._inverse_transform(spectrum * phases)

    def _spectrum(self, log_mel: Tensor) -> Tensor:
        """Return the amplitudes whose mel bands come near, by multiplicative updates (Lee and Seung 2001).

        The pseudo-inverse of the filters leaves an error six times larger on sounds with silence in them.
        """
        mel = log_mel.clamp(min=math.log(FLOOR), max=math.log(1e3)).exp()
        # One frame more, so that the last hop lies inside the inverse transform's window.
        mel = torch.nn.functional.pad(mel, (0, 1), mode="replicate").mT
        weights = self.filters.sum(1).clamp(min=FLOOR)
        spectrum = mel @ self.filters.T / weights
        for _ in range(UPDATES):
            ratio = mel / (spectrum @ self.filters).clamp(min=FLOOR**2)
            spectrum = spectrum * (ratio @ self.filters.T / weights)
        return spectrum.mT

    def _first_angles(self, spectrum: Tensor) -> Tensor:
        """Return fixed angles, the same for every row, so that a row sounds alike in any batch."""
        frames_first = torch.rand(spectrum.mT.shape[1:], generator=torch.Generator().manual_seed(0))
        return (2 * math.pi * frames_first.T).to(spectrum.device).expand_as(spectrum)

    def _transform(self, waveforms: Tensor) -> Tensor:
        return torch.stft(
            waveforms, self.window, self.mel_hop, window=self.hann, pad_mode="constant", return_complex=True
        )

    def _inverse_transform(self, spectra: Tensor) -> Tensor:
        samples = (spectra.shape[-1] - 1) * self.mel_hop
        return torch.istft(spectra, self.window, self.mel_hop, window=self.hann, length=samples)
