from __future__ import annotations

import pytest
import torch
from torch import Tensor

from uat_lightning.sampling import ConfidenceOrder, LeftToRight, PresencePenalty, RowLogits, Symbols

PAD, END, MASK, DOG, CAT, AND = range(6)
SYMBOLS = Symbols(MASK, END, PAD, [PAD, MASK])
SCENE = torch.tensor([[0.0, 0, 0, 0.90, 0.06, 0.04], [0, 0, 0, 0, 0, 1], [0, 0, 0, 0.55, 0.45, 0], [0, 1, 0, 0, 0, 0]])


class Heard(RowLogits):
    """Hears a dog for sure, and then something that is rather a dog than a cat."""

    def of_rows(self, canvas: Tensor, rows: Tensor) -> Tensor:
        return SCENE.expand(len(canvas), -1, -1).log().clamp(min=-30)


def written(penalty: float, logits: object = None) -> list[int]:
    sampler = PresencePenalty(ConfidenceOrder(4), penalty)
    canvas = torch.full((1, 4), MASK)
    return sampler.sample(logits or Heard(), canvas, SYMBOLS, [torch.Generator()])[0].tolist()


def test_what_stands_already_is_not_said_again_where_something_else_is_nearly_as_likely() -> None:
    assert written(0.0) == [DOG, AND, DOG, END]
    assert written(1.0) == [DOG, AND, CAT, END]


def test_a_penalty_below_the_difference_changes_nothing() -> None:
    assert written(0.1) == written(0.0)


def test_rows_can_be_asked_for_alone_or_all_together() -> None:
    heard = Heard()
    assert written(1.0, lambda canvas: heard(canvas)) == written(1.0)


def test_mask_end_and_padding_are_spared_and_each_token_pays_once() -> None:
    seen: list[Tensor] = []

    class Spy(ConfidenceOrder):
        def sample(self, logits, canvas, symbols, generators):  # type: ignore[no-untyped-def]
            seen.append(logits(torch.tensor([[DOG, DOG, MASK, END, PAD]])))
            return canvas

    logits = torch.randn(1, 5, 6)
    PresencePenalty(Spy(), 2.0).sample(lambda canvas: logits, torch.tensor([[MASK]]), SYMBOLS, [])
    expected = torch.tensor([0.0, 0, 0, 2, 0, 0]).expand(1, 5, 6)
    torch.testing.assert_close(logits - seen[0], expected)


def test_a_penalty_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        PresencePenalty(ConfidenceOrder(), -1.0)


def test_from_left_to_right_it_is_the_same_penalty() -> None:
    sampler = PresencePenalty(LeftToRight())
    assert sampler.sample(Heard(), torch.full((1, 4), MASK), SYMBOLS, [torch.Generator()]).tolist() == [written(1.0)]
