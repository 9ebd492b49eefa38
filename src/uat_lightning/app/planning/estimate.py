"""Weights, arithmetic and time of a training."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from uat_lightning.app.planning.cost import Cost
from uat_lightning.app.planning.footprint import size
from uat_lightning.app.planning.recipe import Recipe
from uat_lightning.app.planning.rehearsal import Rehearsal

HOUR = 3600.0


def parts(recipe: Recipe) -> dict[str, dict[str, int]]:
    """Return the numbers of weights that learn and that do not, by part; blocks are added up side by side."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: {"trainable": 0, "frozen": 0})
    for name, weight in recipe.module.backbone.named_parameters():
        found[_part(name)]["trainable" if weight.requires_grad else "frozen"] += weight.numel()
    for network in recipe.frozen:
        found[f"{type(network).__name__}, at work in training"]["frozen"] += size(network)
    found[f"{type(recipe.codec).__name__}, done before training"]["frozen"] += size(recipe.codec)
    total = {kind: sum(part[kind] for part in found.values()) for kind in ("trainable", "frozen")}
    return {**found, "total": total}


def _part(name: str) -> str:
    """Return the first word of a weight's name, and of a block's weight the block's side."""
    first, *rest = name.split(".")
    return f"{first}.{rest[1]}" if len(rest) > 2 and rest[0].isdigit() else first


@dataclass(frozen=True)
class Estimate:
    """A training on so many devices of a kind.

    Args:
        recipe: The training.
        rehearsal: A device's share of a batch.
        devices: Devices in all.
        peak: Peak of a device, operations a second.
        utilisation: Share of the peak that is reached.
    """

    recipe: Recipe
    rehearsal: Rehearsal
    devices: int
    peak: float
    utilisation: float

    def step(self) -> dict[str, dict[str, int]]:
        """Return rows and operations of an optimizer step, over all devices."""
        seen = self.rehearsal
        counted = {"generation": (seen.generation_rows, seen.generation)}
        counted |= {"captioning": (seen.captioning_rows, seen.captioning)}
        counted |= {"all, recomputed": (seen.generation_rows + seen.captioning_rows, seen.recomputed)}
        return {name: self._whole(rows, cost) for name, (rows, cost) in counted.items()}

    def _whole(self, rows: int, cost: Cost) -> dict[str, int]:
        times = self.devices * self.recipe.accumulated
        return {"rows": times * rows, "forward": times * cost.forward, "backward": times * cost.backward}

    def time(self) -> dict[str, dict[str, float]]:
        """Return seconds of a step, samples a second and hours of the training, with and without recomputation."""
        kept = self.rehearsal.generation.flops + self.rehearsal.captioning.flops
        return {"kept": self._timed(kept), "recomputed": self._timed(self.rehearsal.recomputed.flops)}

    def _timed(self, flops: int) -> dict[str, float]:
        seconds = self.recipe.accumulated * flops / (self.peak * self.utilisation)
        rows, steps = self.recipe.accumulated * self.recipe.rows, self.recipe.steps
        hours = steps * seconds / HOUR
        told = {"seconds_per_step": seconds, "samples_per_second": rows / seconds, "steps": float(steps)}
        return {**told, "hours": hours, "device_hours": hours * self.devices}
