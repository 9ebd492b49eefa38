"""The names that Stable Audio's weights have in diffusers and in stable-audio-tools, and the paper backbone's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Rules = Sequence[tuple[str, str]]

TOOLS: Rules = (
    (r"timestep_features\.weight", r"time.frequencies"),
    (r"to_timestep_embed\.(.+)", r"time.network.\1"),
    (r"to_cond_embed\.(.+)", r"context.\1"),
    (r"to_global_embed\.(.+)", r"timing.project.\1"),
    (r"preprocess_conv\.weight", r"latents_in.weight"),
    (r"postprocess_conv\.weight", r"latents_out.weight"),
    (r"transformer\.project_in\.weight", r"enter.weight"),
    (r"transformer\.project_out\.weight", r"leave.weight"),
    (r"transformer\.layers\.(\d+)\.pre_norm\.(.+)", r"blocks.\1.audio.attend_norm.\2"),
    (r"transformer\.layers\.(\d+)\.cross_attend_norm\.(.+)", r"blocks.\1.audio.read_norm.\2"),
    (r"transformer\.layers\.(\d+)\.ff_norm\.(.+)", r"blocks.\1.audio.feed_norm.\2"),
    (r"transformer\.layers\.(\d+)\.self_attn\.to_qkv\.weight", r"blocks.\1.audio.attend.query_key_value.weight"),
    (r"transformer\.layers\.(\d+)\.self_attn\.to_out\.weight", r"blocks.\1.audio.attend.leave.weight"),
    (r"transformer\.layers\.(\d+)\.cross_attn\.to_q\.weight", r"blocks.\1.audio.read.query.weight"),
    (r"transformer\.layers\.(\d+)\.cross_attn\.to_kv\.weight", r"blocks.\1.audio.read.key_value.weight"),
    (r"transformer\.layers\.(\d+)\.cross_attn\.to_out\.weight", r"blocks.\1.audio.read.leave.weight"),
    (r"transformer\.layers\.(\d+)\.ff\.ff\.0\.proj\.(.+)", r"blocks.\1.audio.feed.enter.\2"),
    (r"transformer\.layers\.(\d+)\.ff\.ff\.2\.(.+)", r"blocks.\1.audio.feed.leave.\2"),
    (r"seconds_(start|total)\.embedder\.embedding\.0\.weights", r"timing.\1.frequencies"),
    (r"seconds_(start|total)\.embedder\.embedding\.1\.(.+)", r"timing.\1.project.\2"),
)
DIFFUSERS: Rules = (
    (r"time_proj\.weight", r"time.frequencies"),
    (r"timestep_proj\.(.+)", r"time.network.\1"),
    (r"cross_attention_proj\.(.+)", r"context.\1"),
    (r"global_proj\.(.+)", r"timing.project.\1"),
    (r"preprocess_conv\.weight", r"latents_in.weight"),
    (r"postprocess_conv\.weight", r"latents_out.weight"),
    (r"proj_in\.weight", r"enter.weight"),
    (r"proj_out\.weight", r"leave.weight"),
    (r"transformer_blocks\.(\d+)\.norm1\.(.+)", r"blocks.\1.audio.attend_norm.\2"),
    (r"transformer_blocks\.(\d+)\.norm2\.(.+)", r"blocks.\1.audio.read_norm.\2"),
    (r"transformer_blocks\.(\d+)\.norm3\.(.+)", r"blocks.\1.audio.feed_norm.\2"),
    (r"transformer_blocks\.(\d+)\.attn1\.to_qkv\.weight", r"blocks.\1.audio.attend.query_key_value.weight"),
    (r"transformer_blocks\.(\d+)\.attn1\.to_out\.0\.weight", r"blocks.\1.audio.attend.leave.weight"),
    (r"transformer_blocks\.(\d+)\.attn2\.to_q\.weight", r"blocks.\1.audio.read.query.weight"),
    (r"transformer_blocks\.(\d+)\.attn2\.to_kv\.weight", r"blocks.\1.audio.read.key_value.weight"),
    (r"transformer_blocks\.(\d+)\.attn2\.to_out\.0\.weight", r"blocks.\1.audio.read.leave.weight"),
    (r"transformer_blocks\.(\d+)\.ff\.net\.0\.proj\.(.+)", r"blocks.\1.audio.feed.enter.\2"),
    (r"transformer_blocks\.(\d+)\.ff\.net\.2\.(.+)", r"blocks.\1.audio.feed.leave.\2"),
    (r"start_number_conditioner\.time_positional_embedding\.0\.weights", r"timing.start.frequencies"),
    (r"start_number_conditioner\.time_positional_embedding\.1\.(.+)", r"timing.start.project.\1"),
    (r"end_number_conditioner\.time_positional_embedding\.0\.weights", r"timing.total.frequencies"),
    (r"end_number_conditioner\.time_positional_embedding\.1\.(.+)", r"timing.total.project.\1"),
)
LAYOUT: Rules = ((r"(.+_norm)\.gamma", r"\1.weight"), (r"(.+_norm)\.beta", r"\1.bias"))


def renamed(tensors: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """Return tensors by the paper backbone's names and in its shapes; a name that no rule knows stays."""
    named = {_apply(_apply(name, rules), LAYOUT): tensor for name, tensor in tensors.items()}
    return {name: _shaped(name, tensor) for name, tensor in named.items()}


def fused(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Join diffusers' separate projections: queries, keys and values of ``attn1``, keys and values of ``attn2``."""
    joined = dict(tensors)
    for query in [name for name in tensors if name.endswith(".attn1.to_q.weight")]:
        _join(joined, query, "qkv")
    for key in [name for name in tensors if name.endswith(".attn2.to_k.weight")]:
        _join(joined, key, "kv")
    return joined


def _join(tensors: dict[str, Tensor], first: str, letters: str) -> None:
    stem = first.removesuffix(f"to_{letters[0]}.weight")
    names = [f"{stem}to_{letter}.weight" for letter in letters]
    if all(name in tensors for name in names):
        tensors[f"{stem}to_{letters}.weight"] = torch.cat([tensors.pop(name) for name in names])


def _apply(name: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(replacement)
    return name


def _shaped(name: str, tensor: Tensor) -> Tensor:
    """Drop the axes that convolutions of one tap and frequencies have beyond ours."""
    if name in ("latents_in.weight", "latents_out.weight", "time.frequencies") and tensor.shape[-1:] == (1,):
        return tensor.squeeze(-1)
    return tensor
