"""Writing from left to right: with and without what is remembered, alone and in company."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from uat_lightning.backbone import Backwards, DualStreamTransformer, Isolated
from uat_lightning.diffusion import MaskedAbsorbing, NextToken
from uat_lightning.sampling import (
    AudioFirst,
    ChainRule,
    ConfidenceOrder,
    ExactCount,
    Guidance,
    LeftToRight,
    NextTokenLogits,
    RowLogits,
    Symbols,
    Writing,
)
from uat_lightning.sampling.canvas import allowed, allowed_at
from uat_lightning.types import Sequences

PAD, END, MASK = range(3)
SYMBOLS = Symbols(MASK, END, PAD, [PAD, MASK])
ROWS, FRAMES, CANVAS, VOCABULARY = 4, 5, 7, 8
WRITING = Writing.of(NextToken())


@pytest.fixture
def backbone() -> DualStreamTransformer:
    torch.manual_seed(0)
    made = DualStreamTransformer(
        3, VOCABULARY, CANVAS, width=16, depth=2, heads=2, coupling=Isolated(), sight=Backwards()
    )
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return made.double().eval()


def latents(seed: int) -> Sequences:
    values = torch.randn(ROWS, FRAMES, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Sequences(values, torch.tensor([FRAMES, 2, 4, 3]))


def sources(first: int = 0, rows: int = ROWS) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(first + row) for row in range(rows)]


def canvases(rows: int = ROWS) -> Tensor:
    return torch.full((rows, CANVAS), MASK)


def guided(backbone: DualStreamTransformer, scale: float, rows: slice = slice(None)) -> RowLogits:
    return WRITING.guided(backbone, latents(1).take(rows), latents(2).take(rows), MASK, Guidance(scale))


class Uncached(RowLogits):
    """The same logits, from the whole canvas every time."""

    def __init__(self, inner: RowLogits) -> None:
        self.inner = inner

    def of_rows(self, canvas: Tensor, rows: Tensor) -> Tensor:
        return self.inner.of_rows(canvas, rows)


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@torch.no_grad()
def test_what_is_remembered_changes_no_caption(backbone: DualStreamTransformer, scale: float, temperature: float):
    sampler = LeftToRight(temperature)
    cached = sampler.sample(guided(backbone, scale), canvases(), SYMBOLS, sources())
    plain = sampler.sample(Uncached(guided(backbone, scale)), canvases(), SYMBOLS, sources())
    assert torch.equal(cached, plain)


@pytest.mark.parametrize("scale", [1.0, 2.0])
@torch.no_grad()
def test_log_probabilities_position_by_position_are_those_of_the_canvas(backbone: DualStreamTransformer, scale: float):
    logits, rows = guided(backbone, scale), torch.tensor([3, 0])
    written = LeftToRight(1.0).sample(guided(backbone, scale), canvases(), SYMBOLS, sources())
    whole = logits(written)
    for position in (0, 1, 4, 6, 2):  # the last one goes back, and is read anew
        torch.testing.assert_close(logits.at(written, position, rows), whole[rows, position], rtol=0, atol=1e-11)
    changed = written.clone()
    changed[:, 0] = 5
    torch.testing.assert_close(logits.at(changed, 3, rows), logits(changed)[rows, 3], rtol=0, atol=1e-11)


@torch.no_grad()
def test_every_token_is_read_once(backbone: DualStreamTransformer, monkeypatch):
    read: list[int] = []
    embed = backbone.text_in.forward
    monkeypatch.setattr(backbone.text_in, "forward", lambda ids: read.append(ids.numel()) or embed(ids))
    written = LeftToRight(1.0).sample(guided(backbone, 1.0), canvases(), SYMBOLS, sources())
    longest = int((written != PAD).sum(-1).max())
    assert read == [ROWS] * longest


@pytest.mark.parametrize("scale", [1.0, 1.5])
@torch.no_grad()
def test_a_batch_writes_what_each_row_writes_alone(backbone: DualStreamTransformer, scale: float):
    together = LeftToRight(1.0).sample(guided(backbone, scale), canvases(), SYMBOLS, sources())
    for row in range(ROWS):
        logits = guided(backbone, scale, slice(row, row + 1))
        alone = LeftToRight(1.0).sample(logits, canvases(1), SYMBOLS, sources(row, 1))
        assert torch.equal(alone[0], together[row])


@torch.no_grad()
def test_given_words_stay_and_are_read(backbone: DualStreamTransformer):
    given = canvases()
    given[:, 1], given[:, 3] = 6, 4
    written = LeftToRight().sample(guided(backbone, 1.0), given, SYMBOLS, sources())
    assert torch.equal(written[:, [1, 3]], given[:, [1, 3]])
    plain = LeftToRight().sample(Uncached(guided(backbone, 1.0)), given, SYMBOLS, sources())
    assert torch.equal(written, plain)


@torch.no_grad()
def test_at_temperature_one_captions_are_drawn_as_likely_as_the_chain_rule_says(backbone: DualStreamTransformer):
    """On a canvas of three there are 1 + 5 + 25 texts; the last position holds the end."""
    rows = 4000
    audio = Sequences(latents(1).values[:1].expand(rows, -1, -1), torch.full((rows,), FRAMES))
    logits = NextTokenLogits(backbone, audio, 0.0, MASK)
    drawn = LeftToRight(1.0).sample(logits, torch.full((rows, 3), MASK), SYMBOLS, sources(rows=rows))
    texts = [
        (END, PAD, PAD),
        *((a, END, PAD) for a in range(3, 8)),
        *itertools.product(range(3, 8), range(3, 8), (END,)),
    ]
    table = torch.tensor(texts)
    first = logits.of_rows(table, torch.arange(len(table)))
    first[..., [PAD, MASK]] = -torch.inf
    own = first.log_softmax(-1).gather(-1, table[..., None])[..., 0]
    ends = (table == END).long().argmax(-1)
    own = own.masked_fill(torch.arange(3) > ends[:, None], 0.0)
    own[:, 2] = 0.0  # what must be is certain
    expected = own.sum(-1).exp()
    assert float(expected.sum()) == pytest.approx(1.0)
    found = torch.stack([(drawn == text).all(-1).double().mean() for text in table])
    assert ((found - expected).abs() < 4.5 * (expected / rows).sqrt() + 1e-3).all()


def test_the_chain_rule_sums_words_and_end_and_no_padding():
    torch.manual_seed(0)
    table = torch.randn(2, 4, VOCABULARY).log_softmax(-1)
    text = Sequences(torch.tensor([[5, 6, END, PAD], [END, PAD, PAD, PAD]]), torch.tensor([3, 1]))
    found = ChainRule().log_likelihood(lambda canvas: table, text, SYMBOLS, sources(rows=2))
    by_hand = torch.stack([table[0, 0, 5] + table[0, 1, 6] + table[0, 2, END], table[1, 0, END]])
    torch.testing.assert_close(found, by_hand.double())


@torch.no_grad()
def test_chain_rule_likelihoods_of_all_texts_sum_to_one(backbone: DualStreamTransformer):
    """Every token of two ends, then anything: sums over whatever stands at n positions are 1."""
    pairs = torch.cartesian_prod(torch.arange(VOCABULARY), torch.arange(VOCABULARY))
    audio = Sequences(latents(1).values[:1].expand(len(pairs), -1, -1), torch.full((len(pairs),), FRAMES))
    logits = NextTokenLogits(backbone, audio, 0.0, MASK)
    found = ChainRule().log_likelihood(logits, Sequences(pairs, torch.full((len(pairs),), 2)), SYMBOLS, [])
    assert float(found.exp().sum()) == pytest.approx(1.0, abs=1e-9)


def test_what_may_stand_at_a_position_is_what_may_stand_on_the_canvas():
    torch.manual_seed(0)
    canvas = torch.tensor([[3, MASK, MASK, MASK], [MASK, MASK, 4, MASK], [3, MASK, MASK, END]])
    table = torch.randn(3, 4, VOCABULARY).log_softmax(-1)
    whole = allowed(table, canvas, SYMBOLS)
    for position in range(4):
        assert torch.equal(allowed_at(table[:, position], canvas, position, SYMBOLS), whole[:, position])


def test_each_kind_of_process_has_what_suits_it():
    masked = Writing.of(MaskedAbsorbing())
    assert isinstance(masked.sampler(), ConfidenceOrder)
    assert isinstance(masked.guidance(), AudioFirst)
    assert isinstance(masked.likelihood(), ExactCount)
    assert isinstance(WRITING.sampler(), LeftToRight)
    assert type(WRITING.guidance()) is Guidance
    assert isinstance(WRITING.likelihood(), ChainRule)
    masked.check(LeftToRight())
    with pytest.raises(ValueError, match="LeftToRight can"):
        WRITING.check(ConfidenceOrder())
    with pytest.raises(ValueError, match="cannot make audio and caption together"):
        WRITING.check_together()


def test_no_negative_temperature():
    with pytest.raises(ValueError, match="temperature"):
        LeftToRight(-1.0)
