"""Continuous diffusion of audio latents."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from uat_lightning.diffusion.base import Corrupted, Objective
from uat_lightning.tensors import over_positions
from uat_lightning.types import Sequences


class RectifiedFlow(Objective):
    """Straight paths from data to Gaussian noise (Liu et al. 2022, arXiv 2209.03003).

    ``noisy = (1 - t) clean + t noise`` and ``velocity = d noisy / dt = noise - clean``.
    """

    def path(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Return the noisy latents at times (rows,)."""
        return torch.lerp(clean, noise, over_positions(t, clean))

    def corrupt(self, clean: Sequences, t: Tensor, generator: Generator | None = None) -> Corrupted:
        """Mix latents (rows, frames, channels) with Gaussian noise at times (rows,)."""
        latents = clean.values
        noise = torch.randn(latents.shape, generator=generator, dtype=latents.dtype, device=latents.device)
        weight = clean.mask / clean.lengths[:, None]
        return Corrupted(Sequences(self.path(latents, noise, t), clean.lengths), noise - latents, weight)

    def loss(self, prediction: Tensor, corrupted: Corrupted) -> Tensor:
        """Return the mean squared error of the velocity over each row's valid frames, (rows,)."""
        error = (prediction - corrupted.target).square().mean(-1)
        return (error * corrupted.weight).sum(-1)
