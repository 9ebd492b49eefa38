"""Encoded clips on disk: latents and token ids, packed end to end and read through memory maps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from uat_lightning.types import Pair, Sequences

ARRAYS = ("latents", "frame_offsets", "tokens", "token_offsets", "caption_offsets")


@dataclass(frozen=True)
class EncodedClip:
    """One clip as the store keeps it.

    Args:
        latents: float32 (frames, channels).
        captions: Token ids of every caption, the end included, int64 (tokens,) each.
    """

    latents: NDArray[np.float32]
    captions: list[NDArray[np.int64]]


@dataclass(frozen=True)
class LatentStore:
    """Latents and captions of many clips.

    Args:
        latents: All frames, float32 (total frames, channels).
        frame_offsets: First frame of each clip, and the total, int64 (clips + 1,).
        tokens: All token ids, int64 (total tokens,).
        token_offsets: First token of each caption, and the total, int64 (captions + 1,).
        caption_offsets: First caption of each clip, and the total, int64 (clips + 1,).
    """

    latents: NDArray[np.float32]
    frame_offsets: NDArray[np.int64]
    tokens: NDArray[np.int64]
    token_offsets: NDArray[np.int64]
    caption_offsets: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.frame_offsets) - 1

    @classmethod
    def pack(cls, clips: Iterable[EncodedClip]) -> LatentStore:
        """Pack encoded clips end to end."""
        clips = list(clips)
        captions = [caption for clip in clips for caption in clip.captions]
        return cls(
            np.concatenate([clip.latents for clip in clips]),
            _offsets([len(clip.latents) for clip in clips]),
            np.concatenate(captions),
            _offsets([len(caption) for caption in captions]),
            _offsets([len(clip.captions) for clip in clips]),
        )

    def save(self, folder: Path) -> None:
        """Write one ``.npy`` file per array into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> LatentStore:
        """Map a saved store into memory."""
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS))

    def latents_of(self, clips: NDArray[np.int64], crops: NDArray[np.float64], longest: int | None = None) -> Sequences:
        """Gather the latents of clips, padded with zeros: (rows, frames, channels).

        Args:
            clips: Clip indices (rows,).
            crops: Numbers in [0, 1) that place the crop of a clip longer than ``longest``.
            longest: Frames kept of a clip; all where None.
        """
        starts, lengths = self.frame_offsets[clips], np.diff(self.frame_offsets)[clips]
        if longest is not None:
            starts = starts + (((lengths - longest).clip(min=0) + 1) * crops).astype(np.int64)
            lengths = lengths.clip(max=longest)
        return _gather(self.latents, starts, lengths, int(lengths.max(initial=1)), 0)

    def captions_of(
        self, clips: NDArray[np.int64], choices: NDArray[np.float64], canvas: int, padding: int
    ) -> Sequences:
        """Gather one caption of each clip: token ids (rows, canvas).

        Args:
            clips: Clip indices (rows,).
            choices: Numbers in [0, 1) that choose the caption.
            canvas: Token positions of the result.
            padding: The padding token.
        """
        counts = np.diff(self.caption_offsets)[clips]
        captions = self.caption_offsets[clips] + (counts * choices).astype(np.int64)
        lengths = np.diff(self.token_offsets)[captions]
        return _gather(self.tokens, self.token_offsets[captions], lengths, canvas, padding)

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


def _offsets(lengths: list[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _gather(
    flat: NDArray[np.generic], starts: NDArray[np.int64], lengths: NDArray[np.int64], width: int, padding: int
) -> Sequences:
    places = np.arange(width)
    inside = places < lengths[:, None]
    values = flat[np.where(inside, starts[:, None] + places, 0)]
    values[~inside] = padding
    return Sequences(torch.from_numpy(values), torch.from_numpy(lengths.copy()))
