"""Short sequences on the CPU are attended to by plain products, others by torch's fused kernels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from uat_lightning.backbone.attention import SHORT, attention

ROWS, HEADS, WIDTH = 3, 2, 8


def drawn(queries: int, keys: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = (queries, keys, keys)
    return [
        torch.randn(ROWS, HEADS, size, WIDTH, generator=generator, dtype=torch.float64, requires_grad=True)
        for size in sizes
    ]


def masks(queries: int, keys: int) -> dict[str, Tensor | None]:
    """Return masks of each kind, under which every query reads its first key at least."""
    generator = torch.Generator().manual_seed(1)
    shapes = {"by row": (ROWS, keys), "for all queries": (ROWS, 1, keys), "by query": (ROWS, queries, keys)}
    found = {name: torch.rand(shape, generator=generator) < 0.5 for name, shape in shapes.items()}
    return {"none": None, **{name: valid.index_fill(-1, torch.tensor(0), True) for name, valid in found.items()}}


@pytest.mark.parametrize("mask", ["none", "by row", "for all queries", "by query"])
@pytest.mark.parametrize("keys", [1, 17, SHORT, SHORT + 1])
def test_outputs_and_gradients_are_those_of_the_fused_kernel(keys: int, mask: str):
    parts, valid = drawn(5, keys), masks(5, keys)[mask]
    whole = None if valid is None else valid.reshape(ROWS, 1, -1, keys)
    expected = scaled_dot_product_attention(*parts, attn_mask=whole)
    asked = torch.linspace(-1, 1, expected.numel(), dtype=torch.float64).view_as(expected)
    wanted = torch.autograd.grad(expected, parts, asked)
    found = attention(*parts, valid)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found, parts, asked), wanted)


def test_keys_that_may_not_be_read_do_not_count_at_all():
    query, key, value = drawn(4, 9)
    valid = torch.arange(9) < torch.tensor([[3], [9], [5]])
    found = attention(query, key, value, valid)
    loud = torch.where(valid[:, None, :, None], value, 1e9)
    assert torch.equal(attention(query, key, loud, valid), found)
    torch.testing.assert_close(found[:1], attention(query[:1], key[:1, :, :3], value[:1, :, :3]))
