"""Where clips come from: anything with a length that gives captioned audio by index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CaptionedAudio:
    """A clip and what is said of it.

    Args:
        uid: A name that no other clip has.
        waveform: Audio in [-1, 1], float32 of shape (channels, samples).
        captions: All captions of the clip, at least one; instructions where it is an edit.
        source: What the clip is an edit of, of the same shape; None where it is none.

    Raises:
        ValueError: If a source is longer or shorter than the clip, or has other channels.
    """

    uid: str
    waveform: NDArray[np.float32]
    captions: tuple[str, ...]
    source: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """See that an edit lines up with its source."""
        if self.source is not None and self.source.shape != self.waveform.shape:
            both = f"{self.waveform.shape}, of something of shape {self.source.shape}"
            raise ValueError(f"{self.uid} is an edit of shape {both}: both must be alike")


class Source(ABC):
    """Captioned clips by index; cheap to make and to copy to workers."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of clips."""

    @abstractmethod
    def __getitem__(self, index: int) -> CaptionedAudio:
        """Read or make one clip.

        Raises:
            ValueError: If the clip cannot be used; the message names it and says why.
        """

    def uid(self, index: int) -> str:
        """Return the name of a clip without reading it; its number where a source cannot tell."""
        return str(index)
