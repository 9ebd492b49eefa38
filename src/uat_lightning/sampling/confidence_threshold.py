"""All tokens that are sure enough at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from uat_lightning.sampling.canvas import allowed
from uat_lightning.sampling.chance import draw
from uat_lightning.sampling.draft import Draft, first
from uat_lightning.sampling.text_sampler import StepwiseSampler


class ConfidenceThreshold(StepwiseSampler):
    """Commits every token at least as probable as a threshold, or else the surest (Fast-dLLM, arXiv 2505.22618).

    Args:
        threshold: Probability from which tokens are committed, above 0, up to 1.
        temperature: 0 writes the likeliest token; above 0 adds Gumbel noise (drawn in float64).
    """

    def __init__(self, threshold: float = 0.9, temperature: float = 0.0) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold is a probability above 0 and up to 1, got {threshold}")
        super().__init__(temperature)
        self.threshold = threshold

    def advance(self, log_probabilities: Tensor, draft: Draft, t: float, s: float) -> Draft:
        """Write what is sure enough; the noise levels do not matter."""
        scores = allowed(log_probabilities, draft.canvas, draft.symbols)
        tokens, confidence = draw(scores, self.temperature, draft.generators, draft.busy)
        count = (draft.open & (confidence >= math.log(self.threshold))).sum(-1)
        surest = first(confidence.masked_fill(~draft.open, -math.inf), torch.clamp(count, min=1))
        return draft.write(surest, tokens, confidence)
