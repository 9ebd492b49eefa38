"""The autoregressive process: what is shown, what is asked, and a toy that learns it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from uat_lightning.backbone import Backwards, DualStreamTransformer, Isolated, TextPrediction
from uat_lightning.diffusion import (
    Conditional,
    LogitNormal,
    MaskedAbsorbing,
    MaskedBernoulli,
    NextToken,
    OnePass,
    Passes,
    PassPerDirection,
    RectifiedFlow,
    Uniform,
)
from uat_lightning.module import UATModule
from uat_lightning.types import Batch, Pair, Sequences

PAD, END, MASK = range(3)
CANVAS, VOCABULARY = 5, 9
TEXT = Sequences(torch.tensor([[5, 6, END, PAD, PAD], [7, END, PAD, PAD, PAD]]), torch.tensor([3, 2]))


def network(sight: Backwards | None = None, depth: int = 1) -> DualStreamTransformer:
    torch.manual_seed(0)
    return DualStreamTransformer(2, VOCABULARY, CANVAS, 16, depth, 2, coupling=Isolated(), sight=sight or Backwards())


def test_the_network_sees_the_text_one_late_and_is_asked_for_words_and_end():
    seen = NextToken(MASK).corrupt(TEXT, torch.tensor([0.3, 1.0]))
    assert seen.noisy.values.tolist() == [[MASK, 5, 6, END, PAD], [MASK, 7, END, PAD, PAD]]
    assert torch.equal(seen.target, TEXT.values)
    assert torch.equal(seen.weight > 0, TEXT.mask)
    torch.testing.assert_close(seen.weight.sum(-1), torch.ones(2))


def test_a_condition_comes_back_as_it_was_and_asks_for_nothing():
    seen = NextToken(MASK).corrupt(TEXT, torch.tensor([0.0, 0.5]))
    assert torch.equal(seen.noisy.values[0], TEXT.values[0])
    assert seen.noisy.lengths.tolist() == [3, CANVAS]
    assert seen.weight[0].sum() == 0


def test_the_loss_is_the_mean_cross_entropy_of_words_and_end_whatever_the_level_and_the_padding():
    torch.manual_seed(1)
    logits, process = torch.randn(2, CANVAS, VOCABULARY), NextToken(MASK)
    nats = torch.nn.functional.cross_entropy(logits.transpose(1, 2), TEXT.values, reduction="none")
    expected = torch.stack([nats[0, :3].mean(), nats[1, :2].mean()])
    for t in (torch.tensor([0.01, 1.0]), torch.tensor([0.9, 0.2])):
        found = process.loss(TextPrediction.of(logits), process.corrupt(TEXT, t))
        torch.testing.assert_close(found, expected)
    repadded = replace(TEXT, values=torch.where(TEXT.mask, TEXT.values, 8))
    found = process.loss(TextPrediction.of(logits), process.corrupt(repadded, torch.ones(2)))
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_losses_of_all_texts_are_probabilities_that_sum_to_one():
    """Texts of up to two words and their end: the network is told that the third token is the end."""
    backbone, words = network(depth=2).double(), range(3, VOCABULARY)
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    texts = [(END,), *((word, END) for word in words), *((*pair, END) for pair in itertools.product(words, repeat=2))]
    rows = torch.tensor([[*text, *[PAD] * (CANVAS - len(text))] for text in texts])
    clean = Sequences(rows, torch.tensor([len(text) for text in texts]))
    audio = Sequences(torch.randn(1, 4, 2).double().expand(len(texts), -1, -1), torch.full((len(texts),), 4))
    seen = NextToken(MASK).corrupt(clean, torch.ones(len(texts)))
    made = backbone.given_audio(audio, torch.zeros(len(texts)))(seen.noisy, torch.ones(len(texts)))
    possible = torch.tensor([END, *words])
    scores = torch.full_like(made.logits(), -1e9).index_copy(2, possible, made.logits()[..., possible])
    scores[:, 2] = scores[:, 2].index_fill(1, torch.tensor([*words]), -1e9)
    nats = NextToken(MASK).loss(TextPrediction.of(scores), seen) * clean.lengths
    assert float((-nats).exp().sum()) == pytest.approx(1.0, abs=1e-6)


def batch(rows: int, generation: bool) -> Batch:
    """Return clips of constant latents; the first word says the sign, the second is always the same."""
    sign = torch.randint(0, 2, (rows,))
    latents = (2.0 * sign - 1)[:, None, None].expand(-1, 4, 2)
    words = torch.stack([3 + sign, torch.full_like(sign, 6), torch.full_like(sign, END)], dim=1)
    text = torch.cat([words, torch.zeros(rows, CANVAS - 3, dtype=torch.int64)], dim=1)
    clean = Pair(Sequences(latents, torch.full((rows,), 4)), Sequences(text, torch.full((rows,), 3)))
    return Batch(clean, torch.full((rows,), generation))


def module(passes: Passes) -> UATModule:
    square = Conditional(LogitNormal(), Uniform(), drop_audio=0.0)
    return UATModule(network(), RectifiedFlow(), NextToken(MASK), square, passes=passes)


@pytest.mark.parametrize("passes", [PassPerDirection(), OnePass()])
def test_a_toy_learns_what_is_heard_and_no_more_than_there_is_to_know(passes: Passes):
    trained = module(passes)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-2)
    for _ in range(60):
        loss = trained.losses(batch(16, generation=False))["text"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.05
    deaf = batch(64, generation=False)
    flipped = Sequences(-deaf.clean.audio.values, deaf.clean.audio.lengths)
    assert trained.losses(Batch(Pair(flipped, deaf.clean.text), deaf.generation))["text"] > 1.0


def test_it_trains_beside_generation_in_one_model():
    losses = module(PassPerDirection()).losses(batch(4, generation=True))
    losses["loss"].backward()
    assert losses["audio"] > 0
    assert losses["text"] == 0


def test_a_backbone_that_reads_forwards_is_refused_before_training():
    square = Conditional(LogitNormal(), Uniform())
    whole = DualStreamTransformer(2, VOCABULARY, CANVAS, 16, 1, 2, coupling=Isolated())
    with pytest.raises(
        ValueError, match="would read what it is asked for: give the backbone a sight of class Backwards"
    ):
        UATModule(whole, RectifiedFlow(), NextToken(), square)


def test_processes_tell_what_suits_them():
    assert [process.suited("any", "right") for process in (MaskedAbsorbing(), MaskedBernoulli(), NextToken())] == [
        "any",
        "any",
        "right",
    ]
