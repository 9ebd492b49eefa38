"""What is kept from the forward pass for the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from uat_lightning.backbone.units import entrances, recompute


class Kept(TorchDispatchMode):
    """Counts the memory of tensors that are kept, each once.

    Args:
        weights: Tensors that do not count.
    """

    def __init__(self, weights: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # Storages are held, so that none is mistaken for a later one in its place.
        self.weights = {storage._cdata: storage for storage in (weight.untyped_storage() for weight in weights)}
        self.held: dict[int, torch.UntypedStorage] = {}
        self.copies = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Run an operation, and note where it copies a weight into another precision."""
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and args[0].untyped_storage()._cdata in self.weights:
            storage = out.untyped_storage()
            self.weights[storage._cdata] = storage
            self.copies += storage.nbytes()
        return out

    def keep(self, value: Tensor) -> Tensor:
        """Count a tensor that is kept, and return it."""
        storage = value.untyped_storage()
        if storage._cdata not in self.weights:
            self.held[storage._cdata] = storage
        return value

    @property
    def bytes(self) -> int:
        """Bytes kept so far."""
        return sum(storage.nbytes() for storage in self.held.values())


@contextmanager
def recomputed(blocks: Sequence[nn.Module], keep: Callable[[Tensor], object]) -> Iterator[None]:
    """Let blocks be recomputed for a while; what they are given is kept where torch's hooks do not see it.

    Args:
        blocks: The blocks.
        keep: Called with every tensor that one is given.
    """
    for block in blocks:
        recompute(block)
        for name in entrances(block):
            setattr(block, name, partial(_given, keep, getattr(block, name)))
    try:
        yield
    finally:
        for block in blocks:
            for name in entrances(block):
                delattr(block, name)


def _given(keep: Callable[[Tensor], object], call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    for value in _tensors_in((args, tuple(kwargs.values()))):
        keep(value)
    return call(*args, **kwargs)


def _tensors_in(value: object) -> Iterator[Tensor]:
    """Yield the tensors in tuples, lists and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors_in(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _tensors_in(getattr(value, field.name))
