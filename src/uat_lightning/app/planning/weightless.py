"""A model in full size that takes no memory, and what a loss needs to be computed with it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def without_memory(module: nn.Module) -> None:
    """Put tensors of the ``FakeTensorMode`` around it in the place of a module's own, such as the meta device's."""
    made: dict[int, Tensor] = {}
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, old in tensors.items():
                if old is not None:
                    tensors[name] = made.setdefault(id(old), _like(old))  # type: ignore[assignment]


def _like(old: Tensor) -> Tensor:
    new = torch.empty(old.shape, dtype=old.dtype)
    return nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new


class HiddenShare(TorchFunctionMode):
    """Lets ``nonzero`` find a share of all positions where nobody can look which ones are marked: the hidden words.

    Args:
        share: The share, 0 to 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Run a function, or find the share."""
        if func is torch.Tensor.nonzero:
            return args[0].new_empty((round(self.share * args[0].numel()), args[0].ndim), dtype=torch.int64)
        return func(*args, **(kwargs or {}))
