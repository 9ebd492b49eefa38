"""Arithmetic and memory that can be counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from uat_lightning.app.planning.cost import cost_of
from uat_lightning.app.planning.weightless import HiddenShare, without_memory
from uat_lightning.backbone.attention import SHORT, attention

ROWS, WIDTH, FLOAT, HALF = 50, 32, 4, 2


def layers(count: int = 3) -> nn.Sequential:
    with torch.device("meta"):
        return nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(count)))


def test_a_plain_model_costs_six_operations_for_each_weight_and_token():
    network = layers()
    with FakeTensorMode():
        without_memory(network)
        x = torch.zeros(ROWS, WIDTH, requires_grad=True)
        cost = cost_of(lambda: network(x).sum(), network.parameters())
    weights = 3 * WIDTH**2
    assert (cost.forward, cost.backward) == (2 * weights * ROWS, 4 * weights * ROWS)
    assert cost.flops == 6 * weights * ROWS
    assert cost.kept == 3 * ROWS * WIDTH * FLOAT  # each layer's input
    assert cost.copies == 0


def test_mixed_precision_keeps_half_of_it_and_copies_of_the_weights():
    network = layers()
    with FakeTensorMode():
        without_memory(network)
        x = torch.zeros(ROWS, WIDTH)
        cost = cost_of(lambda: network(x).sum(), network.parameters(), half=True)
    assert cost.kept == 3 * ROWS * WIDTH * HALF
    assert cost.copies == 3 * WIDTH**2 * HALF


def test_a_recomputed_block_keeps_its_input_and_computes_anew_what_the_gradient_needs():
    network = nn.Sequential(*(layers(2) for _ in range(4)))
    with FakeTensorMode():
        without_memory(network)
        x = torch.zeros(ROWS, WIDTH, requires_grad=True)
        plain, again = (
            cost_of(lambda: network(x).sum(), network.parameters(), again=blocks) for blocks in ([], list(network))
        )
    assert (plain.kept, again.kept) == (8 * ROWS * WIDTH * FLOAT, 4 * ROWS * WIDTH * FLOAT)
    assert again.forward == plain.forward
    assert again.backward == plain.backward + plain.forward // 2  # no gradient asks for a block's last product
    assert "forward" not in vars(network[0])


def test_attention_costs_two_products_and_keeps_no_scores():
    rows, heads, positions, width = 2, 4, SHORT + 32, 16
    with FakeTensorMode():
        parts = [torch.zeros(rows, heads, positions, width, requires_grad=True) for _ in range(3)]
        valid = torch.ones(rows, positions, dtype=torch.bool)
        cost = cost_of(lambda: attention(*parts, valid).sum(), [])
    assert cost.forward == 2 * 2 * rows * heads * positions**2 * width
    values = rows * heads * positions * width
    assert 4 * values * FLOAT <= cost.kept < 5 * values * FLOAT


def test_a_share_of_positions_is_found_where_nobody_can_look():
    with FakeTensorMode(), HiddenShare(0.25):
        assert torch.zeros(4, 10, dtype=torch.bool).nonzero().shape == (10, 2)
    with pytest.raises(Exception, match="nonzero"), FakeTensorMode():
        torch.zeros(4, 10, dtype=torch.bool).nonzero()
