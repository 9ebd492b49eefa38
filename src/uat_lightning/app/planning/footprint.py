"""The memory of a device in training, by what it holds."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from uat_lightning.app.planning.recipe import Recipe, optimizer_share
from uat_lightning.app.planning.rehearsal import Rehearsal
from uat_lightning.backbone.units import blocks_of

FLOAT = 4  # bytes of a weight as it is stored and stepped


def size(*modules: nn.Module) -> int:
    """Return the number of weights."""
    return sum(weight.numel() for module in modules for weight in module.parameters())


@dataclass(frozen=True)
class Footprint:
    """Bytes of a device.

    Args:
        recipe: The training.
        rehearsal: Its step.
        devices: Devices in all.
    """

    recipe: Recipe
    rehearsal: Rehearsal
    devices: int

    def table(self) -> dict[str, dict[str, int]]:
        """Return the bytes by way of training and kind: every device holds all weights (DDP), or shares (FSDP)."""
        whole, shares = self._replicated(), self._sharded()
        kept = {"activations": self.rehearsal.generation.kept + self.rehearsal.captioning.kept}
        again = {"activations": self.rehearsal.recomputed.kept + self.rehearsal.block}
        ways = {"DDP": {**whole, **kept}, "DDP, recomputed": {**whole, **again}}
        ways |= {"FSDP": {**shares, **kept}, "FSDP, recomputed": {**shares, **again}}
        return {way: {**kinds, "total": sum(kinds.values())} for way, kinds in ways.items()}

    def _replicated(self) -> dict[str, int]:
        copies = max(self.rehearsal.generation.copies, self.rehearsal.captioning.copies)
        # Lightning's DDP keeps gradients twice: in .grad, and in the buckets that are reduced.
        buckets = self._trainable if self.devices > 1 else 0
        return {**self._stored(1), "gradient buckets": buckets, "half-precision or gathered weights": copies}

    def _sharded(self) -> dict[str, int]:
        backbone = self.recipe.module.backbone
        sizes = [size(block) for block in blocks_of(backbone)]
        # Gathered at a time: what is in no block, a block, the next one; and the gradients of the first two.
        outside, largest = size(backbone) - sum(sizes), max(sizes, default=0)
        gathered = (2 if self.recipe.mixed else FLOAT) * (2 * outside + 3 * largest)
        return {**self._stored(self.devices), "gradient buckets": 0, "half-precision or gathered weights": gathered}

    @property
    def _trainable(self) -> int:
        return FLOAT * sum(w.numel() for w in self.recipe.module.parameters() if w.requires_grad)

    def _stored(self, among: int) -> dict[str, int]:
        trainable = self._trainable
        state = {
            "weights": FLOAT * size(self.recipe.module),
            "gradients": trainable,
            "optimizer state": round(trainable * optimizer_share(self.recipe.module)),
            "moving average": trainable * self.recipe.averaged,
        }
        return {"frozen networks": FLOAT * size(*self.recipe.frozen)} | {n: -(-v // among) for n, v in state.items()}
