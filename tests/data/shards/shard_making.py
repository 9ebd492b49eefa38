"""Shards of a toy dataset, made as `uat encode` makes them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from toy_training import ToneCorpus, ToneData, Tones
from uat_lightning.callbacks import ShardWriter
from uat_lightning.data.shards.clips import ClipsForShards
from uat_lightning.encoding import Encoding


class BrokenTones(ToneCorpus):
    """Tones of which some cannot be read or have no caption."""

    def source(self, split: str, sample_rate: int, channels: int) -> Tones:
        return Tones(self.counts[split], broken=(1, 6), silent=(3,))


def make_shards(folder: Path, data: ToneData, samples_at_once: int = 1 << 23, **settings: Any) -> ShardWriter:
    """Encode a dataset into ``folder`` in this process."""
    settings = {"clips_per_shard": 4, "together": 3, **settings}
    writer = ShardWriter()
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_model_summary", "enable_progress_bar"), False)
    trainer = Trainer(accelerator="cpu", devices=1, callbacks=[writer], use_distributed_sampler=False, **quiet)
    clips = ClipsForShards(data, str(folder), **settings)
    trainer.predict(Encoding(data.codec, samples_at_once), datamodule=clips, return_predictions=False)
    return writer


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file under a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
