"""A progress bar that counts clips."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

from uat_lightning.data.shards.clips import ClipsForShards
from uat_lightning.data.shards.stretches import Stretch


class ClipsBar(ProgressBar):
    """Shows clips per second and the time left while ``Trainer.predict`` encodes; of the first process' own shards."""

    def __init__(self) -> None:
        super().__init__()
        self.enabled = True
        self._bar: tqdm[Any] | None = None

    def disable(self) -> None:
        """Show nothing, as on all ranks but the first."""
        self.enabled = False

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar; clips of an earlier run are counted as done."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not self.enabled or not isinstance(data, ClipsForShards):
            return
        build = data.build()
        mine = build.spans[trainer.global_rank :: trainer.world_size]
        done = sum(len(span) for span in mine if build.done(span))
        ranks = f", 1 of {trainer.world_size} processes" if trainer.world_size > 1 else ""
        total = sum(len(span) for span in mine)
        self._bar = tqdm(total=total, initial=done, desc=f"Encoding{ranks}", unit=" clips", mininterval=0.5)

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401
        batch: Stretch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count the stretch's clips."""
        if self._bar is not None:
            self._bar.update(len(batch))

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
