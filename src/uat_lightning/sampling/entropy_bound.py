"""As many tokens at once as are nearly independent."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from uat_lightning.sampling.canvas import allowed, possible
from uat_lightning.sampling.chance import draw
from uat_lightning.sampling.draft import Draft, first
from uat_lightning.sampling.text_sampler import StepwiseSampler


class EntropyBound(StepwiseSampler):
    """Commits tokens in the order of their entropy, as long as the error of writing them at once is bounded.

    The joint entropy of k tokens falls short of the sum of theirs by at most the sum less the largest; the sampler
    goes on while this is no more than the bound, for each row on its own, and commits at least one token (EB-Sampler,
    arXiv 2505.24857). Where padding is likeliest there is nothing to write, so that such positions come last.

    Args:
        bound: Allowed dependence between tokens written together, in nats; 0 writes one at a time, save certain ones.
        temperature: 0 writes the likeliest token; above 0 adds Gumbel noise (drawn in float64).
    """

    def __init__(self, bound: float = 0.1, temperature: float = 0.0) -> None:
        if not bound >= 0:
            raise ValueError(f"bound is an entropy in nats, 0 or more, got {bound}")
        super().__init__(temperature)
        self.bound = bound

    def advance(self, log_probabilities: Tensor, draft: Draft, t: float, s: float) -> Draft:
        """Write what the bound allows; the noise levels do not matter."""
        scores = possible(log_probabilities, draft.canvas, draft.symbols).double().log_softmax(-1)
        words = allowed(log_probabilities, draft.canvas, draft.symbols)
        tokens, confidence = draw(words, self.temperature, draft.generators, draft.busy)
        entropy = torch.special.entr(scores.exp()).sum(-1)
        text = draft.open & (scores.argmax(-1) != draft.symbols.pad)
        count = self._count(entropy.masked_fill(~text, math.inf)).clamp(min=1)
        # Should all be padding without an end, the surest token is as good as any.
        order = torch.where(text.any(-1, keepdim=True), (-entropy).masked_fill(~text, -math.inf), confidence)
        return draft.write(first(order.masked_fill(~draft.open, -math.inf), count), tokens, confidence)

    def _count(self, entropy: Tensor) -> Tensor:
        """Return how many of each row's entropies, from the least on, keep the sum less the largest in bounds."""
        ascending = entropy.sort(-1).values
        error = ascending.cumsum(-1) - ascending.cummax(-1).values
        return (ascending.isfinite() & (error <= self.bound + 1e-9)).sum(-1)
