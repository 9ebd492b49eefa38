"""The audio velocity of a warm-started backbone is the source model's, for each layout that sources come in."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableAudioDiTModel, StableAudioProjectionModel
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from safetensors.torch import save_file, save_model
from torch import Tensor

from stable_audio_layout import LayoutSizes, ToolsReference, random_timing, random_weights
from uat_lightning.backbone import (
    AudioXStart,
    DiffusersStart,
    DualStreamTransformer,
    Isolated,
    PaperBackbone,
    PrependedTiming,
    SavedStart,
    SourceLatents,
    StableAudioTiming,
    StableAudioToolsStart,
)
from uat_lightning.backbone.stable_audio import from_diffusers, from_tools
from uat_lightning.backbone.warm_start import place
from uat_lightning.configurable import rebuild
from uat_lightning.text import T5Encoder
from uat_lightning.types import Pair, Sequences

CANVAS, LATENT, TEXT, WIDTH, HEADS, GROUPS, DEPTH, RATE = 9, 6, 64, 256, 4, 2, 2, 21.5
VOCABULARY, MASK, TOLERANCE = 40, 2, 1e-5
SIZES = LayoutSizes(WIDTH, HEADS, GROUPS, DEPTH, LATENT, TEXT)


def network(**changes: Any) -> PaperBackbone:
    encoder = T5Encoder(
        mask_id=MASK, start_id=3, table_rows=VOCABULARY, width=TEXT, depth=1, heads=2, head_width=32, hidden=64
    )
    sizes = {"latent_width": LATENT, "vocabulary_size": VOCABULARY, "canvas": CANVAS, "width": WIDTH, "depth": DEPTH}
    sizes |= {"heads": HEADS, "key_value_heads": GROUPS, "text_heads": 2, "refiner_depth": 1, "context_width": TEXT}
    settings = {**sizes, "frames_per_second": RATE, "timing": StableAudioTiming(TEXT, WIDTH), **changes}
    return PaperBackbone(encoder, **settings).eval()


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def randomly(module: Any) -> Any:
    """Give every weight a value of its own: zero starts would hide what is wrong."""
    for name, weight in module.named_parameters():
        scale = 1.0 if weight.ndim == 1 else weight[0].numel() ** -0.5
        torch.nn.init.normal_(weight, mean=float("norm" in name and name.endswith("weight")), std=scale)
    return module.eval()


@pytest.fixture
def transformer() -> StableAudioDiTModel:
    return randomly(
        StableAudioDiTModel(
            in_channels=LATENT,
            out_channels=LATENT,
            num_layers=DEPTH,
            attention_head_dim=WIDTH // HEADS,
            num_attention_heads=HEADS,
            num_key_value_attention_heads=GROUPS,
            cross_attention_dim=TEXT,
            cross_attention_input_dim=TEXT,
            global_states_input_dim=2 * TEXT,
        )
    )


@pytest.fixture
def projection() -> StableAudioProjectionModel:
    return randomly(StableAudioProjectionModel(TEXT, TEXT, min_value=0, max_value=512))


def random_rows(seed: int, rows: int = 4) -> tuple[Pair[Sequences], Pair[Tensor]]:
    """Return rows of random lengths at random times; some of their words are hidden, and one row hides them all."""
    torch.manual_seed(seed)
    frames, tokens = torch.randint(1, 24, (rows,)), torch.randint(1, CANVAS + 1, (rows,))
    audio = torch.randn(rows, int(frames.max()), LATENT)
    ids = torch.randint(3, VOCABULARY, (rows, CANVAS))
    ids = torch.where(torch.rand(rows, CANVAS) < 0.3, MASK, ids)
    ids[0] = MASK
    return Pair(Sequences(audio, frames), Sequences(ids, tokens)), Pair(torch.rand(rows), torch.rand(rows))


def conditions(backbone: PaperBackbone, noisy: Pair[Sequences]) -> Tensor:
    """Return what the source models read: T5's states, zero at padding, and nothing at all where nothing is visible."""
    states = backbone.encoder.encode(noisy.text)
    visible = ((noisy.text.values != MASK) & noisy.text.mask).any(1)
    return states * visible[:, None, None]


def error(found: Tensor, wanted: Tensor, mask: Tensor) -> float:
    """Return the relative error over valid frames."""
    return float((found - wanted)[mask].norm() / wanted[mask].norm())


