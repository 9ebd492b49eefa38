"""A clip's latents as bytes: ``.npy``, always float16 of shape (frames, channels).

Of the two formats without code in them, ``.npy`` is the one that WebDataset's and numpy's own readers know, and its
header has one length: where a frame lies follows from its number alone. A header is compared with the one expected and
never interpreted, so that nothing but plain half-precision numbers can pass.
"""

from __future__ import annotations

import functools
import io

import numpy as np
from numpy.typing import NDArray

SUFFIX = ".npy"
HEADER = 128  # bytes before the numbers
WIDEST = 1 << 16  # channels; beyond it a description is damaged


@functools.lru_cache(maxsize=4096)
def header(frames: int, width: int) -> bytes:
    """Return the bytes before the numbers of latents (frames, width)."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f2", "fortran_order": False, "shape": (frames, width)})
    return stream.getvalue()


def packed(latents: NDArray[np.float16]) -> bytes:
    """Return latents (frames, width) as the content of a ``.npy`` file."""
    return header(*latents.shape) + latents.astype("<f2", order="C", copy=False).tobytes()
