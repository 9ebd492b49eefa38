"""The clips that shards are made of, as data of ``Trainer.predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from uat_lightning.codec import CODEC
from uat_lightning.data.audio_text import AudioTextDataModule
from uat_lightning.data.shards import index
from uat_lightning.data.shards.build import ShardBuild
from uat_lightning.data.shards.long_files import LongFiles, Whole
from uat_lightning.data.shards.meta import PARTS
from uat_lightning.data.shards.stretches import Stretch, Stretches


class ClipsForShards(LightningDataModule):
    """Reads a dataset's clips for the shards that this process writes: every world_size-th, those done left out.

    Args:
        data: The dataset, with the codec that encodes it.
        folder: The shard folder.
        clips_per_shard: Clips of a shard; 2,048 of ten seconds are about 57 MB of latents.
        long_files: What becomes of long clips; they are kept whole where None.
        together: Clips that are read at once.

    Raises:
        ValueError: If the dataset holds edits, whose sources shards have no place for.
    """

    def __init__(
        self,
        data: AudioTextDataModule,
        folder: str,
        clips_per_shard: int = 2048,
        long_files: LongFiles | None = None,
        together: int = 16,
    ) -> None:
        super().__init__()
        if edits := [name for name, share in data.corpora.items() if share.corpus.holds_edits]:
            raise ValueError(
                f"shards hold no sources of edits: leave {', '.join(edits)} out, and train on them from the cache"
            )
        self.data, self.folder, self.clips_per_shard = data, Path(folder).expanduser(), clips_per_shard
        self.long_files, self.together = long_files or Whole(), together
        self.prepare_data_per_node = False  # all nodes write into one folder

    def build(self) -> ShardBuild:
        """Return the folder in the making."""
        data = self.data
        parts = {"codec": data.codec.describe(), "tokenizer": data.tokenizer.describe(), "fit_clips": data.fit_clips}
        reading = {"long_files": self.long_files.describe(), "together": self.together}
        corpora = {name: share.corpus.description() for name, share in data.corpora.items()}
        made_of = {"corpora": corpora, **parts, **reading}
        counts = {
            split: {name: len(source) for name, source in sources.items()} for split, sources in data.sources().items()
        }
        return ShardBuild(self.folder, made_of, counts, self.clips_per_shard, self._about)

    def _about(self) -> dict[str, Any]:
        """Return what ``meta.json`` says of the codec."""
        codec, parts = self.data.codec, self.folder / PARTS
        names = tuple(sorted(file.name for file in parts.iterdir()))
        digest, width, per_second = index.digest_of(parts / CODEC), codec.latent_width, codec.frames_per_second
        return {"parts": names, "codec_digest": digest, "latent_width": width, "frames_per_second": per_second}

    def prepare_data(self) -> None:
        """Begin the folder; fit codec and tokenizer to the training clips where they need it, and keep them in it."""
        build = self.build()
        build.begin()
        build.make_parts(self._write_parts)

    def _write_parts(self, folder: Path) -> None:
        data = self.data
        data.fit()
        data.codec.save(folder / CODEC)
        data.tokenizer.save(folder)
        for file in folder.iterdir():
            file.chmod(0o644)  # safetensors writes for the owner alone

    def setup(self, stage: str) -> None:
        """Take codec and tokenizer from the folder, the same on every rank."""
        self.data.codec.load(self.folder / PARTS / CODEC)
        self.data.tokenizer.load(self.folder / PARTS)

    def predict_dataloader(self) -> DataLoader[Stretch]:
        """Return the clips of this rank's shards that are not written yet."""
        build, trainer, data = self.build(), self.trainer, self.data
        mine = build.spans if trainer is None else build.spans[trainer.global_rank :: trainer.world_size]
        left = [span for span in mine if not build.done(span)]
        clips = Stretches(self.data.sources(), left, self.together, self.long_files, data.codec.sample_rate)
        return DataLoader(clips, batch_size=None, num_workers=data.workers)
