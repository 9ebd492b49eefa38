from __future__ import annotations

import copy

import pytest
import torch
from test_paper import network, shaken
from torch import Tensor, nn

from uat_lightning.backbone import Backbone, DualStreamTransformer, Isolated, Joint
from uat_lightning.backbone.units import blocks_of, entrances, recompute
from uat_lightning.diffusion import (
    Conditional,
    LogitNormal,
    MaskedAbsorbing,
    OnePass,
    Passes,
    PassPerDirection,
    RectifiedFlow,
    Uniform,
)
from uat_lightning.module import UATModule
from uat_lightning.types import Batch, Pair, Sequences


def dual(coupling, depth: int = 3) -> DualStreamTransformer:
    return DualStreamTransformer(4, 20, 6, width=32, depth=depth, heads=2, coupling=coupling)


CASES = {
    "joint in one pass": (lambda: dual(Joint()), OnePass()),
    "isolated in one pass": (lambda: dual(Isolated()), OnePass()),
    "isolated, one direction after the other": (lambda: dual(Isolated()), PassPerDirection()),
    "the paper's in one pass": (lambda: network(depth=3), OnePass()),
    "the paper's, one direction after the other": (lambda: network(depth=3), PassPerDirection()),
}


def module_of(backbone: Backbone, passes: Passes) -> UATModule:
    square = Conditional(LogitNormal(), Uniform(), drop_text=0.3, drop_audio=0.3)
    return UATModule(shaken(backbone, 0.1), RectifiedFlow(), MaskedAbsorbing(), square, passes=passes)


def batch() -> Batch:
    audio = Sequences(torch.randn(6, 9, 4), torch.tensor([9, 3, 5, 9, 1, 7]))
    text = Sequences(torch.randint(3, 20, (6, 6)), torch.tensor([6, 2, 4, 3, 1, 6]))
    return Batch(Pair(audio, text), torch.arange(6) % 2 == 0)


def kept_bytes(module: UATModule, rows: Batch) -> tuple[int, dict[str, Tensor]]:
    """Return the bytes kept for the backward pass beside the weights, and the gradients."""
    weights = {weight.untyped_storage().data_ptr() for weight in module.parameters()}
    kept: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        if value.untyped_storage().data_ptr() not in weights:
            kept[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        loss = module.losses(rows)["loss"]
    loss.backward()
    return sum(kept.values()), {name: weight.grad for name, weight in module.named_parameters()}


@pytest.mark.parametrize("case", CASES)
def test_recomputed_blocks_have_the_same_gradient_of_fewer_kept_activations(case: str):
    torch.manual_seed(0)
    build, passes = CASES[case]
    plain = module_of(build(), passes)
    frugal, rows = copy.deepcopy(plain), batch()
    for block in blocks_of(frugal.backbone):
        recompute(block)
    (many, wanted), (few, found) = kept_bytes(plain, rows), kept_bytes(frugal, rows)
    assert few < 0.6 * many
    assert all(gradient is not None for gradient in wanted.values())
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-6, atol=1e-7)


def test_a_recomputed_block_keeps_its_name_its_weights_and_can_be_copied():
    torch.manual_seed(0)
    plain = dual(Joint())
    frugal = copy.deepcopy(plain)
    for _ in range(2):  # the second time changes nothing
        for block in blocks_of(frugal):
            recompute(block)
    assert list(frugal.state_dict()) == list(plain.state_dict())
    assert type(frugal.blocks[0]) is type(plain.blocks[0])
    assert frugal.blocks[0].forward.func is torch.utils.checkpoint.checkpoint
    copied = copy.deepcopy(frugal).blocks[0]
    assert copied.forward.args[0].__self__ is copied
    assert copied.forward.args[0].__func__ is type(copied).forward  # checkpointed once


def test_the_blocks_are_the_members_of_the_outermost_lists():
    backbone = network(depth=3)
    assert list(blocks_of(backbone)) == [*backbone.blocks, *backbone.refiner.blocks]
    nested = nn.Sequential(nn.ModuleList([nn.ModuleList([nn.Linear(1, 1)]), nn.Linear(1, 1)]))
    assert list(blocks_of(nested)) == list(nested[0])
    assert entrances(nn.Linear(1, 1)) == ("forward",)
    assert entrances(dual(Joint()).blocks[0]) == ("forward", "directions", "alone", "told")
