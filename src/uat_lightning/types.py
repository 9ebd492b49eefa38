"""The words the whole house speaks: a pair of modalities, padded sequences, a training batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

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

    def take(self, rows: Tensor | slice) -> Sequences:
        """Return some rows, padded as they are."""
        return Sequences(self.values[rows], self.lengths[rows])

    def repeat(self, times: int) -> Sequences:
        """Return all rows ``times`` over: first every row once, then every row again."""
        return Sequences(torch.cat([self.values] * times), torch.cat([self.lengths] * times))


@dataclass(frozen=True)
class Batch:
    """Rows of both training directions in one batch.

    Args:
        clean: Latents of shape (rows, frames, channels) and token ids of shape (rows, tokens).
        generation: True where a row teaches audio from text, False where it teaches text from audio; bool (rows,).
        generation_rows: How many are True, known on the host; counted where None.
    """

    clean: Pair[Sequences]
    generation: Tensor
    generation_rows: int | None = None

    def __post_init__(self) -> None:
        """Count while the rows are still on the host, so that no training step waits for a device to tell."""
        if self.generation_rows is None:
            object.__setattr__(self, "generation_rows", int(self.generation.sum()))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.generation)

    def to(self, *args: object, **kwargs: object) -> Batch:
        """Move the batch to a device; takes what ``Tensor.to`` takes."""
        clean = Pair(*(side.to(*args, **kwargs) for side in self.clean))
        generation: Tensor = self.generation.to(*args, **kwargs)  # type: ignore[call-overload]
        return Batch(clean, generation, self.generation_rows)

    def pin_memory(self) -> Batch:
        """Return a copy in page-locked memory."""
        clean = Pair(*(side.pin_memory() for side in self.clean))
        return Batch(clean, self.generation.pin_memory(), self.generation_rows)
