"""Time samplers around others: how draws are spread over a batch, and how they move."""

from __future__ import annotations

import torch
from torch import Tensor

from uat_lightning.diffusion.occasion import ANYWHERE, Occasion
from uat_lightning.diffusion.times import TimeSampler, among_ranks


class Around(TimeSampler):
    """A time sampler that changes one thing about another.

    Args:
        levels: The other sampler.
    """

    def __init__(self, levels: TimeSampler) -> None:
        self.levels = levels

    def shares(self, rows: Tensor, occasion: Occasion = ANYWHERE) -> Tensor:
        """Return the other sampler's shares."""
        return self.levels.shares(rows, occasion)

    def quantile(self, share: Tensor, occasion: Occasion = ANYWHERE) -> Tensor:
        """Return the other sampler's levels."""
        return self.levels.quantile(share, occasion)


class Independent(Around):
    """Every row draws for itself, without strata: what most of the literature does."""

    def shares(self, rows: Tensor, occasion: Occasion = ANYWHERE) -> Tensor:
        """Return independent shares in (0, 1], (rows,)."""
        return 1 - torch.rand(len(rows), device=rows.device)


class Antithetic(Around):
    """Stratified, and in pairs that mirror each other: where a row draws the share u, another has 1 - u.

    What is linear in the share then has no variance at all (antithetic variates, Hammersley & Morton 1956).
    """

    def shares(self, rows: Tensor, occasion: Occasion = ANYWHERE) -> Tensor:
        """Return shares in (0, 1] that sum to half the number of rows marked in ``rows``, where that is even."""
        count = rows.sum().clamp(min=1)
        bins = torch.rand(len(rows), device=rows.device).masked_fill(~rows, 2.0).argsort().argsort()
        mirrored, place = 2 * bins >= count, torch.minimum(bins, count - 1 - bins)
        inside = among_ranks(torch.rand(len(rows), device=rows.device)[place], place, occasion)
        share = ((place + inside) / count).clamp(1e-6, 1 - 1e-6)
        return torch.where(mirrored, 1 - share, share)


class Annealed(TimeSampler):
    """Moves from one sampler to another in the course of training, a function of the step and nothing else.

    The levels of a share move on a straight line, so that strata stay strata.

    Args:
        first: The levels at the beginning.
        last: The levels from the end of the move on.
        steps: Optimizer steps that the move takes.
        start: Optimizer step at which it begins.
    """

    def __init__(self, first: TimeSampler, last: TimeSampler, steps: int, start: int = 0) -> None:
        if steps < 1:
            raise ValueError(f"steps of annealing must be at least 1, got {steps}")
        self.first, self.last, self.steps, self.start = first, last, steps, start

    def progress(self, step: int) -> float:
        """Return how far the move is at a step, 0 to 1."""
        return min(1.0, max(0.0, (step - self.start) / self.steps))

    def quantile(self, share: Tensor, occasion: Occasion = ANYWHERE) -> Tensor:
        """Return a mean of the two samplers' levels, weighted by the progress."""
        first, last = self.first.quantile(share, occasion), self.last.quantile(share, occasion)
        return torch.lerp(first, last, self.progress(occasion.step))


class ShiftedByLength(Around):
    """Longer latents train at higher noise: ``t' = a t / (1 + (a - 1) t)`` with ``a = sqrt(frames / reference)``.

    More frames say more of a sound together, so that it takes more noise to hide it (Esser et al. 2024, arXiv
    2403.03206, section 5.3.2). Frames are latent frames, not samples of the waveform.

    Args:
        levels: The sampler whose levels are shifted.
        reference: Latent frames at which nothing is shifted.
    """

    def __init__(self, levels: TimeSampler, reference: int = 256) -> None:
        super().__init__(levels)
        if reference < 1:
            raise ValueError(f"reference is a number of latent frames above 0, got {reference}")
        self.reference = reference

    def quantile(self, share: Tensor, occasion: Occasion = ANYWHERE) -> Tensor:
        """Return the shifted levels.

        Raises:
            ValueError: If the occasion does not tell the lengths.
        """
        if occasion.lengths is None:
            raise ValueError("ShiftedByLength needs the latent lengths: give the draw an Occasion with lengths")
        t = self.levels.quantile(share, occasion)
        return shifted(t, torch.sqrt(occasion.lengths.audio.clamp(min=1).to(t) / self.reference))


def shifted(t: Tensor, shift: Tensor | float) -> Tensor:
    """Return ``shift t / (1 + (shift - 1) t)``: noise levels moved towards noise by a shift above 1."""
    return shift * t / (1 + (shift - 1) * t)
