"""Masked (absorbing) diffusion of caption tokens."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from uat_lightning.diffusion.base import Corrupted, Objective
from uat_lightning.types import Sequences


class MaskedAbsorbing(Objective):
    """Hides an exact number of tokens and asks for them back.

    A row of n tokens (its words and the end) at noise level t has ``ceil(t n)`` of them masked. The NELBO's weight
    n / masked and its mean over n tokens leave the mean cross-entropy of the masked tokens ("exact count" estimator,
    arXiv 2502.09992, bounded weights). With t uniform the number masked is uniform over 1..n. Times n, the
    words' loss under the exact posterior is the negative log-likelihood where all texts fill the canvas; where lengths
    differ and a canvas does not tell its length, the bound is not tight.

    The padding after the end is a function of the end: it is hidden and shown together with it. Where it is hidden,
    the loss asks for it too, all of it weighing as much as one token, so that a position beyond the end is never
    mistaken for a word. A noisy canvas is attended whole, because the true length is not known while writing.

    Args:
        mask_id: The mask token; ``BytePairTokenizer`` has it at 2.
        pad_weight: Weight of the hidden padding, in tokens.
    """

    def __init__(self, mask_id: int = 2, pad_weight: float = 1.0) -> None:
        self.mask_id, self.pad_weight = mask_id, pad_weight

    def hidden(self, lengths: Tensor, t: Tensor, positions: int, generator: Generator | None = None) -> Tensor:
        """Choose what to hide, bool (rows, positions): ``ceil(t length)`` of each row's tokens, and the tail."""
        order = torch.rand(len(lengths), positions, generator=generator, device=lengths.device)
        beyond = torch.arange(positions, device=lengths.device) >= lengths[:, None]
        rank = order.masked_fill(beyond, 2.0).argsort(-1).argsort(-1)
        count = torch.ceil(t * lengths - 1e-6).clamp(min=t > 0)
        hidden = rank < count[:, None]
        end_hidden = hidden.gather(1, lengths[:, None] - 1)
        return hidden | (beyond & end_hidden)

    def corrupt(self, clean: Sequences, t: Tensor, generator: Generator | None = None) -> Corrupted:
        """Mask token ids (rows, canvas) at noise levels (rows,)."""
        ids, positions = clean.values, clean.values.shape[1]
        hidden = self.hidden(clean.lengths, t, positions, generator)
        noisy_lengths = torch.where(t > 0, positions, clean.lengths)
        noisy = Sequences(torch.where(hidden, self.mask_id, ids), noisy_lengths)
        return Corrupted(noisy, ids, self._weight(hidden, clean))

    def _weight(self, hidden: Tensor, clean: Sequences) -> Tensor:
        word, tail = hidden & clean.mask, hidden & ~clean.mask
        words = word.sum(-1, keepdim=True).clamp(min=1)
        pads = tail.sum(-1, keepdim=True).clamp(min=1)
        return word / words + self.pad_weight * tail / (pads * words)

    def loss(self, prediction: Tensor, corrupted: Corrupted) -> Tensor:
        """Return the mean cross-entropy of each row's hidden tokens, in nats, (rows,)."""
        nats = torch.nn.functional.cross_entropy(prediction.mT.float(), corrupted.target, reduction="none")
        return (nats * corrupted.weight).sum(-1)
