"""Asking the network about canvases, and about none twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

Logits = Callable[[Tensor], Tensor]


class RowLogits(ABC):
    """Log-probabilities of canvases that can be asked for some of the rows only."""

    @abstractmethod
    def of_rows(self, canvas: Tensor, rows: Tensor) -> Tensor:
        """Return log-probabilities (some, positions, vocabulary).

        Args:
            canvas: Token ids of those rows, (some, positions).
            rows: Which rows they are, int64 (some,).
        """

    def at(self, canvas: Tensor, position: int, rows: Tensor) -> Tensor:
        """Return log-probabilities (some, vocabulary) at one position of some rows, where all before it is written.

        Args:
            canvas: Token ids of all rows, (rows, positions).
            position: Where.
            rows: Which rows, int64 (some,).
        """
        return self.of_rows(canvas[rows], rows)[:, position]

    def __call__(self, canvas: Tensor) -> Tensor:
        """Return log-probabilities (rows, positions, vocabulary) of token ids (rows, positions)."""
        return self.of_rows(canvas, torch.arange(len(canvas), device=canvas.device))


def at(logits: Logits, canvas: Tensor, position: int, rows: Tensor) -> Tensor:
    """Return log-probabilities (some, vocabulary) at one position of some rows; arguments as of ``RowLogits.at``."""
    return logits.at(canvas, position, rows) if isinstance(logits, RowLogits) else logits(canvas)[rows, position]


class Evaluations:
    """Asks only about rows that have masks and were changed since; finished rows cost nothing.

    What it remembers is exact, as the text is not told its noise level: the same canvas has the same logits. Where
    ``logits`` is not a ``RowLogits``, all rows are asked as soon as one has changed.

    Args:
        logits: Log-probabilities (rows, positions, vocabulary) as a function of the canvas.
        mask: The mask token.
    """

    def __init__(self, logits: Logits, mask: int) -> None:
        self.logits, self.mask = logits, mask
        self._canvas: Tensor | None = None
        self._known: Tensor | None = None

    def __call__(self, canvas: Tensor) -> Tensor:
        """Return log-probabilities (rows, positions, vocabulary); those of rows without masks mean nothing."""
        stale = (canvas == self.mask).any(-1)
        if self._canvas is not None:
            stale &= (canvas != self._canvas).any(-1)
        if self._known is None or bool(stale.any()):
            self._known, self._canvas = self._ask(canvas, stale), canvas
        return self._known

    def _ask(self, canvas: Tensor, stale: Tensor) -> Tensor:
        if not isinstance(self.logits, RowLogits) or bool(stale.all()):
            return self.logits(canvas)
        rows = stale.nonzero()[:, 0]
        some = self.logits.of_rows(canvas[rows], rows)
        known = some.new_zeros(len(canvas), *some.shape[1:]) if self._known is None else self._known
        return known.index_copy(0, rows, some)
