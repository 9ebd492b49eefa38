"""The DataModule that serves encoded clips in the planned order, wherever they were encoded."""

from __future__ import annotations

import functools
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from lightning.pytorch import LightningDataModule, Trainer
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from uat_lightning.codec import Codec
from uat_lightning.data.batches import PlannedBatches, PlannedLoader, RemainingSteps, WholeSplit
from uat_lightning.data.buckets import Buckets
from uat_lightning.data.encode import fingerprint
from uat_lightning.data.joined import JoinedStore
from uat_lightning.data.mixture import Pool
from uat_lightning.data.parts import check_edits, check_parts, check_trainer
from uat_lightning.data.plan import Plan, changes, rows_of_directions
from uat_lightning.data.store import Store
from uat_lightning.text import Tokenizer
from uat_lightning.types import Batch


@dataclass(frozen=True)
class WeightedStore:
    """The encoded clips of a source, and how often they are drawn.

    Args:
        store: The clips.
        generation: Weight among the sources in rows that teach audio from text, at least 0.
        captioning: Weight in rows that teach text from audio, at least 0.
        identity: Words that change whenever the clips do.
    """

    store: Store
    generation: float = 1.0
    captioning: float = 1.0
    identity: str = ""


class PlannedDataModule(LightningDataModule):
    """Serves latents and token ids of weighted sources, in an order that depends on seed, plan and step alone.

    Subclasses say where the stores are. Every world size, every number of loader processes and every resumed run gives
    the same global batches. Its state is the seed, the plan and the position, the same on every rank: the batches that
    training has taken, with accumulated gradients several to an update.

    Args:
        codec: Turns waveforms into latents.
        tokenizer: Turns captions into token ids.
        batch_size: Rows of a global batch, over all ranks and both directions.
        generation_share: Share of the rows that teach audio from text, 0 to 1.
        captions: Captions that a captioning row is trained on at once, drawn from its clip's.
        epoch_steps: Steps that make an epoch; one pass over the clips where None.
        longest_seconds: Seconds kept of a clip, cropped anew at each visit; all where None.
        lanes: Parts of a batch that each read shards of their own, so that a node reads its part of the data only; the
            number of processes must divide it, and it stays when that changes. With 1, any process reads anything.
        window: Shards that a lane's clips are shuffled among.
        buckets: Sorts clips by length, for batches with little padding; none where None.
        loader_workers: Processes that prepare batches ahead; 0 prepares them where they are used.
        seed: Seed of the data order.

    Raises:
        ValueError: If the rows of a batch do not divide among the lanes.
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
        lanes: int = 1,
        window: int = 4,
        buckets: Buckets | None = None,
        loader_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        rows_of_directions(batch_size, generation_share, lanes)
        self.codec, self.tokenizer, self.batch_size = codec, tokenizer, batch_size
        self.generation_share, self.epoch_steps, self.longest_seconds = generation_share, epoch_steps, longest_seconds
        self.captions, self.seed, self.buckets, self.loader_workers = captions, seed, buckets, loader_workers
        self.lanes, self.window = lanes, window
        self._served: dict[str, dict[str, WeightedStore]] = {}
        self._resumed = 0

    @abstractmethod
    def stores(self) -> dict[str, dict[str, WeightedStore]]:
        """Return the stores of each split, "train", "validation" or "test", by the names of their sources."""

    def setup(self, stage: str) -> None:
        """Open the stores on every rank, and see that the parts fit each other.

        Raises:
            ValueError: If the backbone does not fit the codec, the tokenizer or edits, the batch does not divide, or
                the Trainer would put a sampler of its own in the plan's place.
        """
        self._served, self._resumed = self.stores(), 0
        for remembered in ("_stores", "_train_plan"):
            self.__dict__.pop(remembered, None)
        if self.trainer is not None:
            backbone = getattr(self.trainer.lightning_module, "backbone", None)
            check_parts(backbone, self.codec, self.tokenizer)
            check_edits(backbone, self._edits())
            check_trainer(self.trainer, self.batch_size, self.lanes)

    def _edits(self) -> list[str]:
        sources = [source for served in self._served.values() for source in served.items()]
        return list(dict.fromkeys(name for name, weighted in sources if weighted.store.holds_edits))

    @property
    def position(self) -> int:
        """Training batches that were taken so far, resumed ones included.

        A loader may be asked for its first batches before the Trainer has its own count back from the checkpoint
        (``trainer.estimated_stepping_batches`` does that); the DataModule has its state by then.
        """
        if self.trainer is None:
            return self._resumed
        return max(self._resumed, _batches_taken(self.trainer))

    @functools.cached_property
    def _stores(self) -> dict[str, Store]:
        """All clips of each split under one numbering."""
        stores = {split: [weighted.store for weighted in served.values()] for split, served in self._served.items()}
        return {split: some[0] if len(some) == 1 else JoinedStore(some) for split, some in stores.items()}

    def plan(self, split: str) -> Plan:
        """Return the order of a split."""
        return self._train_plan if split == "train" else self._plan(split)

    @functools.cached_property
    def _train_plan(self) -> Plan:
        return self._plan("train", self.buckets)

    def _plan(self, split: str, buckets: Buckets | None = None) -> Plan:
        served = self._served[split]
        lengths = self._sorted(served, buckets) if buckets else [None] * len(served)
        pools = [
            Pool(name, weighted.store.shard_offsets, weighted.generation, weighted.captioning, sorted_)
            for (name, weighted), sorted_ in zip(served.items(), lengths, strict=True)
        ]
        return Plan(pools, self.batch_size, self.generation_share, self.seed, self.lanes, self.window)

    def _sorted(self, served: dict[str, WeightedStore], buckets: Buckets) -> list[NDArray[np.int64]]:
        longest = self._longest() or np.iinfo(np.int64).max
        return buckets.sort([weighted.store.frames.clip(max=longest) for weighted in served.values()])

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return planned batches of this rank.

        Raises:
            ValueError: If the data has no training clips.
        """
        if "train" not in self._stores:
            raise ValueError("the data has no training clips: add a source with a split of that name")
        plan = self.plan("train")
        per_epoch = self.epoch_steps or max(1, plan.clips // max(plan.counts))
        where = (*self._ranks(), self._longest())
        batches = PlannedBatches(self._stores["train"], plan, self.tokenizer, *where, captions=self.captions)
        return self._loader(batches, RemainingSteps(lambda: self.position, per_epoch))

    def val_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """Return every validation clip once, in both directions; nothing where the data has none."""
        return self._whole("validation") if "validation" in self._stores else []

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return every test clip once, in both directions.

        Raises:
            ValueError: If the data has no test clips.
        """
        if "test" not in self._stores:
            raise ValueError("the data has no test clips: score its validation clips with `uat validate`")
        return self._whole("test")

    def _whole(self, split: str) -> DataLoader[Batch]:
        where = (*self._ranks(), self._longest())
        return self._loader(WholeSplit(self._stores[split], self.plan(split), self.tokenizer, *where))

    def _loader(self, batches: Dataset[Batch], sampler: RemainingSteps | None = None) -> DataLoader[Batch]:
        return PlannedLoader(
            batches,
            batch_size=None,
            sampler=sampler,
            num_workers=self.loader_workers,
            persistent_workers=self.loader_workers > 0 and sampler is not None,
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
        )

    def state_dict(self) -> dict[str, Any]:
        """Return seed, plan and position; the same on every rank, so that one rank's state is enough."""
        plan = self._described()
        return {"seed": self.seed, "plan_hash": fingerprint(plan=plan), "position": self.position, "plan": plan}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the position; refuse to go on training in another order than the checkpoint's.

        Raises:
            ValueError: If data, codec, tokenizer, seed, batch size, weights, lanes, buckets, crops or epochs changed;
                the message says which.
        """
        if self.trainer is not None and self.trainer.state.fn != "fit":
            return
        now = self._described()
        if state_dict.get("plan_hash") != fingerprint(plan=now):
            changed = ", ".join(changes(state_dict.get("plan", {}), now)) or "it was planned by another version"
            raise ValueError(f"cannot resume, the data order changed: {changed}. Keep it, or start anew")
        self._resumed = int(state_dict["position"])

    def _described(self) -> dict[str, Any]:
        rows = {key: getattr(self, key) for key in ("longest_seconds", "captions", "epoch_steps")}
        data = {name: weighted.identity for name, weighted in self._served["train"].items()}
        buckets = None if self.buckets is None else self.buckets.describe()
        return {**self.plan("train").description(), "data": data, "buckets": buckets, **rows}

    def _ranks(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _longest(self) -> int | None:
        return None if self.longest_seconds is None else self.codec.frames(self.codec.samples(self.longest_seconds))


def _batches_taken(trainer: Trainer) -> int:
    """Return the batches that were trained on; one that failed half-way is not among them."""
    return int(trainer.fit_loop.epoch_loop.batch_progress.total.processed)  # type: ignore[attr-defined]
