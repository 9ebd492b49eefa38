"""The LightningModule: draw times, corrupt, predict, score."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from uat_lightning.backbone import Backbone
from uat_lightning.backbone.sharding import shard, units
from uat_lightning.diffusion import Objective, Occasion, OnePass, Passes, SquareSampler
from uat_lightning.types import Batch, Pair


class UATModule(LightningModule):
    """Trains one backbone in both directions, in one forward per step.

    Args:
        backbone: The network over both modalities.
        audio: The process of the audio latents.
        text: The process of the caption tokens.
        square: Where on the (t_audio, t_text) square rows train.
        text_weight: Weight of the text loss; the audio loss weighs 1.
        optimizer: Makes the optimizer from the trainable parameters.
        scheduler: Makes the learning-rate schedule, stepped once per optimizer step.
        passes: How a batch goes through the backbone; all rows in one forward where None.
    """

    def __init__(
        self,
        backbone: Backbone,
        audio: Objective,
        text: Objective,
        square: SquareSampler,
        text_weight: float = 0.2,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        scheduler: LRSchedulerCallable | None = None,
        passes: Passes | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.backbone, self.objectives, self.square = backbone, Pair(audio, text), square
        self.passes = passes or OnePass()
        self.passes.check(square)
        for objective in self.objectives:
            objective.check(backbone)
        self.text_weight, self.build_optimizer, self.build_scheduler = text_weight, optimizer, scheduler

    def configure_model(self) -> None:
        """Share the backbone's weights out where the strategy does; see ``ShardedBlocks``.

        Raises:
            ValueError: If the strategy divides single matrices, or weights would be kept in half precision.
        """
        if self.device_mesh is None or units(self.backbone):
            return
        if self.device_mesh["tensor_parallel"].size() > 1:
            raise ValueError("matrices are not divided: give the Trainer uat_lightning.strategy.ShardedBlocks")
        if str(self.trainer.precision) not in ("32-true", "bf16-mixed"):
            raise ValueError(f"weights are shared out in precision 32-true or bf16-mixed, not {self.trainer.precision}")
        half = torch.bfloat16 if self.trainer.precision == "bf16-mixed" else None
        shard(self.backbone, self.device_mesh["data_parallel"], half)

    def losses(self, batch: Batch, occasion: Occasion | None = None) -> dict[str, Tensor]:
        """Return the total, audio and text losses of a batch; each is a mean over the rows that learn it.

        A row's own loss is a mean over its frames, or its tokens, whatever its length. Planned batches all have the
        same numbers of rows, so that several batches for one optimizer step are as one batch of all their rows. A
        rank with more rows of a direction than others have counts for more in the total, by ``Batch.shares``: the
        mean over ranks is then the mean over all rows, and nothing has to be communicated for it.

        Args:
            batch: Clean rows.
            occasion: Step and rank, on which noise levels may depend; the first step of a single process where None.
        """
        occasion = occasion or Occasion()
        audio, text = self.passes.losses(self.backbone, self.objectives, self.square, batch, occasion)
        total = batch.shares.audio * audio + self.text_weight * batch.shares.text * text
        return {"loss": total, "audio": audio, "text": text}

    def occasion(self, batch_idx: int) -> Occasion:
        """Return where training is, for a batch of the epoch."""
        return Occasion(self.global_step, batch_idx, self.global_rank, self.trainer.world_size)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Score one batch."""
        losses = self.losses(batch, self.occasion(batch_idx))
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()}, batch_size=len(batch))
        return losses["loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score one validation batch."""
        self._log_whole("validation", batch, batch_idx)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Score one test batch."""
        self._log_whole("test", batch, batch_idx)

    def _log_whole(self, split: str, batch: Batch, batch_idx: int) -> None:
        scored = self.losses(batch, self.occasion(batch_idx))
        losses = {f"{split}/{name}": value for name, value in scored.items()}
        self.log_dict(losses, batch_size=len(batch), sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the config that the command line gave, but no parts made in Python: they would have to be unpickled."""
        if "_instantiator" not in checkpoint.get(self.CHECKPOINT_HYPER_PARAMS_KEY, {}):
            checkpoint.pop(self.CHECKPOINT_HYPER_PARAMS_KEY, None)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build the optimizer over trainable parameters, and its schedule."""
        optimizer = self.build_optimizer([p for p in self.parameters() if p.requires_grad])
        if self.build_scheduler is None:
            return {"optimizer": optimizer}
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.build_scheduler(optimizer), "interval": "step"},
        }
