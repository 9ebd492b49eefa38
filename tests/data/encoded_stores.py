"""A DataModule of clips that were encoded elsewhere, the least that trains on it, and what a batch holds."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from toy_training import CANVAS, VOCABULARY, WIDTH
from uat_lightning.codec import MelCodec
from uat_lightning.data.buckets import QuantileBuckets
from uat_lightning.data.planned import PlannedDataModule, WeightedStore
from uat_lightning.data.store import EncodedClip, LatentStore
from uat_lightning.text import BytePairTokenizer
from uat_lightning.types import Batch

STEPS, EPOCH = 50, 17
MIXED = {"captions": 2, "batch_size": 8, "seed": 3, "epoch_steps": EPOCH, "longest_seconds": 0.128}


class ShardedStore(LatentStore):
    """A packed store that says it lies in shards of four clips."""

    @property
    def shard_offsets(self) -> np.ndarray:
        return np.append(np.arange(0, len(self), 4), len(self))


class Encoded(PlannedDataModule):
    """Serves stores that were encoded elsewhere: two sources, one of them in shards."""

    def __init__(self, sharded: bool = False, **settings) -> None:
        codec = MelCodec(latent_width=WIDTH, mel_bands=16, window=512, mel_hop=256, patch=4, iterations=2)
        super().__init__(codec, BytePairTokenizer(CANVAS, VOCABULARY), **{**MIXED, **settings})
        self.kind = ShardedStore if sharded else LatentStore

    def stores(self) -> dict[str, dict[str, WeightedStore]]:
        few, many = (self.kind.pack(clips(count, count)) for count in (20, 52))
        return {"train": {"few": WeightedStore(few, 3.0, 1.0), "many": WeightedStore(many, 1.0, 3.0)}}


def clips(count: int, seed: int) -> list[EncodedClip]:
    random = np.random.default_rng(seed)
    return [
        EncodedClip(
            random.standard_normal((int(frames), WIDTH)).astype(np.float32),
            [random.integers(3, VOCABULARY, 5) for _ in range(random.integers(1, 4))],
        )
        for frames in random.integers(1, 9, count)
    ]


KINDS = {
    "plain": {},
    "lanes": {"sharded": True, "lanes": 4, "window": 2},
    "buckets": {"buckets": QuantileBuckets(3)},
}


def rows_of(batch: Batch) -> list[str]:
    """Return what tells each row's audio, text, further captions and direction from others', without its padding."""
    further = [] if batch.further is None else [batch.further.values]
    heard, rows = iter(range(len(batch))), []
    for row, generation in enumerate(batch.generation.tolist()):
        frames = int(batch.clean.audio.lengths[row])
        parts = [batch.clean.audio.values[row, :frames], batch.clean.text.values[row]]
        parts += [values[next(heard)] for values in further if not generation]
        content = b"".join(part.contiguous().numpy().tobytes() for part in parts)
        rows.append(hashlib.sha256(content + bytes([generation])).hexdigest()[:12])
    return rows


def loaded(rank: int = 0, world_size: int = 1, **settings) -> Encoded:
    data = Encoded(**settings)
    data.setup("fit")
    progress = SimpleNamespace(total=SimpleNamespace(processed=0))
    loops = SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress))
    data.trainer = SimpleNamespace(
        global_rank=rank,
        world_size=world_size,
        fit_loop=loops,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    return data


def epoch(data: Encoded) -> list[list[str]]:
    return [rows_of(batch) for batch in data.train_dataloader()]


class OneWeight(LightningModule):
    """The least that trains."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        return (self.weight - batch.clean.audio.values.mean()) ** 2

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class AsksForSteps(OneWeight):
    """Makes Lightning set the loader up before it has restored its own progress (Lightning issue 20550)."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        assert self.trainer.estimated_stepping_batches > 0
        assert self.trainer.train_dataloader is not None
        return super().configure_optimizers()


class Seen(Callback):
    """Remembers the rows of every batch."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.rows.append(rows_of(batch))


def fitted(
    folder: Path, data: PlannedDataModule, module: OneWeight, checkpoint: Path | None = None, **settings
) -> Seen:
    seen = Seen()
    usual = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
    }
    keep = ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    saving = {"callbacks": [seen] if checkpoint else [seen, keep], "enable_checkpointing": checkpoint is None}
    trainer = Trainer(default_root_dir=folder, **{**usual, **saving, **settings})
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    return seen
