"""What a step of training costs: its arithmetic and what it keeps, measured on tensors that have no memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from uat_lightning.app.planning.tally import Tally, recomputed


@dataclass(frozen=True)
class Cost:
    """The cost of a loss and of its gradient.

    Args:
        forward: Floating-point operations of the loss; a multiplication and an addition are two.
        backward: Those of the gradient, and of what is computed again for it.
        kept: Bytes kept for the gradient beside weights and their copies.
        copies: Bytes of weights in half precision, as autocast makes them.
    """

    forward: int = 0
    backward: int = 0
    kept: int = 0
    copies: int = 0

    @property
    def flops(self) -> int:
        """Operations of both."""
        return self.forward + self.backward


def cost_of(
    loss: Callable[[], Tensor], weights: Iterable[Tensor], half: bool = False, again: Sequence[nn.Module] = ()
) -> Cost:
    """Return what a loss and its gradient cost; to be called in a ``FakeTensorMode``.

    Args:
        loss: Computes it.
        weights: All weights; they do not count as kept.
        half: Whether it is computed in automatic mixed precision.
        again: Blocks whose activations are made anew for the gradient.
    """
    tally = Tally(weights)
    with tally, recomputed(again, tally.keep):
        scored = _computed(loss, tally, half)
        forward, held = tally.flops, tally.bytes
        scored.backward()  # type: ignore[no-untyped-call]
        return Cost(forward, tally.flops - forward, held, tally.copies)


def kept_by(
    loss: Callable[[], Tensor], weights: Iterable[Tensor], half: bool = False, again: Sequence[nn.Module] = ()
) -> int:
    """Return the bytes that a loss keeps for its gradient, which is not computed; arguments as for ``cost_of``."""
    tally = Tally(weights)
    with tally, recomputed(again, tally.keep):
        _computed(loss, tally, half)
        return tally.bytes


def _computed(loss: Callable[[], Tensor], tally: Tally, half: bool) -> Tensor:
    precision: AbstractContextManager[object] = torch.autocast("cpu", torch.bfloat16) if half else nullcontext()
    with precision, torch.autograd.graph.saved_tensors_hooks(tally.keep, lambda value: value):
        return loss()
