from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from uat_lightning.backbone import Backbone, PaperBackbone, PrependedTiming
from uat_lightning.configurable import rebuild
from uat_lightning.diffusion import Conditional, LogitNormal, MaskedAbsorbing, RectifiedFlow, Uniform
from uat_lightning.module import UATModule
from uat_lightning.text import LearnedEmbedding, T5Encoder
from uat_lightning.types import Batch, Pair, Sequences

CANVAS, LATENT, VOCABULARY, MASK = 6, 4, 20, 2
TINY = {"latent_width": LATENT, "vocabulary_size": VOCABULARY, "canvas": CANVAS, "width": 32, "depth": 2, "heads": 2}
TINY |= {"key_value_heads": 1, "text_heads": 2, "refiner_depth": 1, "frames_per_second": 2.0}


def t5() -> T5Encoder:
    return T5Encoder(
        mask_id=MASK, start_id=3, table_rows=VOCABULARY, width=16, depth=1, heads=2, head_width=8, hidden=16
    )


def network(**changes: Any) -> PaperBackbone:
    return PaperBackbone(t5(), **{**TINY, **changes})


def shaken(backbone: PaperBackbone, std: float = 0.3) -> PaperBackbone:
    """Leave no weight at its zero start, so that everything that could leak would."""
    for weight in backbone.parameters():
        torch.nn.init.normal_(weight, std=std)
    return backbone


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def backbone() -> PaperBackbone:
    return shaken(network()).eval()


def some(frames: tuple[int, ...] = (7, 3, 5), tokens: tuple[int, ...] = (6, 2, 4)) -> Pair[Sequences]:
    audio = torch.randn(len(frames), max(frames), LATENT)
    text = torch.randint(3, VOCABULARY, (len(tokens), CANVAS))
    return Pair(Sequences(audio, torch.tensor(frames)), Sequences(text, torch.tensor(tokens)))


def times(*audio: float, text: float = 0.0) -> Pair[Tensor]:
    return Pair(torch.tensor(audio), torch.full((len(audio),), text))


def masked(rows: int = 3) -> Sequences:
    return Sequences(torch.full((rows, CANVAS), MASK), torch.full((rows,), CANVAS))


def both(backbone: Backbone, noisy: Pair[Sequences], t: Pair[Tensor]) -> Pair[Tensor]:
    """Return the velocity and all logits."""
    predicted = backbone(noisy, t)
    return Pair(predicted.audio, predicted.text.logits())


def assert_same(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-5)


@torch.no_grad()
def test_outputs_have_the_shapes_of_the_contract(backbone):
    audio, text = both(backbone, some(), times(0.1, 0.5, 1.0))
    assert audio.shape == (3, 7, LATENT)
    assert text.shape == (3, CANVAS, VOCABULARY)
    assert audio.isfinite().all()
    assert text.isfinite().all()


@torch.no_grad()
def test_padding_neither_of_audio_nor_of_text_is_seen(backbone):
    noisy, t = some(), times(0.2, 0.6, 0.9)
    spoiled = Pair(
        Sequences(torch.where(noisy.audio.mask[..., None], noisy.audio.values, 1e3), noisy.audio.lengths),
        Sequences(torch.where(noisy.text.mask, noisy.text.values, 17), noisy.text.lengths),
    )
    for before, after, side in zip(both(backbone, noisy, t), both(backbone, spoiled, t), noisy, strict=True):
        assert_same(before[side.mask], after[side.mask])


@torch.no_grad()
def test_more_padding_changes_nothing(backbone):
    noisy, t = some(), times(0.2, 0.6, 0.9)
    wide = Sequences(torch.nn.functional.pad(noisy.audio.values, (0, 0, 0, 9)), noisy.audio.lengths)
    audio, text = both(backbone, Pair(wide, noisy.text), t)
    before = both(backbone, noisy, t)
    assert_same(before.audio[noisy.audio.mask], audio[:, :7][noisy.audio.mask])
    assert_same(before.text, text)


@torch.no_grad()
def test_a_row_does_not_see_its_neighbours(backbone):
    noisy, t = some(), times(0.2, 0.6, 0.9)
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
    t = torch.tensor([0.4, 0.7, 1.0])
    process = MaskedAbsorbing(MASK)
    hidden = process.corrupt(noisy.text, t, torch.Generator().manual_seed(0)).noisy
    other = torch.randint(3, VOCABULARY, (3, CANVAS))
    mixed = Sequences(torch.where(hidden.values == MASK, other, noisy.text.values), noisy.text.lengths)
    hidden_again = process.corrupt(mixed, t, torch.Generator().manual_seed(0)).noisy
    assert not torch.equal(mixed.values, noisy.text.values)
    first = both(backbone, Pair(noisy.audio, hidden), Pair(torch.zeros(3), t))
    second = both(backbone, Pair(noisy.audio, hidden_again), Pair(torch.zeros(3), t))
    assert torch.equal(first.text, second.text)
    assert torch.equal(first.audio, second.audio)


