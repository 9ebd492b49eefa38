"""What is written already is less likely to be written again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Generator, Tensor

from uat_lightning.sampling.canvas import Symbols
from uat_lightning.sampling.evaluations import Logits, RowLogits
from uat_lightning.sampling.text_sampler import TextSampler


class PresencePenalty(TextSampler):
    """Any sampler, with a penalty on tokens that stand on the canvas (in the manner of CTRL, arXiv 1909.05858, 4.1).

    A model that hears a second sound but cannot tell which would rather name the first again. Words that the sentence
    needs twice keep their place where they are surer than all others by more than the penalty. As in ``allowed``,
    probabilities are not renormalised: what is taken counts as doubt about writing a word there.

    Args:
        sampler: Writes.
        penalty: Taken from the log-probability of every token that stands on the canvas, once, in nats; 0 or more.
    """

    def __init__(self, sampler: TextSampler, penalty: float = 1.0) -> None:
        if not penalty >= 0:
            raise ValueError(f"a presence penalty is 0 or more, got {penalty}")
        self.sampler, self.penalty = sampler, penalty

    def sample(self, logits: Logits, canvas: Tensor, symbols: Symbols, generators: Sequence[Generator]) -> Tensor:
        """Fill the masked positions; arguments as in ``TextSampler.sample``."""
        penalized = PenalizedRows(logits, self.penalty, symbols) if isinstance(logits, RowLogits) else None
        return self.sampler.sample(
            penalized or (lambda now: lowered(logits(now), now, self.penalty, symbols)), canvas, symbols, generators
        )


@dataclass(frozen=True)
class PenalizedRows(RowLogits):
    """Log-probabilities with the penalty, for some of the rows.

    Args:
        logits: Those without.
        penalty: The penalty, in nats.
        symbols: The special ids, which it spares.
    """

    logits: RowLogits
    penalty: float
    symbols: Symbols

    def of_rows(self, canvas: Tensor, rows: Tensor) -> Tensor:
        """Return log-probabilities (some, positions, vocabulary) of token ids (some, positions)."""
        return lowered(self.logits.of_rows(canvas, rows), canvas, self.penalty, self.symbols)

    def at(self, canvas: Tensor, position: int, rows: Tensor) -> Tensor:
        """Return log-probabilities (some, vocabulary) at one position of some rows of the canvas."""
        here = self.logits.at(canvas, position, rows)[:, None]
        return lowered(here, canvas[rows], self.penalty, self.symbols)[:, 0]


def lowered(log_probabilities: Tensor, canvas: Tensor, penalty: float, symbols: Symbols) -> Tensor:
    """Take a penalty from the tokens that stand on a canvas; mask, end and padding are spared.

    Args:
        log_probabilities: (rows, positions, vocabulary).
        canvas: Token ids (rows, positions).
        penalty: The penalty, in nats.
        symbols: The special ids.
    """
    standing = log_probabilities.new_zeros(len(canvas), log_probabilities.shape[-1]).scatter(1, canvas, penalty)
    standing[:, [symbols.mask, symbols.end, symbols.pad]] = 0
    return log_probabilities - standing[:, None]
