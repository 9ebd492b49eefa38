"""Drawing tokens: one generator per row, in float64."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor


def uniform(shape: Sequence[int], generators: Sequence[Generator], rows: Tensor) -> Tensor:
    """Return numbers from 0 to 1, float64 of shape (rows, *shape).

    Args:
        shape: Shape of each row.
        generators: One source per row.
        rows: True for rows that draw, bool (rows,). The others' generators are left alone, so that what a row draws
            does not depend on how long its neighbours take.
    """
    still = torch.full(tuple(shape), 0.5, dtype=torch.float64)
    drawn = [
        torch.rand(tuple(shape), generator=generator, dtype=torch.float64) if draws else still
        for generator, draws in zip(generators, rows.tolist(), strict=True)
    ]
    return torch.stack(drawn).to(rows.device)


def gumbel(shape: Sequence[int], generators: Sequence[Generator], rows: Tensor) -> Tensor:
    """Return standard Gumbel noise, float64 of shape (rows, *shape); the arguments are those of ``uniform``.

    In float32 its tail is cut off, which lowers the effective temperature (arXiv 2409.02908).
    """
    # In place: these are the largest arrays of a sampler, and cost as much to make as to fill.
    return uniform(shape, generators, rows).log_().neg_().log_().neg_()


def draw(scores: Tensor, temperature: float, generators: Sequence[Generator], rows: Tensor) -> tuple[Tensor, Tensor]:
    """Draw a token for every position by the Gumbel trick.

    Args:
        scores: Log-probabilities, normalised or not, (rows, ..., vocabulary).
        temperature: 0 takes the likeliest and draws nothing.
        generators: One source per row.
        rows: True for rows that draw, bool (rows,).

    Returns:
        The tokens (rows, ...), and the scores they have.
    """
    noisy = scores
    if temperature > 0:
        noisy = scores.double() + temperature * gumbel(scores.shape[1:], generators, rows)
    tokens = noisy.argmax(-1)
    return tokens, scores.gather(-1, tokens[..., None])[..., 0]
