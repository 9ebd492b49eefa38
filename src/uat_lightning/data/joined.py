"""Several stores of encoded clips under one numbering."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from uat_lightning.data.store import Store, offsets_of
from uat_lightning.types import Sequences


class JoinedStore(Store):
    """Several stores under one numbering: the clips of the first, then those of the second, and so on.

    Args:
        stores: At least one, all of the same codec and tokenizer.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores, self.offsets = list(stores), offsets_of([len(store) for store in stores])

    def __len__(self) -> int:
        """Return the number of clips in all stores."""
        return int(self.offsets[-1])

    @property
    def frames(self) -> NDArray[np.int64]:
        """Latent frames of each clip."""
        return np.concatenate([store.frames for store in self.stores])

    @property
    def channels(self) -> int:
        """Latent channels."""
        return self.stores[0].channels

    @property
    def holds_edits(self) -> bool:
        """Whether the clips of some store are edits."""
        return any(store.holds_edits for store in self.stores)

    def edits(self, clips: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which clips are edits, bool (rows,)."""
        return np.array([store.holds_edits for store in self.stores])[self._owners(clips)]

    def latents_of(self, clips: NDArray[np.int64], crops: NDArray[np.float64], longest: int | None = None) -> Sequences:
        """Gather the latents of clips; see ``Store``."""
        return self._gathered(clips, lambda store, here, rows: store.latents_of(here, crops[rows], longest))

    def sources_of(self, clips: NDArray[np.int64], crops: NDArray[np.float64], longest: int | None = None) -> Sequences:
        """Gather what clips are edits of; see ``Store``."""
        return self._gathered(clips, lambda store, here, rows: store.sources_of(here, crops[rows], longest))

    def captions_of(
        self, clips: NDArray[np.int64], choices: NDArray[np.float64], canvas: int, padding: int
    ) -> Sequences:
        """Gather one caption of each clip; see ``Store``."""
        return self._gathered(clips, lambda store, here, rows: store.captions_of(here, choices[rows], canvas, padding))

    def _owners(self, clips: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self.offsets, clips, side="right") - 1

    def _gathered(
        self,
        clips: NDArray[np.int64],
        gather: Callable[[Store, NDArray[np.int64], NDArray[np.int64]], Sequences],
    ) -> Sequences:
        """Ask every store that has rows for all of its own at once, and put the rows back into their order."""
        owners = self._owners(clips)
        asked = np.unique(owners) if len(owners) else np.zeros(1, np.int64)
        rows = [np.flatnonzero(owners == owner) for owner in asked]
        parts = [
            gather(self.stores[owner], clips[here] - self.offsets[owner], here)
            for owner, here in zip(asked, rows, strict=True)
        ]
        joined = functools.reduce(Sequences.followed_by, parts)
        return joined.take(torch.from_numpy(np.argsort(np.concatenate(rows))))
