from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from uat_lightning.backbone import TextPrediction
from uat_lightning.diffusion import MaskedAbsorbing, MaskedBernoulli
from uat_lightning.types import Sequences

ROWS, CANVAS, WIDTH, VOCABULARY = 6, 20, 8, 300


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


class Watched(nn.Linear):
    """A projection that remembers for how many positions it made logits."""

    def __init__(self) -> None:
        super().__init__(WIDTH, VOCABULARY)
        self.positions: list[int] = []

    def forward(self, states: Tensor) -> Tensor:
        self.positions.append(states.shape[:-1].numel())
        return super().forward(states)


@pytest.fixture
def project() -> Watched:
    return Watched()


def states() -> Tensor:
    return torch.randn(ROWS, CANVAS, WIDTH, generator=torch.Generator().manual_seed(1)).requires_grad_()


def in_full(prediction: TextPrediction, tokens: Tensor, where: Tensor) -> Tensor:
    nats = nn.functional.cross_entropy(prediction.logits().mT, tokens, reduction="none")
    return nats * where


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_nats_and_their_gradients_equal_those_of_all_logits(chunk: int, share: float, project: Watched):
    tokens, where = torch.randint(VOCABULARY, (ROWS, CANVAS)), torch.rand(ROWS, CANVAS) < share
    scale, results = torch.rand(ROWS, CANVAS), []
    for way in ("chunks", "full"):
        here = states()
        prediction = TextPrediction(here, project)
        nats = prediction.nats(tokens, where, chunk) if way == "chunks" else in_full(prediction, tokens, where)
        (nats * scale).sum().backward()
        results.append([nats, here.grad, project.weight.grad.clone(), project.bias.grad.clone()])
        project.zero_grad()
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("process", [MaskedAbsorbing(), MaskedBernoulli()])
def test_a_loss_makes_logits_of_hidden_positions_only(process, project: Watched):
    clean = Sequences(torch.randint(3, VOCABULARY, (ROWS, CANVAS)), torch.tensor([20, 3, 7, 1, 12, 9]))
    corrupted = process.corrupt(clean, torch.tensor([0.0, 0.3, 0.5, 0.2, 0.9, 0.6]))
    loss = process.loss(TextPrediction(states(), project), corrupted)
    hidden = int((corrupted.noisy.values == process.mask_id).sum())
    assert 0 < hidden < ROWS * CANVAS / 1.5
    assert project.positions == [hidden]
    loss.sum().backward()
    assert project.positions == [hidden, hidden]  # the backward pass makes them anew


def kept_for_backward(score) -> int:
    """Return the largest number of values in one tensor that a forward pass keeps."""
    sizes = [0]
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        score()
    return max(sizes)


def test_no_more_logits_than_a_chunks_exist_and_none_are_kept(project: Watched):
    tokens, everywhere = torch.randint(VOCABULARY, (ROWS, CANVAS)), torch.ones(ROWS, CANVAS, dtype=torch.bool)
    prediction = TextPrediction(states(), project)
    in_chunks = kept_for_backward(lambda: prediction.nats(tokens, everywhere, chunk=16).sum())
    assert max(project.positions) == 16
    assert in_chunks <= max(project.weight.numel(), ROWS * CANVAS * WIDTH)
    assert kept_for_backward(lambda: in_full(prediction, tokens, everywhere).sum()) == ROWS * CANVAS * VOCABULARY


def test_half_precision_is_summed_in_single(project: Watched):
    tokens, everywhere = torch.randint(VOCABULARY, (ROWS, CANVAS)), torch.ones(ROWS, CANVAS, dtype=torch.bool)
    half = TextPrediction(states().bfloat16(), project.bfloat16())
    nats = half.nats(tokens, everywhere)
    assert nats.dtype == torch.float32
    exact = nn.functional.cross_entropy(half.logits().float().mT, tokens, reduction="none")
    torch.testing.assert_close(nats, exact, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_logits_at_chosen_positions_are_those_of_all(project: Watched):
    where = torch.rand(ROWS, CANVAS) < 0.4
    prediction = TextPrediction(states(), project)
    torch.testing.assert_close(prediction.at(where), prediction.logits()[where])
