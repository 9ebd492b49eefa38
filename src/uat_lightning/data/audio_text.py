"""The DataModule behind all datasets: encode once, then serve planned batches of latents and tokens."""

from __future__ import annotations

import contextlib
import logging
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Sampler

from uat_lightning.codec import Codec
from uat_lightning.data.encode import default_cache, encode, fingerprint, fit_parts, make_folder
from uat_lightning.data.parts import check_parts
from uat_lightning.data.plan import Plan, Rows
from uat_lightning.data.source import Source
from uat_lightning.data.store import LatentStore
from uat_lightning.text import Tokenizer
from uat_lightning.types import Batch, Pair, Sequences

log = logging.getLogger(__name__)


class PlannedBatches(Dataset[Batch]):
    """A rank's share of every global batch, by step.

    Args:
        store: The encoded clips.
        plan: Which clips make up which step.
        tokenizer: Gives the canvas and the padding token.
        rank: This process among all.
        world_size: Number of processes.
        longest: Latent frames kept of a clip; all where None.
        captions: Captions of each captioning row.
    """

    def __init__(
        self,
        store: LatentStore,
        plan: Plan,
        tokenizer: Tokenizer,
        rank: int = 0,
        world_size: int = 1,
        longest: int | None = None,
        captions: int = 1,
    ) -> None:
        self.store, self.plan, self.rank, self.world_size = store, plan, rank, world_size
        self.longest, self.captions = longest, captions
        self.canvas, self.pad_id = tokenizer.canvas, tokenizer.pad_id

    def __getitem__(self, step: int) -> Batch:
        """Return this rank's rows of the global batch of a step."""
        rows = self.plan.step(step).shard(self.rank, self.world_size)
        return replace(self._batch(rows), shares=self._shares(rows))

    def _shares(self, rows: Rows) -> Pair[float]:
        """Return how many rows of either direction there are here, over the mean of all ranks."""
        everywhere = self.plan.generation_rows, self.plan.rows - self.plan.generation_rows
        here = int(rows.generation.sum()), int((~rows.generation).sum())
        return Pair(*(self.world_size * own / max(all_, 1) for own, all_ in zip(here, everywhere, strict=True)))

    def _batch(self, rows: Rows) -> Batch:
        clean = self.store.pairs(rows.clips, rows.choices, rows.crops, self.canvas, self.pad_id, self.longest)
        return Batch(clean, torch.from_numpy(rows.generation.copy()), self._further(rows))

    def _further(self, rows: Rows) -> Sequences | None:
        """Return the captioning rows' other captions; where a clip has too few, they come round again."""
        if self.captions == 1:
            return None
        turns = np.arange(1, self.captions)[:, None] / self.captions
        choices = np.mod(rows.choices[~rows.generation] + turns, 1.0).ravel()
        clips = np.tile(rows.clips[~rows.generation], self.captions - 1)
        return self.store.captions_of(clips, choices, self.canvas, self.pad_id)


class WholeSplit(PlannedBatches):
    """Every clip once, in order, in both directions, with its first caption.

    The ranks share out the clips of a batch, so that each row's two directions stay together; the last batch may leave
    a rank without rows.
    """

    @property
    def clips_per_batch(self) -> int:
        """Clips of a global batch."""
        return max(1, self.plan.rows // 2)

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.store) // self.clips_per_batch)

    def __getitem__(self, step: int) -> Batch:
        """Return this rank's rows of a batch."""
        first = step * self.clips_per_batch
        everywhere = np.arange(first, min(first + self.clips_per_batch, len(self.store)))
        clips = everywhere[self.rank :: self.world_size]
        zeros = np.zeros(2 * len(clips))
        return self._batch(Rows(np.repeat(clips, 2), zeros, zeros, np.tile([True, False], len(clips))))