def diffusers_velocity(
    backbone: PaperBackbone,
    transformer: StableAudioDiTModel,
    projection: StableAudioProjectionModel,
    noisy: Pair[Sequences],
    t: Tensor,
) -> Tensor:
    """Return the velocity as diffusers' pipeline computes it, with the frames' padding masked."""
    states, seconds = conditions(backbone, noisy), noisy.audio.lengths / RATE
    timing = projection(start_seconds=torch.zeros_like(seconds), end_seconds=seconds)
    start, end = timing.seconds_start_hidden_states, timing.seconds_end_hidden_states
    told = torch.cat([start, end], dim=1) * states.any(-1).any(-1)[:, None, None]
    rotary = get_1d_rotary_pos_embed(
        WIDTH // HEADS // 2, noisy.audio.values.shape[1] + 1, use_real=True, repeat_interleave_real=False
    )
    return transformer(
        noisy.audio.values.mT,
        t,
        encoder_hidden_states=torch.cat([states, told], dim=1),
        global_hidden_states=torch.cat([start, end], dim=2),
        rotary_embedding=rotary,
        attention_mask=noisy.audio.mask,
        return_dict=False,
    )[0].mT


@torch.no_grad()
@pytest.mark.parametrize("case", range(6))
def test_velocity_equals_that_of_diffusers(case: int, transformer, projection):
    backbone = network()
    place(from_diffusers(transformer, projection), backbone)
    noisy, t = random_rows(case)
    wanted = diffusers_velocity(backbone, transformer, projection, noisy, t.audio)
    assert error(backbone(noisy, t).audio, wanted, noisy.audio.mask) <= TOLERANCE


@torch.no_grad()
def test_the_comparison_sees_every_weight(transformer, projection):
    backbone = network()
    place(from_diffusers(transformer, projection), backbone)
    noisy, t = random_rows(0)
    wanted = diffusers_velocity(backbone, transformer, projection, noisy, t.audio)
    state, unseen = backbone.state_dict(), []
    for name in backbone.inherited():
        before = state[name].clone()
        state[name].mul_(1.1)
        if error(backbone(noisy, t).audio, wanted, noisy.audio.mask) <= TOLERANCE:
            unseen.append(name)
        state[name].copy_(before)
    assert unseen == ["timing.start.frequencies"]  # the start is always 0


@torch.no_grad()
def test_a_diffusers_folder_starts_a_backbone_that_then_does_without_it(transformer, projection, tmp_path: Path):
    transformer.save_pretrained(tmp_path / "source/transformer")
    projection.save_pretrained(tmp_path / "source/projection_model")
    backbone = network(warm_start=DiffusersStart(str(tmp_path / "source")))
    (tmp_path / "source").rename(tmp_path / "gone")
    made = rebuild(backbone.describe(), PaperBackbone)
    made.load_state_dict(backbone.state_dict())
    noisy, t = random_rows(1)
    wanted = diffusers_velocity(backbone, transformer, projection, noisy, t.audio)
    assert error(made.eval()(noisy, t).audio, wanted, noisy.audio.mask) <= TOLERANCE


def test_a_transformer_alone_lacks_the_timing_and_is_refused_unless_asked_for(
    transformer, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    transformer.save_pretrained(tmp_path / "alone")
    with pytest.raises(ValueError, match=r"lacks timing.start.frequencies, .*timing.total.project.weight.*partial"):
        network(warm_start=DiffusersStart(str(tmp_path / "alone")))
    with caplog.at_level(logging.WARNING):
        backbone = network(warm_start=DiffusersStart(str(tmp_path / "alone"), partial=True))
    assert "timing.total.project.weight" in caplog.text
    assert torch.equal(backbone.enter.weight, transformer.proj_in.weight)


def test_a_folder_of_something_else_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match="nothing transformer holds no StableAudioDiTModel"):
        DiffusersStart(str(tmp_path / "nothing")).tensors()


