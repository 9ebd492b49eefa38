"""The mean and the scatter of many rows, taken piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from uat_lightning.metrics.clip_records import ClipRecords


@dataclass(frozen=True)
class Moments:
    """What a Gaussian needs to know of rows; pieces merge to what the whole would give.

    Args:
        count: Number of rows, float64 ().
        mean: Their mean, float64 (width,).
        scatter: Sum of the outer products of their deviations from the mean, float64 (width, width).
    """

    count: Tensor
    mean: Tensor
    scatter: Tensor

    @classmethod
    def empty(cls, width: int) -> Moments:
        """Return the moments of no rows."""
        return cls.of(torch.zeros(0, width, dtype=torch.float64))

    @classmethod
    def of(cls, rows: Tensor) -> Moments:
        """Return the moments of rows (rows, width), in two passes, in float64 whatever the rows are in."""
        values = rows.detach().double()
        count = torch.tensor(float(len(values)), dtype=torch.float64, device=values.device)
        mean = values.sum(0) / count.clamp(min=1)
        apart = values - mean
        return cls(count, mean, apart.mT @ apart)

    @classmethod
    def from_covariance(cls, count: int, mean: Tensor, covariance: Tensor) -> Moments:
        """Return moments that somebody has stored as a mean (width,) and an unbiased covariance (width, width)."""
        return cls(torch.tensor(float(count), dtype=torch.float64), mean.double(), covariance.double() * (count - 1))

    @classmethod
    def joined(cls, pieces: Iterable[Moments]) -> Moments:
        """Return the moments of all rows of one or more pieces."""
        return reduce(cls.merged, pieces)

    def merged(self, other: Moments) -> Moments:
        """Return the moments of both pieces' rows (Chan, Golub & LeVeque 1983, equations 1.5)."""
        count = self.count + other.count
        step = other.mean - self.mean
        share = other.count / count.clamp(min=1)
        between = step.outer(step) * (self.count * share)
        return Moments(count, self.mean + step * share, self.scatter + other.scatter + between)

    def to(self, device: torch.device) -> Moments:
        """Return the moments on a device."""
        return Moments(self.count.to(device), self.mean.to(device), self.scatter.to(device))

    def packed(self) -> Tensor:
        """Return all three in one matrix (1 + width, 1 + width): what ranks can merge in one go."""
        top = torch.cat([self.count[None], self.mean])[None]
        return torch.cat([top, torch.cat([self.mean[:, None], self.scatter], dim=1)])

    @classmethod
    def unpacked(cls, matrix: Tensor) -> Moments:
        """Return the moments that were packed."""
        return cls(matrix[0, 0], matrix[0, 1:], matrix[1:, 1:])

    @property
    def covariance(self) -> Tensor:
        """The unbiased covariance (width, width); NaN for fewer than two rows."""
        degrees = self.count - 1
        return self.scatter / torch.where(degrees > 0, degrees, torch.nan)


class RunningMoments(ClipRecords):
    """The moments of the embeddings of clips, merged as they come: memory does not grow with the clips.

    A clip that is merged cannot be taken out again, so each rank holds its latest clip back: what
    ``DistributedSampler`` repeats is the last clip of a rank. It counts where no rank has merged it, and once. A clip
    that comes twice in any other way is an error.

    ``compute`` returns ``count``, ``mean`` and ``scatter`` as ``Moments`` takes them, and ``clips``.

    Args:
        width: Channels of the embeddings.
    """

    merged: Tensor
    merged_ids: list[Tensor]

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.add_state("merged", Moments.empty(width).packed(), dist_reduce_fx=_join_packed)
        self.add_state("merged_ids", [], dist_reduce_fx="cat")

    def update(self, embeddings: Sequence[Tensor], ids: Tensor) -> None:
        """Add the embeddings (frames, width) of each clip, with the clips' numbers in the whole set (clips,)."""
        self.record(embeddings, ids)
        known, pieces = self.pieces()
        if len(known) > 1:
            self.merged = _join_packed([self.merged, Moments.of(torch.cat(pieces[:-1])).packed()])
            self.merged_ids.append(known[:-1])
            self.record_ids, self.record_lengths, self.record_rows = [], [], []
            self.record(pieces[-1:], known[-1:])

    def compute(self) -> dict[str, Tensor]:
        """Return the moments of everything added.

        Raises:
            ValueError: If a clip came twice.
        """
        ids = self._joined("merged_ids").tolist()
        known = set(ids)
        if len(known) < len(ids):
            twice = next(clip for clip in ids if ids.count(clip) > 1)
            raise ValueError(f"clip {twice} came twice: give every clip its number in the whole set, and reset between")
        held = {clip: rows for clip, rows in self.clips().items() if clip not in known}
        whole = Moments.joined([Moments.unpacked(self.merged), *map(Moments.of, held.values())])
        return {**vars(whole), "clips": torch.tensor(len(ids) + len(held))}


def _join_packed(pieces: Iterable[Tensor]) -> Tensor:
    return Moments.joined(map(Moments.unpacked, pieces)).packed()
