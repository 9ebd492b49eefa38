"""Second thoughts: written tokens may be masked again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from torch import Tensor

from uat_lightning.sampling.canvas import possible
from uat_lightning.sampling.chance import draw, uniform
from uat_lightning.sampling.draft import Draft
from uat_lightning.sampling.evaluations import Evaluations
from uat_lightning.sampling.first_hitting import FirstHitting
from uat_lightning.sampling.text_sampler import StepwiseSampler, check_steps, equal_levels


class Remasking(ABC):
    """How often written tokens are masked again."""

    def shown(self, t: float) -> float:
        """Return the share of tokens that is written at noise level t."""
        return 1 - t

    @abstractmethod
    def probability(self, most: float, t: float, draft: Draft) -> Tensor:
        """Return each written token's probability of being masked again, broadcast to (rows, positions).

        Args:
            most: The largest probability that leaves the shares of the process as they are.
            t: Noise level of the draft.
            draft: The draft.
        """


class Cap(Remasking):
    """The same probability at every step.

    Args:
        rate: That probability, 0 to 1.
    """

    def __init__(self, rate: float = 0.008) -> None:
        self.rate = _checked(rate)

    def probability(self, most: float, t: float, draft: Draft) -> Tensor:
        """Return the rate, or the most that is possible."""
        return torch.tensor(min(self.rate, most))


class Rescale(Remasking):
    """A share of the largest possible probability.

    Args:
        rate: That share, 0 to 1.
    """

    def __init__(self, rate: float = 0.015) -> None:
        self.rate = _checked(rate)

    def probability(self, most: float, t: float, draft: Draft) -> Tensor:
        """Return the share."""
        return torch.tensor(self.rate * most)


class Unsure(Remasking):
    """The less sure a token was when it was written, the likelier it is masked again.

    The largest possible probability is shared out among a row's written tokens by a softmax of minus the probability
    that each had ("conf").
    """

    def probability(self, most: float, t: float, draft: Draft) -> Tensor:
        """Return each token's share."""
        doubt = (-draft.confidence.exp()).masked_fill(~draft.written, -torch.inf)
        return most * doubt.softmax(-1).nan_to_num(0.0)


class Loop(Remasking):
    """Writes most of the text, then stays there for a while, correcting, and then writes the rest.

    Args:
        rate: Probability of being masked again during the loop, 0 to 1.
        begin: Noise level of the clock at which the loop begins.
        end: Noise level of the clock at which it ends, below ``begin``.
        share: Share of tokens that is written during the loop, 0 to 1.
    """

    def __init__(self, rate: float = 0.02, begin: float = 0.55, end: float = 0.05, share: float = 0.9) -> None:
        if not (0 < end < begin < 1 and 0 < share < 1):
            raise ValueError(f"a loop needs 0 < end < begin < 1 and 0 < share < 1, got {end}, {begin} and {share}")
        self.rate, self.begin, self.end, self.share = _checked(rate), begin, end, share

    def shown(self, t: float) -> float:
        """Return the share that is written at noise level t of the clock."""
        if t > self.begin:
            return self.share * (1 - t) / (1 - self.begin)
        return self.share if t > self.end else 1 - (1 - self.share) * t / self.end

    def probability(self, most: float, t: float, draft: Draft) -> Tensor:
        """Return the rate during the loop, and nothing before and after."""
        return torch.tensor(min(self.rate, most) if self.end < t <= self.begin else 0.0)


class ReMDM(StepwiseSampler):
    """The ancestral sampler with second thoughts (ReMDM, arXiv 2503.00307).

    Written tokens are masked again with probability sigma, and hidden ones appear so much oftener that the share of
    written tokens at each noise level stays the process's own. Given words are never masked, padding only with its
    end. More steps make more corrections.

    Args:
        steps: Steps from all masked to clean.
        temperature: 0 writes the likeliest token; above 0 adds Gumbel noise (drawn in float64), 1 draws as the model
            thinks.
        remasking: How often written tokens are masked again; ``Cap`` where None.
    """

    def __init__(self, steps: int = 64, temperature: float = 1.0, remasking: Remasking | None = None) -> None:
        check_steps(steps)
        super().__init__(temperature)
        self.steps, self.remasking = steps, remasking or Cap()

    def levels(self) -> list[float]:
        """Return the noise levels of equal steps."""
        return equal_levels(self.steps)

    def fill(self, logits: Evaluations, draft: Draft) -> Draft:
        """Go through all levels, even where nothing is open for the moment, then write what they left."""
        living = replace(draft, places=draft.places & draft.busy[:, None])
        return super().fill(logits, living)

    def done(self, draft: Draft) -> bool:
        """Say whether nothing was open at the start either."""
        return not bool(draft.places.any())

    def advance(self, log_probabilities: Tensor, draft: Draft, t: float, s: float) -> Draft:
        """Mask some tokens again, and let hidden ones appear."""
        now, then = self.remasking.shown(t), self.remasking.shown(s)
        most = min(1.0, (1 - then) / now) if now > 0 else 1.0
        again = self.remasking.probability(most, t, draft).to(draft.canvas.device)
        appear = ((then - (1 - again) * now) / (1 - now)).clamp(0, 1)
        scores = possible(log_probabilities, draft.canvas, draft.symbols)
        chance = uniform(draft.canvas.shape[1:], draft.generators, draft.places.any(-1))
        appears = draft.open & (chance < appear)
        tokens, confidence = draw(scores, self.temperature, draft.generators, appears.any(-1))
        kept = draft.erase(chance < again)
        return kept.write(appears & (tokens != draft.symbols.pad), tokens, confidence, -chance)

    def last(self, log_probabilities: Tensor, draft: Draft) -> Draft:
        """Write one token of each row that is not complete."""
        return FirstHitting(self.temperature).advance(log_probabilities, draft, 1.0, 0.0)


def _checked(rate: float) -> float:
    if not 0 <= rate <= 1:
        raise ValueError(f"the rate of masking again is a probability, 0 to 1, got {rate}")
    return rate
