"""One token at a time, in uniformly random order."""

from __future__ import annotations

import torch
from torch import Tensor

from uat_lightning.sampling.canvas import possible
from uat_lightning.sampling.chance import draw, gumbel
from uat_lightning.sampling.draft import Draft
from uat_lightning.sampling.text_sampler import StepwiseSampler

COLDEST = 1e-3  # stands for temperature 0 where a probability is wanted


class FirstHitting(StepwiseSampler):
    """Follows the masked process from one token to the next (arXiv 2409.02908); exact, one evaluation per token.

    The next token of a time-agnostic model is at a uniformly random place of the text. As the text may be shorter than
    the canvas, a place is drawn in proportion to the probability that it holds a token at all, and then its token.

    Args:
        temperature: 0 writes the likeliest token; above 0 adds Gumbel noise (drawn in float64), 1 is exact.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__(temperature)

    def advance(self, log_probabilities: Tensor, draft: Draft, t: float, s: float) -> Draft:
        """Write one token of each row; the noise levels do not matter."""
        scores = possible(log_probabilities, draft.canvas, draft.symbols).double()
        cooled = scores / max(self.temperature, COLDEST)
        scores[..., draft.symbols.pad] = -torch.inf
        real = (scores / max(self.temperature, COLDEST)).logsumexp(-1) - cooled.logsumexp(-1)
        noise = gumbel(draft.canvas.shape[1:], draft.generators, draft.busy)
        place = (real + noise).masked_fill(~draft.open, -torch.inf).argmax(-1, keepdim=True)
        here = scores.gather(1, place[..., None].expand(-1, -1, scores.shape[-1]))[:, 0]
        token, confidence = draw(here, self.temperature, draft.generators, draft.busy)
        chosen = torch.zeros_like(draft.open).scatter(1, place, True)
        return draft.write(chosen, token[:, None].expand_as(chosen), confidence[:, None].expand_as(chosen).float())
