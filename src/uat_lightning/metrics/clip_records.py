"""What metrics keep of each clip, so that they are right on several ranks and whatever a sampler repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class ClipRecords(Metric):
    """Keeps rows of numbers under each clip's id; base of metrics over clips.

    ``DistributedSampler`` repeats clips until every rank has the same number. Ids undo that: of the records of one id,
    one counts. They must be the clips' numbers in the whole set. The order in which clips arrive, and on which rank, is
    no matter, as they are sorted by their ids. Apple's MPS has no float64: keep the metric on the CPU there.

    Args:
        width: Numbers in a row.
    """

    full_state_update = False
    record_ids: list[Tensor]
    record_lengths: list[Tensor]
    record_rows: list[Tensor]

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        for name in ("record_ids", "record_lengths", "record_rows"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def record(self, rows: Tensor | Sequence[Tensor], ids: Tensor) -> None:
        """Add clips.

        Args:
            rows: One row for each clip (clips, width), or any number of rows for each of them, (rows, width).
            ids: Number of each clip in the whole set, integers (clips,).

        Raises:
            ValueError: If there is not one id for each clip.
        """
        if len(rows) != len(ids):
            raise ValueError(f"{len(ids)} ids for {len(rows)} clips: give every clip its number in the whole set")
        if len(ids):
            pieces = list(rows[:, None] if isinstance(rows, Tensor) else rows)
            self.record_ids.append(torch.as_tensor(ids).to(self.device, torch.int64))
            self.record_lengths.append(torch.tensor([len(piece) for piece in pieces], device=self.device))
            # To the device first: where the rows come from, there may be no float64.
            self.record_rows.append(torch.cat(pieces).detach().to(self.device).double())

    def pieces(self) -> tuple[Tensor, list[Tensor]]:
        """Return the ids (clips,) and each clip's rows (rows, width), as they came, with all that came twice."""
        lengths = self._joined("record_lengths").tolist()
        return self._joined("record_ids"), list(torch.split(self._joined("record_rows"), lengths))

    def clips(self) -> dict[int, Tensor]:
        """Return the rows (rows, width) of each clip by its id, in the order of the ids, each clip once."""
        ids, pieces = self.pieces()
        found: dict[int, Tensor] = {}
        for clip, piece in zip(ids.tolist(), pieces, strict=True):
            found.setdefault(clip, piece)
        return dict(sorted(found.items()))

    def rows(self) -> Tensor:
        """Return the rows of all clips in the order of their ids, float64 (rows, width)."""
        return torch.cat([self._empty("record_rows"), *self.clips().values()])

    def _joined(self, name: str) -> Tensor:
        state = getattr(self, name)
        return state if isinstance(state, Tensor) else torch.cat([self._empty(name), *state])

    def _empty(self, name: str) -> Tensor:
        if name == "record_rows":
            return torch.zeros(0, self.width, dtype=torch.float64, device=self.device)
        return torch.zeros(0, dtype=torch.int64, device=self.device)

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Gather from all ranks; one without clips takes part with nothing of the right type and width."""
        for name in self._reductions:
            if isinstance(getattr(self, name), list):
                setattr(self, name, [self._joined(name)])
        super()._sync_dist(*args, **kwargs)


class ClipMeans(ClipRecords):
    """Means over clips of numbers that each clip has on its own.

    ``compute`` returns the mean of each, ``clips``, and ``undefined``: the clips left out of a mean because their
    number is NaN, of all numbers together.

    Args:
        names: What the numbers of a row are.
    """

    def __init__(self, *names: str) -> None:
        super().__init__(len(names))
        self.names = names

    def compute(self) -> dict[str, Tensor]:
        """Return the means over everything added; NaN where there is nothing."""
        rows = self.rows()
        means = dict(zip(self.names, rows.nanmean(0), strict=True))
        return {**means, "clips": torch.tensor(len(rows)), "undefined": rows.isnan().any(-1).sum()}