@torch.no_grad()
@pytest.mark.parametrize("case", range(6))
def test_velocity_equals_that_of_stable_audio_tools_with_grouped_heads(case: int):
    state, backbone = {**random_weights(SIZES), **random_timing(SIZES)}, network()
    place(from_tools(state), backbone)
    noisy, t = random_rows(case)
    context, seconds = conditions(backbone, noisy), noisy.audio.lengths / RATE
    wanted = ToolsReference(state, SIZES).velocity(noisy.audio.values, t.audio, context, seconds, noisy.audio.mask)
    assert error(backbone(noisy, t).audio, wanted, noisy.audio.mask) <= TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("case", range(3))
def test_velocity_equals_that_of_audiox_which_knows_no_timing(case: int, tmp_path: Path):
    state = random_weights(SIZES)
    conditioners = {"conditioner.conditioners.video_prompt.proj.weight": torch.randn(3, 3)}
    save_file(
        {**state, **conditioners, "pretransform.model.encoder.bias": torch.zeros(2)}, tmp_path / "audiox.safetensors"
    )
    timing, start = PrependedTiming(TEXT, WIDTH), AudioXStart(str(tmp_path / "audiox.safetensors"))
    backbone = network(timing=timing, warm_start=start)
    noisy, t = random_rows(case)
    context = conditions(backbone, noisy)
    wanted = ToolsReference(state, SIZES).velocity(noisy.audio.values, t.audio, context, None, noisy.audio.mask)
    assert error(backbone(noisy, t).audio, wanted, noisy.audio.mask) <= TOLERANCE


@pytest.mark.parametrize("wrap", ["bare", "model", "training"])
def test_a_transformer_is_found_bare_in_a_model_and_in_a_training(wrap: str, tmp_path: Path):
    state = {**random_weights(SIZES), **random_timing(SIZES)}
    if wrap == "bare":
        state = {name.removeprefix("model.model."): value for name, value in state.items()}
    elif wrap == "training":
        averaged = {f"diffusion_ema.ema_model.{name}": value + 1 for name, value in random_weights(SIZES).items()}
        state = {**averaged, **{f"diffusion.{name}": value for name, value in state.items()}}
    torch.save({"state_dict": state} if wrap == "training" else state, tmp_path / "model.ckpt")
    tensors = StableAudioToolsStart(str(tmp_path / "model.ckpt")).tensors()
    assert set(tensors) == network().inherited()
    raw = next(v for name, v in state.items() if name.endswith("transformer.project_in.weight") and "ema" not in name)
    assert torch.equal(tensors["enter.weight"], raw)


def test_missing_and_unexpected_names_are_told_and_refused_unless_asked_for(caplog: pytest.LogCaptureFixture):
    state = {**random_weights(SIZES), **random_timing(SIZES)}
    del state["model.model.to_cond_embed.2.weight"]
    state["model.model.transformer.layers.0.conformer.weight"] = torch.zeros(2)
    backbone = network()
    before = backbone.enter.weight.clone()
    told = r"lacks context.2.weight; .* has no place for transformer.layers.0.conformer.weight"
    with pytest.raises(ValueError, match=told):
        place(from_tools(state), backbone)
    assert torch.equal(backbone.enter.weight, before)
    with caplog.at_level(logging.WARNING):
        place(from_tools(state), backbone, partial=True)
    assert "context.2.weight" in caplog.text
    assert torch.equal(backbone.enter.weight, state["model.model.transformer.project_in.weight"])


def test_stable_audio_without_its_timing_tokens_is_refused():
    with pytest.raises(ValueError, match=r"has no place for timing.project.0.weight.*timing.start"):
        place(
            from_tools({**random_weights(SIZES), **random_timing(SIZES)}), network(timing=PrependedTiming(TEXT, WIDTH))
        )


def test_audiox_with_timing_tokens_is_refused():
    with pytest.raises(ValueError, match=r"lacks timing.project.0.weight.*timing.start.frequencies"):
        place(from_tools(random_weights(SIZES), AudioXStart.unused), network())


def test_other_depths_and_widths_are_refused_even_where_a_partial_load_was_asked_for():
    state = {**random_weights(SIZES), **random_timing(SIZES)}
    with pytest.raises(ValueError, match=r"lacks blocks.2.audio.attend.*and \d+ more"):
        place(from_tools(state), network(depth=4))
    with pytest.raises(ValueError, match=r"has no place for blocks.1.audio"):
        place(from_tools(state), network(depth=1))
    with pytest.raises(ValueError, match=r"other shapes: .*feed.enter.weight \(2048, 256\), not \(1024, 256\)"):
        place(from_tools(state), network(expansion=2.0), partial=True)


