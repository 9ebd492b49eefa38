from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from uat_lightning.backbone import Backbone, DualStreamTransformer, Isolated
from uat_lightning.diffusion import Conditional, LogitNormal, MaskedAbsorbing, RectifiedFlow, Uniform
from uat_lightning.module import UATModule
from uat_lightning.types import Batch, Pair, Sequences

CANVAS, WIDTH, VOCABULARY, MASK = 6, 4, 20, 2


def network(**changes: Any) -> DualStreamTransformer:
    settings = {"latent_width": WIDTH, "vocabulary_size": VOCABULARY, "canvas": CANVAS, "width": 32, "depth": 2}
    return DualStreamTransformer(**{**settings, "heads": 2, **changes})


def shaken(backbone: DualStreamTransformer) -> DualStreamTransformer:
    """Leave no weight at its zero start, so that everything that could leak would."""
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return backbone


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(
    params=[{}, {"coupling": Isolated(), "stem_kernel": 3, "modulation_rank": 4}], ids=["joint", "isolated with a stem"]
)
def backbone(request: pytest.FixtureRequest) -> DualStreamTransformer:
    return shaken(network(**request.param)).eval()


def some(frames: tuple[int, ...] = (7, 3, 5), tokens: tuple[int, ...] = (6, 2, 4)) -> Pair[Sequences]:
    audio = torch.randn(len(frames), max(frames), WIDTH)
    text = torch.randint(3, VOCABULARY, (len(tokens), CANVAS))
    return Pair(Sequences(audio, torch.tensor(frames)), Sequences(text, torch.tensor(tokens)))


def times(*audio: float, text: float = 0.0) -> Pair[Tensor]:
    return Pair(torch.tensor(audio), torch.full((len(audio),), text))


def both(backbone: Backbone, noisy: Pair[Sequences], t: Pair[Tensor]) -> Pair[Tensor]:
    """Return the velocity and all logits."""
    predicted = backbone(noisy, t)
    return Pair(predicted.audio, predicted.text.logits())


def assert_same(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=2e-5)


@torch.no_grad()
def test_outputs_have_the_shapes_of_the_contract(backbone):
    audio, text = both(backbone, some(), times(0.1, 0.5, 1.0))
    assert audio.shape == (3, 7, WIDTH)
    assert text.shape == (3, CANVAS, VOCABULARY)
    assert audio.isfinite().all()
    assert text.isfinite().all()


@torch.no_grad()
def test_padding_neither_of_audio_nor_of_text_is_seen(backbone):
    noisy, t = some(), times(0.2, 0.6, 0.9, text=0.5)
    spoiled = Pair(
        Sequences(torch.where(noisy.audio.mask[..., None], noisy.audio.values, 1e3), noisy.audio.lengths),
        Sequences(torch.where(noisy.text.mask, noisy.text.values, 17), noisy.text.lengths),
    )
    for before, after, side in zip(both(backbone, noisy, t), both(backbone, spoiled, t), noisy, strict=True):
        assert_same(before[side.mask], after[side.mask])


@torch.no_grad()
def test_more_padding_changes_nothing(backbone):
    noisy, t = some(), times(0.2, 0.6, 0.9, text=0.5)
    wide = Sequences(torch.nn.functional.pad(noisy.audio.values, (0, 0, 0, 9)), noisy.audio.lengths)
    audio, text = both(backbone, Pair(wide, noisy.text), t)
    before = both(backbone, noisy, t)
    assert_same(before.audio[noisy.audio.mask], audio[:, :7][noisy.audio.mask])
    assert_same(before.text, text)


