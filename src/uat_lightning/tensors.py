"""Shapes and masks: the few tensor operations that every floor needs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def lengths_to_mask(lengths: Tensor, positions: int) -> Tensor:
    """Return True at the first ``lengths[row]`` of ``positions``: bool of shape (rows, positions)."""
    return torch.arange(positions, device=lengths.device) < lengths[:, None]


def over_positions(row_values: Tensor, like: Tensor) -> Tensor:
    """Add trailing axes to (rows,) values until they broadcast over ``like`` of shape (rows, ...)."""
    return row_values.reshape(-1, *(1,) * (like.ndim - 1))


def mean_where(values: Tensor, keep: Tensor) -> Tensor:
    """Return the mean of ``values`` where ``keep`` is True, and zero (with a gradient path) where nothing is kept."""
    return (values * keep).sum() / keep.sum().clamp(min=1)


def pad_rows(rows: Sequence[Tensor], padding: float = 0) -> tuple[Tensor, Tensor]:
    """Stack rows of unequal length.

    Args:
        rows: Tensors of shape (length, ...), all of one dtype.
        padding: The value to fill with.

    Returns:
        The padded stack (rows, longest, ...) and the lengths, int64 (rows,).
    """
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=padding), lengths
