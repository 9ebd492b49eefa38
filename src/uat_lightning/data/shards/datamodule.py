"""Training from shards: nothing is encoded, and only what a step needs is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch.utils.data import DataLoader, Dataset

from uat_lightning.codec import CODEC, Codec
from uat_lightning.configurable import Configurable, rebuild
from uat_lightning.data.batches import PlannedBatches, RemainingSteps
from uat_lightning.data.joined import JoinedStore
from uat_lightning.data.planned import PlannedDataModule, WeightedStore
from uat_lightning.data.shards.places import Cached
from uat_lightning.data.shards.store import GIGABYTE, ShardFolder, ShardStore
from uat_lightning.text import Tokenizer
from uat_lightning.types import Batch

Part = TypeVar("Part", bound=Configurable)


@dataclass(frozen=True)
class Shards:
    """A shard folder, or one corpus of it, and how often its clips are drawn.

    Args:
        folder: The folder, or where fsspec finds it (``s3://...``).
        source: The corpus, by the name it was encoded under; all of the folder's where None.
        generation: Weight in rows that teach audio from text.
        captioning: Weight in rows that teach text from audio.
    """

    folder: str
    source: str | None = None
    generation: float = 1.0
    captioning: float = 1.0


class FetchedAhead(Dataset[Batch]):
    """Planned batches of shards from elsewhere: while one is used, those that the next is in are fetched.

    Args:
        batches: The batches.
    """

    def __init__(self, batches: PlannedBatches) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> Batch:
        """Return this rank's rows of the global batch of a step."""
        batch, planned = self.batches[step], self.batches
        coming, store = planned.plan.step(step + 1, planned.rank, planned.world_size).clips, planned.store
        stores = store.stores if isinstance(store, JoinedStore) else [store]
        offsets = np.cumsum([0, *(len(each) for each in stores)])
        for each, first, stop in zip(stores, offsets, offsets[1:], strict=False):
            if isinstance(each, ShardStore):
                each.soon(coming[(coming >= first) & (coming < stop)] - first)
        return batch


class ShardsDataModule(PlannedDataModule):
    """Serves what `uat encode` wrote, from this machine or from elsewhere through a bounded cache.

    Captions become tokens when they are asked for, so that another tokenizer takes no other shards.

    Args:
        shards: What to train on, by names of your own; all encoded by one codec.
        codec: The codec they were encoded by; that of the shards where None.
        tokenizer: Turns captions into token ids; that of the shards where None.
        cache: Folder of this machine for indexes and for shards from elsewhere; the usual cache where None.
        cache_gigabytes: How much of the shards from elsewhere is kept, in GiB, for each folder.
        settings: Those of ``PlannedDataModule``.

    Raises:
        ValueError: If a folder is unfinished or damaged, or codecs differ.
    """

    def __init__(
        self,
        shards: dict[str, Shards],
        codec: Codec | None = None,
        tokenizer: Tokenizer | None = None,
        cache: str | None = None,
        cache_gigabytes: float = 64.0,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        if not shards:
            raise ValueError("no shards to train on: name a folder with data.shards")
        self.shards, limit = shards, int(cache_gigabytes * GIGABYTE)
        self.folders = {
            name: ShardFolder(each.folder, Path(cache) if cache else None, limit) for name, each in shards.items()
        }
        first = next(iter(self.folders.values()))
        made = (_part(first, "codec", Codec, codec), _part(first, "tokenizer", Tokenizer, tokenizer))  # type: ignore[type-abstract]
        super().__init__(*made, **settings)
        self._check_codecs(first)

    def _check_codecs(self, first: ShardFolder) -> None:
        if not _is_of(self.codec, first, "codec"):
            raise ValueError(f"{first.url} was encoded by another codec than data.codec: leave that out or encode anew")
        for folder in self.folders.values():
            if folder.meta.codec_digest != first.meta.codec_digest:
                raise ValueError(f"{first.url} and {folder.url} were encoded by different codecs: encode one anew")

    def setup(self, stage: str) -> None:
        """Load codec and tokenizer, and open the shards on every rank; see ``PlannedDataModule``."""
        first = next(iter(self.folders.values()))
        self.codec.load(first.parts() / CODEC)
        if _is_of(self.tokenizer, first, "tokenizer"):
            self.tokenizer.load(first.parts())
        elif not self.tokenizer.fitted:
            raise ValueError(f"data.tokenizer is not that of {first.url} and has no vocabulary: leave it out")
        super().setup(stage)

    def _loader(self, batches: Dataset[Batch], sampler: RemainingSteps | None = None) -> DataLoader[Batch]:
        far = any(isinstance(folder.place, Cached) for folder in self.folders.values())
        if far and isinstance(batches, PlannedBatches) and sampler is not None:
            batches = FetchedAhead(batches)
        return super()._loader(batches, sampler)

    def stores(self) -> dict[str, dict[str, WeightedStore]]:
        """Return the shards of each split."""
        found: dict[str, dict[str, WeightedStore]] = {}
        for name, share in self.shards.items():
            folder = self.folders[name]
            for split, sources in folder.meta.splits.items():
                if share.source in (None, *sources):
                    store = ShardStore(folder, split, self.tokenizer, share.source)
                    words = f"{folder.meta.index}/{share.source}"
                    weighted = WeightedStore(store, share.generation, share.captioning, words)
                    found.setdefault(split, {})[name] = weighted
        return found


def _is_of(part: Configurable, folder: ShardFolder, name: str) -> bool:
    """Return whether a part is described as that of the shards."""
    return part.is_described_by(folder.meta.made_of.get(name))


def _part(folder: ShardFolder, name: str, role: type[Part], given: Part | None) -> Part:
    """Return the part that was given, or that of the shards."""
    if given is not None:
        return given
    try:
        return rebuild(folder.meta.made_of[name], role)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{folder.url} tells of no {name} that can be used ({error}): encode it anew") from error
