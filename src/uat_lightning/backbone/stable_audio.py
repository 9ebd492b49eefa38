"""Warm starts from Stable Audio Open and AudioX, in the two layouts that their weights come in."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from uat_lightning.backbone.rotary import rotary_frequencies
from uat_lightning.backbone.stable_audio_names import DIFFUSERS, TOOLS, fused, renamed
from uat_lightning.backbone.warm_start import WarmStart, read_tensors

log = logging.getLogger(__name__)
LANDMARK = "transformer.project_in.weight"
CONDITIONERS = "conditioner.conditioners."
INVERSE_FREQUENCIES = "transformer.rotary_pos_emb.inv_freq"


class DiffusersStart(WarmStart):
    """Starts from Stable Audio Open as diffusers has it.

    Args:
        source: A folder or a name on the Hugging Face hub with ``transformer`` and ``projection_model`` in it, such as
            ``stabilityai/stable-audio-open-1.0``; or a folder of the transformer alone, which lacks the timing.
        partial: Whether to load what fits where names differ.
    """

    def __init__(self, source: str, partial: bool = False) -> None:
        super().__init__(partial)
        self.source = source

    def tensors(self) -> dict[str, Tensor]:
        """Read both models' weights, from safetensors.

        Raises:
            ValueError: If the source is missing, damaged or of another kind.
        """
        from diffusers import StableAudioDiTModel, StableAudioProjectionModel  # heavy; needed by this start alone

        if (Path(self.source) / "config.json").is_file():
            return from_diffusers(_pretrained(StableAudioDiTModel, self.source, None))
        transformer = _pretrained(StableAudioDiTModel, self.source, "transformer")
        return from_diffusers(transformer, _pretrained(StableAudioProjectionModel, self.source, "projection_model"))


class StableAudioToolsStart(WarmStart):
    """Starts from a checkpoint of stable-audio-tools: ``model.safetensors`` or ``model.ckpt`` of Stable Audio Open.

    Weights of its autoencoder and of T5 are left where they are.

    Args:
        file: A safetensors file, or a torch file of tensors alone.
        partial: Whether to load what fits where names differ.
    """

    unused: tuple[str, ...] = ()

    def __init__(self, file: str, partial: bool = False) -> None:
        super().__init__(partial)
        self.file = file

    def tensors(self) -> dict[str, Tensor]:
        """Read the transformer's and the timing's weights.

        Raises:
            ValueError: If the file is missing, damaged, holds more than tensors, or no such model.
        """
        return from_tools(read_tensors(Path(self.file)), self.unused)


class AudioXStart(StableAudioToolsStart):
    """Starts from an AudioX checkpoint, which has the same layout but no timing: use ``PrependedTiming``.

    Args:
        file: A safetensors file, or a torch file of tensors alone.
        partial: Whether to load what fits where names differ.
    """

    unused = ("to_global_embed.",)  # made for a condition that AudioX does not have; never run


def from_diffusers(transformer: nn.Module, projection: nn.Module | None = None) -> dict[str, Tensor]:
    """Return the weights of diffusers models by the paper backbone's names.

    Args:
        transformer: A ``diffusers.StableAudioDiTModel``.
        projection: A ``diffusers.StableAudioProjectionModel``; without it the timing is lacking.
    """
    tensors = {**transformer.state_dict(), **(projection.state_dict() if projection else {})}
    return renamed(fused(tensors), DIFFUSERS)


def from_tools(tensors: Mapping[str, Tensor], unused: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Return the weights of a stable-audio-tools state dict by the paper backbone's names.

    Args:
        tensors: The state dict of a model, of its transformer alone, or of a training of it.
        unused: Beginnings of names that the model has but does not run.

    Raises:
        ValueError: If there is no such transformer in it, or its rotary embedding is another.
    """
    landmark = next((name for name in tensors if name.endswith(LANDMARK) and "ema" not in name), None)
    if landmark is None:
        raise ValueError(f"no transformer of stable-audio-tools: nothing in it is called {LANDMARK}")
    prefix = landmark.removesuffix(LANDMARK)
    conditioners = prefix.removesuffix("model.model.") + CONDITIONERS
    inside = [name for name in tensors if name.startswith(prefix) and not name.startswith(conditioners)]
    model = {name.removeprefix(prefix): tensors[name] for name in inside}
    timing = {n.removeprefix(conditioners): v for n, v in tensors.items() if n.startswith(f"{conditioners}seconds_")}
    _check_rotary(model.pop(INVERSE_FREQUENCIES, None))
    kept = {name: value for name, value in model.items() if not name.startswith(unused)} if unused else model
    _tell_left(tensors, prefix, f"{conditioners}seconds_")
    return renamed({**kept, **timing}, TOOLS)


def _check_rotary(found: Tensor | None) -> None:
    if found is None:
        return
    ours = rotary_frequencies(2 * len(found), 10_000.0, found.device)
    if not torch.allclose(found.float(), ours, rtol=1e-3):
        raise ValueError(f"the warm start's rotary embedding is not the backbone's: see its {INVERSE_FREQUENCIES}")


def _tell_left(tensors: Mapping[str, Tensor], *taken: str) -> None:
    left = Counter(".".join(name.split(".")[:3]) for name in tensors if not name.startswith(taken))
    if left:
        log.info("left in the checkpoint: %s", ", ".join(f"{name} ({count} tensors)" for name, count in left.items()))


def _pretrained(kind: type, name: str, subfolder: str | None) -> nn.Module:
    try:
        model: nn.Module = kind.from_pretrained(  # type: ignore[attr-defined]
            name, subfolder=subfolder, use_safetensors=True, low_cpu_mem_usage=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{name} {subfolder or ''} holds no {kind.__name__} in safetensors: {reason}") from error
    return model
