"""A text being written: the canvas, where it may change, and how sure each token was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from uat_lightning.sampling.canvas import Symbols, after_end, without_conflict


@dataclass(frozen=True)
class Draft:
    """Canvases on their way from masks to text.

    Args:
        canvas: Token ids, int64 of shape (rows, positions).
        symbols: The special ids.
        generators: One source of randomness per row.
        places: True where tokens may be written and erased; given words are elsewhere. Bool (rows, positions).
        confidence: Log-probability that each token had when it was written, float (rows, positions).
    """

    canvas: Tensor
    symbols: Symbols
    generators: Sequence[Generator]
    places: Tensor
    confidence: Tensor

    @classmethod
    def of(cls, canvas: Tensor, symbols: Symbols, generators: Sequence[Generator]) -> Draft:
        """Return the draft of canvases whose masked positions are to be written."""
        return cls(canvas, symbols, generators, canvas == symbols.mask, torch.zeros(canvas.shape, device=canvas.device))

    @property
    def open(self) -> Tensor:
        """True where a token is to be written still, bool (rows, positions)."""
        return (self.canvas == self.symbols.mask) & self.places

    @property
    def busy(self) -> Tensor:
        """True for rows with something to write, bool (rows,)."""
        return self.open.any(-1)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to write."""
        return not bool(self.busy.any())

    def write(self, chosen: Tensor, tokens: Tensor, confidence: Tensor, priority: Tensor | None = None) -> Draft:
        """Write tokens, and padding behind an end.

        Args:
            chosen: Where to write, bool (rows, positions); only open positions are written.
            tokens: What to write, (rows, positions).
            confidence: Log-probability of each token; where it is not finite nothing is written.
            priority: What comes first where tokens cannot be written together; the confidence where None.
        """
        chosen = chosen & self.open & confidence.isfinite()
        chosen = without_conflict(chosen, tokens, confidence if priority is None else priority, self.symbols)
        canvas = torch.where(chosen, tokens, self.canvas)
        canvas = torch.where(after_end(canvas, self.symbols), self.symbols.pad, canvas)
        return replace(self, canvas=canvas, confidence=torch.where(chosen, confidence, self.confidence))

    def erase(self, erased: Tensor) -> Draft:
        """Mask tokens again where they were written, bool (rows, positions); the padding goes with its end."""
        lost = erased & self.written
        tail = after_end(self.canvas, self.symbols) & (lost & (self.canvas == self.symbols.end)).any(-1, keepdim=True)
        return replace(self, canvas=torch.where(lost | tail, self.symbols.mask, self.canvas))

    @property
    def written(self) -> Tensor:
        """True where a word or an end was written that may be erased, bool (rows, positions)."""
        return self.places & (self.canvas != self.symbols.mask) & (self.canvas != self.symbols.pad)


def first(chosen_by: Tensor, count: Tensor) -> Tensor:
    """Return True at each row's ``count`` (rows,) largest finite values of (rows, positions)."""
    rank = chosen_by.nan_to_num(nan=-math.inf).argsort(dim=-1, descending=True, stable=True).argsort(-1)
    return (rank < count[:, None]) & chosen_by.isfinite()
