"""Learning-rate schedules that a yaml file can name."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class WarmupCosine(LambdaLR):
    """Linear warm-up, then a cosine to a fraction of the peak, and constant after that.

    Args:
        optimizer: The optimizer, with its peak learning rate.
        warmup: Steps of the warm-up.
        steps: Steps until the end of the cosine.
        floor: Final share of the peak, 0 to 1.
    """

    def __init__(self, optimizer: Optimizer, warmup: int = 100, steps: int = 10_000, floor: float = 0.01) -> None:
        self.warmup, self.steps, self.floor = warmup, steps, floor
        super().__init__(optimizer, self.share)

    def share(self, step: int) -> float:
        """Return the share of the peak at a step, in (0, 1]."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * progress))


class InverseDecay(LambdaLR):
    """Exponential warm-up, then a slow decay ``(1 + step / scale) ** -power``, as Stable Audio and AudioX train.

    Args:
        optimizer: The optimizer, with its peak learning rate.
        scale: Steps after which the decay sets in.
        power: Power of the decay.
        warmup: What is left, after each step, of that which the rate still lacks to its full height, 0 to 1.
    """

    def __init__(
        self, optimizer: Optimizer, scale: float = 1_000_000.0, power: float = 0.5, warmup: float = 0.99
    ) -> None:
        self.scale, self.power, self.warmup = scale, power, warmup
        super().__init__(optimizer, self.share)

    def share(self, step: int) -> float:
        """Return the share of the peak at a step, in (0, 1]."""
        return float((1 - self.warmup ** (step + 1)) * (1 + step / self.scale) ** -self.power)
