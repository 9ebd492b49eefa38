"""Encoded clips by number: what training reads, whether packed in a cache, joined from several, or in shards.

Latents are kept in half precision, whose rounding is far below what any codec loses, and given out in single precision.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from uat_lightning.types import Pair, Sequences

ARRAYS = ("latents", "frame_offsets", "tokens", "token_offsets", "caption_offsets")
SOURCES = "sources"  # the array that only edits have
HALF_MAX = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class EncodedClip:
    """One clip as the store keeps it.

    Args:
        latents: float32 (frames, channels).
        captions: Token ids of every caption, the end included, int64 (tokens,) each.
        source: Latents that the clip is an edit of, of the same shape; None where it is none.
    """

    latents: NDArray[np.float32]
    captions: list[NDArray[np.int64]]
    source: NDArray[np.float32] | None = None


class Store(ABC):
    """Encoded clips by number; cheap to make and to copy to workers."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of clips."""

    @property
    @abstractmethod
    def frames(self) -> NDArray[np.int64]:
        """Latent frames of each clip, int64 (clips,)."""

    @property
    def shard_offsets(self) -> NDArray[np.int64]:
        """First clip of each shard, and the total, int64 (shards + 1,); one shard where all clips are near."""
        return np.array([0, len(self)])

    @property
    @abstractmethod
    def channels(self) -> int:
        """Latent channels."""

    @property
    def holds_edits(self) -> bool:
        """Whether some of the clips are edits of others, with instructions for captions; none by default."""
        return False

    def edits(self, clips: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which clips are edits, bool (rows,)."""
        return np.full(len(clips), self.holds_edits)

    def sources_of(self, clips: NDArray[np.int64], crops: NDArray[np.float64], longest: int | None = None) -> Sequences:
        """Gather what clips are edits of, cut as ``latents_of`` cuts them; of length 0 for those that are none."""
        none = torch.zeros(len(clips), dtype=torch.int64)
        return Sequences(torch.zeros(len(clips), 1, self.channels), none)

    @abstractmethod
    def latents_of(self, clips: NDArray[np.int64], crops: NDArray[np.float64], longest: int | None = None) -> Sequences:
        """Gather the latents of clips, padded with zeros: float32 (rows, frames, channels).

        Args:
            clips: Clip numbers (rows,).
            crops: Numbers in [0, 1) that place the crop of a clip longer than ``longest``.
            longest: Frames kept of a clip; all where None.
        """

    @abstractmethod
    def captions_of(
        self, clips: NDArray[np.int64], choices: NDArray[np.float64], canvas: int, padding: int
    ) -> Sequences:
        """Gather one caption of each clip: token ids (rows, canvas).

        Args:
            clips: Clip numbers (rows,).
            choices: Numbers in [0, 1) that choose the caption.
            canvas: Token positions of the result.
            padding: The padding token.
        """

    def pairs(
        self,
        clips: NDArray[np.int64],
        choices: NDArray[np.float64],
        crops: NDArray[np.float64],
        canvas: int,
        padding: int,
        longest: int | None = None,
    ) -> Pair[Sequences]:
        """Gather latents and captions; arguments as above."""
        return Pair(self.latents_of(clips, crops, longest), self.captions_of(clips, choices, canvas, padding))


@dataclass(frozen=True)
class LatentStore(Store):
    """Latents and captions of many clips, packed end to end and read through memory maps.

    Args:
        latents: All frames, float16 (total frames, channels).
        frame_offsets: First frame of each clip, and the total, int64 (clips + 1,).
        tokens: All token ids, int64 (total tokens,).
        token_offsets: First token of each caption, and the total, int64 (captions + 1,).
        caption_offsets: First caption of each clip, and the total, int64 (clips + 1,).
        sources: What all frames are edits of, shaped as the latents; None where the clips are no edits.
    """

    latents: NDArray[np.float16]
    frame_offsets: NDArray[np.int64]
    tokens: NDArray[np.int64]
    token_offsets: NDArray[np.int64]
    caption_offsets: NDArray[np.int64]
    sources: NDArray[np.float16] | None = None

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.frame_offsets) - 1

    @property
    def frames(self) -> NDArray[np.int64]:
        """Latent frames of each clip."""
        return np.diff(self.frame_offsets)

    @property
    def channels(self) -> int:
        """Latent channels."""
        return int(self.latents.shape[1])

    @property
    def holds_edits(self) -> bool:
        """Whether the clips are edits."""
        return self.sources is not None

    @classmethod
    def pack(cls, clips: Iterable[EncodedClip]) -> LatentStore:
        """Pack encoded clips end to end.

        Raises:
            ValueError: If a latent is beyond half precision, or some clips are edits and others are not.
        """
        clips = list(clips)
        sources = [clip.source for clip in clips if clip.source is not None]
        if len(sources) not in (0, len(clips)):
            raise ValueError(f"{len(sources)} of {len(clips)} clips are edits: keep them and others in two corpora")
        captions = [caption for clip in clips for caption in clip.captions]
        return cls(
            np.concatenate([halved(clip.latents) for clip in clips]),
            offsets_of([len(clip.latents) for clip in clips]),
            np.concatenate(captions),
            offsets_of([len(caption) for caption in captions]),
            offsets_of([len(clip.captions) for clip in clips]),
            np.concatenate([halved(source) for source in sources]) if sources else None,
        )

    def save(self, folder: Path) -> None:
        """Write one ``.npy`` file per array into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ARRAYS if self.sources is None else (*ARRAYS, SOURCES):
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> LatentStore:
        """Map a saved store into memory."""
        names = (*ARRAYS, SOURCES) if (folder / f"{SOURCES}.npy").exists() else ARRAYS
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names))

    def latents_of(self, clips: NDArray[np.int64], crops: NDArray[np.float64], longest: int | None = None) -> Sequences:
        """Gather the latents of clips; see ``Store``."""
        return self._frames_of(self.latents, clips, crops, longest)

    def sources_of(self, clips: NDArray[np.int64], crops: NDArray[np.float64], longest: int | None = None) -> Sequences:
        """Gather what clips are edits of; see ``Store``."""
        if self.sources is None:
            return super().sources_of(clips, crops, longest)
        return self._frames_of(self.sources, clips, crops, longest)

    def _frames_of(
        self, flat: NDArray[np.float16], clips: NDArray[np.int64], crops: NDArray[np.float64], longest: int | None
    ) -> Sequences:
        starts, lengths = _spans(self.frame_offsets, clips)
        if longest is not None:
            starts = starts + (((lengths - longest).clip(min=0) + 1) * crops).astype(np.int64)
            lengths = lengths.clip(max=longest)
        kept = _gather(flat, starts, lengths, int(lengths.max(initial=1)), 0)
        return Sequences(kept.values.float(), kept.lengths)

    def captions_of(
        self, clips: NDArray[np.int64], choices: NDArray[np.float64], canvas: int, padding: int
    ) -> Sequences:
        """Gather one caption of each clip; see ``Store``."""
        first, counts = _spans(self.caption_offsets, clips)
        starts, lengths = _spans(self.token_offsets, first + (counts * choices).astype(np.int64))
        return _gather(self.tokens, starts, lengths, canvas, padding)


def halved(latents: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return latents in half precision.

    Raises:
        ValueError: If one is beyond ±65504, or not finite.
    """
    largest = float(np.abs(latents).max(initial=0))
    if not largest <= HALF_MAX:
        raise ValueError(
            f"a latent of {largest:g} is beyond half precision: let the codec scale its latents to about 1"
        )
    return latents.astype(np.float16)


def offsets_of(lengths: list[int]) -> NDArray[np.int64]:
    """Return where each of several stretches begins that lie end to end, and their total, int64 (stretches + 1,)."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _spans(offsets: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return offsets[rows], offsets[rows + 1] - offsets[rows]


def _gather(
    flat: NDArray[np.generic], starts: NDArray[np.int64], lengths: NDArray[np.int64], width: int, padding: int
) -> Sequences:
    places = np.arange(width)
    inside = places < lengths[:, None]
    values = flat[np.where(inside, starts[:, None] + places, 0)]
    values[~inside] = padding
    return Sequences(torch.from_numpy(values), torch.from_numpy(lengths.copy()))
