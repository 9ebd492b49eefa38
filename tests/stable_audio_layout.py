"""The layout and the arithmetic of stable-audio-tools' DiT, written down a second time, from its equations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class LayoutSizes:
    width: int
    heads: int
    groups: int
    depth: int
    latent: int
    text: int


def random_weights(sizes: LayoutSizes) -> dict[str, Tensor]:
    """Return random weights in the layout of a stable-audio-tools checkpoint, the timing's left out."""
    width, text, latent, inside, head = (
        sizes.width,
        sizes.text,
        sizes.latent,
        4 * sizes.width,
        sizes.width // sizes.heads,
    )
    shapes = {
        "timestep_features.weight": (128, 1),
        "to_timestep_embed.0.weight": (width, 256),
        "to_timestep_embed.0.bias": (width,),
        "to_timestep_embed.2.weight": (width, width),
        "to_timestep_embed.2.bias": (width,),
        "to_cond_embed.0.weight": (text, text),
        "to_cond_embed.2.weight": (text, text),
        "to_global_embed.0.weight": (width, 2 * text),
        "to_global_embed.2.weight": (width, width),
        "preprocess_conv.weight": (latent, latent, 1),
        "postprocess_conv.weight": (latent, latent, 1),
        "transformer.project_in.weight": (width, latent),
        "transformer.project_out.weight": (latent, width),
    }
    for layer in (f"transformer.layers.{index}" for index in range(sizes.depth)):
        for norm in ("pre_norm", "cross_attend_norm", "ff_norm"):
            shapes |= {f"{layer}.{norm}.gamma": (width,), f"{layer}.{norm}.beta": (width,)}
        shapes |= {
            f"{layer}.self_attn.to_qkv.weight": (3 * width, width),
            f"{layer}.self_attn.to_out.weight": (width, width),
            f"{layer}.cross_attn.to_q.weight": (width, width),
            f"{layer}.cross_attn.to_kv.weight": (2 * sizes.groups * head, text),
            f"{layer}.cross_attn.to_out.weight": (width, width),
            f"{layer}.ff.ff.0.proj.weight": (2 * inside, width),
            f"{layer}.ff.ff.0.proj.bias": (2 * inside,),
            f"{layer}.ff.ff.2.weight": (width, inside),
            f"{layer}.ff.ff.2.bias": (width,),
        }
    state = {f"model.model.{name}": _values(name, shape) for name, shape in shapes.items()}
    frequencies = 1.0 / (10_000 ** (torch.arange(0, head // 2, 2).float() / (head // 2)))
    return {**state, "model.model.transformer.rotary_pos_emb.inv_freq": frequencies}


def random_timing(sizes: LayoutSizes) -> dict[str, Tensor]:
    """Return random weights of the timing of Stable Audio Open, in the same layout."""
    names = {"0.weights": (128,), "1.weight": (sizes.text, 257), "1.bias": (sizes.text,)}
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
        sizes: Its sizes.
    """

    def __init__(self, state: dict[str, Tensor], sizes: LayoutSizes) -> None:
        self.sizes = sizes
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
        for index in range(self.sizes.depth):
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
        q, k, v = (self.split(part, self.sizes.heads) for part in (q, k, v))
        x = x + self.attend(self.turn(q), self.turn(k), v, mask) @ self.state[f"{name}.self_attn.to_out.weight"].T
        q = self.split(
            self.norm(f"{name}.cross_attend_norm", x) @ self.state[f"{name}.cross_attn.to_q.weight"].T, self.sizes.heads
        )
        k, v = (context @ self.state[f"{name}.cross_attn.to_kv.weight"].T).chunk(2, -1)
        shared = self.sizes.heads // self.sizes.groups
        k, v = (self.split(part, self.sizes.groups).repeat_interleave(shared, dim=1) for part in (k, v))
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
