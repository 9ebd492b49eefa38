"""How likely a masked diffusion model finds captions: the negative evidence lower bound, NELBO."""

from __future__ import annotations

import torch
from torch import Tensor

from uat_lightning.metrics.clip_records import ClipRecords


def caption_nelbo(logits: Tensor, tokens: Tensor, hidden: Tensor, lengths: Tensor) -> Tensor:
    """Return an estimate of each caption's NELBO from one corruption of it, in nats, (rows,).

    ``n / k`` times the cross-entropy of the k hidden ones of n tokens, the words and the end (Nie et al. 2025, arXiv
    2502.09992, equation 14). Its mean is the NELBO where k is uniform over 1..n and every choice of k tokens equally
    likely, as ``MaskedAbsorbing`` hides them at t uniform.

    Args:
        logits: Scores of a canvas with hidden tokens, float (rows, positions, vocabulary).
        tokens: The clean token ids, int64 (rows, positions).
        hidden: What was hidden, bool (rows, positions); at least one token of each row. Padding does not count.
        lengths: Tokens of each row, (rows,).
    """
    places = torch.arange(tokens.shape[1], device=tokens.device)
    counted = hidden & (places < lengths[:, None])
    scores = logits if logits.dtype == torch.float64 else logits.float()
    nats = torch.nn.functional.cross_entropy(scores.mT, tokens, reduction="none")
    nelbo: Tensor = torch.where(counted, nats, 0).sum(-1) * lengths / counted.sum(-1)
    return nelbo


class CaptionNELBO(ClipRecords):
    """The mean NELBO of captions in nats, for one caption and for one token; right over several ranks and batches.

    ``compute`` returns the keys ``per_caption``, a mean over captions, and ``per_token``, all nats over all tokens;
    both are NaN where there were no captions.
    """

    higher_is_better = False

    def __init__(self) -> None:
        super().__init__(2)

    def update(self, logits: Tensor, tokens: Tensor, hidden: Tensor, lengths: Tensor, ids: Tensor) -> None:
        """Add captions; shapes as in ``caption_nelbo``, with the captions' numbers in the whole set (rows,)."""
        self.record(torch.stack([caption_nelbo(logits, tokens, hidden, lengths), lengths], -1), ids)

    def compute(self) -> dict[str, Tensor]:
        """Return the means over everything added, in nats."""
        nats, tokens = self.rows().unbind(-1)
        return {"per_caption": nats.mean(), "per_token": nats.sum() / tokens.sum()}
