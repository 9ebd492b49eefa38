"""What is known where noise levels are drawn: the step, the process among all, the lengths of the rows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from uat_lightning.types import Pair


@dataclass(frozen=True)
class Occasion:
    """When, where and for which rows noise levels are drawn; a sampler is a function of it and of its own random draws.

    Args:
        step: Optimizer steps done, which a checkpoint brings back.
        batch: Number of the batch, the same on all ranks.
        rank: This process among all.
        ranks: Number of processes.
        lengths: Valid positions of the rows' audio and text, (rows,) each, where they are known.
        edits: Which rows are edits of a source, bool (rows,); no row may be one where None.
    """

    step: int = 0
    batch: int = 0
    rank: int = 0
    ranks: int = 1
    lengths: Pair[Tensor] | None = None
    edits: Tensor | None = None


ANYWHERE = Occasion()
