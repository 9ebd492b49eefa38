"""A network's blocks as units: what is recomputed, sharded and gathered as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


def blocks_of(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the blocks of a network: the members of its lists of modules, but not of lists within them."""
    for child in network.children():
        yield from child if isinstance(child, nn.ModuleList) else blocks_of(child)


def entrances(block: nn.Module) -> tuple[str, ...]:
    """Return the names of the methods that a block is called by: its ``entered_by``, else ``forward``."""
    named: tuple[str, ...] = getattr(block, "entered_by", ("forward",))
    return named


def recompute(block: nn.Module) -> None:
    """Let a block keep only what it is given: the backward pass makes its activations anew (arXiv 1604.06174).

    The gradient is the same. The block stays the same module, with the same names of weights: its methods are
    checkpointed, where torch's ``checkpoint_wrapper`` would put a module around it whose ``forward`` alone is.
    """
    for name in entrances(block):
        if name not in vars(block):  # a second time changes nothing
            setattr(block, name, partial(checkpoint, getattr(block, name), use_reentrant=False))
