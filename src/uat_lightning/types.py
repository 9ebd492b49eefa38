"""The words the whole house speaks: a pair of modalities, padded sequences, a training batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from uat_lightning.tensors import lengths_to_mask

T = TypeVar("T")


@dataclass(frozen=True)
class Pair(Generic[T]):
    """Something of the audio and the same thing of the text, always in this order."""

    audio: T
    text: T

    def __iter__(self) -> Iterator[T]:
        """Yield the audio side, then the text side."""
        yield self.audio
        yield self.text


@dataclass(frozen=True)
class Sequences:
    """Rows of unequal length, padded to the longest.

    Args:
        values: Latents, float of shape (rows, positions, channels), or token ids, int64 of shape (rows, positions).
        lengths: Valid positions of each row, int64 of shape (rows,).
    """

    values: Tensor
    lengths: Tensor

    @property
    def mask(self) -> Tensor:
        """True at valid positions, bool of shape (rows, positions)."""
        return lengths_to_mask(self.lengths, self.values.shape[1])

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def to(self, *args: object, **kwargs: object) -> Sequences:
        """Move the lengths and values to a device; takes what ``Tensor.to`` takes."""
        return Sequences(self.values.to(*args, **kwargs), self.lengths.to(*args, **kwargs))  # type: ignore[call-overload]

    def pin_memory(self) -> Sequences:
        """Return a copy in page-locked memory."""
        return Sequences(self.values.pin_memory(), self.lengths.pin_memory())

    def trimmed(self) -> Sequences:
        """Return the rows without padding that none of them needs."""
        return Sequences(self.values[:, : int(self.lengths.max())], self.lengths)

    def take(self, rows: Tensor | slice) -> Sequences:
        """Return some rows, padded as they are."""
        return Sequences(self.values[rows], self.lengths[rows])

    def followed_by(self, others: Sequences) -> Sequences:
        """Return these rows and then others, padded with zeros to the wider of the two."""
        width = max(self.values.shape[1], others.values.shape[1])
        both = [_widened(side.values, width) for side in (self, others)]
        return Sequences(torch.cat(both), torch.cat([self.lengths, others.lengths]))

    def filled_up(self, rows: int) -> Sequences:
        """Return ``rows`` rows: these, and then others of length 0."""
        missing, values = rows - len(self), self.values
        return self.followed_by(
            Sequences(values.new_zeros(missing, *values.shape[1:]), self.lengths.new_zeros(missing))
        )

    def repeat(self, times: int) -> Sequences:
        """Return all rows ``times`` over: first every row once, then every row again."""
        return Sequences(torch.cat([self.values] * times), torch.cat([self.lengths] * times))


def _widened(values: Tensor, width: int) -> Tensor:
    missing = width - values.shape[1]
    return values if not missing else torch.cat([values, values.new_zeros(len(values), missing, *values.shape[2:])], 1)


@dataclass(frozen=True)
class Batch:
    """Rows of both training directions in one batch.

    Args:
        clean: Latents of shape (rows, frames, channels) and token ids of shape (rows, tokens).
        generation: True where a row teaches audio from text, False where it teaches text from audio; bool (rows,).
        further: Further captions of the captioning rows: one more for each of them, then the next for each, and so on;
            no rows where None.
        generation_rows: How many rows teach audio from text, known on the host; counted where below 0.
        shares: How many rows teach audio, and how many text, over the mean of all ranks' batches: 1 where all ranks
            have equally many.
        sources: Latents that each generation row is an edit of, in their order; of length 0 for rows that are none, and
            None where no row of the data is.
    """

    clean: Pair[Sequences]
    generation: Tensor
    further: Sequences | None = None
    generation_rows: int = -1
    shares: Pair[float] = Pair(1.0, 1.0)
    sources: Sequences | None = None

    def __post_init__(self) -> None:
        """Count while the rows are still on the host, so that no training step waits for a device to tell."""
        if self.generation_rows < 0:
            object.__setattr__(self, "generation_rows", int(self.generation.sum()))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.generation)

    @property
    def captions(self) -> int:
        """Captions of each captioning row."""
        heard = len(self) - self.generation_rows
        return 1 if self.further is None else 1 + len(self.further) // max(heard, 1)

    def sorted(self) -> Pair[Sequences]:
        """Return the generation rows, then the captioning rows, and in the text all further captions after them."""
        order = self.generation.logical_not().argsort(stable=True)
        audio, text = (side.take(order) for side in self.clean)
        return Pair(audio, text if self.further is None else text.followed_by(self.further))

    def to(self, *args: object, **kwargs: object) -> Batch:
        """Move the batch to a device; takes what ``Tensor.to`` takes."""
        return self._with(lambda part: part.to(*args, **kwargs))

    def pin_memory(self) -> Batch:
        """Return a copy in page-locked memory."""
        return self._with(lambda part: part.pin_memory())

    def _with(self, change: Callable[[Any], Any]) -> Batch:
        further, sources = (None if part is None else change(part) for part in (self.further, self.sources))
        clean = Pair(*map(change, self.clean))
        return Batch(clean, change(self.generation), further, self.generation_rows, self.shares, sources)