@torch.no_grad()
def test_audio_reads_the_current_text_and_text_reads_the_updated_audio(backbone):
    """Eq. 1 and 2 of the paper, block by block, written out with the blocks' own sides."""
    noisy, t = some((7, 7, 7), (6, 6, 6)), times(0.2, 0.6, 0.9)
    seen: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for block in backbone.blocks:
        block.register_forward_hook(lambda _, given, out: seen.append((*given[0], *out)))
    contexts: list[Tensor] = []
    backbone.context.register_forward_hook(lambda _, given, out: contexts.append(given[0][:, :CANVAS]))
    both(backbone, noisy, t)
    angles = backbone._angles(Pair(seen[0][0], seen[0][1]))
    valid = Pair(torch.ones(3, 8, dtype=torch.bool), torch.ones(3, CANVAS, dtype=torch.bool))
    for block, (z, h, z_next, h_next), read in zip(backbone.blocks, seen, contexts, strict=True):
        assert torch.equal(read, h)  # F_a reads h of its own layer
        assert_same(block.text(h, z_next, angles.text, valid), h_next)  # F_t reads z of the next
        assert not torch.allclose(block.text(h, z, angles.text, valid), h_next, atol=1e-3)
    assert torch.equal(seen[1][0], seen[0][2])
    assert torch.equal(seen[1][1], seen[0][3])


@torch.no_grad()
def test_before_training_the_text_state_stays_what_the_encoder_says():
    backbone, noisy = network(), some()
    states: list[Tensor] = []
    for block in backbone.blocks:
        block.register_forward_hook(lambda _, given, out: states.append(out.text))
    both(backbone, noisy, times(0.2, 0.6, 0.9))
    encoded = backbone.encoder.encode(noisy.text)
    assert all(torch.equal(state[noisy.text.mask], encoded[noisy.text.mask]) for state in states)


@torch.no_grad()
def test_a_text_without_visible_tokens_is_the_null_condition_whatever_its_length_and_time(backbone):
    noisy = some()
    read: list[Tensor] = []
    backbone.context.register_forward_hook(lambda _, given, out: read.append(out))
    whole = both(backbone, Pair(noisy.audio, masked()), times(0.2, 0.6, 0.9, text=1.0)).audio
    assert not any(context.any() for context in read)
    assert torch.equal(whole, both(backbone, Pair(noisy.audio, masked()), times(0.2, 0.6, 0.9, text=0.5)).audio)
    shorter = Sequences(masked().values[:, :4], torch.tensor([4, 1, 3]))
    assert_same(whole, both(backbone, Pair(noisy.audio, shorter), times(0.2, 0.6, 0.9, text=1.0)).audio)


@torch.no_grad()
def test_the_null_of_training_is_the_null_of_sampling(backbone):
    noisy, t = some(), times(0.2, 0.6, 0.9, text=1.0)
    dropped = MaskedAbsorbing(MASK).corrupt(noisy.text, t.text).noisy
    assert torch.equal(
        both(backbone, Pair(noisy.audio, dropped), t).audio, both(backbone, Pair(noisy.audio, masked()), t).audio
    )


@torch.no_grad()
def test_one_visible_word_is_read(backbone):
    noisy, t = some(), times(0.2, 0.6, 0.9, text=0.8)
    visible = masked()
    visible.values[:, 3] = 7
    null = both(backbone, Pair(noisy.audio, masked()), t).audio
    assert (both(backbone, Pair(noisy.audio, visible), t).audio - null).abs().amax() > 1e-2


@torch.no_grad()
def test_either_modality_hears_the_other(backbone):
    noisy, t = some(), times(0.2, 0.6, 0.9)
    before = both(backbone, noisy, t)
    louder = Pair(Sequences(noisy.audio.values + 1, noisy.audio.lengths), noisy.text)
    assert (both(backbone, louder, t).text - before.text).abs().amax() > 1e-2
    reworded = Pair(noisy.audio, Sequences(noisy.text.values.roll(1, 0), noisy.text.lengths))
    assert (both(backbone, reworded, t).audio - before.audio).abs().amax() > 1e-2


@torch.no_grad()
def test_the_audio_hears_its_time_and_its_seconds(backbone):
    noisy = some((7, 7, 7))
    early, late = both(backbone, noisy, times(0.2, 0.2, 0.2)), both(backbone, noisy, times(0.8, 0.8, 0.8))
    assert (early.audio - late.audio).abs().amax() > 1e-2
    told: list[Tensor] = []
    backbone.timing.total.register_forward_hook(lambda _, given, out: told.append(given[0]))
    both(backbone, some(), times(0.2, 0.2, 0.2))
    assert told[0].tolist() == [3.5, 1.5, 2.5]