@torch.no_grad()
def test_a_row_does_not_see_its_neighbours(backbone):
    noisy, t = some(), times(0.2, 0.6, 0.9, text=1.0)
    together = both(backbone, noisy, t)
    for row, (frames, tokens) in enumerate(zip(noisy.audio.lengths, noisy.text.lengths, strict=True)):
        alone = Pair(
            Sequences(noisy.audio.values[row : row + 1, :frames], frames[None]),
            Sequences(noisy.text.values[row : row + 1, :tokens], tokens[None]),
        )
        audio, text = both(backbone, alone, Pair(t.audio[row : row + 1], t.text[row : row + 1]))
        assert_same(together.audio[row, :frames], audio[0])
        assert_same(together.text[row, :tokens], text[0])


@torch.no_grad()
def test_hidden_tokens_never_leak(backbone):
    noisy = some(tokens=(6, 6, 6))
    other = Sequences(torch.randint(3, VOCABULARY, (3, CANVAS)), noisy.text.lengths)
    t = torch.tensor([0.4, 0.7, 1.0])
    process = MaskedAbsorbing()
    hidden = process.corrupt(noisy.text, t, torch.Generator().manual_seed(0)).noisy
    covered = hidden.values == MASK
    mixed = Sequences(torch.where(covered, other.values, noisy.text.values), noisy.text.lengths)
    hidden_again = process.corrupt(mixed, t, torch.Generator().manual_seed(0)).noisy
    assert not torch.equal(mixed.values, noisy.text.values)
    first = both(backbone, Pair(noisy.audio, hidden), Pair(torch.zeros(3), t))
    second = both(backbone, Pair(noisy.audio, hidden_again), Pair(torch.zeros(3), t))
    assert torch.equal(first.text, second.text)
    assert torch.equal(first.audio, second.audio)


@torch.no_grad()
def test_the_length_of_a_hidden_caption_does_not_leak(backbone):
    ids = torch.tensor([[5, 6, 7, 8, 9, 1], [5, 1, 0, 0, 0, 0]])
    noisy = MaskedAbsorbing().corrupt(Sequences(ids, torch.tensor([6, 2])), torch.ones(2)).noisy
    audio = some((5, 5), (6, 6)).audio
    same_audio = Sequences(audio.values[:1].expand(2, -1, -1), audio.lengths)
    logits = both(backbone, Pair(same_audio, noisy), Pair(torch.zeros(2), torch.ones(2))).text
    assert_same(logits[0], logits[1])


@torch.no_grad()
def test_either_modality_hears_the_other(backbone):
    noisy, t = some(), times(0.2, 0.6, 0.9, text=0.5)
    before = both(backbone, noisy, t)
    louder = Pair(Sequences(noisy.audio.values + 1, noisy.audio.lengths), noisy.text)
    assert (both(backbone, louder, t).text - before.text).abs().amax() > 1e-2
    ids = torch.where(noisy.text.values == 5, 6, 5)
    reworded = Pair(noisy.audio, Sequences(ids, noisy.text.lengths))
    assert (both(backbone, reworded, t).audio - before.audio).abs().amax() > 1e-2


@torch.no_grad()
def test_the_audio_hears_its_time_and_the_text_only_whether_it_is_noisy(backbone):
    noisy = some()
    early, late = both(backbone, noisy, times(0.2, 0.2, 0.2)), both(backbone, noisy, times(0.8, 0.8, 0.8))
    assert (early.audio - late.audio).abs().amax() > 1e-2
    a, b, clean = (both(backbone, noisy, times(0.2, 0.2, 0.2, text=text)) for text in (0.3, 0.9, 0.0))
    assert torch.equal(a.text, b.text)
    assert (a.text - clean.text).abs().amax() > 1e-2


@torch.no_grad()
def test_the_order_of_frames_and_of_tokens_matters(backbone):
    noisy, t = some((7, 7, 7), (6, 6, 6)), times(0.2, 0.6, 0.9, text=0.5)
    before = both(backbone, noisy, t)
    backwards = both(backbone, Pair(Sequences(noisy.audio.values.flip(1), noisy.audio.lengths), noisy.text), t)
    assert (backwards.audio.flip(1) - before.audio).abs().amax() > 1e-2
    swapped = both(backbone, Pair(noisy.audio, Sequences(noisy.text.values.flip(1), noisy.text.lengths)), t)
    assert (swapped.text.flip(1) - before.text).abs().amax() > 1e-2


