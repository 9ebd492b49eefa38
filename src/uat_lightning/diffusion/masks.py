"""What all masked processes of captions share: the tail that goes with the end, the canvas, the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from uat_lightning.backbone import TextPrediction
from uat_lightning.diffusion.base import Corrupted
from uat_lightning.types import Sequences


def with_tail(hidden: Tensor, lengths: Tensor) -> Tensor:
    """Hide the padding where the end is hidden, and show it where the end is shown: bool (rows, positions)."""
    beyond = torch.arange(hidden.shape[1], device=lengths.device) >= lengths[:, None]
    end_hidden = hidden.gather(1, lengths[:, None] - 1)
    return torch.where(beyond, end_hidden, hidden)


def masked(clean: Sequences, t: Tensor, hidden: Tensor, weight: Tensor, mask_id: int) -> Corrupted:
    """Return canvases with masks where ``hidden`` is True, bool (rows, positions).

    A noisy canvas is in view as a whole, because the true length is not known while writing.
    """
    lengths = torch.where(t > 0, clean.values.shape[1], clean.lengths)
    return Corrupted(Sequences(torch.where(hidden, mask_id, clean.values), lengths), clean.values, weight)


def shared_out(hidden: Tensor, clean: Sequences, divisor: Tensor, pad_weight: float) -> Tensor:
    """Return a weight for every hidden position, (rows, positions): that of a word, and the tail's.

    Args:
        hidden: What is hidden, bool (rows, positions).
        clean: The clean rows.
        divisor: One over the weight of each hidden token of a row, (rows, 1).
        pad_weight: Weight of the whole hidden tail, in tokens.
    """
    word, tail = hidden & clean.mask, hidden & ~clean.mask
    pads = tail.sum(-1, keepdim=True).clamp(min=1)
    return word / divisor + pad_weight * tail / (pads * divisor)


def cross_entropy(prediction: TextPrediction, corrupted: Corrupted) -> Tensor:
    """Return the weighted cross-entropy of each row's hidden tokens, in nats, (rows,)."""
    return (prediction.nats(corrupted.target, corrupted.weight > 0) * corrupted.weight).sum(-1)
