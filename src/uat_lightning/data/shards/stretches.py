"""Reading the clips that this process makes shards of, a few at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import Dataset

from uat_lightning.data.shards.long_files import LongFiles
from uat_lightning.data.shards.spans import Span
from uat_lightning.data.source import CaptionedAudio, Source


@dataclass(frozen=True)
class Heard:
    """A clip, or a part of one, to be encoded.

    Args:
        clip: The number in the corpus of the clip it is from.
        uid: A name that no other has.
        waveform: Audio of shape (channels, samples).
        captions: All of its captions.
    """

    clip: int
    uid: str
    waveform: Tensor
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Stretch:
    """Consecutive clips of one shard.

    Args:
        span: The shard.
        first: First clip number.
        stop: The number behind the last.
        heard: What is to be encoded, in order.
        skipped: Numbers and reasons of the clips that cannot be used.
    """

    span: Span
    first: int
    stop: int
    heard: tuple[Heard, ...] = ()
    skipped: tuple[tuple[int, str], ...] = ()

    def __len__(self) -> int:
        """Return the number of clips, unusable ones included."""
        return self.stop - self.first

    def to(self, *args: object, **kwargs: object) -> Stretch:
        """Move the audio to a device; takes what ``Tensor.to`` takes."""
        moved = (replace(each, waveform=each.waveform.to(*args, **kwargs)) for each in self.heard)  # type: ignore[call-overload]
        return replace(self, heard=tuple(moved))


class Stretches(Dataset[Stretch]):
    """The stretches of some shards, one shard after another.

    Args:
        sources: Clips of each split and corpus.
        spans: The shards.
        clips: Clips of a stretch.
        long_files: What becomes of long clips.
        sample_rate: Samples per second of the audio, in Hz.
    """

    def __init__(
        self,
        sources: Mapping[str, Mapping[str, Source]],
        spans: Sequence[Span],
        clips: int,
        long_files: LongFiles,
        sample_rate: int,
    ) -> None:
        self.sources, self.long_files, self.sample_rate = sources, long_files, sample_rate
        self.stretches = [
            Stretch(span, first, min(first + clips, span.stop))
            for span in spans
            for first in range(span.first, span.stop, clips)
        ]

    def __len__(self) -> int:
        """Return the number of stretches."""
        return len(self.stretches)

    def __getitem__(self, place: int) -> Stretch:
        """Read a stretch."""
        stretch, heard, skipped = self.stretches[place], [], []
        source = self.sources[stretch.span.split][stretch.span.source]
        for number in range(stretch.first, stretch.stop):
            try:
                heard += self._parts(number, source[number])
            except ValueError as error:
                skipped.append((number, str(error)))
        return replace(stretch, heard=tuple(heard), skipped=tuple(skipped))

    def _parts(self, number: int, clip: CaptionedAudio) -> list[Heard]:
        if not clip.captions:
            raise ValueError(f"{clip.uid} has no caption")
        waveform = torch.from_numpy(clip.waveform)
        parts = self.long_files.cut(waveform.shape[1], self.sample_rate)
        captions = tuple(_unicode(caption) for caption in clip.captions)
        uids = [f"{clip.uid}#{part}" for part in range(len(parts))] if len(parts) > 1 else [clip.uid]
        return [
            Heard(number, _unicode(uid), waveform[:, first:stop], captions)
            for uid, (first, stop) in zip(uids, parts, strict=True)
        ]


def _unicode(text: str) -> str:
    """Return a text in which bytes that are not UTF-8, as file names may hold, are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()