def test_another_rotary_embedding_is_refused():
    state = {**random_weights(SIZES), **random_timing(SIZES)}
    state["model.model.transformer.rotary_pos_emb.inv_freq"] *= 0.5
    with pytest.raises(ValueError, match="rotary embedding is not the backbone's"):
        from_tools(state)


class Trap:
    """Writes a file when it is unpickled.

    Args:
        file: The file.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.file), "w"))


def test_nothing_is_unpickled(tmp_path: Path):
    torch.save({**random_weights(SIZES), "trap": Trap(tmp_path / "sprung")}, tmp_path / "model.ckpt")
    with pytest.raises(ValueError, match=r"model.ckpt is missing, damaged, or holds more than tensors"):
        StableAudioToolsStart(str(tmp_path / "model.ckpt")).tensors()
    (tmp_path / "raw.ckpt").write_bytes(pickle.dumps({"trap": Trap(tmp_path / "sprung")}))
    with pytest.raises(ValueError, match=r"raw.ckpt is missing, damaged"):
        StableAudioToolsStart(str(tmp_path / "raw.ckpt")).tensors()
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["nothing.safetensors", "nothing.ckpt", "bad.safetensors", "bad.ckpt"])
def test_a_missing_or_damaged_file_is_named(name: str, tmp_path: Path):
    if name.startswith("bad"):
        (tmp_path / name).write_bytes(b"not tensors")
    with pytest.raises(ValueError, match=f"{name} is missing, damaged"):
        StableAudioToolsStart(str(tmp_path / name)).tensors()


def test_a_file_of_another_model_is_told_apart(tmp_path: Path):
    save_file({"encoder.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="no transformer of stable-audio-tools"):
        StableAudioToolsStart(str(tmp_path / "other.safetensors")).tensors()


def dual_stream(**changes: Any) -> DualStreamTransformer:
    sizes = {"latent_width": 4, "vocabulary_size": 20, "canvas": 6, "width": 16, "depth": 2, "heads": 2}
    return randomly(DualStreamTransformer(**{**sizes, "coupling": Isolated(), **changes}))


def test_a_model_of_ones_own_goes_on_where_it_was_and_may_learn_to_see_a_source(tmp_path: Path):
    old, file = dual_stream(), tmp_path / "model.safetensors"
    save_model(old, str(file))
    new = DualStreamTransformer(**{**old.init_args, "source": SourceLatents(), "warm_start": SavedStart(str(file))})
    noisy = Pair(
        Sequences(torch.randn(2, 5, 4), torch.tensor([5, 3])),
        Sequences(torch.randint(3, 20, (2, 6)), torch.full((2,), 6)),
    )
    t = Pair(torch.tensor([0.3, 0.8]), torch.zeros(2))
    assert torch.equal(new.eval()(noisy, t).audio, old(noisy, t).audio)
    assert not new.source.entrance.weight.any()
    again = rebuild(new.describe(), DualStreamTransformer)
    assert again.takes_source
    assert again.init_args["warm_start"] is None


def test_an_editor_starts_from_an_editor_with_its_sources_layers(tmp_path: Path):
    old, file = dual_stream(source=SourceLatents()), tmp_path / "model.safetensors"
    save_model(old, str(file))
    new = dual_stream(source=SourceLatents())
    SavedStart(str(file)).load(new)
    assert torch.equal(new.source.entrance.weight, old.source.entrance.weight)
    with pytest.raises(ValueError, match=r"has no place for source\.entrance\.weight, source\.exit"):
        SavedStart(str(file)).load(dual_stream())


def test_a_model_to_start_from_must_be_there_whole_and_of_the_same_size(tmp_path: Path):
    file = tmp_path / "model.safetensors"
    with pytest.raises(ValueError, match=r"model\.safetensors is missing.*: train the model to start from first"):
        SavedStart(str(file)).load(dual_stream())
    file.write_bytes(b"not tensors")
    with pytest.raises(ValueError, match="is missing, damaged, or holds more than tensors"):
        SavedStart(str(file)).load(dual_stream())
    save_model(dual_stream(width=32), str(file))
    with pytest.raises(ValueError, match=r"has other shapes: .*make the backbone's sizes agree"):
        SavedStart(str(file)).load(dual_stream())