@torch.no_grad()
def test_before_training_the_velocity_is_zero_and_the_streams_do_not_touch():
    backbone, noisy, t = network(), some(), times(0.2, 0.6, 0.9, text=0.5)
    audio, text = both(backbone, noisy, t)
    assert not audio.any()
    other = Pair(Sequences(torch.randn_like(noisy.audio.values), noisy.audio.lengths), noisy.text)
    assert torch.equal(text, both(backbone, other, t).text)


def both_directions() -> Batch:
    clean = some((7, 3, 5, 6), (6, 2, 4, 5))
    return Batch(clean, torch.tensor([True, False, True, False]))


def test_one_step_of_both_directions_reaches_every_parameter():
    backbone = shaken(network())
    module = UATModule(backbone, RectifiedFlow(), MaskedAbsorbing(), Conditional(LogitNormal(), Uniform(), 0.0, 0.0))
    module.losses(both_directions())["loss"].backward()
    silent = [name for name, weight in module.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert silent == []


@pytest.mark.parametrize("generation", [True, False])
def test_a_batch_of_one_direction_still_gives_every_parameter_a_gradient_for_ddp(generation: bool):
    module = UATModule(network(), RectifiedFlow(), MaskedAbsorbing(), Conditional(LogitNormal(), Uniform()))
    clean = some((7, 3), (6, 2))
    module.losses(Batch(clean, torch.full((2,), generation)))["loss"].backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in module.parameters())


def test_loss_falls_to_near_zero_on_one_batch():
    backbone = network()
    audio, text = some((5, 5), (6, 6))
    clean = Pair(audio, text)
    optimizer = torch.optim.AdamW(backbone.parameters(), lr=1e-2)
    t = Pair(torch.tensor([0.5, 0.0]), torch.tensor([0.0, 0.5]))
    flow, masks = RectifiedFlow(), MaskedAbsorbing()
    noisy_audio = flow.corrupt(clean.audio, t.audio, torch.Generator().manual_seed(0))
    noisy_text = masks.corrupt(clean.text, t.text, torch.Generator().manual_seed(0))
    for _ in range(80):
        predicted = backbone(Pair(noisy_audio.noisy, noisy_text.noisy), t)
        loss = flow.loss(predicted.audio, noisy_audio)[0] + masks.loss(predicted.text, noisy_text)[1]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.05


@pytest.mark.parametrize(("width", "heads"), [(30, 4), (36, 6 * 4), (32, 5)])
def test_a_width_that_the_heads_do_not_divide_is_refused(width: int, heads: int):
    with pytest.raises(ValueError, match=f"width {width} .* heads \\({heads}\\)"):
        network(width=width, heads=heads)


def test_a_low_rank_takes_a_third_of_the_weights_away():
    full, low = (sum(w.numel() for w in network(width=64, depth=4, modulation_rank=r).parameters()) for r in (None, 4))
    assert 0.6 < low / full < 0.75


def test_a_stem_without_a_middle_frame_is_refused():
    with pytest.raises(ValueError, match="odd kernel"):
        network(stem_kernel=4)


def test_a_canvas_longer_than_the_positions_is_refused_with_both_numbers(backbone):
    noisy = some()
    longer = Sequences(torch.full((3, CANVAS + 3), 5), noisy.text.lengths)
    with pytest.raises(ValueError, match=f"{CANVAS + 3} tokens.*{CANVAS}"):
        both(backbone, Pair(noisy.audio, longer), times(0.1, 0.1, 0.1))


@torch.no_grad()
def test_it_runs_without_rows():
    audio, text = both(network(), Pair(*(Sequences(s.values[:0], s.lengths[:0]) for s in some())), times())
    assert audio.shape == (0, 7, WIDTH)
    assert text.shape == (0, CANVAS, VOCABULARY)
