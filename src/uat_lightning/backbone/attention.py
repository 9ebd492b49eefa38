"""The one place where attention is computed, chosen by device and length."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

SHORT = 128  # keys; at 64 plain products take two thirds of the time of the CPU's fused kernel, at 128 about the same


def attention(query: Tensor, key: Tensor, value: Tensor, valid: Tensor | None = None) -> Tensor:
    """Attend over valid keys.

    Args:
        query: Queries of shape (rows, heads, positions, head_width); keys and values alike.
        key: Keys.
        value: Values.
        valid: True where a key may be read, bool of shape (rows, keys) where all queries read alike, else (rows,
            queries or 1, keys); at least one for every query. All where None.
    """
    mask = None if valid is None else (valid if valid.ndim == 3 else valid[:, None])[:, None]
    if query.device.type == "cpu" and key.shape[2] <= SHORT:
        return _plain(query, key, value, mask)
    return scaled_dot_product_attention(query, key, value, attn_mask=mask)


def _plain(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Attend by products of matrices, which keeps all scores in memory."""
    scores = (query * query.shape[-1] ** -0.5) @ key.mT
    if mask is not None:
        # Added, not filled in: the gradient of a sum costs nothing. Not infinite: no row may become NaN.
        lowest = torch.finfo(scores.dtype).min
        scores = scores + scores.new_zeros(mask.shape).masked_fill(~mask, lowest)
    attended: Tensor = scores.softmax(-1) @ value
    return attended
