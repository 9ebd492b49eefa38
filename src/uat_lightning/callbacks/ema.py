"""Exponential moving average of the trainable weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from uat_lightning.backbone.sharding import at_rest, shared_out_like, units, whole


class EMA(Callback):
    """Keeps a moving average of the trainable weights, validates with it and saves it.

    The average follows ``average += (1 - decay) (weights - average)`` with the decay warmed up as
    ``min(decay, (1 + n) / (10 + n))`` after n updates. Checkpoints hold the average in ``state_dict`` (what every
    loader reads) and the raw weights beside it, so that training goes on bit for bit.

    Args:
        decay: Share of the old average kept at each optimizer step, 0 to 1.
    """

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = decay
        self.average: dict[str, Tensor] = {}
        self.updates = 0
        self._swapped = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from the weights, or go on from a checkpoint's average."""
        for name, weight in _trainable(pl_module).items():
            self.average[name] = self.average.get(name, weight).detach().clone().to(weight.device)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:  # noqa: ANN401
        """Update the average once per optimizer step."""
        if trainer.global_step == self.updates:
            return
        self.updates = trainer.global_step
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        weights = _trainable(pl_module)
        averages, raw = [self.average[name] for name in weights], [weight.detach() for weight in weights.values()]
        torch._foreach_lerp_(averages, raw, 1 - decay)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate with the average."""
        if self.average and trainer.state.fn == "fit":
            self._swap(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on training the raw weights."""
        if self._swapped:
            self._swap(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Put the raw weights back before anybody saves them; sharded ones, perhaps half gathered, nobody can save."""
        if self._swapped and not units(pl_module):
            self._swap(pl_module)

    @torch.no_grad()
    def _swap(self, module: LightningModule) -> None:
        for name, weight in _trainable(module).items():
            raw = weight.detach().clone()
            weight.copy_(self.average[name])
            self.average[name].copy_(raw)
        self._swapped = not self._swapped

    @contextmanager
    def averaged(self, module: LightningModule) -> Iterator[None]:
        """Hold the average in the module for a while."""
        swap = bool(self.average) and not self._swapped
        if swap:
            self._swap(module)
        try:
            yield
        finally:
            if swap:
                self._swap(module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the average as the weights, and the raw weights beside it; whole ones, where they are sharded."""
        weights = {name: weight.detach() for name, weight in _trainable(pl_module).items()}
        average, raw = (weights, self.average) if self._swapped else (self.average, weights)
        checkpoint["raw_parameters"] = {name: whole(weight).clone() for name, weight in raw.items()}
        checkpoint["state_dict"] = {**checkpoint["state_dict"], **{k: whole(v).clone() for k, v in average.items()}}
        checkpoint["ema_updates"] = self.updates

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take the average from the weights, which are loaded already, and put the raw weights back in their place."""
        if trainer.state.fn != "fit" or "raw_parameters" not in checkpoint:
            return
        weights, raw = _trainable(pl_module), checkpoint["raw_parameters"]
        self.average = {name: weights[name].detach().clone() for name in raw}
        self.updates = checkpoint["ema_updates"]
        with torch.no_grad():
            for name, value in raw.items():
                weights[name].copy_(shared_out_like(value, weights[name]))


@contextmanager
def averaged_weights(trainer: Trainer, module: LightningModule) -> Iterator[None]:
    """Hold the Trainer's moving average in the module for a while; the weights as they are where there is no EMA."""
    average = next((callback for callback in trainer.callbacks if isinstance(callback, EMA)), None)  # type: ignore[attr-defined]
    if average is None:
        yield
    else:
        with average.averaged(module):
            yield


def _trainable(module: LightningModule) -> dict[str, torch.nn.Parameter]:
    at_rest(module)  # what was gathered for a forward pass is a copy
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
