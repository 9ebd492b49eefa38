"""How likely a text is under the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from uat_lightning.sampling.canvas import Symbols
from uat_lightning.sampling.evaluations import Logits
from uat_lightning.types import Sequences


class Likelihood(ABC):
    """Tells how likely texts are."""

    @abstractmethod
    def log_likelihood(
        self, logits: Logits, text: Sequences, symbols: Symbols, generators: Sequence[Generator]
    ) -> Tensor:
        """Return each text's log-probability in nats, float64 (rows,).

        Args:
            logits: Log-probabilities (rows, positions, vocabulary) as a function of the canvas.
            text: Token ids (rows, positions); a length counts the words and the end.
            symbols: The special ids.
            generators: One source of randomness per row.
        """


class ChainRule(Likelihood):
    """The exact log-likelihood of texts, where the logits of a token are those under the tokens before it."""

    @torch.no_grad()
    def log_likelihood(
        self, logits: Logits, text: Sequences, symbols: Symbols, generators: Sequence[Generator]
    ) -> Tensor:
        """Return the sum over the words and the end of each text, float64 (rows,); nothing is drawn."""
        of_token = logits(text.values).double().gather(-1, text.values[..., None])[..., 0]
        return of_token.masked_fill(~text.mask, 0.0).sum(-1)


@dataclass(frozen=True)
class ExactCount(Likelihood):
    """Estimates the log-likelihood of texts, from below, by hiding exact numbers of their tokens.

    Of a text's n tokens (its words and the end) l are hidden, and the mean log-probability of the hidden ones times n
    estimates the bound without bias where l is uniform over 1 to n (arXiv 2502.09992). Stratified: as many looks, each
    with its own share of the numbers, so that all noise levels count alike (recipe: a quarter of the deviation).

    Args:
        strata: Looks at each text, at least 1.
    """

    strata: int = 16

    def __post_init__(self) -> None:
        """Check the number."""
        if self.strata < 1:
            raise ValueError(f"strata must be at least 1, got {self.strata}")

    @torch.no_grad()
    def log_likelihood(
        self, logits: Logits, text: Sequences, symbols: Symbols, generators: Sequence[Generator]
    ) -> Tensor:
        """Return each text's estimated log-probability in nats, float64 (rows,).

        Args:
            logits: Log-probabilities (rows, positions, vocabulary) as a function of the canvas.
            text: Token ids (rows, positions); a length counts the words and the end.
            symbols: The special ids.
            generators: One source of randomness per row; those of equal state hide the same tokens of equal lengths.
        """
        total = torch.zeros(len(text), dtype=torch.float64, device=text.values.device)
        for hidden in self.hidden(text, generators):
            nats = logits(torch.where(hidden, symbols.mask, text.values)).double()
            of_token = nats.gather(-1, text.values[..., None])[..., 0]
            words = hidden & text.mask
            total += of_token.masked_fill(~words, 0.0).sum(-1) / words.sum(-1)
        return total * text.lengths / self.strata

    def hidden(self, text: Sequences, generators: Sequence[Generator]) -> Tensor:
        """Choose what each look hides, bool (strata, rows, positions); the padding goes with its end."""
        positions = text.values.shape[1]
        rows = [self._row(int(length), positions, g) for length, g in zip(text.lengths, generators, strict=True)]
        return torch.stack(rows, dim=1).to(text.values.device)

    def _row(self, length: int, positions: int, generator: Generator) -> Tensor:
        shift, order = torch.rand(1, generator=generator), torch.rand(self.strata, length, generator=generator)
        level = (torch.arange(self.strata) + shift) / self.strata
        count = (torch.floor(level * length) + 1).clamp(max=length)
        hidden = torch.ones(self.strata, positions, dtype=torch.bool)
        hidden[:, :length] = order.argsort(-1).argsort(-1) < count[:, None]
        hidden[:, length:] = hidden[:, length - 1 :][:, :1]
        return hidden
