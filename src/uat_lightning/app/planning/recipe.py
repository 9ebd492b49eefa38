"""What a config says of a training, without anything being loaded, downloaded or computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jsonargparse import ArgumentParser, Namespace
from torch import nn

from uat_lightning.codec import Codec
from uat_lightning.configurable import rebuild
from uat_lightning.module import UATModule

SOURCES = ("pretrained", "subfolder", "warm_start")  # what is to be fetched: sizes stand beside it, or are defaults


@dataclass(frozen=True)
class Recipe:
    """A training, as far as its cost depends on it.

    Args:
        module: The module, on the meta device.
        codec: The codec, with random weights; it has done its work before training.
        rows: Rows of a global batch.
        generation_rows: Those that teach audio from text.
        captions: Captions of each captioning row.
        seconds: Length of the clips.
        accumulated: Batches of an optimizer step.
        steps: Optimizer steps of the training.
        precision: As the Trainer has it.
        averaged: Whether a moving average of the weights is kept.
    """

    module: UATModule
    codec: Codec
    rows: int
    generation_rows: int
    captions: int
    seconds: float
    accumulated: int
    steps: int
    precision: str
    averaged: bool

    @property
    def frames(self) -> int:
        """Latent frames of a clip."""
        return self.codec.frames(self.codec.samples(self.seconds))

    @property
    def frozen(self) -> tuple[nn.Module, ...]:
        """Frozen networks at work in training."""
        encoder = getattr(self.module.backbone, "encoder", None)
        return tuple(getattr(encoder, "frozen", ()))

    @property
    def mixed(self) -> bool:
        """Whether float32 weights are computed with in half precision."""
        return self.precision in ("bf16-mixed", "16-mixed", "bf16", "16")


def read_recipe(config: Namespace, seconds: float | None = None) -> Recipe:
    """Read a training's config.

    Args:
        config: The parsed ``trainer``, ``model`` and ``data``.
        seconds: Length of the clips; the data's ``longest_seconds`` where None.

    Raises:
        ValueError: If something that the cost depends on is not told.
    """
    if not config.get("model") or not config.get("data"):
        raise ValueError("missing --model and --data; a config has them: --config joint.yaml")
    trainer, data = config["trainer"].as_dict(), config["data"].as_dict()["init_args"]
    if not {"codec", "batch_size"} <= set(data):
        raise ValueError(f"{config['data']['class_path']} has no codec and batch_size: uat plan reads them of the data")
    seconds = seconds or data.get("longest_seconds") or data.get("longest")
    if not seconds:
        raise ValueError("how long the clips are is not in the config: give --seconds")
    if (trainer.get("max_steps") or -1) < 1:
        raise ValueError("how long the training is to be is not in the config: give --trainer.max_steps")
    codec = rebuild(without_sources(data["codec"]), Codec)  # type: ignore[type-abstract]
    with torch.device("meta"):
        module = _module(without_sources(config["model"].as_dict()))
    rows, callbacks = data["batch_size"], trainer.get("callbacks") or []
    return Recipe(
        module,
        codec,
        rows,
        round(rows * data.get("generation_share", 0.5)),
        data.get("captions", 1),
        float(seconds),
        trainer.get("accumulate_grad_batches") or 1,
        trainer["max_steps"],
        str(trainer.get("precision") or "32-true"),
        any(callback["class_path"].endswith(".EMA") for callback in callbacks),
    )


def without_sources(value: Any) -> Any:  # noqa: ANN401
    """Return a description without what would be fetched."""
    if isinstance(value, dict):
        return {name: without_sources(item) for name, item in value.items() if name not in SOURCES}
    return [without_sources(item) for item in value] if isinstance(value, list) else value


def _module(described: dict[str, Any]) -> UATModule:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(UATModule, "model", required=True)
    made: UATModule = parser.instantiate_classes(parser.parse_object({"model": described}))["model"]
    return made


def optimizer_share(module: UATModule) -> float:
    """Return the bytes of optimizer state for each byte of weights, as the module's own optimizer makes it."""
    weight = nn.Parameter(torch.zeros(64, 64))
    optimizer = module.build_optimizer([weight])
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    state: Sequence[Any] = list(optimizer.state[weight].values())
    return sum(item.nbytes for item in state if isinstance(item, torch.Tensor) and item.ndim) / weight.nbytes
