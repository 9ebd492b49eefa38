"""Texts that read backwards: nothing of the future reaches a token, by no way."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from uat_lightning.backbone import Backbone, Backwards, DualStreamTransformer, Isolated, Joint, Whole
from uat_lightning.backbone.sight import side_by_side
from uat_lightning.types import Pair, Sequences

ROWS, FRAMES, CANVAS = 3, 6, 7


def network(sight: Backwards | Whole) -> DualStreamTransformer:
    torch.manual_seed(0)
    made = DualStreamTransformer(4, 20, CANVAS, width=16, depth=3, heads=2, coupling=Isolated(), sight=sight)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return made.double().eval()


@pytest.fixture
def causal() -> DualStreamTransformer:
    return network(Backwards())


def audio(seed: int = 1) -> Sequences:
    values = torch.randn(ROWS, FRAMES, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Sequences(values, torch.tensor([FRAMES, 3, 5]))


def text(seed: int = 2) -> Tensor:
    return torch.randint(3, 20, (ROWS, CANVAS), generator=torch.Generator().manual_seed(seed))


def whole(tokens: Tensor) -> Sequences:
    return Sequences(tokens, torch.full((len(tokens),), tokens.shape[1]))


def logits(backbone: Backbone, tokens: Tensor, t_audio: Tensor) -> list[Tensor]:
    """Return the logits of the three ways to them: the whole network, remembered audio, token after token."""
    ones, steps = torch.ones(ROWS), backbone.dictation(audio(), t_audio)
    return [
        backbone(Pair(audio(), whole(tokens)), Pair(t_audio, ones)).text.logits(),
        backbone.given_audio(audio(), t_audio)(whole(tokens), ones).logits(),
        torch.cat([steps.follow(tokens[:, n : n + 1]).logits() for n in range(CANVAS)], dim=1),
    ]


@torch.no_grad()
def test_a_later_token_never_changes_an_earlier_logit(causal: DualStreamTransformer):
    for place in range(CANVAS):
        other = text()
        other[:, place] = (other[:, place] + 1 - 3) % 17 + 3
        for before, after in zip(
            logits(causal, text(), torch.zeros(ROWS)), logits(causal, other, torch.zeros(ROWS)), strict=True
        ):
            torch.testing.assert_close(before[:, :place], after[:, :place], rtol=0, atol=1e-12)
            assert (before[:, place] - after[:, place]).abs().amax(-1).min() > 1e-3


@pytest.mark.parametrize("heard", [0.0, 1.0])
@torch.no_grad()
def test_cached_keys_and_values_give_what_reading_everything_gives(causal: DualStreamTransformer, heard: float):
    by_network, remembered, step_by_step = logits(causal, text(), torch.tensor([heard, 0.0, heard]))
    torch.testing.assert_close(remembered, by_network, rtol=0, atol=1e-11)
    torch.testing.assert_close(step_by_step, by_network, rtol=0, atol=1e-11)


@torch.no_grad()
def test_several_tokens_can_follow_at_once_and_each_is_computed_once(causal: DualStreamTransformer, monkeypatch):
    steps, zeros = causal.dictation(audio(), torch.zeros(ROWS)), torch.zeros(ROWS)
    embedded: list[int] = []
    embed = causal.text_in.forward
    monkeypatch.setattr(causal.text_in, "forward", lambda ids: embedded.append(ids.shape[1]) or embed(ids))
    pieces = [steps.follow(piece).logits() for piece in text().split([2, 1, 4], dim=1)]
    assert embedded == [2, 1, 4]
    torch.testing.assert_close(torch.cat(pieces, 1), logits(causal, text(), zeros)[0], rtol=0, atol=1e-11)


@torch.no_grad()
def test_texts_that_read_everything_are_read_again_with_every_token():
    backbone = network(Whole())
    steps = backbone.dictation(audio(), torch.zeros(ROWS))
    steps.follow(text()[:, :3])
    got = steps.follow(text()[:, 3:5]).logits()
    prefix = backbone(Pair(audio(), whole(text()[:, :5])), Pair(torch.zeros(ROWS), torch.ones(ROWS))).text.logits()
    torch.testing.assert_close(got, prefix[:, 3:], rtol=0, atol=1e-11)


@torch.no_grad()
def test_padding_of_audio_and_text_changes_nothing(causal: DualStreamTransformer):
    padded = Sequences(torch.cat([audio().values, 9 + audio().values], 1), audio().lengths)
    longer = Sequences(torch.cat([text()[:, :4], text(5)[:, 4:]], 1), torch.full((ROWS,), 4))
    zeros, ones = torch.zeros(ROWS), torch.ones(ROWS)
    short = causal(Pair(audio(), whole(text()[:, :4])), Pair(zeros, ones)).text.logits()
    long = causal(Pair(padded, longer), Pair(zeros, ones)).text.logits()
    torch.testing.assert_close(long[:, :4], short, rtol=0, atol=1e-11)


@torch.no_grad()
def test_a_clean_text_that_reads_backwards_is_a_condition_for_audio_remembered_or_not(causal: DualStreamTransformer):
    said, t = Sequences(text(), torch.tensor([7, 2, 4])), Pair(torch.full((ROWS,), 0.5), torch.zeros(ROWS))
    together = causal(Pair(audio(), said), t).audio
    torch.testing.assert_close(causal.given_text(said, t.text)(audio(), t.audio), together, rtol=0, atol=1e-11)
    assert together.isfinite().all()


def test_the_weights_are_those_of_a_model_that_reads_everything():
    shapes = [
        {name: tensor.shape for name, tensor in network(sight).state_dict().items()} for sight in (Backwards(), Whole())
    ]
    assert shapes[0] == shapes[1]


def test_audio_that_reads_the_text_would_tell_of_the_future_and_is_refused():
    with pytest.raises(ValueError, match="under the coupling Joint a text that reads backwards would hear"):
        DualStreamTransformer(4, 20, CANVAS, width=16, depth=1, heads=2, coupling=Joint(), sight=Backwards())


def test_parts_of_unequal_queries_stand_side_by_side():
    alike, each = torch.tensor([[[True, False]]]), torch.ones(1, 3, 3, dtype=torch.bool).tril()
    joined = side_by_side(alike, each)
    assert joined.shape == (1, 3, 5)
    assert torch.equal(joined[0, 1], torch.tensor([True, False, True, True, False]))
