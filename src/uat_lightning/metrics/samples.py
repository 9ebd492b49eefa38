"""Metrics of numbered samples: right on any number of ranks, in any order, each sample counted once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class SampleMetric(Metric):
    """Base of metrics that keep something of every sample until all are there.

    A sampler that pads so that all ranks have equally many hands some samples out twice, and which depends on the
    number of ranks; so every sample comes with its number in the whole data set, and the first of equal numbers counts.
    Nothing is computed per batch: ``forward`` adds, as ``update`` does, and returns nothing.
    """

    full_state_update = False
    ids: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self._empty: dict[str, Tensor] = {}
        self.add_rows("ids", torch.int64)

    def add_rows(self, name: str, dtype: torch.dtype, *shape: int) -> None:
        """Register a state of rows, one tensor for each update.

        Args:
            name: The attribute that holds them.
            dtype: Their type.
            shape: Shape of one row.
        """
        self._empty[name] = torch.empty(0, *shape, dtype=dtype)
        self.add_state(name, default=[], dist_reduce_fx="cat")

    def rows(self, name: str) -> Tensor:
        """Return all rows of a state, of all ranks within ``compute``, on the CPU."""
        held = getattr(self, name)
        return dim_zero_cat(held).cpu() if len(held) else self._empty[name]

    def add_ids(self, ids: Tensor | Sequence[int], count: int) -> None:
        """Add the numbers of samples.

        Raises:
            ValueError: If they are not as many as the samples.
        """
        numbers = torch.as_tensor(ids, dtype=torch.int64, device=self.device).flatten()
        if len(numbers) != count:
            raise ValueError(f"{len(numbers)} ids for {count} samples: give each its number in the whole data set")
        self.ids.append(numbers)

    def each_once(self) -> list[int]:
        """Return where the first of each sample is among all rows, in the order of their numbers."""
        return [int(place) for place in np.unique(self.rows("ids").numpy(), return_index=True)[1]]

    def forward(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Add samples; arguments as of ``update``."""
        self.update(*args, **kwargs)

    def from_first_rank(self, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what the first rank makes, on every rank; to be called on all of them, within ``compute``.

        Args:
            make: Returns what JSON can hold; called on the first rank only.

        Raises:
            ValueError: If it raised that or an ``OSError`` on the first rank, with its message, on every rank.
        """
        return _from_first_rank(make, self.process_group, self.device) if self._is_synced else make()

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        # A rank without samples would send floats where the others send integers, and gloo ends the process.
        for name, empty in self._empty.items():
            if not len(getattr(self, name)):
                setattr(self, name, [empty.to(self.device)])
        super()._sync_dist(*args, **kwargs)


def _from_first_rank(make: Callable[[], dict[str, Any]], group: Any, device: torch.device) -> dict[str, Any]:  # noqa: ANN401
    first = distributed.get_global_rank(group, 0) if group else 0
    made = _attempt(make) if distributed.get_rank() == first else b""
    size = torch.tensor(len(made), device=device)
    distributed.broadcast(size, first, group)
    body = torch.zeros(int(size), dtype=torch.uint8, device=device)
    if made:
        body.copy_(torch.frombuffer(bytearray(made), dtype=torch.uint8))
    distributed.broadcast(body, first, group)
    answer: dict[str, Any] = json.loads(body.cpu().numpy().tobytes())
    if "failed" in answer:
        raise ValueError(answer["failed"])
    made_there: dict[str, Any] = answer["made"]
    return made_there


def _attempt(make: Callable[[], dict[str, Any]]) -> bytes:
    """Return the JSON of what was made or of why not: whatever happens, the other ranks must hear of it."""
    try:
        answer: dict[str, Any] = {"made": make()}
    except Exception as error:
        answer = {"failed": str(error) if isinstance(error, (ValueError, OSError)) else repr(error)}
    return json.dumps(answer).encode()
