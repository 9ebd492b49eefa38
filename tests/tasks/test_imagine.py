from __future__ import annotations

import pytest
import torch

from uat_lightning.backbone import DualStreamTransformer, Isolated
from uat_lightning.diffusion import (
    Conditional,
    Everywhere,
    LogitNormal,
    MaskedAbsorbing,
    RectifiedFlow,
    Uniform,
)
from uat_lightning.module import UATModule
from uat_lightning.tasks import Imagine
from uat_lightning.types import Batch, Pair, Sequences


def test_audio_and_caption_come_together(tiny_parts):
    waveforms, captions = Imagine(steps=4).run(tiny_parts, [0.5, 0.3], seed=3)
    rate = tiny_parts.codec.sample_rate
    assert [waveform.shape for waveform in waveforms] == [(1, rate // 2), (1, round(0.3 * rate))]
    assert all(waveform.isfinite().all() for waveform in waveforms)
    assert len(captions) == 2


def test_the_same_seed_gives_the_same_and_a_row_does_not_depend_on_its_neighbours(tiny_parts):
    waveforms, captions = Imagine(steps=4).run(tiny_parts, [0.5, 0.5, 0.5], seed=1)
    alone, text = Imagine(steps=4).run(tiny_parts, [0.5], seed=1, first=2)
    torch.testing.assert_close(alone[0], waveforms[2], rtol=0, atol=1e-3)
    assert text == captions[2:]
    assert len(set(captions)) > 1


def test_nothing_asked_nothing_made_and_no_time_is_refused(tiny_parts):
    assert Imagine(2).run(tiny_parts, []) == ([], [])
    with pytest.raises(ValueError, match="above 0 seconds"):
        Imagine(2).run(tiny_parts, [0.0])
    with pytest.raises(ValueError, match="steps must be at least 1"):
        Imagine(0)


def test_some_rows_are_noisy_on_both_sides_and_learn_both():
    torch.manual_seed(0)
    square = Everywhere(Conditional(LogitNormal(), Uniform(), 0.0, 0.0), joint=0.3)
    draw = square.draw(torch.arange(4000) % 2 == 0)
    both = (draw.t.audio > 0) & (draw.t.text > 0)
    assert float(both.float().mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(both, draw.learn.audio & draw.learn.text)
    assert torch.equal(~both, draw.learn.audio ^ draw.learn.text)


def test_a_model_of_both_learns_which_sound_goes_with_which_word():
    """Two clips, two words: drawn together from nothing they match, though each alone is a coin's toss."""
    torch.manual_seed(0)
    backbone = DualStreamTransformer(2, 8, 2, width=32, depth=2, heads=2, coupling=Isolated())
    square = Everywhere(Conditional(LogitNormal(), Uniform()), joint=1.0)
    module = UATModule(backbone, RectifiedFlow(), MaskedAbsorbing(), square, text_weight=1.0)
    optimizer = torch.optim.AdamW(backbone.parameters(), lr=3e-3)
    kind = torch.arange(32) % 2
    latents = (2.0 * kind - 1)[:, None, None].expand(32, 3, 2)
    words = torch.stack([4 + kind, torch.ones_like(kind)], dim=1)
    clean = Pair(Sequences(latents, torch.full((32,), 3)), Sequences(words, torch.full((32,), 2)))
    for _ in range(250):
        loss = module.losses(Batch(clean, torch.ones(32, dtype=torch.bool)))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    audio, word = drawn_together(backbone.eval(), 64)
    assert ((audio > 0) == (word == 5)).float().mean() > 0.9
    assert 0.2 < float((word == 5).float().mean()) < 0.8


@torch.no_grad()
def drawn_together(backbone: DualStreamTransformer, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    from uat_lightning.sampling import Symbols
    from uat_lightning.sampling.draft import Draft

    task, symbols = Imagine(steps=20), Symbols(mask=2, end=1, pad=0, banned=[0, 2])
    sources = [torch.Generator().manual_seed(row) for row in range(rows)]
    noise = torch.stack([torch.randn(3, 2, generator=source) for source in sources])
    audio = Sequences(noise, torch.full((rows,), 3))
    draft = Draft.of(torch.full((rows, 2), 2), symbols, sources)
    audio, draft = task.together(backbone, RectifiedFlow(), audio, draft)
    return audio.values.mean((1, 2)), draft.canvas[:, 0]
