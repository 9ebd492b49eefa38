"""The text sampler's contract, and the walk from masks to text that most samplers share."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from uat_lightning.sampling.canvas import Symbols
from uat_lightning.sampling.draft import Draft
from uat_lightning.sampling.evaluations import Evaluations, Logits


class TextSampler(ABC):
    """Writes captions onto canvases."""

    @abstractmethod
    def sample(self, logits: Logits, canvas: Tensor, symbols: Symbols, generators: Sequence[Generator]) -> Tensor:
        """Fill the masked positions.

        Args:
            logits: Log-probabilities (rows, positions, vocabulary) as a function of the canvas.
            canvas: Token ids (rows, positions), masked where to write; all else stays as it is.
            symbols: The special ids.
            generators: One source of randomness per row, so that a row does not depend on its neighbours.
        """


class StepwiseSampler(TextSampler):
    """Writes step by step; whoever holds the logits can drive it with ``advance``.

    Args:
        temperature: 0 writes the likeliest token; above 0 adds Gumbel noise (drawn in float64), 1 draws as the model
            thinks.
    """

    def __init__(self, temperature: float = 0.0) -> None:
        check_temperature(temperature)
        self.temperature = temperature

    @abstractmethod
    def advance(self, log_probabilities: Tensor, draft: Draft, t: float, s: float) -> Draft:
        """Take a draft from noise level t to a lower level s.

        Args:
            log_probabilities: What the network says of the draft's canvas, (rows, positions, vocabulary).
            draft: The draft.
            t: Noise level of the draft, 0 to 1; samplers without a clock do not look at it.
            s: Noise level to reach.
        """

    def levels(self) -> list[float]:
        """Return the noise levels to visit, from 1 to 0; none where the sampler has no clock."""
        return []

    def sample(self, logits: Logits, canvas: Tensor, symbols: Symbols, generators: Sequence[Generator]) -> Tensor:
        """Fill the masked positions of canvases (rows, positions).

        Raises:
            ValueError: If the network's logits are not numbers.
        """
        return self.fill(Evaluations(logits, symbols.mask), Draft.of(canvas, symbols, generators)).canvas

    def fill(self, logits: Evaluations, draft: Draft) -> Draft:
        """Write all that is open in a draft: through the noise levels, then what they left."""
        for t, s in itertools.pairwise(self.levels()):
            if self.done(draft):
                break
            draft = self.advance(logits(draft.canvas), draft, t, s)
        return self.finish(logits, draft)

    def done(self, draft: Draft) -> bool:
        """Say whether the remaining noise levels can be left out."""
        return draft.complete

    def finish(self, logits: Evaluations, draft: Draft) -> Draft:
        """Write what is open still, at least one token of each row with every look at it.

        Raises:
            ValueError: If the network's logits are not numbers.
        """
        while not draft.complete:
            before = draft.open.sum(-1)
            draft = self.last(logits(draft.canvas), draft)
            if bool((draft.open.sum(-1)[before > 0] == before[before > 0]).any()):
                raise ValueError("no token can be chosen: the network's logits are NaN or minus infinity")
        return draft

    def last(self, log_probabilities: Tensor, draft: Draft) -> Draft:
        """Write at least one token of each row that is not complete."""
        return self.advance(log_probabilities, draft, 1.0, 0.0)


def equal_levels(steps: int) -> list[float]:
    """Return the noise levels of equal steps from 1 to 0."""
    return torch.linspace(1, 0, steps + 1, dtype=torch.float64).tolist()


def check_temperature(temperature: float) -> None:
    """See that a temperature is one.

    Raises:
        ValueError: If it is below 0.
    """
    if not temperature >= 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")


def check_steps(steps: int) -> None:
    """See that there is a step.

    Raises:
        ValueError: If there is none.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
