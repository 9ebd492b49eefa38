"""Rows that are edits of a source, on their way through the passes."""

from __future__ import annotations

import pytest
import torch

from uat_lightning.backbone import DualStreamTransformer, Isolated, SourceLatents
from uat_lightning.diffusion import (
    Conditional,
    Everywhere,
    LogitNormal,
    MaskedAbsorbing,
    Occasion,
    OnePass,
    PassPerDirection,
    RectifiedFlow,
    Uniform,
)
from uat_lightning.types import Batch, Pair, Sequences

WIDTH, VOCABULARY, CANVAS = 4, 20, 6
OBJECTIVES = Pair(RectifiedFlow(), MaskedAbsorbing())
PASSES = [OnePass(), PassPerDirection()]


def network(source: SourceLatents | None = None) -> DualStreamTransformer:
    torch.manual_seed(0)
    sizes = {"width": 32, "depth": 2, "heads": 2, "coupling": Isolated(), "source": source}
    backbone = DualStreamTransformer(WIDTH, VOCABULARY, CANVAS, **sizes)
    torch.manual_seed(1)
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return backbone


def batch(edits: tuple[int, ...], generation=(True, False, True, True, False)) -> Batch:
    """Return rows of both directions, of which some generation rows (by their number among those) are edits."""
    torch.manual_seed(2)
    rows = len(generation)
    audio = Sequences(torch.randn(rows, 7, WIDTH), torch.tensor([7, 3, 5, 6, 2])[:rows])
    text = Sequences(torch.randint(3, VOCABULARY, (rows, CANVAS)), torch.full((rows,), CANVAS))
    heard = audio.lengths[torch.tensor(generation)]
    lengths = torch.stack([length * (place in edits) for place, length in enumerate(heard)])
    sources = Sequences(torch.randn(len(heard), int(lengths.max().clamp(min=1)), WIDTH), lengths)
    return Batch(Pair(audio, text), torch.tensor(generation), sources=sources)


def square(drop_source: float = 0.0, drop_text: float = 0.0) -> Conditional:
    return Conditional(Uniform(), Uniform(), drop_text, 0.0, drop_source)


def score(passes, backbone, rows: Batch, where=None) -> Pair[torch.Tensor]:
    torch.manual_seed(3)
    return passes.losses(backbone, OBJECTIVES, where or square(), rows, Occasion())


@pytest.mark.parametrize("passes", PASSES)
def test_a_source_changes_the_loss_of_audio_and_nothing_else(passes):
    backbone = network(SourceLatents())
    without, with_one = score(passes, backbone, batch(())), score(passes, backbone, batch((1,)))
    assert not torch.isclose(without.audio, with_one.audio)
    torch.testing.assert_close(without.text, with_one.text)


@pytest.mark.parametrize("passes", PASSES)
def test_a_batch_without_edits_costs_and_gives_what_it_did(passes):
    rows = batch(())
    plain = Batch(rows.clean, rows.generation)
    expected, found = score(passes, network(), plain), score(passes, network(SourceLatents()), plain)
    torch.testing.assert_close(found.audio, expected.audio)
    torch.testing.assert_close(found.text, expected.text)


def test_both_passes_see_the_same_sources(monkeypatch):
    backbone, rows = network(SourceLatents()), batch((0, 2))
    monkeypatch.setattr(torch, "randn", lambda shape, **_: torch.linspace(-1, 1, WIDTH).expand(shape))
    expected, found = (score(passes, backbone, rows) for passes in PASSES)
    torch.testing.assert_close(found.audio, expected.audio)


def test_dropped_edits_lose_their_instruction_too_and_others_keep_theirs():
    generation = torch.tensor([True] * 600 + [False] * 200)
    edits = generation & (torch.arange(800) % 2 == 0)
    drawn = square(drop_source=0.4, drop_text=0.1).draw(generation, Occasion(edits=edits))
    gone = edits & ~drawn.source
    assert 0.3 < gone.float().sum() / edits.sum() < 0.5
    assert (drawn.t.text[gone] == 1).all()
    seen = edits & drawn.source
    assert 0.03 < (drawn.t.text[seen] == 1).float().mean() < 0.2
    assert 0.03 < (drawn.t.text[generation & ~edits] == 1).float().mean() < 0.2
    assert (drawn.t.audio[~generation] == 0).all()


def test_without_edits_the_same_numbers_are_drawn_as_before():
    generation = torch.tensor([True, False, True, True])
    torch.manual_seed(4)
    plain = square(0.5, 0.5).draw(generation, Occasion())
    torch.manual_seed(4)
    again = Conditional(Uniform(), Uniform(), 0.5, 0.0).draw(generation, Occasion())
    assert plain.source is None
    assert all(torch.equal(one, other) for one, other in zip(plain.t, again.t, strict=True))


def test_an_edit_is_never_noisy_on_both_sides():
    generation = torch.ones(200, dtype=torch.bool)
    edits = torch.arange(200) % 2 == 0
    drawn = Everywhere(square(), joint=1.0).draw(generation, Occasion(edits=edits))
    assert (drawn.t.text[edits] == 0).all()
    assert not drawn.learn.text[edits].any()
    assert drawn.learn.text[~edits].all()


def test_a_dropped_source_is_not_seen():
    backbone, rows = network(SourceLatents()), batch((0, 1, 2))
    gone = score(PassPerDirection(), backbone, rows, square(drop_source=1.0))
    never = batch(())
    expected = score(PassPerDirection(), backbone, never, square(drop_text=1.0, drop_source=1.0))
    torch.testing.assert_close(gone.audio, expected.audio)


@pytest.mark.parametrize("passes", PASSES)
def test_edits_for_a_backbone_without_a_source_are_refused(passes):
    with pytest.raises(ValueError, match="takes no source: give it SourceLatents"):
        score(passes, network(), batch((1,)))


def test_a_batch_takes_its_sources_along():
    rows = batch((0, 2))
    moved = rows.to(torch.float64)
    assert moved.sources is not None
    assert moved.sources.values.dtype == torch.float64
    assert moved.sources.lengths.tolist() == rows.sources.lengths.tolist()


def test_edits_may_train_at_levels_of_their_own():
    generation, edits = torch.arange(4000) % 4 != 0, torch.arange(4000) % 4 == 1
    low, high = LogitNormal(-2.0, 0.3), LogitNormal(2.0, 0.3)
    t = Conditional(low, Uniform(), 0.0, 0.0, 0.0, edits=high).draw(generation, Occasion(edits=edits)).t.audio
    assert t[edits].logit().mean() == pytest.approx(2.0, abs=0.01)  # spread evenly: no chance in it
    assert t[generation & ~edits].logit().mean() == pytest.approx(-2.0, abs=0.01)
    assert not t[~generation].any()


def test_levels_of_edits_change_nothing_where_there_are_none():
    generation, drawn = torch.tensor([True, False, True]), []
    for edits in (None, LogitNormal(2.0)):
        torch.manual_seed(4)
        drawn.append(Conditional(Uniform(), Uniform(), edits=edits).draw(generation).t.audio)
    assert torch.equal(*drawn)
