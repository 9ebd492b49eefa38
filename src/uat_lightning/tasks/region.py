"""Where an edit may change audio: spans that a user gives, or a soft mask that was found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from uat_lightning.codec import Codec


class Region(ABC):
    """How much of each moment may change: 0 keeps it, 1 leaves it to the edit."""

    @abstractmethod
    def frames(self, count: int, codec: Codec) -> Tensor:
        """Return how far each latent frame may change, (frames,)."""

    @abstractmethod
    def samples(self, count: int, sample_rate: int, codec: Codec) -> Tensor:
        """Return the share of the edit in each sample, (samples,); exactly 0 where the source's samples stay.

        Args:
            count: Samples of the audio.
            sample_rate: Samples per second of the audio, in Hz; that of a file may be another than the codec's.
            codec: The codec of the frames.
        """


@dataclass(frozen=True)
class Spans(Region):
    """Stretches of time.

    Args:
        seconds: Begin and end of each, in seconds, in order and apart.
        fade: Seconds over which the edit fades in and out, within each stretch.
    """

    seconds: Sequence[tuple[float, float]]
    fade: float = 0.03

    def __post_init__(self) -> None:
        """Check the stretches."""
        for begin, end in self.seconds:
            if not 0 <= begin < end:
                raise ValueError(f"region {begin:g}:{end:g} is none: it must begin at 0 or later and end after that")
        for (_, end), (begin, _) in pairwise(sorted(self.seconds)):
            if begin < end:
                raise ValueError(f"regions overlap at {begin:g} s: join them into one")

    def check_within(self, duration: float, name: str) -> None:
        """See that all stretches lie within audio, with a hundredth of a second to spare.

        Raises:
            ValueError: If one does not; the message names the audio.
        """
        for begin, end in self.seconds:
            if end > duration + 0.01:
                raise ValueError(f"region {begin:g}:{end:g} reaches beyond {name}, which lasts {duration:.2f} s")

    def frames(self, count: int, codec: Codec) -> Tensor:
        """Return 1 for frames that a stretch touches."""
        mask = torch.zeros(count)
        for begin, end in self.seconds:
            mask[int(begin * codec.frames_per_second) : -int(-end * codec.frames_per_second // 1)] = 1
        return mask

    def samples(self, count: int, sample_rate: int, codec: Codec) -> Tensor:
        """Return what rises from 0 at each begin and falls back to 0 at each end."""
        share = torch.zeros(count)
        for begin, end in self.seconds:
            first, last = round(begin * sample_rate), min(round(end * sample_rate), count)
            place, fade = torch.arange(last - first), max(1, round(self.fade * sample_rate))
            # A file's own beginning and end need no fade: nothing is on the other side.
            rising = place / fade if first > 0 else torch.ones(last - first)
            falling = (last - first - 1 - place) / fade if last < count else torch.ones(last - first)
            share[first:last] = torch.minimum(rising, falling).clamp(0, 1)
        return share


@dataclass(frozen=True)
class SoftMask(Region):
    """A mask over latent frames.

    Args:
        mask: How far each frame may change, 0 to 1, (frames,).
    """

    mask: Tensor

    def frames(self, count: int, codec: Codec) -> Tensor:
        """Return the mask, as far as it goes."""
        return torch.nn.functional.pad(self.mask[:count], (0, max(0, count - len(self.mask))))

    def samples(self, count: int, sample_rate: int, codec: Codec) -> Tensor:
        """Return the mask on a straight line between the middles of frames, 0 wherever it is 0 beside."""
        place = (torch.arange(count) + 0.5) / sample_rate * codec.frames_per_second - 0.5
        left = place.floor().long()
        values = [self.mask[(left + side).clamp(0, len(self.mask) - 1)] for side in (0, 1)]
        return torch.lerp(values[0], values[1], (place - left).float())


def pasted(source: Tensor, edited: Tensor, share: Tensor) -> Tensor:
    """Return the edit where its share is 1, the source's own samples where it is 0, and a cross-fade between.

    Args:
        source: Audio (channels, samples).
        edited: Audio of the same shape.
        share: Share of the edit, (samples,).
    """
    return torch.where(share > 0, source + share * (edited - source), source)
