"""Latents read from shards, without unpacking: a clip is a stretch of a tar."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from uat_lightning.data.encode import default_cache
from uat_lightning.data.shards import index as index_file
from uat_lightning.data.shards.files import ShardFiles
from uat_lightning.data.shards.index import ShardIndex, open_index
from uat_lightning.data.shards.latents import HEADER, WIDEST, header
from uat_lightning.data.shards.meta import NAME, PARTS, Meta, parse_meta
from uat_lightning.data.shards.places import open_place
from uat_lightning.data.store import Store
from uat_lightning.tensors import lengths_to_mask
from uat_lightning.text import Tokenizer
from uat_lightning.types import Sequences

GIGABYTE = 1 << 30


class ShardFolder:
    """An opened shard folder: what it says of itself, its index, its tars.

    Args:
        url: The folder, or where fsspec finds it (``s3://...``).
        cache: Folder of this machine for unpacked indexes, and for shards from elsewhere.
        limit: Bytes of shards from elsewhere that are kept.

    Raises:
        ValueError: If the folder is unfinished or damaged; the message says what to do.
    """

    def __init__(self, url: str | Path, cache: Path | None = None, limit: int = 64 * GIGABYTE) -> None:
        self.url, kept = str(url), (cache or default_cache()) / "shards"
        self.place, text = open_place(url, NAME, kept, limit)
        self.meta: Meta = parse_meta(text, f"{self.url}/{NAME}")
        self.index = open_index(self.place.file(index_file.NAME), self.meta.index, kept / "indexes")
        self.files = ShardFiles(self.place, self.meta.shards)
        _check(self.url, self.meta, self.index)

    def parts(self) -> Path:
        """Return the folder of codec and tokenizer, on this machine."""
        files = [self.place.file(f"{PARTS}/{name}") for name in self.meta.parts]
        if not files:
            raise ValueError(f"{self.url} names no codec and tokenizer: encode it with `uat encode`")
        return files[0].parent


def _check(url: str, meta: Meta, index: ShardIndex) -> None:
    """See that every clip lies inside its shard."""
    rows = range(len(index))
    shards, offsets, sizes = (index.numbers(column, rows) for column in ("shard", "offset", "size"))
    known = np.array([shard.size for shard in meta.shards], np.int64)
    inside = (shards >= 0) & (shards < len(known)) & (offsets >= 0) & (sizes >= 0)
    inside[inside] &= offsets[inside] <= known[shards[inside]] - sizes[inside]
    if len(index) != meta.clips or not inside.all():
        raise ValueError(f"{url}: the index and meta.json disagree, they are damaged: fetch them again or encode anew")


class ShardStore(Store):
    """The latents of a split, read from shards; captions become tokens when asked for.

    Args:
        folder: The shards.
        split: The split.
        tokenizer: Turns captions into token ids.
        source: One corpus of it; all where None.

    Raises:
        ValueError: If the shards hold no latents, or have no such split.
    """

    def __init__(self, folder: ShardFolder, split: str, tokenizer: Tokenizer, source: str | None = None) -> None:
        self.folder, self.tokenizer = folder, tokenizer
        self.rows, self.width = folder.meta.rows(split, source), folder.meta.latent_width
        if folder.meta.content != "latents" or not 0 < self.width <= WIDEST:
            raise ValueError(f"{folder.url} holds no latents: encode it with `uat encode`")
        self._frames, self._shards, self._offsets = (
            folder.index.numbers(column, self.rows) for column in ("frames", "shard", "offset")
        )
        sizes = folder.index.numbers("size", self.rows)
        if (self._frames <= 0).any() or (sizes != HEADER + 2 * self.width * self._frames).any():
            raise ValueError(f"{folder.url}: the index lists clips that are no latents of width {self.width}")

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.rows)

    @property
    def frames(self) -> NDArray[np.int64]:
        """Latent frames of each clip."""
        return self._frames

    @property
    def channels(self) -> int:
        """Latent channels."""
        return self.width

    @property
    def shard_offsets(self) -> NDArray[np.int64]:
        """First clip of each shard, and the total."""
        changes = np.flatnonzero(np.diff(self._shards)) + 1
        return np.concatenate([[0], changes, [len(self)]]).astype(np.int64)

    def latents_of(self, clips: NDArray[np.int64], crops: NDArray[np.float64], longest: int | None = None) -> Sequences:
        """Gather the latents of clips; see ``Store``."""
        lengths, starts = self._frames[clips], np.zeros(len(clips), np.int64)
        if longest is not None:
            starts = (((lengths - longest).clip(min=0) + 1) * crops).astype(np.int64)
            lengths = lengths.clip(max=longest)
        values = np.zeros((len(clips), int(lengths.max(initial=1)), self.width), "<f2")
        self.soon(clips)
        for row, clip in enumerate(clips.tolist()):
            self._read(clip, int(starts[row]), values[row, : lengths[row]])
        return Sequences(torch.from_numpy(values.astype(np.float16, copy=False)).float(), torch.from_numpy(lengths))

    def captions_of(
        self, clips: NDArray[np.int64], choices: NDArray[np.float64], canvas: int, padding: int
    ) -> Sequences:
        """Gather one caption of each clip; see ``Store``."""
        values = torch.full((len(clips), canvas), padding)
        if not len(clips):  # a rank may be left without rows
            return Sequences(values, torch.zeros(0, dtype=torch.int64))
        pairs = zip(clips.tolist(), choices.tolist(), strict=True)
        encoded = self.tokenizer.encode([_chosen(self.captions(clip), choice) for clip, choice in pairs])
        lengths = encoded.lengths.clamp(max=canvas)
        inside = lengths_to_mask(lengths, canvas)
        values[inside] = encoded.values[:, :canvas][inside[:, : encoded.values.shape[1]]]
        return Sequences(values, lengths)

    def captions(self, clip: int) -> list[str]:
        """Return all captions of a clip."""
        return list(self.folder.index.value("captions", self.rows[clip]))

    def uid(self, clip: int) -> str:
        """Return a clip's uid."""
        return str(self.folder.index.value("uid", self.rows[clip]))

    def soon(self, clips: NDArray[np.int64] | Sequence[int]) -> None:
        """Begin to fetch the shards of clips that will be asked for, where they are elsewhere."""
        self.folder.files.soon(np.unique(self._shards[clips]).tolist())

    def _read(self, clip: int, start: int, into: NDArray[np.float16]) -> None:
        """Read frames of a clip from ``start`` on."""
        descriptor, offset = self.folder.files.descriptor(int(self._shards[clip])), int(self._offsets[clip])
        begins = bytearray(HEADER)
        if start == 0:
            got = os.preadv(descriptor, [begins, into.data], offset) - HEADER
        else:
            os.preadv(descriptor, [begins], offset)
            got = os.preadv(descriptor, [into.data], offset + HEADER + 2 * start * self.width)
        if got != into.nbytes or begins != header(int(self._frames[clip]), self.width):
            shard = self.folder.meta.shards[int(self._shards[clip])].name
            raise ValueError(
                f"{self.uid(clip)} in {shard} is not the latents that the index says: fetch the shard again"
            )


def _chosen(captions: list[str], choice: float) -> str:
    if not captions:
        raise ValueError("the index lists a clip without captions: encode or index the folder anew")
    return captions[int(len(captions) * choice)]