class RemainingSteps(Sampler[int]):
    """The steps of the current epoch that are not done yet, read from the Trainer when the epoch begins.

    Lightning restores its own progress from a checkpoint; as a batch is a function of its step, this is all it takes
    to go on in mid-epoch with the very next batch.

    Args:
        data: The DataModule with a Trainer.
        per_epoch: Steps of an epoch.
    """

    def __init__(self, data: AudioTextDataModule, per_epoch: int) -> None:
        self.data, self.per_epoch = data, per_epoch

    def __len__(self) -> int:
        """Return the steps of a whole epoch."""
        return self.per_epoch

    def __iter__(self) -> Iterator[int]:
        """Yield the steps left in this epoch, counted from the beginning of training."""
        done = self.data.batches_done
        return iter(range(done, (done // self.per_epoch + 1) * self.per_epoch))


class AudioTextDataModule(LightningDataModule):
    """Encodes the sources of a dataset once, and serves latents and token ids in a planned order.

    Subclasses say what the sources are. The first run fits the codec and the tokenizer where they need it, encodes
    every clip and keeps all of it in a cache folder whose name depends on everything that shaped it.

    Args:
        codec: Turns waveforms into latents.
        tokenizer: Turns captions into token ids.
        batch_size: Rows of a global batch, over all ranks and both directions.
        generation_share: Share of the rows that teach audio from text, 0 to 1.
        captions: Captions that a captioning row is trained on at once, drawn from its clip's.
        epoch_steps: Steps that make an epoch; one pass over the clips where None.
        longest_seconds: Seconds kept of a clip, cropped anew at each visit; all where None.
        fit_clips: Training clips that codec and tokenizer are fitted to.
        workers: Processes that read and encode clips.
        seed: Seed of the data order.
        cache: Folder of encoded data; ``$UAT_CACHE`` or the user's cache folder where None.
    """

    def __init__(
        self,
        codec: Codec,
        tokenizer: Tokenizer,
        batch_size: int = 64,
        generation_share: float = 0.5,
        captions: int = 1,
        epoch_steps: int | None = None,
        longest_seconds: float | None = None,
        fit_clips: int = 2000,
        workers: int = 2,
        seed: int = 0,
        cache: str | None = None,
    ) -> None:
        super().__init__()
        self.codec, self.tokenizer, self.batch_size = codec, tokenizer, batch_size
        self.generation_share, self.epoch_steps, self.longest_seconds = generation_share, epoch_steps, longest_seconds
        self.captions, self.fit_clips, self.workers, self.seed = captions, fit_clips, workers, seed
        self.cache = Path(cache) if cache else default_cache()
        self._stores: dict[str, LatentStore] = {}

    @abstractmethod
    def source(self, split: str) -> Source:
        """Return the clips of a split, one of ``split_names``."""

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits that there are: "train", "validation" and, for those who have one, "test"."""
        return ("train", "validation")

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """Return plain values that change whenever the clips do."""

    @property
    def folder(self) -> Path:
        """The cache folder of this data with this codec and tokenizer."""
        parts = {"codec": self.codec.describe(), "tokenizer": self.tokenizer.describe(), "fit_clips": self.fit_clips}
        return self.cache / fingerprint(data=self.description(), **parts)

    def prepare_data(self) -> None:
        """Fit and encode, unless the cache has it; runs in one process."""
        if self.folder.exists():
            return
        with contextlib.contextmanager(make_folder)(self.folder) as folder:
            fit_parts(self.source("train"), self.codec, self.tokenizer, self.workers, self.fit_clips)
            self.codec.save(folder / "codec.safetensors")
            self.tokenizer.save(folder)
            for split in self.split_names:
                label = f"Encoding {split} clips"
                encode(self.source(split), self.codec, self.tokenizer, self.workers, label).save(folder / split)

    def setup(self, stage: str) -> None:
        """Open the cache on every rank, and see that the parts fit each other.

        Raises:
            ValueError: If the backbone does not fit the codec or the tokenizer, the batch does not divide, or the
                Trainer would put a sampler of its own in the plan's place.
        """
        self.codec.load(self.folder / "codec.safetensors")
        self.tokenizer.load(self.folder)
        self._stores = {split: LatentStore.open(self.folder / split) for split in self.split_names}
        if self.trainer is not None:
            check_parts(getattr(self.trainer.lightning_module, "backbone", None), self.codec, self.tokenizer)
            if self.batch_size % self.trainer.world_size:
                raise ValueError(f"batch_size {self.batch_size} must be a multiple of {self.trainer.world_size} ranks")
            connector = getattr(self.trainer, "_accelerator_connector", None)
            if self.trainer.world_size > 1 and getattr(connector, "use_distributed_sampler", False):
                raise ValueError(
                    "give the Trainer use_distributed_sampler=False: the data order is planned over all ranks"
                )

    @property
    def batches_done(self) -> int:
        """Training batches that this run has taken, resumed ones included."""
        return 0 if self.trainer is None else self.trainer.fit_loop.total_batch_idx + 1

    def plan(self, split: str) -> Plan:
        """Return the order of a split."""
        return Plan(len(self._stores[split]), self.batch_size, self.generation_share, self.seed)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return planned batches of this rank."""
        plan = self.plan("train")
        more = max(plan.generation_rows, plan.rows - plan.generation_rows)
        per_epoch = self.epoch_steps or max(1, plan.clips // more)
        store, where = self._stores["train"], (*self._ranks(), self._longest())
        batches = PlannedBatches(store, plan, self.tokenizer, *where, captions=self.captions)
        return DataLoader(batches, batch_size=None, sampler=RemainingSteps(self, per_epoch))

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return every validation clip once, in both directions."""
        return self._whole("validation")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return every test clip once, in both directions.

        Raises:
            ValueError: If the data has no test clips.
        """
        if "test" not in self._stores:
            raise ValueError("the data has no test clips: score its validation clips with `uat validate`")
        return self._whole("test")

    def _whole(self, split: str) -> DataLoader[Batch]:
        store, plan = self._stores[split], self.plan(split)
        return DataLoader(WholeSplit(store, plan, self.tokenizer, *self._ranks(), self._longest()), batch_size=None)

    def state_dict(self) -> dict[str, Any]:
        """Return what the order depends on; the position is Lightning's own progress."""
        rows = {key: getattr(self, key) for key in ("longest_seconds", "captions", "epoch_steps")}
        return {"plan": vars(self.plan("train")), "data": self.folder.name, **rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Refuse to go on training with another order than the checkpoint's.

        Raises:
            ValueError: If data, codec, tokenizer, seed, batch size, crops or epochs changed; the message says which.
        """
        if self.trainer is not None and self.trainer.state.fn != "fit":
            return
        then, now = ({**state["plan"], **state} for state in (state_dict, self.state_dict()))
        changed = [f"{key} {then.get(key)} -> {now[key]}" for key in now if key != "plan" and then.get(key) != now[key]]
        if changed:
            raise ValueError(f"cannot resume, the data order changed: {', '.join(changed)}. Keep it, or start anew")

    def _ranks(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _longest(self) -> int | None:
        return None if self.longest_seconds is None else self.codec.frames(self.codec.samples(self.longest_seconds))
