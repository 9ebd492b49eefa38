"""The one place where attention is computed, so that it can be chosen by device, dtype and length."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def attention(query: Tensor, key: Tensor, value: Tensor, valid: Tensor | None = None) -> Tensor:
    """Attend over valid keys.

    Args:
        query: Queries of shape (rows, heads, positions, head_width); keys and values alike.
        key: Keys.
        value: Values.
        valid: True where a key may be read, bool of shape (rows, keys) where all queries read alike, else (rows,
            queries or 1, keys); at least one for every query. All where None.
    """
    if valid is None:
        return scaled_dot_product_attention(query, key, value)
    by_query = valid if valid.ndim == 3 else valid[:, None]
    return scaled_dot_product_attention(query, key, value, attn_mask=by_query[:, None])
