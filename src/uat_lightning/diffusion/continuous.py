"""Continuous diffusion of audio latents: what all processes share, and the two of them."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Generator, Tensor

from uat_lightning.diffusion.base import Corrupted, Objective
from uat_lightning.tensors import over_positions
from uat_lightning.types import Sequences


class ContinuousProcess(Objective):
    """Mixes data with Gaussian noise, ``noisy = alpha(t) clean + sigma(t) noise``, and asks for a mixture of the two.

    A process says how much there is of either at noise level t, what the backbone is to predict, and the way back.
    All else follows: corruption, loss, sampling, and the conversion to any other process. Times are (rows,) tensors in
    [0, 1]; latents have shape (rows, frames, channels).
    """

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """Return the share of the data: 1 at t = 0, 0 at t = 1, falling."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """Return the standard deviation of the noise: 0 at t = 0, 1 at t = 1, rising."""

    @abstractmethod
    def target(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Return what the backbone is to predict of latents and their noise."""

    @abstractmethod
    def separate(self, prediction: Tensor, noisy: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return the clean latents and the noise that a prediction stands for."""

    @abstractmethod
    def level(self, noise_share: Tensor) -> Tensor:
        """Return the noise levels at which noise has the given shares, in [0, 1]; the inverse of ``noise_share``."""

    @abstractmethod
    def derivative(self, prediction: Tensor, noisy: Tensor, t: Tensor) -> Tensor:
        """Return ``d noisy / dt`` along the probability-flow path that a prediction stands for."""

    def noise_share(self, t: Tensor) -> Tensor:
        """Return ``sigma / (alpha + sigma)``: the level of the rectified flow with the same signal-to-noise ratio."""
        return self.sigma(t) / (self.alpha(t) + self.sigma(t))

    def path(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Return the noisy latents at times (rows,)."""
        return over_positions(self.alpha(t), clean) * clean + over_positions(self.sigma(t), clean) * noise

    def reconsider(self, clean: Tensor, noisy: Tensor, t: Tensor) -> Tensor:
        """Return the prediction that stands for these clean latents; the noise is what is left, so t is above 0."""
        alpha, sigma = over_positions(self.alpha(t), noisy), over_positions(self.sigma(t), noisy)
        return self.target(clean, (noisy - alpha * clean) / sigma, t)

    def corrupt(self, clean: Sequences, t: Tensor, generator: Generator | None = None) -> Corrupted:
        """Mix latents (rows, frames, channels) with Gaussian noise at times (rows,)."""
        latents = clean.values
        noise = torch.randn(latents.shape, generator=generator, dtype=latents.dtype, device=latents.device)
        return self.noised(clean, noise, t)

    def noised(self, clean: Sequences, noise: Tensor, t: Tensor) -> Corrupted:
        """Mix latents with given noise of the same shape at times (rows,)."""
        weight = clean.mask / clean.lengths[:, None]
        noisy = Sequences(self.path(clean.values, noise, t), clean.lengths)
        return Corrupted(noisy, self.target(clean.values, noise, t), weight)

    def loss(self, prediction: Tensor, corrupted: Corrupted) -> Tensor:
        """Return the mean squared error of the prediction over each row's valid frames, (rows,)."""
        error = (prediction - corrupted.target).square().mean(-1)
        return (error * corrupted.weight).sum(-1)


class RectifiedFlow(ContinuousProcess):
    """Straight paths from data to Gaussian noise (Liu et al. 2022, arXiv 2209.03003).

    ``noisy = (1 - t) clean + t noise`` and ``velocity = d noisy / dt = noise - clean``.
    """

    def alpha(self, t: Tensor) -> Tensor:
        """Return ``1 - t``."""
        return 1 - t

    def sigma(self, t: Tensor) -> Tensor:
        """Return ``t``."""
        return t

    def target(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Return the velocity ``noise - clean``."""
        return noise - clean

    def separate(self, prediction: Tensor, noisy: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``noisy - t velocity`` and ``noisy + (1 - t) velocity``."""
        t = over_positions(t, noisy)
        return noisy - t * prediction, noisy + (1 - t) * prediction

    def level(self, noise_share: Tensor) -> Tensor:
        """Return the shares, which are the levels."""
        return noise_share

    def noise_share(self, t: Tensor) -> Tensor:
        """Return the levels, which are the shares."""
        return t

    def derivative(self, prediction: Tensor, noisy: Tensor, t: Tensor) -> Tensor:
        """Return the velocity."""
        return prediction

    def path(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Return the noisy latents at times (rows,)."""
        return torch.lerp(clean, noise, over_positions(t, clean))


class VPCosine(ContinuousProcess):
    """Variance-preserving path with a cosine schedule and v-prediction (Salimans & Ho 2022, arXiv 2202.00512).

    ``noisy = cos(pi t / 2) clean + sin(pi t / 2) noise`` and ``v = cos(pi t / 2) noise - sin(pi t / 2) clean``: the
    process of Stable Audio, AudioX and UAT.
    """

    def alpha(self, t: Tensor) -> Tensor:
        """Return ``cos(pi t / 2)``, written as a sine so that it is exactly 0 at t = 1."""
        return torch.sin(0.5 * math.pi * (1 - t))

    def sigma(self, t: Tensor) -> Tensor:
        """Return ``sin(pi t / 2)``."""
        return torch.sin(0.5 * math.pi * t)

    def target(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Return ``v = alpha noise - sigma clean``."""
        return over_positions(self.alpha(t), clean) * noise - over_positions(self.sigma(t), clean) * clean

    def separate(self, prediction: Tensor, noisy: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``alpha noisy - sigma v`` and ``sigma noisy + alpha v``."""
        alpha, sigma = over_positions(self.alpha(t), noisy), over_positions(self.sigma(t), noisy)
        return alpha * noisy - sigma * prediction, sigma * noisy + alpha * prediction

    def level(self, noise_share: Tensor) -> Tensor:
        """Return the angle whose tangent is noise to data, in right angles."""
        return torch.atan2(noise_share, 1 - noise_share) / (0.5 * math.pi)

    def derivative(self, prediction: Tensor, noisy: Tensor, t: Tensor) -> Tensor:
        """Return ``pi / 2 v``."""
        return 0.5 * math.pi * prediction