@torch.no_grad()
def test_the_order_of_frames_and_of_tokens_matters(backbone):
    noisy, t = some((7, 7, 7), (6, 6, 6)), times(0.2, 0.6, 0.9)
    before = both(backbone, noisy, t)
    backwards = both(backbone, Pair(Sequences(noisy.audio.values.flip(1), noisy.audio.lengths), noisy.text), t)
    assert (backwards.audio.flip(1) - before.audio).abs().amax() > 1e-2
    swapped = both(backbone, Pair(noisy.audio, Sequences(noisy.text.values.flip(1), noisy.text.lengths)), t)
    assert (swapped.text.flip(1) - before.text).abs().amax() > 1e-2


def test_one_step_of_both_directions_reaches_every_parameter():
    backbone = shaken(network())
    square = Conditional(LogitNormal(), Uniform(), 0.0, 0.0)
    module = UATModule(backbone, RectifiedFlow(), MaskedAbsorbing(MASK), square)
    batch = Batch(some((7, 3, 5, 6), (6, 2, 4, 5)), torch.tensor([True, False, True, False]))
    module.losses(batch)["loss"].backward()
    silent = [name for name, weight in module.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert silent == ["backbone.timing.start.frequencies"]  # the start is always 0


@pytest.mark.parametrize("generation", [True, False])
def test_a_batch_of_one_direction_still_gives_every_parameter_a_gradient_for_ddp(generation: bool):
    module = UATModule(network(), RectifiedFlow(), MaskedAbsorbing(MASK), Conditional(LogitNormal(), Uniform()))
    module.losses(Batch(some((7, 3), (6, 2)), torch.full((2,), generation)))["loss"].backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in module.parameters())


def test_loss_falls_on_one_batch():
    backbone, (audio, text) = network(), some((5, 5), (6, 6))
    optimizer = torch.optim.AdamW(backbone.parameters(), lr=5e-3)
    t = Pair(torch.tensor([0.5, 0.0]), torch.tensor([0.0, 0.5]))
    flow, masks = RectifiedFlow(), MaskedAbsorbing(MASK)
    noisy_audio = flow.corrupt(audio, t.audio, torch.Generator().manual_seed(0))
    noisy_text = masks.corrupt(text, t.text, torch.Generator().manual_seed(0))
    for _ in range(60):
        predicted = backbone(Pair(noisy_audio.noisy, noisy_text.noisy), t)
        loss = flow.loss(predicted.audio, noisy_audio)[0] + masks.loss(predicted.text, noisy_text)[1]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.3


def test_a_described_backbone_is_made_again(backbone):
    made = rebuild(backbone.describe(), PaperBackbone)
    made.load_state_dict(backbone.state_dict())
    noisy, t = some(), times(0.2, 0.6, 0.9)
    for one, other in zip(both(backbone, noisy, t), both(made.eval(), noisy, t), strict=True):
        assert torch.equal(one, other)


def test_an_encoder_may_be_learned_and_a_timing_may_be_prepended_alone():
    encoder = LearnedEmbedding(VOCABULARY, CANVAS, width=16, mask_id=MASK)
    backbone = PaperBackbone(encoder, **TINY, timing=PrependedTiming(16, 32))
    sum(side.square().sum() for side in both(shaken(backbone), some(), times(0.2, 0.6, 0.9))).backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in backbone.parameters())
    noisy = some()
    spoiled = Sequences(torch.where(noisy.text.mask, noisy.text.values, 17), noisy.text.lengths)
    assert torch.equal(encoder.encode(noisy.text), encoder.encode(spoiled))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"width": 36, "heads": 6}, r"width 36 .* heads \(6\)"),
        ({"heads": 2, "key_value_heads": 3}, r"2 heads .* key_value_heads \(3\)"),
        ({"text_heads": 5}, r"width 16 .* text_heads \(5\)"),
    ],
)
def test_sizes_that_do_not_divide_are_refused(changes: dict[str, int], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        network(**changes)


def test_a_canvas_longer_than_the_backbones_is_refused_with_both_numbers(backbone):
    longer = Sequences(torch.full((3, CANVAS + 3), 5), torch.tensor([2, 2, 2]))
    with pytest.raises(ValueError, match=f"{CANVAS + 3} tokens.*{CANVAS}"):
        both(backbone, Pair(some().audio, longer), times(0.1, 0.1, 0.1))


@torch.no_grad()
def test_it_runs_without_rows():
    backbone = PaperBackbone(LearnedEmbedding(VOCABULARY, CANVAS, width=16, mask_id=MASK), **TINY)
    audio, text = both(backbone, Pair(*(Sequences(s.values[:0], s.lengths[:0]) for s in some())), times())
    assert audio.shape == (0, 7, LATENT)
    assert text.shape == (0, CANVAS, VOCABULARY)
