"""What Trainer.predict encodes goes into shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from numpy.typing import NDArray

from uat_lightning.data.shards.build import ShardBuild
from uat_lightning.data.shards.clips import ClipsForShards
from uat_lightning.data.shards.draft import Draft
from uat_lightning.data.shards.meta import Meta
from uat_lightning.data.shards.stretches import Stretch
from uat_lightning.data.store import halved


class ShardWriter(BasePredictionWriter):
    """Writes the shards of ``ClipsForShards``; whichever process writes the last one finishes the folder.

    Attributes:
        written: What the finished folder says of itself, in the process that finished it.
    """

    written: Meta | None = None

    def __init__(self) -> None:
        super().__init__("batch")
        self._build: ShardBuild | None = None
        self._draft: Draft | None = None

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the folder."""
        self._build = _clips(trainer).build()

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Any,  # noqa: ANN401
        batch_indices: Sequence[int] | None,
        batch: Stretch,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Add a stretch to its shard, which is put in its place after its last."""
        clips, build = _clips(trainer), self._opened(trainer)
        if batch.first == batch.span.first:
            self._draft = build.draft(batch.span, clips.data.codec.latent_width)
        assert self._draft is not None  # the stretches of a shard come in order
        self._add(self._draft, batch, prediction, clips)
        if batch.stop == batch.span.stop:
            build.keep(self._draft)

    def _add(self, draft: Draft, batch: Stretch, prediction: list[NDArray[np.float32]], clips: ClipsForShards) -> None:
        rate = clips.data.codec.sample_rate
        skipped = list(batch.skipped)
        for heard, latents in zip(batch.heard, prediction, strict=True):
            try:
                draft.add(heard.uid, halved(latents), heard.captions, rate)
            except ValueError as error:
                skipped.append((heard.clip, f"{heard.uid}: {error}"))
        for clip, reason in sorted(skipped):
            draft.skip(clip, reason)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Finish the folder where every shard is done.

        All processes wait for it: the one that people started, and wait for, may not be the one that finishes.
        """
        if self.written is None:
            self.written = self._opened(trainer).finish()
        trainer.strategy.barrier("the folder is finished")

    def _opened(self, trainer: Trainer) -> ShardBuild:
        self._build = self._build or _clips(trainer).build()
        return self._build


def _clips(trainer: Trainer) -> ClipsForShards:
    data = trainer.datamodule  # type: ignore[attr-defined]
    if not isinstance(data, ClipsForShards):
        raise ValueError("ShardWriter writes what ClipsForShards reads: give it to the Trainer as datamodule")
    return data
