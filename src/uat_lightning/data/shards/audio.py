"""Sound read from shards: clips of tars as a corpus that any codec can encode on the fly."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from uat_lightning.data.audio import AudioError, read_audio
from uat_lightning.data.corpus import Corpus
from uat_lightning.data.shards.store import ShardFolder
from uat_lightning.data.source import CaptionedAudio, Source


class ShardedAudio(Source):
    """Clips decoded from the sound files in tars.

    Args:
        folder: The shards, indexed.
        split: The split.
        sample_rate: Samples per second wanted, in Hz.
        channels: Channels wanted.
        longest: Seconds of a clip that may be read.

    Raises:
        ValueError: If the shards hold no sound, or have no such split.
    """

    def __init__(
        self, folder: ShardFolder, split: str, sample_rate: int, channels: int, longest: float = 600.0
    ) -> None:
        if folder.meta.content != "audio":
            raise ValueError(f"{folder.url} holds no sound files but {folder.meta.content}: use ShardsDataModule")
        self.folder, self.rows = folder, folder.meta.rows(split)
        self.sample_rate, self.channels, self.longest = sample_rate, channels, longest

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.rows)

    def __getitem__(self, index: int) -> CaptionedAudio:
        """Read one clip."""
        row, table = self.rows[index], self.folder.index
        uid, captions = table.value("uid", row), tuple(table.value("captions", row))
        shard = table.value("shard", row)
        content = self.folder.files.read(shard, table.value("offset", row), table.value("size", row))
        with tempfile.NamedTemporaryFile(prefix="uat-clip-") as file:  # the reader checks files, and takes only those
            file.write(content)
            file.flush()
            try:
                waveform = read_audio(file.name, self.sample_rate, self.channels, longest=self.longest)
            except AudioError as error:
                place = f"{uid} in {self.folder.meta.shards[shard].name}"
                raise AudioError(str(error).replace(file.name, place)) from error
        return CaptionedAudio(uid, waveform, captions)


class ShardedCorpus(Corpus):
    """Sound files with captions in WebDataset tars, once `uat shards index` has indexed them.

    Args:
        url: The folder, or where fsspec finds it (``s3://...``).
        longest_file: Seconds of a clip that are read; longer clips are left out and reported.
        cache: Folder of this machine for indexes and for shards from elsewhere; the usual cache where None.
        cache_gigabytes: How much of the shards from elsewhere is kept, in GiB.
    """

    def __init__(
        self, url: str, longest_file: float = 120.0, cache: str | None = None, cache_gigabytes: float = 64.0
    ) -> None:
        self.folder = ShardFolder(url, Path(cache) if cache else None, int(cache_gigabytes * 2**30))
        self.longest_file = longest_file

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits that the tars' names tell of."""
        return tuple(self.folder.meta.splits)

    def source(self, split: str, sample_rate: int, channels: int) -> Source:
        """Return the clips of a split."""
        return ShardedAudio(self.folder, split, sample_rate, channels, self.longest_file)

    def description(self) -> dict[str, Any]:
        """Return the index' digest, which covers names, captions and content."""
        return {"index": self.folder.meta.index, "longest_file": self.longest_file}
