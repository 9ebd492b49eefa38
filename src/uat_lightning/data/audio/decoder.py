"""The seam between sound files and what decodes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
BLOCK = 1 << 21  # samples decoded at once, over all channels


class Decoder(ABC):
    """An open sound file: what it holds, and any part of it. Use it in a ``with`` statement.

    Errors of the library behind it come out as ``AudioError``.
    """

    sample_rate: int
    """Frames per second, in Hz."""
    channels: int
    """Samples of a frame."""
    frames: int
    """Frames that the file claims to hold; there may be a tenth of a second less."""

    @abstractmethod
    def blocks(self, first: int, count: int) -> Iterator[Samples]:
        """Decode a part of the file, exactly the frames that reading the whole file gives at that place.

        Args:
            first: Number of the part's first frame.
            count: Frames wanted.

        Yields:
            Audio in [-1, 1] as float32 of shape (frames, channels), about ``BLOCK`` samples at a time; less than was
            wanted where the file ends before.
        """

    def close(self) -> None:
        """Let go of the file."""
        return

    def __enter__(self) -> Decoder:
        """Return the decoder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()
