"""What a step of training costs: its arithmetic and what it keeps, measured on tensors that have no memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from uat_lightning.app.planning.kept import Kept, recomputed


def _attention(query: Any, key: Any, value: Any, *_: object, **__: object) -> int:  # noqa: ANN401
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _attention_backward(out: Any, query: Any, key: Any, value: Any, *_: object, **__: object) -> int:  # noqa: ANN401
    return int(sdpa_backward_flop_count(out, query, key, value))  # type: ignore[no-untyped-call]


# torch counts the fused attention of GPUs; its twin on the CPU, which keeps as little, is the one that is called here.
# (Up to a length where the CPU takes plain products, which keep the scores: little at such lengths.)
ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


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
    kept = Kept(weights)
    with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter, kept, recomputed(again, kept.keep):
        scored = _computed(loss, kept, half)
        forward, held = counter.get_total_flops(), kept.bytes
        scored.backward()  # type: ignore[no-untyped-call]
        return Cost(forward, counter.get_total_flops() - forward, held, kept.copies)


def kept_by(
    loss: Callable[[], Tensor], weights: Iterable[Tensor], half: bool = False, again: Sequence[nn.Module] = ()
) -> int:
    """Return the bytes that a loss keeps for its gradient, which is not computed; arguments as for ``cost_of``."""
    kept = Kept(weights)
    with kept, recomputed(again, kept.keep):
        _computed(loss, kept, half)
        return kept.bytes


def _computed(loss: Callable[[], Tensor], kept: Kept, half: bool) -> Tensor:
    precision: AbstractContextManager[object] = torch.autocast("cpu", torch.bfloat16) if half else nullcontext()
    with precision, torch.autograd.graph.saved_tensors_hooks(kept.keep, lambda value: value):
        return loss()
