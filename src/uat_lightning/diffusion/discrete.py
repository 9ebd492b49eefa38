"""Masked (absorbing) diffusion of caption tokens."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from uat_lightning.backbone import TextPrediction
from uat_lightning.diffusion.base import Corrupted
from uat_lightning.diffusion.masks import cross_entropy, masked, shared_out, with_tail
from uat_lightning.diffusion.text_process import AnyOrderProcess
from uat_lightning.types import Sequences


class MaskedAbsorbing(AnyOrderProcess):
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
        return with_tail(rank < count[:, None], lengths)

    def corrupt(self, clean: Sequences, t: Tensor, generator: Generator | None = None) -> Corrupted:
        """Mask token ids (rows, canvas) at noise levels (rows,)."""
        hidden = self.hidden(clean.lengths, t, clean.values.shape[1], generator)
        words = (hidden & clean.mask).sum(-1, keepdim=True).clamp(min=1)
        return masked(clean, t, hidden, shared_out(hidden, clean, words, self.pad_weight), self.mask_id)

    def loss(self, prediction: TextPrediction, corrupted: Corrupted) -> Tensor:
        """Return the mean cross-entropy of each row's hidden tokens, in nats, (rows,)."""
        return cross_entropy(prediction, corrupted)


class MaskedBernoulli(AnyOrderProcess):
    """Hides every token with the same probability and asks for the hidden ones back, as UAT, MDLM and LLaDA do.

    At noise level t a token is hidden with probability ``(1 - eps) t`` and its cross-entropy weighs ``1 / t``
    (Sahoo et al. 2024, arXiv 2406.07524; Shi et al. 2024, arXiv 2406.04329). A row of n tokens (its words and the end)
    divides the sum by n, whatever was hidden: the loss is in nats per token, and its mean over t uniform is the NELBO
    over n, that of ``MaskedAbsorbing`` but for the share eps of the noisiest levels. One draw varies more: its
    weights go up to ``1 / eps``, and the number of hidden tokens is itself random.

    The null condition is the same as anywhere else: at t = 1 everything is hidden. The padding goes with the end and
    weighs as much as one token, see ``MaskedAbsorbing``.

    Args:
        mask_id: The mask token; ``BytePairTokenizer`` has it at 2.
        pad_weight: Weight of the hidden padding, in tokens.
        eps: Keeps a token in sight at the highest levels, and bounds the weight at the lowest; above 0, below 1.
    """

    def __init__(self, mask_id: int = 2, pad_weight: float = 1.0, eps: float = 1e-3) -> None:
        if not 0 < eps < 1:
            raise ValueError(f"eps must be above 0 and below 1, got {eps}")
        self.mask_id, self.pad_weight, self.eps = mask_id, pad_weight, eps

    def hidden(self, lengths: Tensor, t: Tensor, positions: int, generator: Generator | None = None) -> Tensor:
        """Choose what to hide, bool (rows, positions): each token by its own chance, and the tail with the end."""
        chance = torch.where(t < 1, (1 - self.eps) * t, 1.0)
        drawn = torch.rand(len(lengths), positions, generator=generator, device=lengths.device)
        return with_tail(drawn < chance[:, None], lengths)

    def corrupt(self, clean: Sequences, t: Tensor, generator: Generator | None = None) -> Corrupted:
        """Mask token ids (rows, canvas) at noise levels (rows,)."""
        hidden = self.hidden(clean.lengths, t, clean.values.shape[1], generator)
        divisor = (t.clamp(min=self.eps) * clean.lengths)[:, None]
        return masked(clean, t, hidden, shared_out(hidden, clean, divisor, self.pad_weight), self.mask_id)

    def loss(self, prediction: TextPrediction, corrupted: Corrupted) -> Tensor:
        """Return the cross-entropy of each row's hidden tokens, over t and over all its tokens, in nats, (rows,)."""
        return cross_entropy(prediction, corrupted)
