"""The surest tokens first."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from uat_lightning.sampling.canvas import allowed
from uat_lightning.sampling.chance import draw
from uat_lightning.sampling.draft import Draft, first
from uat_lightning.sampling.text_sampler import StepwiseSampler, check_steps, equal_levels


class ConfidenceOrder(StepwiseSampler):
    """Commits the most certain tokens first, an even share of what is left at each step (LLaDA, arXiv 2502.09992).

    Once the end is written, everything after it is padding and costs nothing. The end may only be written behind all
    words, and words only before it.

    Args:
        steps: Evaluations of the network to aim at; at least one token is written at each. The end of a short
            caption frees the rest of the canvas, so that fewer are needed.
        temperature: 0 writes the likeliest token; above 0 adds Gumbel noise (drawn in float64).
    """

    def __init__(self, steps: int = 16, temperature: float = 0.0) -> None:
        check_steps(steps)
        super().__init__(temperature)
        self.steps = steps

    def levels(self) -> list[float]:
        """Return the noise levels of equal steps."""
        return equal_levels(self.steps)

    def advance(self, log_probabilities: Tensor, draft: Draft, t: float, s: float) -> Draft:
        """Write each row's surest tokens, the share (t - s) / t of what is open."""
        scores = allowed(log_probabilities, draft.canvas, draft.symbols)
        tokens, confidence = draw(scores, self.temperature, draft.generators, draft.busy)
        share = torch.ceil(draft.open.sum(-1) * (t - s) / t - 1e-6).long()
        return draft.write(first(confidence.masked_fill(~draft.open, -math.inf), share), tokens, confidence)
