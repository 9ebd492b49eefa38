"""Rows of both directions on their way through the blocks together."""

from __future__ import annotations

import pytest
import torch

from uat_lightning.backbone import Backbone, Backwards, Directions, DualStreamTransformer, Isolated, SourceLatents
from uat_lightning.backbone.stream import Stream
from uat_lightning.types import Pair, Sequences

WIDTH, VOCABULARY, CANVAS, FRAMES = 4, 20, 6, 7


def network(**parts) -> DualStreamTransformer:
    torch.manual_seed(0)
    sizes = {"width": 32, "depth": 3, "heads": 2, "coupling": Isolated(), "stem_kernel": 3}
    backbone = DualStreamTransformer(WIDTH, VOCABULARY, CANVAS, **sizes, **parts).double()
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return backbone


def rows_of(rows: Directions, heard: int) -> tuple[Pair[Sequences], Pair[torch.Tensor]]:
    """Return latents and tokens of unequal lengths with their noise levels; some conditions are the null condition."""
    audio, texts = rows.generation + heard, rows.generation + heard * rows.captions
    torch.manual_seed(1)
    noisy = Pair(
        Sequences(torch.randn(audio, FRAMES, WIDTH).double(), torch.arange(audio) % FRAMES + 1),
        Sequences(torch.randint(3, VOCABULARY, (texts, CANVAS)), torch.arange(texts) % CANVAS + 1),
    )
    t = Pair(torch.rand(audio).double() * 0.8 + 0.1, torch.rand(texts).double() * 0.8 + 0.1)
    t.audio[rows.clean.audio], t.text[rows.clean.text] = 0.0, 0.0
    t.audio[-1:] = 1.0 if heard else t.audio[-1:]
    t.text[: min(1, rows.generation)] = 1.0
    return noisy, t


@pytest.mark.parametrize(("generation", "heard", "captions"), [(2, 3, 1), (2, 3, 3), (0, 4, 2), (3, 0, 1)])
@pytest.mark.parametrize("parts", [{}, {"sight": Backwards()}, {"source": SourceLatents()}])
def test_rows_that_go_together_fare_as_on_their_own(generation, heard, captions, parts):
    backbone, rows = network(**parts), Directions(generation, captions)
    noisy, t = rows_of(rows, heard)
    source = (
        Sequences(torch.randn(generation, FRAMES, WIDTH).double(), torch.arange(generation)) if generation else None
    )
    source = source if backbone.takes_source else None
    found, expected = [], []
    for method, kept in ((DualStreamTransformer.both_directions, found), (Backbone.both_directions, expected)):
        backbone.zero_grad()
        made = method(backbone, noisy, t, rows, source)
        logits = made.text.logits()
        (made.audio.square().sum() + logits.square().sum()).backward()
        kept += [made.audio, logits, *(weight.grad for weight in backbone.parameters() if weight.grad is not None)]
    assert len(found[0]) == generation and len(found[1]) == heard * captions
    assert len(found) == len(expected) > 10
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_each_block_is_run_once_for_both_directions(monkeypatch):
    backbone, rows = network(), Directions(2, 2)
    asked = []
    ask = Stream.ask
    monkeypatch.setattr(Stream, "ask", lambda self, *rest: (asked.append(self), ask(self, *rest))[1])
    backbone.both_directions(*rows_of(rows, 3), rows)
    assert asked == [stream for block in backbone.blocks for stream in (block.audio, block.text)]


def test_every_text_finds_its_audio():
    rows = Directions(1, 3)
    assert rows.for_texts(torch.arange(3)).tolist() == [0, 1, 2, 1, 2, 1, 2]
    assert Directions(1).for_texts(torch.arange(3)).tolist() == [0, 1, 2]
