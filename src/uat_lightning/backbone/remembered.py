"""A condition whose stream was computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from uat_lightning.backbone.one_sided import OneSided, P_co
from uat_lightning.backbone.stream import Memory
from uat_lightning.types import Sequences


@dataclass(frozen=True)
class Remembered(OneSided[P_co]):
    """One modality's prediction beside the keys and values of the other, which stays.

    Args:
        predict: Takes noisy rows, their noise levels and this.
        mask: Valid positions of the condition, bool (rows, positions).
        t: Noise levels of the condition, (rows,).
        memories: Keys and values of the condition in every block.
        source: Valid frames of a source, bool (rows, frames), whose keys and values come after the condition's.
    """

    predict: Callable[[Sequences, Tensor, Remembered[P_co]], P_co]
    mask: Tensor
    t: Tensor
    memories: Sequence[Memory]
    source: Tensor | None = None

    def __call__(self, noisy: Sequences, t: Tensor) -> P_co:
        """Return the prediction for noisy rows at their noise levels, (rows,)."""
        return self.predict(noisy, t, self)

    def take(self, rows: Tensor) -> OneSided[P_co]:
        """Return the function for some of the conditions."""
        memories = [memory.take(rows) for memory in self.memories]
        source = None if self.source is None else self.source[rows]
        return replace(self, mask=self.mask[rows], t=self.t[rows], memories=memories, source=source)
