"""Every hidden token has its chance at every step."""

from __future__ import annotations

from torch import Tensor

from uat_lightning.sampling.canvas import possible
from uat_lightning.sampling.chance import draw, uniform
from uat_lightning.sampling.draft import Draft
from uat_lightning.sampling.first_hitting import FirstHitting
from uat_lightning.sampling.text_sampler import StepwiseSampler, check_steps, equal_levels


class Ancestral(StepwiseSampler):
    """Runs the masked process backwards in equal steps (MDLM, arXiv 2406.07524); exact with many of them.

    From noise level t to s each hidden token appears with probability (t - s) / t. Steps in which none does cost no
    evaluation. Should the end be missing when the levels are through, single tokens follow until it comes.

    Args:
        steps: Steps from all masked to clean.
        temperature: 0 writes the likeliest token; above 0 adds Gumbel noise (drawn in float64), 1 draws as the model
            thinks.
    """

    def __init__(self, steps: int = 64, temperature: float = 1.0) -> None:
        check_steps(steps)
        super().__init__(temperature)
        self.steps = steps

    def levels(self) -> list[float]:
        """Return the noise levels of equal steps."""
        return equal_levels(self.steps)

    def advance(self, log_probabilities: Tensor, draft: Draft, t: float, s: float) -> Draft:
        """Let each hidden token appear with probability (t - s) / t; those that would appear first go first."""
        scores = possible(log_probabilities, draft.canvas, draft.symbols)
        arrival = uniform(draft.canvas.shape[1:], draft.generators, draft.busy)
        appears = draft.open & (arrival < (t - s) / t)
        tokens, confidence = draw(scores, self.temperature, draft.generators, appears.any(-1))
        return draft.write(appears & (tokens != draft.symbols.pad), tokens, confidence, -arrival)

    def last(self, log_probabilities: Tensor, draft: Draft) -> Draft:
        """Write one token of each row that is not complete."""
        return FirstHitting(self.temperature).advance(log_probabilities, draft, 1.0, 0.0)
