"""The audio velocity of a warm-started backbone is the source model's, for each layout that sources come in."""

from __future__ import annotations

import logging
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableAudioDiTModel, StableAudioProjectionModel
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from uat_lightning.backbone import (
    AudioXStart,
    DiffusersStart,
    PaperBackbone,
    PrependedTiming,
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


# --- stable-audio-tools: its layout, and its arithmetic written down a second time, from its equations ---


def tools_state(rows_of_norms: str = "beta") -> dict[str, Tensor]:
    """Return random weights in the layout of a stable-audio-tools checkpoint of Stable Audio Open."""
    inside, head = 4 * WIDTH, WIDTH // HEADS
    shapes = {
        "timestep_features.weight": (128, 1),
        "to_timestep_embed.0.weight": (WIDTH, 256),
        "to_timestep_embed.0.bias": (WIDTH,),
        "to_timestep_embed.2.weight": (WIDTH, WIDTH),
        "to_timestep_embed.2.bias": (WIDTH,),
        "to_cond_embed.0.weight": (TEXT, TEXT),
        "to_cond_embed.2.weight": (TEXT, TEXT),
        "to_global_embed.0.weight": (WIDTH, 2 * TEXT),
        "to_global_embed.2.weight": (WIDTH, WIDTH),
        "preprocess_conv.weight": (LATENT, LATENT, 1),
        "postprocess_conv.weight": (LATENT, LATENT, 1),
        "transformer.project_in.weight": (WIDTH, LATENT),
        "transformer.project_out.weight": (LATENT, WIDTH),
    }
    for layer in (f"transformer.layers.{index}" for index in range(DEPTH)):
        for norm in ("pre_norm", "cross_attend_norm", "ff_norm"):
            shapes |= {f"{layer}.{norm}.gamma": (WIDTH,), f"{layer}.{norm}.{rows_of_norms}": (WIDTH,)}
        shapes |= {
            f"{layer}.self_attn.to_qkv.weight": (3 * WIDTH, WIDTH),
            f"{layer}.self_attn.to_out.weight": (WIDTH, WIDTH),
            f"{layer}.cross_attn.to_q.weight": (WIDTH, WIDTH),
            f"{layer}.cross_attn.to_kv.weight": (2 * GROUPS * head, TEXT),
            f"{layer}.cross_attn.to_out.weight": (WIDTH, WIDTH),
            f"{layer}.ff.ff.0.proj.weight": (2 * inside, WIDTH),
            f"{layer}.ff.ff.0.proj.bias": (2 * inside,),
            f"{layer}.ff.ff.2.weight": (WIDTH, inside),
            f"{layer}.ff.ff.2.bias": (WIDTH,),
        }
    state = {f"model.model.{name}": _values(name, shape) for name, shape in shapes.items()}
    frequencies = 1.0 / (10_000 ** (torch.arange(0, head // 2, 2).float() / (head // 2)))
    return {**state, "model.model.transformer.rotary_pos_emb.inv_freq": frequencies}


def tools_timing() -> dict[str, Tensor]:
    names = {"0.weights": (128,), "1.weight": (TEXT, 257), "1.bias": (TEXT,)}
    return {
        f"conditioner.conditioners.seconds_{which}.embedder.embedding.{name}": _values(name, shape)
        for which in ("start", "total")
        for name, shape in names.items()
    }


def _values(name: str, shape: tuple[int, ...]) -> Tensor:
    scale = 1.0 if len(shape) == 1 or name.startswith("timestep_features") else shape[1] ** -0.5
    return scale * torch.randn(shape) + float(name.endswith("gamma"))


class ToolsReference:
    """The forward of stable-audio-tools' DiT in plain tensor operations on its own weights.

    Args:
        state: Its checkpoint.
    """

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = {name.removeprefix("model.model."): value for name, value in state.items()}

    def number(self, which: str, seconds: Tensor) -> Tensor:
        name = f"conditioner.conditioners.seconds_{which}.embedder.embedding"
        x = seconds.clamp(0, 512)[:, None] / 512
        turned = x * self.state[f"{name}.0.weights"][None] * 2 * math.pi
        features = torch.cat([x, turned.sin(), turned.cos()], dim=-1)
        return functional.linear(features, self.state[f"{name}.1.weight"], self.state[f"{name}.1.bias"])

    def velocity(self, latents: Tensor, t: Tensor, context: Tensor, seconds: Tensor | None, mask: Tensor) -> Tensor:
        told = self.two_layers("to_timestep_embed", self.fourier(t))
        if seconds is not None:
            numbers = [self.number("start", 0 * seconds), self.number("total", seconds)]
            told = told + self.two_layers("to_global_embed", torch.cat(numbers, dim=-1))
            visible = context.any(-1).any(-1)[:, None, None]
            context = torch.cat([context, torch.stack(numbers, dim=1) * visible], dim=1)
        context = self.two_layers("to_cond_embed", context)
        x = functional.conv1d(latents.mT, self.state["preprocess_conv.weight"]) + latents.mT
        x = torch.cat([told[:, None], x.mT @ self.state["transformer.project_in.weight"].T], dim=1)
        mask = torch.cat([torch.ones(len(mask), 1, dtype=torch.bool), mask], dim=1)
        for index in range(DEPTH):
            x = self.layer(f"transformer.layers.{index}", x, context, mask)
        out = (x @ self.state["transformer.project_out.weight"].T)[:, 1:].mT
        return (functional.conv1d(out, self.state["postprocess_conv.weight"]) + out).mT

    def fourier(self, t: Tensor) -> Tensor:
        turned = 2 * math.pi * t[:, None] @ self.state["timestep_features.weight"].T
        return torch.cat([turned.cos(), turned.sin()], dim=-1)

    def two_layers(self, name: str, x: Tensor) -> Tensor:
        x = functional.linear(x, self.state[f"{name}.0.weight"], self.state.get(f"{name}.0.bias"))
        return functional.linear(functional.silu(x), self.state[f"{name}.2.weight"], self.state.get(f"{name}.2.bias"))

    def layer(self, name: str, x: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (self.norm(f"{name}.pre_norm", x) @ self.state[f"{name}.self_attn.to_qkv.weight"].T).chunk(3, -1)
        q, k, v = (self.split(part, HEADS) for part in (q, k, v))
        x = x + self.attend(self.turn(q), self.turn(k), v, mask) @ self.state[f"{name}.self_attn.to_out.weight"].T
        q = self.split(
            self.norm(f"{name}.cross_attend_norm", x) @ self.state[f"{name}.cross_attn.to_q.weight"].T, HEADS
        )
        k, v = (context @ self.state[f"{name}.cross_attn.to_kv.weight"].T).chunk(2, -1)
        k, v = (self.split(part, GROUPS).repeat_interleave(HEADS // GROUPS, dim=1) for part in (k, v))
        everything = torch.ones(context.shape[:2], dtype=torch.bool)
        x = x + self.attend(q, k, v, everything) @ self.state[f"{name}.cross_attn.to_out.weight"].T
        values, gate = functional.linear(
            self.norm(f"{name}.ff_norm", x),
            self.state[f"{name}.ff.ff.0.proj.weight"],
            self.state[f"{name}.ff.ff.0.proj.bias"],
        ).chunk(2, -1)
        return x + functional.linear(
            values * functional.silu(gate), self.state[f"{name}.ff.ff.2.weight"], self.state[f"{name}.ff.ff.2.bias"]
        )

    def norm(self, name: str, x: Tensor) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], self.state[f"{name}.gamma"], self.state[f"{name}.beta"])

    def turn(self, x: Tensor) -> Tensor:
        """Rotate the first half of a head's channels, the halves of that half against each other."""
        frequencies = self.state["transformer.rotary_pos_emb.inv_freq"]
        angles = torch.outer(torch.arange(x.shape[2]).float(), frequencies).repeat(1, 2)
        first, rest = x[..., : angles.shape[-1]], x[..., angles.shape[-1] :]
        one, other = first.chunk(2, dim=-1)
        return torch.cat([first * angles.cos() + torch.cat([-other, one], -1) * angles.sin(), rest], dim=-1)

    @staticmethod
    def split(x: Tensor, heads: int) -> Tensor:
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    @staticmethod
    def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~mask[:, None, None], -math.inf)
        return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


@torch.no_grad()
@pytest.mark.parametrize("case", range(6))
def test_velocity_equals_that_of_stable_audio_tools_with_grouped_heads(case: int):
    state, backbone = {**tools_state(), **tools_timing()}, network()
    place(from_tools(state), backbone)
    noisy, t = random_rows(case)
    context, seconds = conditions(backbone, noisy), noisy.audio.lengths / RATE
    wanted = ToolsReference(state).velocity(noisy.audio.values, t.audio, context, seconds, noisy.audio.mask)
    assert error(backbone(noisy, t).audio, wanted, noisy.audio.mask) <= TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("case", range(3))
def test_velocity_equals_that_of_audiox_which_knows_no_timing(case: int, tmp_path: Path):
    state = tools_state()
    conditioners = {"conditioner.conditioners.video_prompt.proj.weight": torch.randn(3, 3)}
    save_file(
        {**state, **conditioners, "pretransform.model.encoder.bias": torch.zeros(2)}, tmp_path / "audiox.safetensors"
    )
    timing, start = PrependedTiming(TEXT, WIDTH), AudioXStart(str(tmp_path / "audiox.safetensors"))
    backbone = network(timing=timing, warm_start=start)
    noisy, t = random_rows(case)
    context = conditions(backbone, noisy)
    wanted = ToolsReference(state).velocity(noisy.audio.values, t.audio, context, None, noisy.audio.mask)
    assert error(backbone(noisy, t).audio, wanted, noisy.audio.mask) <= TOLERANCE


@pytest.mark.parametrize("wrap", ["bare", "model", "training"])
def test_a_transformer_is_found_bare_in_a_model_and_in_a_training(wrap: str, tmp_path: Path):
    state = {**tools_state(), **tools_timing()}
    if wrap == "bare":
        state = {name.removeprefix("model.model."): value for name, value in state.items()}
    elif wrap == "training":
        averaged = {f"diffusion_ema.ema_model.{name}": value + 1 for name, value in tools_state().items()}
        state = {**averaged, **{f"diffusion.{name}": value for name, value in state.items()}}
    torch.save({"state_dict": state} if wrap == "training" else state, tmp_path / "model.ckpt")
    tensors = StableAudioToolsStart(str(tmp_path / "model.ckpt")).tensors()
    assert set(tensors) == network().inherited()
    raw = next(v for name, v in state.items() if name.endswith("transformer.project_in.weight") and "ema" not in name)
    assert torch.equal(tensors["enter.weight"], raw)


def test_missing_and_unexpected_names_are_told_and_refused_unless_asked_for(caplog: pytest.LogCaptureFixture):
    state = {**tools_state(), **tools_timing()}
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
        place(from_tools({**tools_state(), **tools_timing()}), network(timing=PrependedTiming(TEXT, WIDTH)))


def test_audiox_with_timing_tokens_is_refused():
    with pytest.raises(ValueError, match=r"lacks timing.project.0.weight.*timing.start.frequencies"):
        place(from_tools(tools_state(), AudioXStart.unused), network())


def test_other_depths_and_widths_are_refused_even_where_a_partial_load_was_asked_for():
    state = {**tools_state(), **tools_timing()}
    with pytest.raises(ValueError, match=r"lacks blocks.2.audio.attend.*and \d+ more"):
        place(from_tools(state), network(depth=4))
    with pytest.raises(ValueError, match=r"has no place for blocks.1.audio"):
        place(from_tools(state), network(depth=1))
    with pytest.raises(ValueError, match=r"other shapes: .*feed.enter.weight \(2048, 256\), not \(1024, 256\)"):
        place(from_tools(state), network(expansion=2.0), partial=True)


def test_another_rotary_embedding_is_refused():
    state = {**tools_state(), **tools_timing()}
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
    torch.save({**tools_state(), "trap": Trap(tmp_path / "sprung")}, tmp_path / "model.ckpt")
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
