"""Noise that differs between ranks and repeats on resume."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class RankSeed(Callback):
    """Seeds every step from (seed, rank, batch number).

    ``seed_everything`` gives all ranks the same noise, and the random state is not in checkpoints. With this callback
    the noise of a step is a function of the step: it differs between ranks, and a resumed run draws what the
    uninterrupted one would have drawn. Validation draws the same noise every time.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:  # noqa: ANN401
        """Seed a training step."""
        torch.manual_seed(step_seed(self.seed, 0, trainer.global_rank, trainer.fit_loop.total_batch_idx))

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,  # noqa: ANN401
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Seed a validation step."""
        torch.manual_seed(step_seed(self.seed, 1, trainer.global_rank, batch_idx))


def step_seed(*numbers: int) -> int:
    """Mix non-negative numbers to one seed in [0, 2^63)."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
